"""Batches: killed and started again, damaged files among the others, and the instructor's page followed as written."""

import csv
import inspect
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

from grading import batch, child, find, notebooks, run, walls
from grading.assignments import NAMES, load
from grading.marks import MOST_TEXT
from grading.mishap_table import PAGE
from grading.prove import cell
from grading.run import Server

NAME = "residual_learning"


def right(name: str = NAME, variant: str = "paper") -> str:
    return notebooks.written_out(notebooks.filled_in(load(name), variant))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_killed_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    submitted, out = tmp_path / "submitted", tmp_path / "marks"
    submitted.mkdir()
    slow = right().replace("def passes(masks, rule):", "import time\\ntime.sleep(0.7)\\n\\n\\ndef passes(masks, rule):")
    assert slow != right()
    for n in range(6):
        (submitted / f"student{n}.ipynb").write_text(slow)
    command = [sys.executable, "-m", "grading", "grade", NAME, str(submitted), str(out), "--jobs", "1"]
    process = subprocess.Popen(
        command, env=environment(), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 120
    while len(list((out / "results").glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)  # as a machine that goes down
    process.communicate()
    done = {path: path.stat().st_mtime_ns for path in (out / "results").glob("*.json")}
    assert 2 <= len(done) < 6 and not (out / "marks.csv").exists()

    again = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in done} == done  # not graded a second time
    rows = list(csv.DictReader((out / "marks.csv").open()))
    assert [row["student"] for row in rows] == [f"student{n}" for n in range(6)]
    assert {row["automatic"] for row in rows} == {str(load(NAME).points())}
    assert "6/6" in again.stderr  # the progress bar


def damaged(folder: Path) -> None:
    """Files that are no hand-ins, of every kind that readers trip over."""
    text = right().encode()
    with zipfile.ZipFile(folder / "b-locked.zip", "w") as archive:
        archive.writestr("x.ipynb", text)
    raw = bytearray((folder / "b-locked.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says: a password is needed
        raw[raw.index(mark) + at] |= 1
    (folder / "b-locked.zip").write_bytes(raw)
    with zipfile.ZipFile(folder / "c-damaged.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.ipynb", text)
    raw = bytearray((folder / "c-damaged.zip").read_bytes())
    raw[200:400] = bytes(200)
    (folder / "c-damaged.zip").write_bytes(raw)
    (folder / "d-deep.ipynb").write_text('{"cells": ' + "[" * 100_000)
    (folder / "e-numbers.ipynb").write_text('{"cells": [1, 2]}')
    (folder / "f-bytes.ipynb").write_bytes(bytes(range(256)))
    (folder / "g-pipe").mkdir()
    os.mkfifo(folder / "g-pipe" / "x.ipynb")
    with zipfile.ZipFile(folder / "h-two.zip", "w") as archive:
        archive.writestr("x.ipynb", text)
        archive.writestr("y.ipynb", text)
    nb = nbformat.reads(right(), as_version=4)
    for _ in range(3):
        nb.cells.append(nbformat.v4.new_code_cell("n = 1\n" * 50_000))
    (folder / "i-long.ipynb").write_text(nbformat.writes(nb))
    (Path(os.fsdecode(os.fsencode(folder) + b"/j-m\xfcller.ipynb"))).write_text(right())


def test_damaged_files_are_refused_and_the_batch_goes_on(tmp_path: Path) -> None:
    submitted = tmp_path / "submitted"
    submitted.mkdir()
    (submitted / "a.ipynb").write_text("\ufeff" + right(), encoding="utf-8")  # as an editor of Windows leaves it
    damaged(submitted)
    (submitted / "z.ipynb").write_text(right())
    found = {marks.student: marks for marks in batch.grade_all(NAME, "paper", submitted, tmp_path / "marks")}
    assert len(found) == 11
    whole = ("a", "j-m?ller", "z")
    assert {student: marks.points for student, marks in found.items() if marks.points} == dict.fromkeys(whole, 25)
    for student, marks in found.items():
        assert bool(marks.refused) == (student not in whole), student
    assert "characters of code" in found["i-long"].refused and "holds 2" in found["h-two"].refused


def test_an_error_of_the_grader_costs_one_hand_in_and_not_the_batch(tmp_path: Path, monkeypatch) -> None:
    submitted = tmp_path / "submitted"
    submitted.mkdir()
    for student in ("ada", "bo"):
        (submitted / f"{student}.ipynb").write_text(right())
    real = batch.grade

    def sometimes(path: Path, student: str, *rest):
        if student == "ada":
            raise RuntimeError("a fault")
        return real(path, student, *rest)

    monkeypatch.setattr(batch, "grade", sometimes)
    found = {marks.student: marks for marks in batch.grade_all(NAME, "paper", submitted, tmp_path / "marks")}
    assert found["bo"].points == 25 and "look at it by hand" in found["ada"].refused
    monkeypatch.setattr(batch, "grade", real)  # and when the fault is mended, the same command grades it
    assert batch.grade_all(NAME, "paper", submitted, tmp_path / "marks")[0].points == 25


@pytest.mark.parametrize("marks", ["kept", "lost"])
def test_written_answers_reach_the_person_who_marks_them(marks: str, tmp_path: Path) -> None:
    """By their mark, or where marks are lost, by their place below the task."""
    nb = notebooks.filled_in(load(NAME), "paper")
    cell(nb, "explain").source = "My <b>own</b> words,\n\nin two paragraphs."
    if marks == "lost":
        for n, found in enumerate(nb.cells):
            found.metadata, found.id = nbformat.NotebookNode(), f"n{n}"
    submitted, out = tmp_path / "submitted", tmp_path / "marks"
    submitted.mkdir()
    (submitted / "ada.ipynb").write_text(notebooks.written_out(nb))
    (submitted / "bo.ipynb").write_text(notebooks.written_out(notebooks.release(load(NAME), "paper")))
    batch.grade_all(NAME, "paper", submitted, out)
    page = (out / "written.html").read_text()
    assert "My &lt;b&gt;own&lt;/b&gt; words,\n\nin two paragraphs." in page
    rows = {row["student"]: row for row in csv.DictReader((out / "written.csv").open())}
    assert rows["ada"]["words"] == "6" and rows["ada"]["points"] == ""
    assert rows["bo"]["words"] == "0" and rows["bo"]["points"] == "0"


# --- the page, as written


def blocks(heading: str) -> list[str]:
    """The commands of a section of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def follow(commands: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr[-3000:]}"


def test_the_page_leads_from_an_empty_folder_to_marks(tmp_path: Path) -> None:
    """The commands of the page in their order; between them what students do, and the person who marks."""
    from nbgrader.api import Gradebook

    (tmp_path / ".venv").symlink_to(sys.prefix)
    release, grade, enter_assignment, gradebook = blocks("From an empty folder to marks")
    name, variant = "mask_gradient", re.search(r"--variant (\S+)", release)[1]
    assignment = load(name)
    follow(release, tmp_path)
    stem = notebooks.file_stem(assignment, variant)
    given = nbformat.read(tmp_path / "course" / "release" / name / f"{stem}.ipynb", as_version=4)

    handed = tmp_path / "course" / "submitted"
    (handed / "bo" / name).mkdir(parents=True)
    nbformat.write(given, handed / "bo" / name / f"{stem}.ipynb")  # untouched
    solved = notebooks.filled_in(assignment, variant)
    for own in given.cells:  # the release, with its blanks filled in one by one
        if own.metadata.get("nbgrader", {}).get("solution"):
            own.source = cell(solved, own.metadata.nbgrader.grade_id).source
    (tmp_path / "student").mkdir()
    nbformat.write(given, tmp_path / "student" / f"{stem}.ipynb")
    last = "\n".join(cell(given, mark).source for mark in ("checks", "collect"))
    said = subprocess.run([sys.executable, "-c", last], cwd=tmp_path / "student", capture_output=True, text=True)
    assert "filled in" in said.stdout and "blank" not in said.stdout, said.stderr
    (tmp_path / "student" / f"{stem}.zip").rename(handed / "ada.zip")
    (handed / "cy.ipynb").write_text("no notebook")

    follow(grade, tmp_path)
    marks = tmp_path / "course" / "marks"
    sheet = (marks / "written.csv").read_text().splitlines()
    assert sheet[1].startswith("ada,derivation,8,") and sheet[1].endswith(",,")
    (marks / "written.csv").write_text(
        "\n".join([sheet[0], sheet[1][:-1] + "7,", sheet[2][:-1] + "5.5,Good.", *sheet[3:]]) + "\n"
    )
    follow(grade, tmp_path)
    rows = {row["student"]: row for row in csv.DictReader((marks / "marks.csv").open())}
    assert (rows["ada"]["automatic"], rows["ada"]["points"]) == (
        str(assignment.points()),
        f"{assignment.points() + 12.5}",
    )
    assert rows["bo"]["points"] == "0" and "no notebook" in rows["cy"]["refused"]
    assert {path.stem for path in (marks / "feedback").iterdir()} == {"ada", "bo", "cy"}

    follow(enter_assignment, tmp_path)
    follow(gradebook, tmp_path)
    with Gradebook(f"sqlite:///{tmp_path / 'course' / 'gradebook.db'}") as book:
        scores = {student: book.find_submission(name, student).score for student in rows}
    assert scores == {"ada": assignment.points() + 12.5, "bo": 0, "cy": 0}

    # nbgrader has written the release anew, with its own blanks: untouched, and with an answer above the blank
    theirs = nbformat.read(tmp_path / "course" / "release" / name / f"{stem}.ipynb", as_version=4)
    assert "YOUR ANSWER HERE" in cell(theirs, "derivation").source
    nbformat.write(theirs, handed / "bo" / name / f"{stem}.ipynb")
    first = assignment.questions[0].name
    theirs.cells.insert(1, nbformat.v4.new_code_cell(cell(solved, first).source))
    nbformat.write(theirs, handed / "cy.ipynb")
    follow(grade, tmp_path)
    rows = {row["student"]: row for row in csv.DictReader((marks / "marks.csv").open())}
    assert [rows["bo"][column] for column in ("points", "refused", "derivation")] == ["0", "", "0.0"]
    assert rows["cy"]["points"] == str(sum(part.points for part in assignment.questions[0].parts))


def test_the_page_proves_a_question_with_one_command(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (prove,) = blocks("Adapt a question, and prove it")
    follow(prove, tmp_path)


def test_the_table_of_the_page_says_what_the_assignments_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in ("soft_mask", "mask_gradient", "residual_learning", "read_attention"):
        assignment = load(name)
        by_hand = sum(w.points for w in assignment.written)
        row = f"| {', '.join(assignment.variants)} | {assignment.minutes} | {assignment.points()} | {by_hand} |"
        assert re.search(rf"^\| `{name}`: .* {re.escape(row)}$", text, re.MULTILINE), row


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    section = " ".join(PAGE.read_text("utf-8").split("\n## Late, again, too slow\n")[1].split("\n## ")[0].split())
    for name in NAMES:
        assert {question.seconds for question in load(name).questions} == {20.0}
    assert inspect.signature(Server).parameters["memory"].default == 2**30
    assert run.LARGEST == 64 * walls.MEGABYTE
    for words in (
        "20 seconds a question",
        "1 GB of memory",
        "64 MB for one file and for what one call hands back",
        f"{child.SPACE // walls.MEGABYTE} MB and {child.ENTRIES:,} entries for all files",
        "64 open files",
        f"may have {find.LARGEST // 2**20} MB and {find.MOST_CODE:,} characters of code",
        f"{MOST_TEXT:,} characters are kept",
    ):
        assert words in section, words
    limits = inspect.getsource(walls.limit), inspect.getsource(child.child)
    assert "(resource.RLIMIT_NOFILE, 64)" in limits[0] and "memory, 64 * walls.MEGABYTE)" in limits[1]
