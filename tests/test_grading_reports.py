"""What comes out of a batch: what it is made of, the table of marks, the sheet, the feedback, the stock tests."""

import csv
import dataclasses
import os
import sys
import time
import warnings
from pathlib import Path

import pytest

from grading import batch, by_hand, notebooks, prove, reports
from grading.__main__ import main
from grading.assignments import NAMES, load
from grading.marks import Line, Marks
from grading.prove import SEED, with_wrong
from grading.stock import compare
from resattn.zoo.checkpoints import CheckpointError

NAME = "residual_learning"


def test_of_several_files_the_newest_counts(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    elsewhere.write_text("{}")  # newer than all of them
    tmp_path = tmp_path / "submitted"
    (tmp_path / "ada" / ".ipynb_checkpoints").mkdir(parents=True)
    files = [tmp_path / "ada" / "late.ipynb", tmp_path / "ada" / "early.ipynb", tmp_path / "ada.zip"]
    files.append(tmp_path / "ada" / ".ipynb_checkpoints" / "latest-checkpoint.ipynb")
    for path, age in zip(files, (20, 30, 40, 10), strict=True):
        path.write_text("{}")
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / "ada" / "of-another.ipynb").symlink_to(elsewhere)
    (tmp_path / "bo.ipynb").symlink_to(elsewhere)
    linked = "a link to another file, and not a notebook or a zip file: bo.ipynb"
    assert batch.hand_ins(tmp_path, NAME) == [("ada", files[0], ""), ("bo", None, linked)]


def test_in_nbgraders_own_folders_each_assignment_has_its_own(tmp_path: Path) -> None:
    """A newer file of another assignment is no hand-in to this one, whether this one was handed in or not."""
    files = {}
    for age, where in enumerate(["ada/soft_mask", f"ada/{NAME}/old", "ada", "bo/read_attention", f"cy/x/{NAME}", "cy"]):
        files[where] = tmp_path / where / "x.ipynb"
        files[where].parent.mkdir(parents=True, exist_ok=True)
        files[where].write_text("{}")
        os.utime(files[where], (time.time() - age,) * 2)
    (tmp_path / "di").mkdir()
    (tmp_path / "di" / NAME).symlink_to(tmp_path / "ada")  # what a student links to is not theirs
    (tmp_path / "soft_mask").mkdir()
    (tmp_path / "soft_mask" / "x.ipynb").write_text("{}")  # a student of this name
    nothing = "there is no notebook in the folder"
    assert batch.hand_ins(tmp_path, NAME) == [
        ("ada", files[f"ada/{NAME}/old"], ""),
        ("bo", None, nothing),
        ("cy", files[f"cy/x/{NAME}"], ""),
        ("di", None, nothing),
        ("soft_mask", tmp_path / "soft_mask" / "x.ipynb", ""),
    ]


