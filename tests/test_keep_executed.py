"""What nbval has executed is what the book shows; what has failed, or has a widget, is executed by the book.

Each chapter of a small book writes a line when it runs, so that runs can be counted.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.build_book import Book

RUN = "with open('../ran', 'a') as file: print({name!r}, file=file)\nprint('hello')"
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([0, 1]);\nplt.show()"
WIDGET = "import ipywidgets\nipywidgets.IntSlider()"
CHAPTERS = {  # name -> what its second cell does; whether nbval finds what is stored
    "01_same": (FIGURE, True),
    "02_other": ("print('what is not stored')", False),
    "03_widget": (WIDGET, True),
    "04_raises": ("raise RuntimeError('the reason')", False),
}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    root = tmp_path / "book"
    for folder in ("resattn", "tools", "notebooks", "book"):
        (root / folder).mkdir(parents=True)
    for name in ("_config.yml", "requirements.txt", "tools/sphinx_chapters.py", "book/references.bib"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    (root / "resattn" / "words.py").write_text("'one'")
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "book" / "preface.md").write_text("# Preface\n\nHello.\n")
    files = "".join(f"  - file: notebooks/{name}\n" for name in CHAPTERS)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/preface\nchapters:\n" + files)
    for name, (source, _) in CHAPTERS.items():
        hello = new_output("stream", name="stdout", text="hello\n")
        cells = [
            new_markdown_cell(f"# {name}"),
            new_code_cell(RUN.format(name=name), execution_count=1, outputs=[hello]),
            new_code_cell(source, execution_count=2, outputs=stored(source)),
        ]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=metadata), root / "notebooks" / f"{name}.ipynb")
    return Book(root)


def stored(source: str) -> list[nbformat.NotebookNode]:
    """As a chapter has it: text, and no picture."""
    if source == FIGURE:
        return [new_output("display_data", {"text/plain": "<Figure size 640x480 with 1 Axes>"})]
    if source == WIDGET:
        text = "IntSlider(value=0)"
        return [new_output("execute_result", {"text/plain": text}, execution_count=2)]
    return []


def check_notebooks(book: Book) -> str:
    """The step of `make test`, on the chapters of this book."""
    command = [sys.executable, "-m", "pytest", "-p", "tools.keep_executed", "-n", "2", "--dist", "loadfile", "-v"]
    command += ["--rootdir", str(book.root), "--nbval", "--nbval-current-env", "notebooks"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=book.root, env=environment, capture_output=True, text=True).stdout


def runs(book: Book) -> list[str]:
    return sorted((book.root / "ran").read_text().split())


def test_a_chapter_that_passed_is_not_executed_again(book: Book) -> None:
    said = check_notebooks(book)
    assert "6 passed" in said and "2 failed" in said, said
    assert runs(book) == [*CHAPTERS], "each once"

    book.execute(jobs=1)
    again = [name for name in CHAPTERS if name != "01_same"]
    assert runs(book) == sorted([*CHAPTERS, *again])

    (book.root / "notebooks" / "04_raises.ipynb").unlink()
    (book.root / "_toc.yml").write_text(
        (book.root / "_toc.yml").read_text().replace("  - file: notebooks/04_raises\n", "")
    )
    assert book.build()
    assert runs(book) == sorted([*CHAPTERS, *again])
    page = (book.html / "notebooks" / "01_same.html").read_text()
    assert "hello" in page and ".svg" in page, "with its figure, sharp at every size"
