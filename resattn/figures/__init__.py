"""What a reader sees: the style of the book, images beside their masks, curves and bars, drawings of the network, and
explorers that answer in a running notebook."""

from . import diagrams, drawing, mask_plots, player, plots, widgets

__all__ = ["diagrams", "drawing", "mask_plots", "player", "plots", "widgets"]