def test_every_entry_of_the_folder_has_its_student(tmp_path: Path) -> None:
    """Capital letters in a suffix do no harm; what is no hand-in is refused by its name, hidden files aside."""
    names = (
        "ida.IPYNB",
        "jon.ZIP",
        "kim.py",
        "lea.tar.gz",
        "moe.ipynb.txt",
        ".DS_Store",
        "ned",
        "ned.zip",
        "oda/x.Ipynb",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    no = "not a notebook or a zip file: {}".format
    assert batch.hand_ins(tmp_path, NAME) == [
        ("ida", tmp_path / "ida.IPYNB", ""),
        ("jon", tmp_path / "jon.ZIP", ""),
        ("kim", None, no("kim.py")),
        ("lea.tar", None, no("lea.tar.gz")),
        ("moe.ipynb", None, no("moe.ipynb.txt")),
        ("ned", tmp_path / "ned.zip", ""),
        ("oda", tmp_path / "oda" / "x.Ipynb", ""),
    ]
    refused = {marks.student: marks.refused for marks in batch.grade_all(NAME, "paper", tmp_path, tmp_path / ".out")}
    assert refused["kim"] == no("kim.py") and "no notebook" in refused["ida"]


def test_each_batch_draws_its_own_number_and_keeps_it(tmp_path: Path) -> None:
    drawn = {batch._seed(tmp_path / str(n), NAME, "paper") for n in range(4)}
    assert len(drawn) == 4
    assert drawn == {batch._seed(tmp_path / str(n), NAME, "paper") for n in range(4)}


def test_what_was_graded_is_kept_until_something_that_marks_it_changes(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.ipynb").write_text("[]")
    grader = tmp_path / "grader"
    grader.mkdir()
    (grader / "marks.py").write_text("1")
    monkeypatch.setattr(batch, "__file__", str(grader / "batch.py"))
    asked = []

    def grade(path: Path, student: str, *rest) -> Marks:
        asked.append(student)
        return Marks(student, [Line(NAME, "x", "y", 1, 2)])

    monkeypatch.setattr(batch, "grade", grade)
    real = batch.key

    def graded() -> int:
        asked.clear()
        monkeypatch.setattr(batch, "report", lambda *rest: None)
        batch.grade_all(NAME, "paper", tmp_path / "in", tmp_path / "out")
        return len(asked)

    assert (graded(), graded()) == (1, 0)
    (grader / "marks.py").write_text("2")
    assert (graded(), graded()) == (1, 0)
    monkeypatch.setattr(batch, "key", lambda *about: dataclasses.replace(real(*about), given="another formula"))
    assert (graded(), graded()) == (1, 0)


def test_the_table_of_marks_has_each_part_in_its_column(tmp_path: Path) -> None:
    assignment = load(NAME)
    lines = [Line(q.name, part.name, "", n, 99) for q in assignment.questions for n, part in enumerate(q.parts, 1)]
    reports.table(tmp_path / "marks.csv", assignment, [Marks("ada", lines)], {"ada": {"explain": 2.5}})
    (row,) = csv.DictReader((tmp_path / "marks.csv").open())
    assert all(row[f"{line.question}-{line.part}"] == str(line.points) for line in lines)
    automatic = sum(line.points for line in lines)
    assert (row["automatic"], row["points"], row["explain"]) == (str(automatic), f"{automatic + 2.5:g}", "2.5")


@pytest.mark.parametrize("row", ["explain,-1", "explain,12.5", "explain,nan", "explain,many", "passes,1"])
def test_points_that_do_not_fit_are_refused(row: str, tmp_path: Path) -> None:
    question, points = row.split(",")
    path = tmp_path / "written.csv"
    path.write_text(f"student,question,of,words,text,points\nada,explain,12,9,t1,12\nbo,{question},12,9,t2,{points}\n")
    with pytest.raises(ValueError, match=r"written.csv, row 3: points must lie between"):
        by_hand.read(path, load(NAME))


def test_feedback_of_a_wrong_answer_has_no_number_of_the_tests(tmp_path: Path) -> None:
    """The reasons name no number at all, so neither an input nor what was expected."""
    assignment, answers = load(NAME), prove.key(NAME, "paper", SEED)
    with prove.Remembering() as server:
        for wrong in [w for w in assignment.wrong if not w.variants]:
            marks = prove.marks_of(with_wrong(assignment, "paper", wrong), answers, server)
            reasons = {line.why for line in marks.lines if line.why}
            assert reasons and not any(letter.isdigit() for reason in reasons for letter in reason), reasons


def test_a_proof_sees_what_does_not_hold(monkeypatch) -> None:
    """A wrong answer that loses more or less than it is said to, a solution that is none, a release that holds it."""
    assignment = load(NAME)
    first = assignment.wrong[0]
    with prove.Remembering() as server:

        def failures(**changed) -> list[str]:
            monkeypatch.setattr(prove, "load", lambda name: dataclasses.replace(assignment, **changed))
            return prove.failures(NAME, "paper", server)

        assert failures(wrong=(first,)) == []
        for loses in ((), (*first.loses, "another")):
            (sentence,) = failures(wrong=(dataclasses.replace(first, loses=loses),))
            assert "should lose" in sentence
        filled, released = prove.filled_in, prove.release
        monkeypatch.setattr(prove, "filled_in", released)
        assert any("the solution gets 0 of 25" in sentence for sentence in failures(wrong=()))
        monkeypatch.setattr(prove, "filled_in", filled)
        monkeypatch.setattr(prove, "release", filled)
        assert failures(wrong=()) == ["the untouched release gets 25"]


@pytest.mark.parametrize("name", NAMES)
def test_the_stock_tests_follow_the_variant(name: str) -> None:
    """The solution passes the tests in the notebook; that of another variant does not pass them all."""
    assignment = load(name)

    def failed(solution_of: str, variant: str) -> int:
        names: dict = {}
        for found in notebooks.with_solutions(assignment, solution_of).cells:
            about = found.metadata.get("nbgrader", {})
            if found.cell_type == "code" and (about.grade_id == "given" or (about.solution and not about.grade)):
                exec(found.source, names)
        lost = 0
        for question in assignment.questions:
            for part in question.parts:
                try:
                    compare(name, variant, question.name, part.name, names[question.name])
                except AssertionError:
                    lost += 1
        return lost

    last = list(assignment.variants)[-1]
    assert failed(last, last) == 0 and failed("paper", last) > 0


def add_assignment(database: str, stem: str) -> None:
    """What ``nbgrader generate_assignment`` puts into the gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(database) as book:
        book.add_assignment(NAME)
        book.add_notebook(stem, NAME)
        for question in load(NAME).questions:
            for part in question.parts:
                name = f"{question.name}-{part.name}"
                book.add_grade_cell(name, stem, NAME, max_score=part.points, cell_type="code")
        book.add_grade_cell("explain", stem, NAME, max_score=12, cell_type="markdown")


def test_the_gradebook_knows_what_waits_for_a_person(tmp_path: Path, monkeypatch) -> None:
    """And takes marks a second time, when the person has marked; without the assignment it is a sentence."""
    from nbgrader.api import Gradebook

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # alembic lies there
    assignment, database = load(NAME), f"sqlite:///{tmp_path / 'gradebook.db'}"
    stem = notebooks.file_stem(assignment, "paper")
    lines = [Line(q.name, part.name, "", 0, part.points) for q in assignment.questions for part in q.parts]
    lines[0].points = lines[0].most
    marks = [Marks("ada", lines)]
    with pytest.raises(ValueError, match="run nbgrader generate_assignment first"):
        reports.to_gradebook(database, assignment, stem, marks, {})
    add_assignment(database, stem)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none reaches whoever runs the command
        reports.to_gradebook(database, assignment, stem, marks, {})

    def entered(sheet: dict) -> tuple[float, bool]:
        assert reports.to_gradebook(database, assignment, stem, marks, sheet) == 1
        with Gradebook(database) as book:
            submission = book.find_submission(NAME, "ada")
            return submission.score, submission.needs_manual_grade

    assert entered({}) == (lines[0].points, True)
    assert entered({"ada": {"explain": 7.5}}) == (lines[0].points + 7.5, False)


def test_the_gradebook_gets_what_the_table_of_marks_says(tmp_path: Path, monkeypatch, capsys) -> None:
    """Of the last batch that came to its end: students without a file included, and those whose file has gone not."""
    from nbgrader.api import Gradebook

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # alembic lies there
    submitted, out, database = tmp_path / "in", tmp_path / "out", f"sqlite:///{tmp_path / 'gradebook.db'}"
    enter = ["gradebook", NAME, str(out), "--database", database]
    add_assignment(database, notebooks.file_stem(load(NAME), "paper"))
    right, blank = (
        notebooks.written_out(make(load(NAME), "paper")) for make in (notebooks.filled_in, notebooks.release)
    )
    for student, text in {"ada": right, "bo": right, "cy": right, "di": None, "eve": blank}.items():
        (submitted / student).mkdir(parents=True)
        if text:
            (submitted / student / "x.ipynb").write_text(text)
    assert main(enter) == 2 and "run the grade command first" in capsys.readouterr().err

    def scores() -> tuple[dict[str, float], dict[str, float]]:
        """In the table, and in the gradebook."""
        assert main(["grade", NAME, str(submitted), str(out)]) == 0
        assert main(enter) == 0
        table = {row["student"]: float(row["points"]) for row in csv.DictReader((out / "marks.csv").open())}
        with Gradebook(database) as book:
            return table, {s.student_id: s.score for s in book.assignment_submissions(NAME)}

    table, book = scores()
    assert table == book == {"ada": 25, "bo": 25, "cy": 25, "di": 0, "eve": 0}
    (submitted / "bo" / "x.ipynb").unlink()
    (submitted / "bo").rmdir()
    (submitted / "cy" / "x.ipynb").unlink()
    capsys.readouterr()
    table, book = scores()
    assert table == {"ada": 25, "cy": 0, "di": 0, "eve": 0} and book == table | {"bo": 25}
    assert "left as they are, since they are not in this batch: bo\n" in capsys.readouterr().out
    assert main(["gradebook", "soft_mask", str(out), "--database", database]) == 2
    assert f"holds the marks of {NAME}, and not of soft_mask" in capsys.readouterr().err


def test_a_database_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("no database at all " * 100)
    for address in ("gradebook.db", f"sqlite:///{tmp_path}/no/x.db", f"sqlite:///{tmp_path}/no.db", "foo://x"):
        for use in (
            lambda address: reports.to_gradebook(address, load(NAME), "x", [], {}),
            lambda address: reports.left_alone(address, load(NAME), []),
        ):
            with pytest.raises(ValueError, match=r"^the gradebook \S+ cannot be used: [^\n]+$"):
                use(address)


def test_a_full_disk_and_a_stop_are_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    for error, code, line in (
        (CheckpointError("cannot write x: no space left on device"), 2, "cannot write x: no space left on device"),
        (KeyboardInterrupt(), 130, "stopped: the same command goes on"),
    ):

        def stops(*about: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(batch, "grade_all", stops)
        assert main(["grade", NAME, str(tmp_path), str(tmp_path / "out")]) == code
        assert capsys.readouterr().err == f"{line}\n"


def test_names_of_any_length_get_a_page(tmp_path: Path) -> None:
    long = "\u00fc" * 124  # with its suffix as long as the name of a file may be
    names = [long[:-1] + "a", long[:-1] + "b", "ada"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / f"{name}.ipynb").write_text("{}")
    assert len(batch.grade_all(NAME, "paper", tmp_path / "in", tmp_path / "out")) == 3
    pages = list((tmp_path / "out" / "feedback").iterdir())
    assert {name for name in names for page in pages if f"<p>{name}</p>" in page.read_text()} == set(names)


def test_a_folder_in_which_all_were_refused_takes_another_batch(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    nb = notebooks.written_out(notebooks.release(load(NAME), "scaled:0.35"))
    (tmp_path / "in" / "ada.ipynb").write_text(nb)

    def graded(name: str, variant: str) -> str:
        return batch.grade_all(name, variant, tmp_path / "in", tmp_path / "out")[0].refused

    assert "made for" in graded("soft_mask", "paper") and "made for" in graded(NAME, "paper")
    assert graded(NAME, "scaled:.350") == ""
    seed = batch._seed(tmp_path / "out", NAME, "scaled:0.35")
    assert graded(NAME, "scaled:0.35") == "" and batch._seed(tmp_path / "out", NAME, "scaled:.35") == seed
    with pytest.raises(ValueError, match=r"holds the marks of residual_learning, scaled:\.350: choose another folder"):
        graded(NAME, "paper")
    assert notebooks.file_stem(load(NAME), "scaled:.350") == notebooks.file_stem(load(NAME), "scaled:0.35")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"assignment": "x", "variant": "y", "seed": null}'])
def test_a_damaged_record_of_the_batch_is_named(content: str, tmp_path: Path) -> None:
    for file in ("batch.json", batch.LIST):
        (tmp_path / file).write_text(content)
    for use in (lambda: batch._seed(tmp_path, NAME, "paper"), lambda: batch.finished(tmp_path, NAME)):
        with pytest.raises(ValueError, match=r"batch\.json is damaged: delete it"):
            use()
