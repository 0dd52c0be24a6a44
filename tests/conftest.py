"""Shared by all tests: where the repository is, and the built book."""

from pathlib import Path

import pytest
import torch

from tools.build_book import BOOK, ROOT
from tools.sphinx_chapters import in_order, is_deeper

PAGES = in_order(ROOT)  # the chapters, each followed by its deeper pages
CHAPTERS = [path for path in PAGES if not is_deeper(path)]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book; built first if it is not current."""
    assert BOOK.build(), "the book does not build: see the warnings above"
    return BOOK.html


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same random numbers, whichever tests run before it."""
    torch.manual_seed(0)
