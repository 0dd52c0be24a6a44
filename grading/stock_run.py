"""What stock nbgrader makes of the mishaps: python -m grading.stock_run [WORD …] writes stock_nbgrader.json anew.

Each mishap is tried in a fresh course: the release by ``nbgrader generate_assignment``, then one ``nbgrader autograde``
for two hand-ins, the mishap and, after it in the alphabet, a right one. So the record says what the mishap got, and
whether nbgrader went on to the next student; it is stopped there. Given words, only mishaps whose names contain one are
run again.

Run it where you could lose what the machine holds: stock nbgrader has no walls. The processes get limits of memory and
file size, without which three of the hand-ins would take the machine. The super-user of a Linux from 6.14 can put up
what two more need, and on other machines these are not tried: few numbers for processes, which all end with the trial,
and a small disk of its own.
"""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
PROCESSES = 400  # at the same time, threads included
DISK, ENTRIES = 3 * 2**30, 200_000  # bytes and files of the disk
NEEDS_WALLS = ("starts processes without end", "makes folders in folders without end")
FIRST, SECOND = "a", "b"


def _walled() -> bool:
    version = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])
    return os.geteuid() == 0 and version >= (6, 14)  # since then the numbers are counted within a namespace


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _behind_walls(command: list[str]) -> list[str]:
    """The command with few numbers for processes, all of which end when it does."""
    if not _walled():
        return command
    # The shell stays: the first process of a namespace cannot be killed from within, and one mishap kills its parent.
    first = f'echo {PROCESSES} > /proc/sys/kernel/pid_max && "$@"; exit'
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", first, "sh", *command]


@contextlib.contextmanager
def _disk() -> Iterator[Path]:
    """A folder for a trial, for the super-user a disk of its own, which is gone afterwards."""
    folder = tempfile.mkdtemp()
    if _walled():
        about = f"size={DISK},nr_inodes={ENTRIES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", about, "tmpfs", folder], check=True)
    try:
        yield Path(folder)
    finally:
        if _walled():
            subprocess.run(["umount", "--lazy", folder], check=True)
        # some leave folders deeper than Python's own clearing goes
        subprocess.run(["rm", "-rf", "--", folder], check=False)


def nbgrader(course: Path, *words: str, until: str | None = None) -> str:
    """One nbgrader command in a course's folder: what it says, up to the word ``until`` or for ``LONGEST`` seconds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader starts alembic by its name
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "HOME": str(course), "TMPDIR": str(course)}
    command = _behind_walls([sys.executable, "-m", "nbgrader", *words])
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
    with _disk() as folder:
        course = folder / "course"
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
    with _disk() as folder:
        released = folder / "released"
        fresh_course(released)
        for mishap in MISHAPS:
            if words and not any(word in mishap.says for word in words):
                continue
            found = "not tried" if mishap.says in NEEDS_WALLS and not _walled() else trial(mishap, released)
            record["results"][mishap.says] = found
            print(mishap.says, found, flush=True)
            write_json(RECORD, record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
