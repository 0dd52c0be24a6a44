"""How answers are found and files are read: the cases that no mishap of the table has."""

import json
import zipfile
from pathlib import Path

import pytest
from nbformat import NotebookNode

from grading import find, notebooks
from grading.assignments import load
from grading.child import define
from grading.marks import MOST_TEXT, grade, key
from grading.prove import SEED, cell

BLANK = "def f(x):\n    # your code here\n    raise NotImplementedError"


NO_RELEASE = find.Release(frozenset(), {})


def cells(*entries: tuple[str, str, str]) -> list[find.Cell]:
    return [find.Cell(kind, text, mark, find.python_tree(text), text) for kind, text, mark in entries]


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
        assert [c.grade_id for c in find.read(written(tmp_path, [raw])).cells] == [mark]


def test_text_that_defines_something_is_read_as_code(tmp_path: Path) -> None:
    texts = "def f(x):\n    return x", "# A heading\n\nand a sentence"
    raw = [{"cell_type": "markdown", "source": text, "metadata": {}} for text in texts]
    assert [cell.defines() for cell in find.read(written(tmp_path, raw)).cells] == [["f"], []]


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


def test_copies_that_a_mac_or_jupyter_adds_do_not_count(tmp_path: Path) -> None:
    text = notebooks.written_out(notebooks.release(load("residual_learning"), "paper"))
    with zipfile.ZipFile(tmp_path / "x.ZIP", "w") as archive:
        archive.writestr("work/x.IPYNB", text)
        archive.writestr("work/.ipynb_checkpoints/x-checkpoint.ipynb", text)
        archive.writestr("__MACOSX/._x.ipynb", b"\x00\x05\x16\x07")
    assert len(find.read(tmp_path / "x.ZIP").cells) > 5


def test_a_written_answer_is_kept_up_to_a_length(tmp_path: Path) -> None:
    nb: NotebookNode = notebooks.release(load("residual_learning"), "paper")
    cell(nb, "explain").source = "word " * MOST_TEXT
    (tmp_path / "x.ipynb").write_text(notebooks.written_out(nb))
    marks = grade(tmp_path / "x.ipynb", "a", key("residual_learning", "paper", SEED), server=None)  # no answer runs
    assert len(marks.texts["explain"]) == MOST_TEXT and marks.points == 0


def test_a_variable_with_the_name_of_an_answer_is_no_answer() -> None:
    """Such as a result that somebody keeps under it in a cell below."""
    right = ("code", "def f(x):\n    return x", "f")
    for below in ("f = f(8)", "f = {}", "f = 3", "f, y = f(1), 2", "f = numpy.array(f(8))"):
        for entries in ((right, ("code", below, "")), (("code", below, ""), right), (right, ("markdown", below, ""))):
            answer = found(*entries)
            assert answer is not None and (answer.code, answer.note) == (right[1], ""), entries
        answer = found((*right[:2], ""), ("code", below, ""))  # its mark is lost
        assert answer is not None and answer.code == right[1]
    answer = found(right, ("code", "f = lambda x: 2 * x", ""))
    assert answer is not None and answer.code == "f = lambda x: 2 * x"


def test_an_answer_may_be_made_by_a_call() -> None:
    made = "f = functools.partial(max, 3)"
    for entries in (
        [("code", made, "f")],
        [("code", made, "")],
        [("code", BLANK, "f"), ("code", made, "")],
        [("code", "def f(x):\n    return 1", ""), ("code", made, "f")],  # a first try, and the cell for the answer
    ):
        answer = found(*entries)
        assert answer is not None and answer.code == made, entries


def test_a_result_kept_under_the_name_in_the_answers_own_cell_does_no_harm() -> None:
    job = {"definitions": [], "name": "f", "question": "f"}
    for below in ("f = f(8)", "f = 3", "f = f(8)\nprint(f)\nno_such_name"):
        assert define(job | {"answer": f"def f(x):\n    return x and f(0) or 5\n\n{below}"}, {})(8) == 5
    assert define(job | {"answer": "class f:\n    pass\n\nf = f()"}, {})() is not None
    assert define(job | {"answer": "f = 3"}, {}) == 3


def test_a_result_kept_under_the_name_of_a_helper_does_no_harm() -> None:
    answer = find.Answer("def f(x):\n    return h(x) + K", "f")
    others = cells(("code", "def h(x):\n    return x\n\nK = 2", ""), ("code", "h = {}\nK = 3", ""))
    assert find.definitions(others, answer, set()) == ["def h(x):\n    return x", "K = 2", "K = 3"]


def test_the_blanks_that_nbgrader_leaves_are_blank() -> None:
    """As ``nbgrader generate_assignment`` writes them into its own release."""
    stub = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert found(("code", stub, "f")) is None
    answer = found(("code", "def f(x):\n    return x", ""), ("code", stub, "f"))
    assert answer is not None and answer.code == "def f(x):\n    return x"
    for text in ("YOUR ANSWER HERE", "YOUR ANSWER HERE\n", "*Your answer here.*"):
        assert find.written(cells(("markdown", text, "w")), "w", "*Your answer here.*", "", NO_RELEASE) == ""
    assert find.written(cells(("markdown", "Mine.", "w")), "w", "*Your answer here.*", "", NO_RELEASE) == "Mine."


