"""Accidents and tricks: each hand-in is graded rightly or refused with a sentence, and the batch goes on."""

import csv
import html
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell

from grading import batch, notebooks, reports, walls
from grading.__main__ import main
from grading.assignments import NAMES, load
from grading.crowd import TIMES
from grading.marks import grade, key
from grading.mishap_table import PAGE, with_tables
from grading.mishaps import FULL, MISHAPS, REFUSED, expected_points, hand_in
from grading.prove import SEED, cell
from grading.run import Server
from grading.stock_run import RECORD
from resattn.zoo.checkpoints import read_json

SECONDS = 5.0  # of processor or clock that an answer may take here


@pytest.fixture(scope="module")
def server():
    with Server(memory=256 * walls.MEGABYTE) as server:
        yield server


def test_this_machine_has_the_walls() -> None:
    assert walls.missing() is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.says.replace(" ", "-"))
def test_mishap(mishap, name: str, server, tmp_path: Path) -> None:
    path = tmp_path / "handin.ipynb"
    path.write_text(hand_in(mishap, name), encoding="utf-8")
    marks = grade(path, "somebody", key(name, "paper", SEED), server, SECONDS if mishap.slow else 20.0)
    assert marks.points == expected_points(mishap, name), [line for line in marks.lines if line.why]
    assert bool(marks.refused) == (mishap.expected == REFUSED)
    assert all(line.why for line in marks.lines if line.points < line.most)
    if mishap.expected == FULL:
        assert not any(line.why for line in marks.lines)


def test_at_least_sixteen() -> None:
    assert len(MISHAPS) >= 16


def test_page_has_the_tables_of_the_records() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_tables(text), "run: python -m grading.mishap_table"
    results = read_json(RECORD)["results"]
    assert results.keys() == {mishap.says for mishap in MISHAPS}, "run: python -m grading.stock_run"
    assert all(isinstance(found, dict) for found in results.values()), "not tried"
    assert read_json(TIMES)["seconds"].keys() == set(NAMES), "run: python -m grading.crowd"


def test_of_several_the_last_one_that_is_filled_in_counts(server, tmp_path: Path) -> None:
    name, question = "residual_learning", "passes"
    answers, most = key(name, "paper", SEED), load(name).points()
    wrong = "def passes(masks, rule):\n    return 0.0"
    for first, last, points in (
        (None, wrong, most - 6),
        (wrong, None, most),
        (None, answers.blanks[question], most),
        (answers.blanks[question], None, most),
    ):
        nb = notebooks.filled_in(load(name), "paper")
        own = cell(nb, question)
        right = own.source
        own.source = first or right
        nb.cells.append(new_code_cell(last or right, id="another"))
        path = tmp_path / "handin.ipynb"
        path.write_text(notebooks.written_out(nb))
        assert grade(path, "somebody", answers, server).points == points


# --- a batch


def hand_ins(folder: Path, name: str = "residual_learning") -> None:
    right = notebooks.written_out(notebooks.filled_in(load(name), "paper"))
    for student in ("ada", "bo"):
        (folder / student / name).mkdir(parents=True)
        (folder / student / name / f"{name}_paper.ipynb").write_text(right)
    (folder / "cy.ipynb").write_text("{}")
    (folder / "di").mkdir()
    shutil.make_archive(str(folder / "eve"), "zip", folder / "ada", name)


