"""Setting up the environment: which Python is taken, and what an interrupted set-up leaves.

The interpreters and uv are stand-ins on a PATH of their own, so nothing is installed or downloaded.
"""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPT = ROOT / "tools" / "make_venv.sh"
RUNS = "#!/bin/sh\nexit 0\n"
TOO_OLD = "#!/bin/sh\nexit 1\n"
SHIM = "#!/bin/sh\necho 'this command exists in other versions' >&2\nexit 127\n"
UV = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  venv) for last; do :; done; mkdir -p "$last/bin"; cp {python} "$last/bin/python" ;;
  pip) if [ -e {broken} ]; then exit 2; fi ;;
esac
"""


class Machine:
    """A folder with a PATH that holds only what a test puts there (and the tools of the shell)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.log = folder, folder / "bin", folder / "log"
        self.broken = folder / "broken"  # while this file exists, installing fails
        self.bin.mkdir()
        self.put("uv", UV.format(log=self.log, python=self.put("a-good-python", RUNS), broken=self.broken))
        for tool in ("sh", "rm", "mkdir", "touch", "cp"):
            (self.bin / tool).symlink_to(f"/bin/{tool}")

    def put(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def set_up(self, *python: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        command = ["/bin/sh", str(SCRIPT), ".venv", ".venv/.ready-1", *python]
        environment = {**os.environ, "PATH": str(self.bin)}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    @property
    def ready(self) -> bool:
        return (self.folder / ".venv" / ".ready-1").exists() and not (self.folder / ".venv.unfinished").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_takes_the_first_python_that_runs_and_is_new_enough(machine: Machine) -> None:
    machine.put("python3", TOO_OLD)
    machine.put("python3.13", SHIM)
    machine.put("python3.12", RUNS)
    assert machine.set_up().returncode == 0 and machine.ready
    assert any(call.startswith("venv") and "/python3.12 " in call for call in machine.calls)
    assert any("-r requirements.txt" in call for call in machine.calls)
    assert any("--no-deps" in call and "-e ." in call for call in machine.calls)


def test_says_so_if_no_python_is_new_enough(machine: Machine) -> None:
    machine.put("python3", TOO_OLD)
    machine.put("python3.12", SHIM)
    done = machine.set_up()
    assert done.returncode != 0 and not machine.ready
    assert "No Python 3.11 or newer found" in done.stderr and "Traceback" not in done.stderr


def test_a_python_that_was_asked_for_is_taken_or_refused(machine: Machine) -> None:
    machine.put("python3", RUNS)
    mine = machine.put("my-python", RUNS)
    assert machine.set_up(str(mine)).returncode == 0
    assert any(str(mine) in call for call in machine.calls)

    old = machine.put("old-python", TOO_OLD)
    (machine.folder / ".venv" / "bin" / "python").unlink()
    done = machine.set_up(str(old))
    assert done.returncode != 0 and f"PYTHON={old} is not a Python" in done.stderr


def test_an_interrupted_set_up_starts_anew(machine: Machine) -> None:
    machine.put("python3", RUNS)
    machine.broken.touch()
    assert machine.set_up().returncode != 0 and not machine.ready
    (machine.folder / ".venv" / "half-written").touch()
    machine.broken.unlink()

    assert machine.set_up().returncode == 0 and machine.ready
    assert not (machine.folder / ".venv" / "half-written").exists()
    assert any(call.startswith("venv") for call in machine.calls)


def test_an_environment_that_works_is_kept_and_updated(machine: Machine) -> None:
    machine.put("python3", RUNS)
    machine.set_up()
    (machine.folder / ".venv" / "kept").touch()
    (machine.folder / ".venv" / ".ready-0").touch()
    assert machine.set_up().returncode == 0 and machine.ready
    assert (machine.folder / ".venv" / "kept").exists() and not (machine.folder / ".venv" / ".ready-0").exists()
    assert not any(call.startswith("venv") for call in machine.calls)


def test_an_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.put("python3", RUNS)
    machine.set_up()
    (machine.folder / ".venv" / "bin" / "python").write_text(SHIM)
    assert machine.set_up().returncode == 0 and machine.ready
    assert any(call.startswith("venv") for call in machine.calls)
