"""Making a child answer: the parent's side. It writes inputs, waits, and reads arrays, which it does not trust."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from . import walls
from .assignments import ROOT
from .child import KNOWN_ERRORS, OWN_ERROR

LARGEST = 64 * walls.MEGABYTE  # of what one call may hand back
START = """import sys
sys.path.insert(0, sys.argv[1])
from grading.closed import close
close(sys.argv[2:])
from grading.child import serve
serve()"""
WORDS = {"", OWN_ERROR, *(error.__name__ for error in KNOWN_ERRORS)}  # all that an answer can say but by its arrays


class Server:
    """A process that has imported torch, and one that has not, which fork a child for each job. For ``with`` blocks.

    ``memory`` is what an answer may take beyond that, in bytes.
    """

    def __init__(self, memory: int = 1024 * walls.MEGABYTE) -> None:
        if sentence := walls.missing():
            raise OSError(sentence)
        self.memory = memory
        self.processes: dict[tuple[str, ...], subprocess.Popen[str]] = {}  # by what they do without

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()
        self.processes.clear()

    def _started(self, closed: tuple[str, ...]) -> subprocess.Popen[str]:
        running = self.processes.get(closed)
        if running is not None and running.poll() is None:
            return running
        command = [sys.executable, "-I", "-c", START, str(ROOT), *closed]
        environment = {"OMP_NUM_THREADS": "1", "PATH": os.environ.get("PATH", "")}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True, start_new_session=True)
        self.processes[closed] = process
        return process

    def answer(self, job: dict[str, Any], arrays: dict[str, np.ndarray], seconds: float) -> list[Any]:
        """For each call of the job its list of arrays, or a word that says why there is none.

        The word is the name of an error, "time", "space", or "ended" where the process went without a result.
        """
        process = self._started(tuple(job["closed"]))
        assert process.stdin is not None and process.stdout is not None
        top = Path(tempfile.mkdtemp(prefix="grading-"))
        try:
            job_folder, folder = top / "job", top / "own"
            job_folder.mkdir()
            folder.mkdir()
            (job_folder / "job.json").write_text(json.dumps(job))
            np.savez(job_folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
            order = {"job": str(job_folder), "folder": str(folder), "seconds": seconds, "memory": self.memory}
            try:
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
                end = json.loads(process.stdout.readline())["end"]
            except (OSError, ValueError):
                self.stop()  # the next job gets a new server
                end = "ended"
            if end == "space":
                return [end] * len(job["calls"])
            default = "time" if end == "time" else _read(folder / "all.npz") or "ended"
            return [_read(folder / f"{number}.npz") or default for number in range(len(job["calls"]))]
        finally:
            try:
                shutil.rmtree(top, ignore_errors=True)
            except RecursionError:  # folders in folders, deeper than Python goes
                subprocess.run(["rm", "-rf", "--", str(top)], check=False)


def _read(path: Path) -> Any:
    """The arrays of a file that a child left, or the name of the error in it; None where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
        os.close(fd)
        return "no result that can be read"
    with open(fd, "rb") as file:
        content = file.read(LARGEST)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                return "a result that is too large"
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            error = str(arrays["error"])
            if error:
                return error if error in WORDS else OWN_ERROR
            return Arrays(arrays[f"arr_{number}"] for number in range(len(arrays.files) - 1))
    except Exception:  # whatever a hostile file makes of the reader
        return "no result that can be read"


class Arrays(list[np.ndarray]):
    """What one call handed back; true even where it is empty."""

    def __bool__(self) -> bool:
        return True
