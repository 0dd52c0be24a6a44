"""Release, grade, export and prove the course assignments.

python -m grading release soft_mask --variant scaled:0.3 --out course
python -m grading grade soft_mask submitted marks --variant scaled:0.3
python -m grading gradebook soft_mask marks --database sqlite:///gradebook.db
python -m grading prove soft_mask
"""

import argparse
import json
import os
import sys
from pathlib import Path

from resattn.zoo.checkpoints import write_aside

from . import batch, notebooks, prove, reports
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
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


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
    found = batch.grade_all(options.assignment, options.variant, options.submitted, options.out, options.jobs)
    assignment = load(options.assignment)
    refused = [f"  {marks.student}: {marks.refused}" for marks in found if marks.refused]
    print(f"{len(found)} hand-ins of {assignment.points()} points each: {options.out / 'marks.csv'}")
    if refused:
        print(f"{len(refused)} could not be graded:", *refused, sep="\n")
    open_rows = [w for marks in found for w, words in marks.words.items() if words]
    print(f"{len(open_rows)} written answers for a person: fill in {options.out / 'written.csv'} and run this again")
    return 0


def _gradebook(options: argparse.Namespace) -> int:
    assignment = load(options.assignment)
    kept = options.out / "batch.json"
    if not kept.exists():
        raise ValueError(f"{options.out} holds no marks: run the grade command first")
    variant = json.loads(kept.read_text())["variant"]
    written = reports.read_sheet(options.out / "written.csv", assignment)
    stem = notebooks.file_stem(assignment, variant)
    # nbgrader starts alembic by its name: it lies beside the interpreter, whether the environment is activated or not.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    number = reports.to_gradebook(options.database, assignment, stem, list(batch.finished(options.out)), written)
    print(f"{number} students entered in {options.database}")
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
