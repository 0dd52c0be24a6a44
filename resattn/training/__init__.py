"""How the network learns: recipes, the loop that follows one, evaluation, and where all of it is computed, on one
device or by several processes."""

from . import distributed
from .devices import pick_device, pick_precision
from .epochs import TrainingError
from .evaluation import Loader, evaluate
from .loop import fit, make_optimizer
from .recipes import RECIPES, Recipe

__all__ = [
    "RECIPES",
    "Loader",
    "Recipe",
    "TrainingError",
    "distributed",
    "evaluate",
    "fit",
    "make_optimizer",
    "pick_device",
    "pick_precision",
]
