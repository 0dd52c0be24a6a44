"""A Sphinx extension: what the pages must know of chapters.

Figures, equations and exercises are numbered within their chapter, as in "Fig. 5.2". The chapters carry their numbers
in their titles, so Sphinx knows of none and would count through the whole book. Pages whose file name starts with the
same two digits share one count, in the order of the contents: what a chapter moves to a page of its own,
``NN_deeper_….ipynb``, goes on counting. All other pages count together, with plain numbers, and their figures have
none: a page of prose has few, and a number that goes on from another page would look like a chapter's.

The launch button of a chapter opens its edition for Colab, which lies in ``notebooks/colab`` under the same name.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

CHAPTER = re.compile(r"^notebooks/(\d\d)_")


def chapter_of(page: str) -> int | None:
    """The number of the chapter to which a page belongs; None for a page of prose."""
    found = CHAPTER.match(page)
    return int(found[1]) if found else None


def is_deeper(path: PurePath) -> bool:
    """Whether a notebook holds what its chapter has moved to a page of its own."""
    return "_deeper_" in path.name


def in_order(root: Path) -> list[Path]:
    """Every chapter of the book, each followed by its deeper pages: the order of the contents."""
    return sorted(
        root.glob("notebooks/[0-9][0-9]_*.ipynb"), key=lambda path: (path.name[:2], is_deeper(path), path.name)
    )


class Count:
    """Gives one number after another: ``(5, 1), (5, 2), …`` in chapter 5, ``(1,), (2,), …`` on the pages of prose."""

    def __init__(self) -> None:
        self.given: dict[tuple[int | None, str], int] = defaultdict(int)

    def next(self, chapter: int | None, kind: str) -> tuple[int, ...]:
        self.given[chapter, kind] += 1
        number = self.given[chapter, kind]
        return (number,) if chapter is None else (chapter, number)


def renumber(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Replace the numbers that Sphinx has just given; pages, and what stands on them, keep Sphinx's order."""
    count = Count()
    for page, kinds in env.toc_fignumbers.items():
        if chapter_of(page) is None:
            kinds.pop("figure", None)
        for kind, numbers in kinds.items():
            for label in numbers:
                numbers[label] = count.next(chapter_of(page), kind)
    return []


def launch_edition(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the theme's launch button open the edition for Colab."""
    for group in context.get("header_buttons", []) if chapter_of(page) else []:
        for button in group.get("buttons", []):
            if "colab" in button.get("url", ""):
                button["url"] = button["url"].replace("/notebooks/", "/notebooks/colab/")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-get-updated", renumber, priority=900)  # after Sphinx's own count
    app.connect("html-page-context", launch_edition, priority=900)  # after the theme made the button
    return {"version": "1", "parallel_read_safe": True}