@pytest.mark.parametrize(
    ("metadata", "release"),
    [
        ({"resattn": {"assignment": "soft_mask", "variant": "paper"}}, ("soft_mask", "paper")),
        ({}, None),
        ([], None),
        (None, None),
        ({"resattn": 3}, None),
        ({"resattn": {"assignment": "soft_mask"}}, None),
        ({"resattn": {"assignment": "soft_mask", "variant": ["paper"]}}, None),
    ],
    ids=repr,
)
def test_what_a_notebook_was_made_for(metadata: object, release: object, tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "1"}], "metadata": metadata}))
    assert find.read(path).release == release


def marked(nb: NotebookNode, name: str, variant: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Why it was refused, and its written answers, where every answer fails to run."""
    (folder / "x.ipynb").write_text(notebooks.written_out(nb))
    marks = grade(folder / "x.ipynb", "a", key(name, variant, SEED), server=Broken())
    return marks.refused, marks.texts


class Broken:
    def answer(self, *about: object) -> None:
        raise OSError("no server")


def test_a_hand_in_of_another_variant_or_assignment_is_refused(tmp_path: Path) -> None:
    """It would be marked by other rules. The same constant may be written in several ways."""
    for made, graded, fits in (
        ("paper", "paper", True),
        ("scaled", "scaled:0.40", True),
        ("scaled:.35", "scaled:0.35", True),
        ("scaled:0.35", "paper", False),
        ("scaled:0.35", "scaled", False),
        ("paper", "soft", False),
    ):
        nb = notebooks.filled_in(load("residual_learning"), made)
        refused, texts = marked(nb, "residual_learning", graded, tmp_path)
        assert (not refused) == fits and bool(texts["explain"]) == fits, (made, graded, refused)
        if not fits:
            exact = load("residual_learning").exact
            want = "made for 'residual_learning, {}', and this batch grades residual_learning, {}"
            assert want.format(exact(made), exact(graded)) in refused
        nb.metadata = NotebookNode()  # as some editors save it; a cell has it too
        assert bool(marked(nb, "residual_learning", graded, tmp_path)[0]) == (not fits)
        for own in nb.cells:
            own.metadata.pop("resattn", None)
        assert marked(nb, "residual_learning", graded, tmp_path)[0] == ""
    nb = notebooks.filled_in(load("soft_mask"), "paper")  # both assignments have an answer that is called explain
    refused, texts = marked(nb, "residual_learning", "paper", tmp_path)
    assert "made for 'soft_mask, paper'" in refused and texts == {"explain": ""}


def only_written(nb: NotebookNode, folder: Path) -> str:
    """The written answer to explain in a hand-in whose other answers do not count."""
    return marked(nb, "residual_learning", "paper", folder)[1]["explain"]


def test_a_written_answer_comes_word_for_word(tmp_path: Path) -> None:
    """Lines that would be magic in a cell of code are sentences here, and so is what would be Python."""
    for text in ("So it is 20\n%20 of them.\n! is a factorial\n? who knows\nwhy?", "x = 3", "# Mine"):
        nb = notebooks.release(load("residual_learning"), "paper")
        cell(nb, "explain").source = text
        assert only_written(nb, tmp_path) == text


@pytest.mark.parametrize("lost", ["nothing", "ids", "marks and ids"])
def test_a_written_answer_is_found_in_the_cells_that_students_add(lost: str, tmp_path: Path) -> None:
    """Below the marked cell, in several, of any type, in the task's own cell; up to the next cell of the release."""
    for change, want in (
        ([("markdown", "Mine.")], "Mine."),
        ([("markdown", "One."), ("code", "plot = 3"), ("markdown", "## Two")], "One.\n\n## Two"),
        ([("code", "One is naive, and so is two.")], "One is naive, and so is two."),
        ([("code", "# (a) nothing")], "# (a) nothing"),
        ([("raw", "Mine.")], "Mine."),
        ([("code", "import numpy as np"), ("markdown", "Mine.")], "Mine."),
        ([("code", "plot = 3")], ""),
    ):
        nb = notebooks.release(load("residual_learning"), "paper")
        at = nb.cells.index(cell(nb, "explain"))
        nb.cells[at + 1 : at + 1] = [
            NotebookNode(cell_type=kind, source=text, metadata={}, id=f"own{n}", **CODE.get(kind, {}))
            for n, (kind, text) in enumerate(change)
        ]
        assert only_written(without(nb, lost), tmp_path) == want, change
        nb.cells[at].source = "First."
        assert only_written(nb, tmp_path) == "\n\n".join(filter(None, ["First.", want])), change
    nb = notebooks.release(load("residual_learning"), "paper")
    nb.cells[at - 1].source += "\n\nBelow the task."
    assert only_written(without(nb, lost), tmp_path) == "Below the task."
    if lost == "nothing":
        nb.cells[at].source = f"{nb.cells[at - 1].source.splitlines()[0]}\n\nMine."
        assert only_written(nb, tmp_path).endswith("Mine.")


CODE = {"code": {"outputs": [], "execution_count": None}}


def without(nb: NotebookNode, lost: str) -> NotebookNode:
    for n, own in enumerate(nb.cells):
        own.id = own.id if lost == "nothing" else f"n{n}"
        if lost == "marks and ids":
            own.metadata = NotebookNode()
    return nb


def test_a_written_answer_in_a_cell_that_became_code_or_was_split(tmp_path: Path) -> None:
    nb = notebooks.release(load("residual_learning"), "paper")
    own = cell(nb, "explain")
    own.update(cell_type="code", source="Naive learning fades.", outputs=[], execution_count=None)
    assert only_written(nb, tmp_path) == "Naive learning fades."
    half = NotebookNode(json.loads(json.dumps(own)) | {"source": "The other does not.", "id": "half"})
    half.metadata = NotebookNode(half.metadata)
    nb.cells.insert(nb.cells.index(own) + 1, half)  # editors copy the mark when a cell is split
    assert only_written(nb, tmp_path) == "Naive learning fades.\n\nThe other does not."


def test_constants_count_however_they_are_written() -> None:
    answer = find.Answer("def f(x):\n    return x * (A + B + C + D + E)", "f")
    others = cells(
        ("code", "A: float = 0.35\nB, C = 7 / 20, -0.5\nD = (2 + 1) * 3\nE = A + B\nunused, g = 1, h(2)", "")
    )
    kept = ["A = 0.35", "B = 7 / 20", "C = -0.5", "D = (2 + 1) * 3"]
    assert find.definitions(others, answer, set()) == kept
    for made in ("f: object = lambda x: x", "f, K = lambda x: x, 3"):
        found_answer = found(("code", made, "f"))
        assert found_answer is not None and found_answer.code == made


def test_what_another_cell_computes_is_named() -> None:
    """Also through a helper; not what is given, what the answer's own cell has, or what a trial below it uses."""
    cell_text = (
        "K = 3\nK2 = 2 * K\nmul = partial(max, 3)\nif K:\n    late = 1\ndef h(x):\n    return x + K2\ndelta = wave(3)"
    )
    others = cells(("code", cell_text, ""), ("code", "import numpy as np", ""))
    for code, names in (
        ("def f(x):\n    return mul(x) + K2 + K", "K2, mul"),
        ("def f(x):\n    return h(x)", "K2"),
        ("def f(x, y=late):\n    return np.abs(x) + len(x) + nowhere", "late"),
        ("def f(x):\n    K2 = 3\n    return [mul + K2 for mul in x]", ""),
        ("def f(x, K2):\n    return x + K2 + given + T\n\nprint(f(delta, mul))", ""),
        ("K2 = 5\ndef f(x):\n    return x + K2", ""),
        ("f = partial(max, K2)", "K2"),
    ):
        note = find.unavailable(others, find.Answer(code, "f"), "import numpy as np\ngiven, T = 1, h(2)")
        want = f"it uses {names}, which another cell computes; that is not there when graded" if names else ""
        assert note == want, code


def test_the_note_on_what_is_computed_elsewhere_reaches_the_student(tmp_path: Path) -> None:
    nb = notebooks.filled_in(load("residual_learning"), "paper")
    first = cell(nb, "passes")
    first.source = first.source.replace("return left.reshape", "return K2 * left.reshape")
    nb.cells.insert(2, NotebookNode(cell_type="code", source="K2 = sum([1])", metadata={}, id="own", **CODE["code"]))
    (tmp_path / "x.ipynb").write_text(notebooks.written_out(nb))
    marks = grade(tmp_path / "x.ipynb", "a", key("residual_learning", "paper", SEED), server=Broken())
    assert marks.notes == {"passes": "it uses K2, which another cell computes; that is not there when graded"}


def test_what_a_notebook_alone_understands_does_no_harm(tmp_path: Path) -> None:
    """Also where its result is kept; what is timed is kept itself."""
    for text, code in (
        ("%matplotlib inline\nK = 3\nf?", "pass\nK = 3\npass"),
        ("x = !ls\n  \nif x:\n    y, z = %sql select", "x = object()\n  \nif x:\n    y, z = object()"),
        ("x = %time f(3)\n%time y = 2", "x = f(3)\ny = 2"),
        ("%%time\nx = 3", "pass\nx = 3"),
        ("x = 5\\\n%3", "x = 5\\\n%3"),
    ):
        raw = [{"cell_type": "code", "source": text, "metadata": {}}]
        (own,) = find.read(written(tmp_path, raw)).cells
        assert (own.text, own.code) == (text, code) and own.tree is not None
