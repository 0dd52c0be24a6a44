"""The Residual Attention Network (Wang et al., CVPR 2017): derived, built, trained and looked into."""

from . import data
from .analysis import look
from .networks import create, list_models
from .zoo import load_pretrained

__version__ = "0.1.0"
__all__ = ["create", "data", "list_models", "load_pretrained", "look"]
