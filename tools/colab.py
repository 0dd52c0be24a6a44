"""The chapters as plain notebooks, for Colab, Kaggle and any Jupyter that knows no MyST: ``notebooks/colab``.

    python -m tools.colab           write them all, from the chapters as they are stored
    python -m tools.colab --check   say which are not what the chapters give

Citations stand as author and year with a link, figures, equations and exercises have the numbers of the book, solutions
and the code of drawings are folded. Badges and launch buttons open these notebooks. The code is the chapters', line by
line.
"""

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools import notebooks, repository
from tools.book_labels import Labels, labels
from tools.plain_markdown import Page, convert
from tools.sphinx_chapters import in_order

ROOT = Path(__file__).resolve().parent.parent
GLUED = "application/papermill.record/text/plain"
LAUNCH = re.compile(r"^\[Open in Colab\]\(\S+\)$", re.MULTILINE)
LEFT = re.compile(
    r"\{[a-z][\w:.-]*\}`"  # a role
    r"|^\s*(?:`{3,}|:{3,})\{"  # a directive
    r"|^\([\w-]+\)=|^\$\$[ \t]*\([\w-]+\)"  # a label
    r"|\[[^\]]*\]\((?![a-z]+:)[^)\s]+\)"  # a link to a file that is not beside the notebook
    r"|\{[a-z]+-(?:start|end)\}",
    re.MULTILINE,
)
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}, "_kg_hide-input": True}  # Colab, JupyterLab, Kaggle


def glued(nb: NotebookNode) -> dict[str, str]:
    """The texts that the chapter's cells have glued under a name, as they are stored."""
    found = {}
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if name := output.get("metadata", {}).get("scrapbook", {}).get("name"):
                found[name] = str(ast.literal_eval(output.data[GLUED])) if GLUED in output.data else ""
    return found


def _launch(name: str, page: Page) -> str:
    kaggle = f"https://www.kaggle.com/kernels/welcome?src={page.file(f'colab/{name}')}"
    return (
        f"Open in [Colab]({page.edition(name)}) or [Kaggle]({kaggle}). This edition is made from the book's own "
        f"[{name}]({page.file(name)}); figures, equations and exercises have the book's numbers. Drawn "
        "figures, and what solutions print, appear when you run the cells. Words such as *ARL*, *resolved* and "
        f"*exploratory*, and what ± says, are in the [glossary]({page.file('../book/glossary.md')})."
    )


def _is_noise(output: NotebookNode) -> bool:
    """Whether it is a glued text, which stands in its sentence, or the mere name of what is not stored: a figure, or
    controls."""
    named = output.get("data", {}).get("text/plain", "").startswith(("<Figure size", "Explorer("))
    return named or "scrapbook" in output.get("metadata", {})


def _code(cell: NotebookNode, page: Page) -> list[NotebookNode]:
    """The cell, folded if the book folds it, and the caption of the figure that it draws."""
    tags = cell.metadata.get("tags", [])
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    number = page.reference(figure["name"]) if "name" in figure else ""
    title = ""
    if "setup" in tags:
        title = "Setup"
    elif page.solution:
        title = page.solution
    elif {"hide-input", "hide-cell"} & set(tags):
        title = f"Code of {number}" if number else "Code"
    metadata: dict[str, Any] = {**FOLDED} if title else {}
    if {"hide-output", "hide-cell"} & set(tags) and not number:  # what has a caption is looked at
        metadata["jupyter"] = {**metadata.get("jupyter", {}), "outputs_hidden": True}
        metadata["collapsed"] = True
    plain = nbformat.from_dict(cell)
    plain.metadata = nbformat.from_dict(metadata | ({"tags": ["setup"]} if "setup" in tags else {}))
    plain.source = f"# @title {title}\n{cell.source}" if title else cell.source
    # What a solution prints is not for the eyes of those who have not tried, so it is not stored.
    plain.outputs = [output for output in plain.outputs if not page.solution and not _is_noise(output)]
    if not number:
        return [plain]
    caption = " ".join(convert(figure["caption"], page).split())
    return [plain, new_markdown_cell(f"*{number}. {caption}*", id=f"{cell.id[:50]}-caption")]


def edition(path: Path, of: Labels, lives_at: str) -> NotebookNode:
    """The plain notebook of one chapter. Raises ValueError, with the chapter's name, for what has no plain form."""
    nb = nbformat.read(path, as_version=4)
    page = Page(path.name, of, lives_at, glued(nb))
    cells: list[NotebookNode] = []
    for cell in nb.cells:
        if cell.cell_type == "code":
            cells += _code(cell, page)
            continue
        source = cell.source if cells else LAUNCH.sub(_launch(path.name, page).replace("\\", r"\\"), cell.source)
        if text := convert(source, page):
            cells.append(new_markdown_cell(text, id=cell.id))
    plain = nbformat.from_dict(nb)
    plain.cells = cells
    plain.metadata["colab"] = {"provenance": [], "toc_visible": True}
    return plain


def left_over(nb: NotebookNode) -> list[str]:
    """Whatever a reader without MyST would see raw: roles, directives, labels, links that lead nowhere from there."""
    found = []
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            fences = re.sub(r"^(`{3,})(?!\{).*?^\1\s*$", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            found += [match[0] for match in LEFT.finditer(re.sub(r"(?<![}`])(`+)(?!`).+?(?<!`)\1(?!`)", "`", fences))]
    return found


def editions(root: Path = ROOT) -> dict[Path, str]:
    """The text of every plain notebook, by the place where it belongs."""
    paths = in_order(root)
    of, lives_at = labels(paths, root / "book" / "references.bib"), repository.lives_at(root)
    return {path.parent / "colab" / path.name: nbformat.writes(edition(path, of, lives_at)) + "\n" for path in paths}


def stale(root: Path = ROOT) -> list[Path]:
    """Stored plain notebooks that are missing, differ from what their chapter gives, or have no chapter."""
    wanted = editions(root)
    differ = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return differ + [path for path in sorted(root.glob("notebooks/colab/*.ipynb")) if path not in wanted]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description="Write the chapters as plain notebooks.")
    parser.add_argument("--check", action="store_true", help="only say which are not up to date")
    options = parser.parse_args(arguments)
    try:
        old = stale()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in old:
        says = "is not what its chapter gives: run `python -m tools.colab`" if options.check else "written"
        print(f"{path.relative_to(ROOT)}: {says}")
    if options.check:
        return int(bool(old))
    wanted = editions()
    for path in old:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            notebooks.write(nbformat.reads(wanted[path], as_version=4), path)
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
