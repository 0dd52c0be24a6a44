"""The assignments: their questions, variants, and the wrong answers that prove the tests."""

import importlib
from functools import cache
from pathlib import Path

from ..spec import Assignment

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("soft_mask", "mask_gradient", "residual_learning", "read_attention")


@cache
def load(name: str) -> Assignment:
    """The assignment of that name; ValueError for another."""
    if name not in NAMES:
        raise ValueError(f"there is no assignment {name!r}; there are {', '.join(NAMES)}")
    found: Assignment = importlib.import_module(f"grading.assignments.{name}").ASSIGNMENT
    return found
