"""Release, grade, export and prove the course assignments.

python -m grading release soft_mask --variant scaled:0.3 --out course
python -m grading grade soft_mask submitted marks --variant scaled:0.3
python -m grading gradebook soft_mask marks --database sqlite:///gradebook.db
python -m grading prove soft_mask
"""

import argparse
import os
import sys
from pathlib import Path

from resattn.zoo.checkpoints import CheckpointError, write_aside

from . import batch, by_hand, notebooks, prove, reports
from .assignments import NAMES, load


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m grading", description=(__doc__ or "").split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("assignment", choices=NAMES)
        return made

    def with_variant(made: argparse.ArgumentParser) -> None:
        made.add_argument("--variant", default="paper", help="its name, or name:number to set its constant")

    one = command("release", "write the notebook for students, and the one with solutions in nbgrader's source format")
    with_variant(one)
    one.add_argument(
        "--out", type=Path, required=True, help="a folder: source/ASSIGNMENT and release/ASSIGNMENT go there"
    )

    one = command("grade", "grade every hand-in of a folder; resumes where it was stopped")
    one.add_argument("submitted", type=Path, help="a folder with a folder or a file for each student")
    one.add_argument("out", type=Path, help="a folder for marks.csv, written.csv and feedback/")
    with_variant(one)
    one.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="hand-ins side by side")

    one = command("gradebook", "put the marks of a graded folder into nbgrader's gradebook")
    one.add_argument("out", type=Path, help="the folder that the grade command has filled")
    one.add_argument("--database", default="sqlite:///gradebook.db", help="the gradebook (default: %(default)s)")

    one = command("prove", "solution full, release zero, each wrong answer loses exactly what it should")
    one.add_argument("--variant", help="only this variant")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(globals()[f"_{options.command}"](options))
    except (ValueError, OSError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped{': the same command goes on' if options.command == 'grade' else ''}", file=sys.stderr)
        return 130


def _release(options: argparse.Namespace) -> int:
    assignment = load(options.assignment)
    stem = notebooks.file_stem(assignment, options.variant)
    made = {"source": notebooks.with_solutions, "release": notebooks.release}
    for kind, make in made.items():
        text = notebooks.written_out(make(assignment, options.variant))
        path = options.out / kind / assignment.name / f"{stem}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, lambda partial, text=text: Path(partial).write_text(text, encoding="utf-8"))  # type: ignore[misc]
        print(f"{path}: {'for you alone' if kind == 'source' else 'for students'}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1; got {options.jobs}")
    assignment, sheet = load(options.assignment), options.out / "written.csv"
    older = by_hand.is_older(sheet)
    found = batch.grade_all(options.assignment, options.variant, options.submitted, options.out, options.jobs)
    refused = [f"  {marks.student}: {marks.refused}" for marks in found if marks.refused]
    print(f"{len(found)} hand-ins of {assignment.points()} points each: {options.out / 'marks.csv'}")
    if refused:
        print(f"{len(refused)} could not be graded:", *refused, sep="\n")
    written = by_hand.matched(by_hand.read(sheet, assignment), found)
    waiting = [w for marks in found for w in marks.texts if w not in written.points.get(marks.student, {})]
    print(f"{len(waiting)} written answers wait for a person: fill in {sheet} and run this again")
    _say_what_does_not_count(sheet, written, older)
    return 0


def _say_what_does_not_count(path: Path, sheet: by_hand.Sheet, older: bool) -> None:
    """What the points in the sheet are not taken for; nothing where all of them count."""
    if older:
        print(
            f"{path} has no column text, as in earlier versions: its points count where the number of words is the "
            "same, a 0 only where there are no words; look again at students who have handed in a second time"
        )
    if sheet.earlier:
        about = [(row, "a comment" if row.points is None else f"{row.points:g}") for row in sheet.earlier]
        rows = [f"  {row.student}, {row.question}: {given}" for row, given in about]
        print(f"rows of {path} that do not count, since their text is not in this batch:", *rows, sep="\n")


def _gradebook(options: argparse.Namespace) -> int:
    assignment = load(options.assignment)
    variant, marks = batch.finished(options.out, assignment.name)
    path = options.out / "written.csv"
    written = by_hand.matched(by_hand.read(path, assignment), marks)
    stem = notebooks.file_stem(assignment, variant)
    # nbgrader starts alembic by its name: it lies beside the interpreter, whether the environment is activated or not.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    number = reports.to_gradebook(options.database, assignment, stem, marks, written.points)
    print(f"{number} students entered in {options.database}")
    if others := reports.left_alone(options.database, assignment, marks):
        print(f"left as they are, since they are not in this batch: {', '.join(others)}")
    _say_what_does_not_count(path, written, by_hand.is_older(path))
    return 0


def _prove(options: argparse.Namespace) -> int:
    assignment = load(options.assignment)
    failed = False
    with prove.Remembering() as server:
        for variant in [options.variant] if options.variant else list(assignment.variants):
            found = prove.failures(assignment.name, variant, server, lambda text: print(f"  {text}"))
            print(f"{assignment.name}, {variant}: {'; '.join(found) or 'holds'}")
            failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
