"""What stock nbgrader makes of the mishaps: python -m grading.stock_run [WORD …] writes stock_nbgrader.json anew.

Each mishap is tried in a fresh course: the release by ``nbgrader generate_assignment``, then one ``nbgrader autograde``
for two hand-ins, the mishap and, after it in the alphabet, a right one. So the record says what the mishap got, and
whether nbgrader went on to the next student; it is stopped there. Given words, only mishaps whose names contain one are
run again.

Run it where you could lose what the machine holds: stock nbgrader has no walls. The processes get limits of memory and
file size, without which three of the hand-ins would take the machine; one is left out for that reason.
"""

import contextlib
import datetime
import importlib.metadata
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from resattn.zoo.checkpoints import read_json, write_json

from . import notebooks
from .assignments import ROOT, load
from .mishaps import MISHAPS, Mishap, hand_in

RECORD = Path(__file__).with_name("stock_nbgrader.json")
ASSIGNMENT, VARIANT = "residual_learning", "paper"
MEMORY, FILE = 8 * 2**30, 2**30  # bytes: of a process, of a file
LONGEST = 900  # seconds for a hand-in
LEFT_OUT = {"starts processes without end": "not tried"}  # no limit of a shell holds it for the super-user
FIRST, SECOND = "a", "b"


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def nbgrader(course: Path, *words: str, until: str | None = None) -> str:
    """One nbgrader command in a course's folder: what it says, up to the word ``until`` or for ``LONGEST`` seconds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader starts alembic by its name
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    command = [sys.executable, "-m", "nbgrader", *words]
    log = course / "log.txt"
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=course, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True, preexec_fn=_limits,
        )  # fmt: skip
        end = time.monotonic() + LONGEST
        while process.poll() is None and time.monotonic() < end:
            if until and until in log.read_text("utf-8", "replace"):
                break
            time.sleep(0.3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return log.read_text("utf-8", "replace")


def fresh_course(folder: Path) -> None:
    """A course whose assignment is released: what every trial starts from. Raises RuntimeError where nbgrader fails."""
    source = folder / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    nb = notebooks.with_solutions(load(ASSIGNMENT), VARIANT)
    (source / f"{ASSIGNMENT}_{VARIANT}.ipynb").write_text(notebooks.written_out(nb), encoding="utf-8")
    said = nbgrader(folder, "generate_assignment", ASSIGNMENT, "--create", "--force")
    if not list((folder / "release").glob("**/*.ipynb")):
        raise RuntimeError(said)


def score(course: Path, student: str) -> int | None:
    """The points by machine; None where nbgrader left no graded notebook."""
    from nbgrader.api import Gradebook, MissingEntry

    if not (course / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}_{VARIANT}.ipynb").exists():
        return None
    by_hand = {written.name for written in load(ASSIGNMENT).written}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        try:
            found = gradebook.find_submission(ASSIGNMENT, student).notebooks[0].grades
        except MissingEntry:
            return None
        return int(sum(grade.auto_score or 0 for grade in found if grade.name not in by_hand))


def trial(mishap: Mishap, released: Path) -> dict[str, Any]:
    """What the hand-in got, whether the batch went on behind it, and the seconds that it took."""
    folder = tempfile.mkdtemp()
    try:
        course = Path(folder) / "course"
        shutil.copytree(released, course)
        for student, made in ((FIRST, mishap), (SECOND, MISHAPS[0])):
            path = course / "submitted" / student / ASSIGNMENT / f"{ASSIGNMENT}_{VARIANT}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(hand_in(made, ASSIGNMENT, VARIANT), encoding="utf-8")
        start = time.monotonic()
        following = f"submitted/{SECOND}/"
        goes_on = following in nbgrader(course, "autograde", ASSIGNMENT, until=following)
        seconds = round(time.monotonic() - start)
        return {"points": score(course, FIRST), "goes_on": goes_on, "seconds": seconds}
    finally:  # some leave folders deeper than Python's own clearing goes
        subprocess.run(["rm", "-rf", "--", folder], check=False)


def main(words: list[str]) -> int:
    record = read_json(RECORD) if words else {"results": {}}
    record |= {
        "assignment": ASSIGNMENT,
        "variant": VARIANT,
        "nbgrader": importlib.metadata.version("nbgrader"),
        "date": datetime.date.today().isoformat(),
        "memory_gigabytes": MEMORY // 2**30,
        "file_gigabytes": FILE // 2**30,
    }
    with tempfile.TemporaryDirectory() as folder:
        released = Path(folder) / "released"
        fresh_course(released)
        for mishap in MISHAPS:
            if words and not any(word in mishap.says for word in words):
                continue
            found = LEFT_OUT.get(mishap.says) or trial(mishap, released)
            record["results"][mishap.says] = found
            print(mishap.says, found, flush=True)
            write_json(RECORD, record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
