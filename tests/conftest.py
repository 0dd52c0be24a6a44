"""Shared by all tests: where the repository is, and the built book."""

from pathlib import Path

import pytest
import torch

from tools.build_book import BOOK, ROOT

CHAPTERS = sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book; built first if it is not current."""
    assert BOOK.build(), "the book does not build: see the warnings above"
    return BOOK.html


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same random numbers, whichever tests run before it."""
    torch.manual_seed(0)