def test_batch_is_graded_resumed_and_reported(tmp_path: Path, monkeypatch) -> None:
    submitted, out, name = tmp_path / "submitted", tmp_path / "marks", "residual_learning"
    submitted.mkdir()
    hand_ins(submitted)
    most = load(name).points()
    found = {marks.student: marks for marks in batch.grade_all(name, "paper", submitted, out)}
    assert {student: marks.points for student, marks in found.items()} == {
        "ada": most, "bo": most, "cy": 0, "di": 0, "eve": most,
    }  # fmt: skip
    assert "no notebook (format 4)" in found["cy"].refused and "no notebook in the folder" in found["di"].refused

    asked = []
    monkeypatch.setattr(
        batch, "grade", lambda path, student, *rest: asked.append(student) or grade(path, student, *rest)
    )
    (submitted / "cy.ipynb").write_text("[]")  # only this one has changed
    batch.grade_all(name, "paper", submitted, out)
    assert asked == ["cy"]

    sheet = (out / "written.csv").read_text().splitlines()
    assert sheet[0] == "student,question,of,words,text,points,comment" and sheet[1].startswith("ada,explain,12,")
    (out / "written.csv").write_text("\n".join([sheet[0], sheet[1].removesuffix(",") + "9.5,", *sheet[2:]]) + "\n")
    batch.grade_all(name, "paper", submitted, out)
    rows = {row["student"]: row for row in csv.DictReader((out / "marks.csv").open())}
    assert rows["ada"]["points"] == f"{most + 9.5:g}" and rows["bo"]["explain"] == ""

    with pytest.raises(ValueError, match="choose another folder"):
        batch.grade_all(name, "soft", submitted, out)
    (out / "written.csv").write_text(sheet[0] + "\nada,explain,12,100,t1,13,\n")
    with pytest.raises(ValueError, match="row 2"):
        batch.grade_all(name, "paper", submitted, out)


def test_feedback_tells_nothing_of_the_tests(tmp_path: Path) -> None:
    """An answer that puts its inputs, and the secret of its process, into the error it raises."""
    assignment = load("residual_learning")
    nb = notebooks.filled_in(assignment, "paper")
    found = next(c for c in nb.cells if c.get("id") == "passes")
    found.source = "def passes(masks, rule):\n    raise type('LEAK_' + rule, (Exception,), {})('LEAK' + str(masks))"
    path = tmp_path / "a<b>.ipynb"
    path.write_text(notebooks.written_out(nb))
    with Server() as server:
        marks = grade(path, "a<b>", key(assignment.name, "paper", SEED), server)
    reports.feedback(tmp_path / "page.html", assignment, marks, {}, {})
    page = (tmp_path / "page.html").read_text()
    assert "LEAK" not in page and "a<b>" not in page and html.escape("a<b>") in page
    assert "it stopped with an error of its own" in page


def test_names_of_students_make_no_formula(tmp_path: Path) -> None:
    submitted = tmp_path / "submitted"
    submitted.mkdir()
    (submitted / "=1+1.ipynb").write_text("{}")
    batch.grade_all("residual_learning", "paper", submitted, tmp_path / "marks")
    assert "\n'=1+1,0" in (tmp_path / "marks" / "marks.csv").read_text()


def test_marks_go_into_nbgraders_gradebook(tmp_path: Path) -> None:
    """Stock nbgrader makes the assignment from the same source; the marks of this grader go into its gradebook."""
    from nbgrader.api import Gradebook

    name = "residual_learning"
    assert main(["release", name, "--out", str(tmp_path)]) == 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader starts alembic by its name
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    made = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", name, "--create", "--force"],
        cwd=tmp_path, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2000:]
    text = (tmp_path / "release" / name / f"{name}_paper.ipynb").read_text()
    assert "HIDDEN TESTS" not in text and "raise NotImplementedError" in text

    submitted = tmp_path / "handed"
    submitted.mkdir()
    hand_ins(submitted)
    out = tmp_path / "marks"
    assert main(["grade", name, str(submitted), str(out), "--jobs", "1"]) == 0
    database = f"sqlite:///{tmp_path / 'gradebook.db'}"
    assert main(["gradebook", name, str(out), "--database", database]) == 0
    with Gradebook(database) as gradebook:
        assert gradebook.find_submission(name, "ada").score == load(name).points()
        assert gradebook.find_submission(name, "cy").score == 0


def test_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "handin.ipynb"
    path.write_text(hand_in(MISHAPS[0], "residual_learning"))
    answers = key("residual_learning", "paper", SEED)
    with Server() as server:
        assert grade(path, "a", answers, server).points == load("residual_learning").points()
        for process in server.processes.values():
            process.kill()
        time.sleep(0.2)
        assert grade(path, "b", answers, server).points == load("residual_learning").points()
