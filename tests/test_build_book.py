"""The build of the book stops at a failing cell and at a warning, and never shows what an older package computed.

A book of two pages, with the configuration of the real one, is built in a temporary folder.
"""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.build_book import Book

CELL = "from pathlib import Path\nprint('the package says', Path('../resattn/words.py').read_text())"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    root = tmp_path / "book root"  # a space, as users' folders have
    (root / "resattn").mkdir(parents=True)
    (root / "resattn" / "words.py").write_text("'one'")
    shutil.copy(ROOT / "_config.yml", root)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "sphinx_chapters.py", root / "tools")
    shutil.copy(ROOT / "requirements.txt", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/preface\nchapters:\n  - file: notebooks/01_x\n")
    write_page(root, "# Preface\n\nHello.\n")
    write_chapter(root, CELL)
    return Book(root)


def write_page(root: Path, text: str) -> None:
    (root / "book" / "preface.md").write_text(text)


def write_chapter(root: Path, source: str, name: str = "01_x", title: str = "# 1. A chapter") -> None:
    (root / "notebooks").mkdir(exist_ok=True)
    cells = [new_markdown_cell(title), new_code_cell(source, id="only")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), root / "notebooks" / f"{name}.ipynb")


def page(book: Book) -> str:
    return (book.html / "notebooks" / "01_x.html").read_text()


def test_changed_package_is_executed_again(book: Book, capfd) -> None:
    assert book.build() and "the package says 'one'" in page(book).replace("&#39;", "'")
    assert book.build() and "is up to date" in capfd.readouterr().out

    (book.root / "resattn" / "words.py").write_text("'two'")
    assert not book.is_current()
    assert book.build() and "the package says 'two'" in page(book).replace("&#39;", "'")


def test_chapters_side_by_side_are_executed_once_each(book: Book, capfd) -> None:
    """Each writes a line to a file and waits for the other's: one after the other, they would wait for ever."""
    wait = (
        "import pathlib, time\n"
        "with open('../ran', 'a') as file: print({name!r}, file=file)\n"
        "end = time.monotonic() + 60\n"
        "while {other!r} not in pathlib.Path('../ran').read_text(): assert time.monotonic() < end; time.sleep(0.1)"
    )
    write_chapter(book.root, wait.format(name="one", other="two"))
    write_chapter(book.root, wait.format(name="two", other="one"), "02_y", "# 2. Another")
    with open(book.root / "_toc.yml", "a") as toc:
        toc.write("  - file: notebooks/02_y\n")
    assert book.build(jobs=2)
    assert sorted((book.root / "ran").read_text().split()) == ["one", "two"]
    assert "01_x.ipynb executed" in capfd.readouterr().out


def test_changed_data_is_executed_again(book: Book, monkeypatch) -> None:
    monkeypatch.setattr("resattn.data.at_hand", lambda: "scenes")
    before = book.execution_digest()
    monkeypatch.setattr("resattn.data.at_hand", lambda: "cifar10")
    assert book.execution_digest() != before


def numbered(letter: str) -> str:
    """A figure, an equation, an exercise, and a sentence that refers to them."""
    return (
        f"```{{figure}} ../book/_static/logo.svg\n:name: fig-{letter}\n:alt: The logo of the book.\nThe logo.\n```\n\n"
        f"$$\nx\n$$ (eq-{letter})\n\n```{{exercise}} Count\n:label: ex-{letter}\nHow many?\n```\n\n"
        f"The three: {{numref}}`fig-{letter}`, {{eq}}`eq-{letter}`, {{ref}}`ex-{letter}`.\n\n"
    )


def test_numbers_start_anew_in_each_chapter(book: Book) -> None:
    prose = numbered("p").replace("{numref}`fig-p`", "{ref}`the figure <fig-p>`")
    write_page(book.root, "# Preface\n\n" + prose)
    write_chapter(book.root, "1", title="# 1. A chapter\n\n" + numbered("a") + numbered("b"))
    write_chapter(book.root, "1", "12_y", "# 12. Another\n\n" + numbered("c") + "Not {eq}`eq-b`.")
    write_chapter(book.root, "1", "12_z", "# 12. What is deeper\n\n" + numbered("d"))
    with open(book.root / "_toc.yml", "a") as toc:
        toc.write("  - file: notebooks/12_y\n  - file: notebooks/12_z\n")
    assert book.build()
    text = {
        path.stem: BeautifulSoup(path.read_text(), "html.parser").article.get_text()
        for path in (*book.html.glob("notebooks/*.html"), book.html / "book" / "preface.html")
    }
    assert "The three: the figure, (1), Exercise 1" in text["preface"]
    assert "Fig." not in text["preface"], "a page of prose shows its figures without numbers"
    assert "The three: Fig. 1.1, (1.1), Exercise 1.1" in text["01_x"]
    assert "The three: Fig. 1.2, (1.2), Exercise 1.2" in text["01_x"]
    assert "The three: Fig. 12.1, (12.1), Exercise 12.1" in text["12_y"] and "Not (1.2)." in text["12_y"]
    assert "The three: Fig. 12.2, (12.2), Exercise 12.2" in text["12_z"]
    for caption in ("Fig. 12.1", "(12.1)", "Exercise 12.1"):
        assert text["12_y"].count(caption) == 2, "where it stands and where it is referred to"


def test_glued_text_stands_in_the_sentence(book: Book) -> None:
    (book.root / "notebooks" / "01_x.ipynb").unlink()
    write_chapter(
        book.root,
        "from resattn.figures import glue\nglue('share', '37.2 ± 0.4 %')",
        title="# 1. It is {glue:text}`share`.",
    )
    shutil.rmtree(book.root / "resattn")  # not that one
    assert book.build()
    heading = BeautifulSoup(page(book), "html.parser").article.h1.get_text()
    assert "1. It is 37.2 ±\N{NO-BREAK SPACE}0.4\N{NO-BREAK SPACE}%." in heading


def test_the_launch_button_opens_the_edition_for_colab(book: Book) -> None:
    assert book.build()
    (link,) = re.findall(r'href="(https://colab[^"]+)"', page(book))
    assert link.endswith("/blob/main/notebooks/colab/01_x.ipynb")


def test_a_cell_that_raises_stops_the_build(book: Book, capfd) -> None:
    write_chapter(book.root, "raise RuntimeError('the reason')")
    assert not book.build() and not book.is_current()
    assert "the reason" in capfd.readouterr().err


def test_a_warning_stops_the_build_each_time(book: Book, capfd) -> None:
    write_page(book.root, "# Preface\n\n{numref}`fig-that-is-not-there`\n")
    assert not book.build()
    assert "fig-that-is-not-there" in capfd.readouterr().err
    assert not book.is_current() and not book.build()
