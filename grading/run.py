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

LARGEST = 64 * walls.MEGABYTE  # of what one call may hand back
START = "import sys; sys.path.insert(0, sys.argv[1]); from grading.child import serve; serve()"
LONGEST_START = 120  # seconds until a server has imported torch: a slow disk, not a hung one


class Server:
    """One process that has imported torch and forks a child for each job. Use it in a ``with`` block.

    ``memory`` is what an answer may take beyond that, in bytes.
    """

    def __init__(self, memory: int = 1024 * walls.MEGABYTE) -> None:
        if sentence := walls.missing():
            raise OSError(sentence)
        self.memory = memory
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-c", START, str(ROOT)]
        environment = {"OMP_NUM_THREADS": "1", "PATH": os.environ.get("PATH", "")}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True, start_new_session=True)

    def answer(self, job: dict[str, Any], arrays: dict[str, np.ndarray], seconds: float) -> list[Any]:
        """For each call of the job its list of arrays, or a word that says why there is none.

        The word is the name of an error, "time", or "ended" where the process went without a result.
        """
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="grading-") as top:
            job_folder, folder = Path(top) / "job", Path(top) / "own"
            job_folder.mkdir()
            folder.mkdir()
            (job_folder / "job.json").write_text(json.dumps(job))
            np.savez(job_folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
            order = {"job": str(job_folder), "folder": str(folder), "seconds": seconds, "memory": self.memory}
            try:
                self.process.stdin.write(json.dumps(order) + "\n")
                self.process.stdin.flush()
                end = json.loads(self.process.stdout.readline())["end"]
            except (OSError, ValueError):
                self.stop()  # the next job gets a new server
                end = "ended"
            default = "time" if end == "time" else _read(folder / "all.npz") or "ended"
            results = [_read(folder / f"{number}.npz") or default for number in range(len(job["calls"]))]
            shutil.rmtree(folder, ignore_errors=True)
        return results


def _read(path: Path) -> Any:
    """The arrays of a file that a child left, or the name of the error in it; None where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            return "no result that can be read"
        content = file.read(LARGEST)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                return "a result that is too large"
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            error = str(arrays["error"])
            if error:
                return error if error.replace(" ", "").isalpha() and len(error) < 30 else "an error of its own"
            return Arrays(arrays[f"arr_{number}"] for number in range(len(arrays.files) - 1))
    except Exception:  # whatever a hostile file makes of the reader
        return "no result that can be read"


class Arrays(list[np.ndarray]):
    """What one call handed back; true even where it is empty."""

    def __bool__(self) -> bool:
        return True
