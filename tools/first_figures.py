"""The first figure of a chapter, kept as a picture because it stands above the cell that draws it.

A code cell tagged ``first-figure`` draws it. Whenever `tools.notebooks` runs and stores the chapter, the cell's picture
is written to ``book/_static/first/NN.png``, and with it the digest of the cell's source: a picture that another cell
has drawn than the one that is stored now is found by `tools.notebooks --check`, and so by the tests.
"""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from resattn.zoo.checkpoints import write_aside

TAG = "first-figure"
KEY = "cell"  # of the digest among the texts of the picture
NAMED = re.compile(r"\.\./book/_static/first/(\d\d\.png)")


class NoPicture(ValueError):
    """The cell that should draw the first figure shows no picture, or several."""


def cells(nb: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in nb.cells if TAG in cell.metadata.get("tags", [])]


def digest(cell: NotebookNode) -> str:
    return hashlib.sha256(cell.source.encode()).hexdigest()


def picture(chapter: Path) -> Path:
    """Where the picture of this chapter lies."""
    return chapter.parents[1] / "book" / "_static" / "first" / f"{chapter.name[:2]}.png"


def keep(nb: NotebookNode, chapter: Path) -> None:
    """Write the picture that the tagged cell of a chapter that has just run shows. Raises NoPicture if it shows none
    or several."""
    for cell in cells(nb):
        shown = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        if len(shown) != 1:
            raise NoPicture(f"the cell tagged {TAG!r} must show one picture, shows {len(shown)}")
        drawn = Image.open(io.BytesIO(base64.b64decode(shown[0]))).convert("RGB")
        texts = PngInfo()
        texts.add_text(KEY, digest(cell))
        goal = picture(chapter)
        goal.parent.mkdir(parents=True, exist_ok=True)
        drawn = drawn.quantize(256, dither=Image.Dither.NONE)
        write_aside(goal, partial(drawn.save, format="PNG", pnginfo=texts, optimize=True))


def breaches(nb: NotebookNode, chapter: Path) -> Iterator[str]:
    """One sentence for each way in which the chapter's picture is not the one that its cell draws."""
    top = nb.cells[0].source if nb.cells else ""
    named, drawing, goal = NAMED.findall(top), cells(nb), picture(chapter)
    if len(drawing) != len(named):
        yield f"{len(named)} first figures are named and {len(drawing)} cells are tagged {TAG!r}: one of each, or none"
    elif named and named != [goal.name]:
        yield f"the first figure must be {goal.name}, the chapter's number; is {named[0]}"
    elif named and not goal.exists():
        yield f"the first figure {goal.name} is missing: run the chapter with python -m tools.notebooks"
    elif named and Image.open(goal).info.get(KEY) != digest(drawing[0]):
        yield f"the first figure {goal.name} was drawn by another cell than the one that is stored: run the chapter"
