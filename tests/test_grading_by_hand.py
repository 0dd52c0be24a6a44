"""The points that a person gives: for which text they count, what a second hand-in makes of them, older sheets."""

import csv
import json
from pathlib import Path

import pytest

from grading import batch, notebooks
from grading.__main__ import main
from grading.assignments import load
from grading.prove import cell

NAME = "residual_learning"
FULL, WORDS = load(NAME).points(), "my own words"


def hand_in(folder: Path, student: str, text: str | None) -> None:
    """A release with this written answer and no other; None hands in a file that is no notebook."""
    nb = notebooks.release(load(NAME), "paper")
    if text:
        cell(nb, "explain").source = text
    folder.mkdir(exist_ok=True)
    (folder / f"{student}.ipynb").write_text("{}" if text is None else notebooks.written_out(nb))


def graded(folder: Path) -> dict[str, str]:
    """The column of the written answer in ``marks.csv``, by student."""
    batch.grade_all(NAME, "paper", folder / "in", folder / "out")
    return {row["student"]: row["explain"] for row in csv.DictReader((folder / "out" / "marks.csv").open())}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "written.csv").open() as file:
        return list(csv.DictReader(file))


def fill_in(folder: Path, student: str, points: str) -> None:
    """What the person does who marks: the points of the student's present answer."""
    found = rows(folder)
    for row in found:
        if row["student"] == student and row["words"] != "earlier":
            row["points"] = points
    with (folder / "out" / "written.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


@pytest.mark.parametrize("first", [None, ""], ids=["refused", "blank"])
def test_the_zero_of_an_empty_answer_is_not_the_mark_of_a_later_one(first: str | None, tmp_path: Path) -> None:
    hand_in(tmp_path / "in", "ada", first)
    assert [graded(tmp_path), graded(tmp_path)] == [{"ada": "0.0"}] * 2
    hand_in(tmp_path / "in", "ada", WORDS)
    assert graded(tmp_path) == {"ada": ""}
    assert [row["points"] for row in rows(tmp_path)] == [""]


def test_another_text_waits_for_points_again_and_the_first_keeps_its_own(tmp_path: Path, capsys) -> None:
    hand_in(tmp_path / "in", "ada", "I do not know.")
    hand_in(tmp_path / "in", "bo", WORDS)
    graded(tmp_path)
    fill_in(tmp_path, "ada", "9")
    fill_in(tmp_path, "bo", "0")
    assert graded(tmp_path) == {"ada": "9.0", "bo": "0.0"}  # a person's 0 is a mark
    hand_in(tmp_path / "in", "ada", WORDS)
    for _ in range(2):
        assert main(["grade", NAME, str(tmp_path / "in"), str(tmp_path / "out")]) == 0
        said = capsys.readouterr().out
        assert "1 written answers wait" in said and "do not count" in said and "  ada, explain: 9\n" in said
        assert [(row["student"], row["words"], row["points"]) for row in rows(tmp_path)] == [
            ("ada", "3", ""), ("bo", "3", "0"), ("ada", "earlier", "9"),
        ]  # fmt: skip
    fill_in(tmp_path, "ada", "4.5")
    assert graded(tmp_path)["ada"] == "4.5"
    hand_in(tmp_path / "in", "ada", None)  # a file that is damaged for a while
    assert graded(tmp_path)["ada"] == "0.0"
    hand_in(tmp_path / "in", "ada", WORDS)
    assert graded(tmp_path)["ada"] == "4.5"
    hand_in(tmp_path / "in", "ada", "I do not know.")
    assert graded(tmp_path)["ada"] == "9.0"


def test_points_for_an_answer_that_is_not_in_the_notebook_stay(tmp_path: Path) -> None:
    """Such as one on paper."""
    hand_in(tmp_path / "in", "ada", "")
    graded(tmp_path)
    fill_in(tmp_path, "ada", "5")
    assert [graded(tmp_path), graded(tmp_path)] == [{"ada": "5.0"}] * 2


def test_a_sheet_without_the_texts_is_read_with_care_and_a_sentence(tmp_path: Path, capsys) -> None:
    """As earlier versions left it: its 0 may be the grader's own, its points may be for another text."""
    for student, text in {"ada": WORDS, "bo": WORDS, "cy": WORDS, "di": ""}.items():
        hand_in(tmp_path / "in", student, text)
    (tmp_path / "out").mkdir()
    old = "student,question,of,words,points\nada,explain,12,3,9.5\nbo,explain,12,3,0\ncy,explain,12,4,7\n"
    (tmp_path / "out" / "written.csv").write_text(f"{old}di,explain,12,0,0\n")
    assert main(["grade", NAME, str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "has no column text" in said and "  cy, explain: 7\n" in said and "  bo, explain: 0\n" in said
    for _ in range(2):
        assert graded(tmp_path) == {"ada": "9.5", "bo": "", "cy": "", "di": "0.0"}
        kept = [(row["student"], row["points"]) for row in rows(tmp_path) if row["words"] == "earlier"]
        assert sorted(kept) == [("bo", "0"), ("cy", "7")]
    capsys.readouterr()
    assert main(["grade", NAME, str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert "has no column text" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"student;question;of;words;text;points\nada;explain;12;3;t1;9\n", "separated by commas, and no others"),
        (b"student,question,of,words,text,points,remark\nada,explain,12,3,t1,9,good\n", "it has student, .*remark"),
        (b"", "it has none"),
        ("student,question,of,words,text,points\nz\u00fc,explain,12,3,t1,9\n".encode("latin-1"), "no table in UTF-8"),
    ],
    ids=["semicolons", "a column of one's own", "empty", "encoding"],
)
def test_a_sheet_that_is_not_as_it_must_be_is_left_alone(content: bytes, sentence: str, tmp_path: Path) -> None:
    """And said before anything is graded."""
    hand_in(tmp_path / "in", "ada", WORDS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "written.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"^written.csv .*{sentence}"):
        graded(tmp_path)
    assert (tmp_path / "out" / "written.csv").read_bytes() == content
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["written.csv"]


def test_a_mark_that_a_spreadsheet_puts_before_the_sheet_does_no_harm(tmp_path: Path) -> None:
    hand_in(tmp_path / "in", "ada", WORDS)
    graded(tmp_path)
    fill_in(tmp_path, "ada", "9")
    path = tmp_path / "out" / "written.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert graded(tmp_path) == {"ada": "9.0"}


def test_no_text_stops_the_batch(tmp_path: Path) -> None:
    """Half of a pair of surrogates is no letter and stands in no file of text; JSON allows it."""
    hand_in(tmp_path / "in", "ada", WORDS)
    path = tmp_path / "in" / "ada.ipynb"
    path.write_text(path.read_text().replace(json.dumps(WORDS), '"broken \\ud800 text"'))
    assert graded(tmp_path) == {"ada": ""}
    assert "broken ? text" in (tmp_path / "out" / "written.html").read_text()


def comment(folder: Path, text: str) -> None:
    found = rows(folder)
    found[0]["comment"] = text
    with (folder / "out" / "written.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


def test_a_comment_reaches_the_student_it_is_for(tmp_path: Path, capsys) -> None:
    """With points or without, escaped; it belongs to a text as points do. Sheets without the column are read."""
    hand_in(tmp_path / "in", "ada", WORDS)
    graded(tmp_path)
    path = tmp_path / "out" / "written.csv"
    path.write_text(path.read_text().replace(",points,comment", ",points").replace(",,", ",9"))
    assert graded(tmp_path) == {"ada": "9.0"}
    fill_in(tmp_path, "ada", "")
    comment(tmp_path, "Good, but <b>why</b>?\nSee (b).")
    page = tmp_path / "out" / "feedback" / "ada.html"
    for _ in range(2):
        assert graded(tmp_path) == {"ada": ""}
        assert "explain: Good, but &lt;b&gt;why&lt;/b&gt;?\nSee (b)." in page.read_text()
    hand_in(tmp_path / "in", "ada", "other words")
    assert main(["grade", NAME, str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert "  ada, explain: a comment\n" in capsys.readouterr().out
    assert "Good, but" not in page.read_text()
    hand_in(tmp_path / "in", "ada", WORDS)
    graded(tmp_path)
    assert "Good, but" in page.read_text()
    hand_in(tmp_path / "in", "ada", None)
    graded(tmp_path)
    comment(tmp_path, "No notebook.")  # beside the 0 that the grader has filled in
    assert graded(tmp_path) == {"ada": "0.0"} and "No notebook." in page.read_text()
    hand_in(tmp_path / "in", "ada", "third words")
    assert graded(tmp_path) == {"ada": ""}


def test_whom_and_what_a_student_used_stands_above_the_answer(tmp_path: Path) -> None:
    """Below the question, in a cell behind it or behind the last, or in place of the question."""
    question = "Whom and what did you use? Write it here."
    hand_in(tmp_path / "in", "ada", WORDS)
    text = (tmp_path / "in" / "ada.ipynb").read_text()
    assert question in text

    def said(change: str, added: str = "") -> str:
        nb = json.loads(text.replace(question, change))
        if added:
            nb["cells"].append({"cell_type": "markdown", "id": "own", "metadata": {}, "source": added})
        (tmp_path / "in" / "ada.ipynb").write_text(json.dumps(nb))
        assert graded(tmp_path) == {"ada": ""}
        page = (tmp_path / "out" / "written.html").read_text()
        assert f"<pre>{WORDS}</pre>" in page
        return page.split("<h3>ada</h3>")[1].split("<pre>")[0]

    assert said(question) == ""
    assert said(f"{question} Nobody & <nothing>.") == "<p>Whom and what it used: Nobody &amp; &lt;nothing&gt;.</p>"
    assert said(question, "Bo.") == "<p>Whom and what it used: Bo.</p>"
    assert "I asked Bo." in said("I asked Bo.")
