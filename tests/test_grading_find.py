"""How answers are found and files are read: the cases that no mishap of the table has."""

import json
import zipfile
from pathlib import Path

import pytest
from nbformat import NotebookNode

from grading import find, notebooks
from grading.assignments import load
from grading.marks import MOST_TEXT, grade, key
from grading.prove import SEED, cell

BLANK = "def f(x):\n    # your code here\n    raise NotImplementedError"


def cells(*entries: tuple[str, str, str]) -> list[find.Cell]:
    return [find.Cell(kind, text, mark, find.parsed(text)) for kind, text, mark in entries]


def found(*entries: tuple[str, str, str]) -> find.Answer | None:
    return find.answer(cells(*entries), "f", BLANK, {"g"})


def test_a_renamed_answer_is_taken_where_it_can_be_no_other() -> None:
    one = "def mine(x):\n    return x"
    answer = found(("code", one, "f"))
    assert answer is not None and answer.name == "mine" and "must be called f" in answer.note
    answer = found(("code", f"def g(x):\n    return 1\n\n{one}", "f"))  # g is the answer to another question
    assert answer is not None and answer.name == "mine"
    assert found(("code", f"def helper(x):\n    return 1\n\n{one}", "f")) is None
    assert found(("code", "def g(x):\n    return 1", "f")) is None
    assert found(("code", one, "")) is None


def test_a_long_name_is_not_repeated_in_full() -> None:
    answer = found(("code", f"def {'n' * 5000}(x):\n    return x", "f"))
    assert answer is not None and len(answer.note) < 120


def test_text_is_read_as_code_with_its_mark_or_without() -> None:
    for mark in ("f", ""):
        answer = found(("markdown", "def f(x):\n    return x", mark))
        assert answer is not None and "was text" in answer.note


def test_a_cell_that_is_no_python_is_told_from_a_blank_one() -> None:
    with pytest.raises(find.Refused, match="no Python"):
        found(("code", "def f(x:\n    return x", "f"))
    assert found(("code", BLANK, "f")) is None


def test_what_the_task_gives_cannot_be_defined_anew() -> None:
    answer = find.Answer("def f(x):\n    return np.sum(x) + K + h(x)", "f")
    others = cells(
        ("code", "import numpy.random as np\nK = 3\nunused = 4", ""),
        ("code", "def h(x):\n    return k2()\n\nk2 = lambda: k3\nk3 = 5\nprint(k2)", ""),
    )
    kept = find.definitions(others, answer, {"np"})
    assert kept == ["K = 3", "def h(x):\n    return k2()", "k2 = lambda: k3", "k3 = 5"]
    assert find.definitions(others, answer, set())[0] == "import numpy.random as np"


def written(folder: Path, raw: list[dict]) -> Path:
    path = folder / "handin.ipynb"
    path.write_text(json.dumps({"cells": raw, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


def test_the_id_of_a_cell_stands_in_for_a_lost_mark(tmp_path: Path) -> None:
    """As Jupyter keeps it, and as Colab does, in the metadata; a mark counts before an id."""
    own = {"cell_type": "code", "source": ["x = 1"], "metadata": {}}
    marked = {"nbgrader": {"grade_id": "real"}}
    for raw, mark in (
        (own | {"id": "explain"}, "explain"),
        (own | {"metadata": {"id": "explain"}}, "explain"),
        (own | {"id": "by-differences"}, "by_differences"),  # ids have no underscores here
        (own | {"id": "other", "metadata": marked}, "real"),
    ):
        assert [c.grade_id for c in find.read(written(tmp_path, [raw]))] == [mark]


def test_text_that_defines_something_is_read_as_code(tmp_path: Path) -> None:
    texts = "def f(x):\n    return x", "# A heading\n\nand a sentence"
    raw = [{"cell_type": "markdown", "source": text, "metadata": {}} for text in texts]
    assert [cell.defines() for cell in find.read(written(tmp_path, raw))] == [["f"], []]


def test_files_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.ipynb"
    with large.open("wb") as file:
        file.truncate(find.LARGEST + 1)
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.ipynb", bytes(find.LARGEST + 1))
    assert packed.stat().st_size < 10**6
    for path in (large, packed):
        with pytest.raises(find.Refused, match="larger than 50 MB"):
            find.read(path)


def test_the_second_file_that_a_mac_adds_does_not_count(tmp_path: Path) -> None:
    text = notebooks.written_out(notebooks.release(load("residual_learning"), "paper"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.ipynb", text)
        archive.writestr("__MACOSX/._x.ipynb", b"\x00\x05\x16\x07")
    assert len(find.read(tmp_path / "x.zip")) > 5


def test_a_written_answer_is_kept_up_to_a_length(tmp_path: Path) -> None:
    nb: NotebookNode = notebooks.release(load("residual_learning"), "paper")
    cell(nb, "explain").source = "word " * MOST_TEXT
    (tmp_path / "x.ipynb").write_text(notebooks.written_out(nb))
    marks = grade(tmp_path / "x.ipynb", "a", key("residual_learning", "paper", SEED), server=None)  # no answer runs
    assert len(marks.texts["explain"]) == MOST_TEXT and marks.points == 0
