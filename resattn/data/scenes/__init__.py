"""Scenes, small painted pictures with the true masks of their objects, from shapes to the whole picture."""

from .render import CLASSES, KINDS, RenderedScenes, render

__all__ = ["CLASSES", "KINDS", "RenderedScenes", "render"]
