"""What a reader sees: the style of the book, images beside their masks, curves and bars, drawings of the network, and
explorers that answer in a running notebook."""

from . import diagrams, drawing, map_plots, mask_plots, plots, widgets
from .forest import forest
from .prose import glue
from .tables import Table

__all__ = ["Table", "diagrams", "drawing", "forest", "glue", "map_plots", "mask_plots", "plots", "widgets"]
