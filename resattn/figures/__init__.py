"""What a reader sees: the style of the book, images beside their masks, curves and bars, drawings of the network, and
explorers that answer in a running notebook."""

from . import diagrams, drawing, mask_plots, player, plots, widgets
from .prose import glue

__all__ = ["diagrams", "drawing", "glue", "mask_plots", "player", "plots", "widgets"]
