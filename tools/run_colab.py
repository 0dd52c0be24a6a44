"""Run the edition for Colab with the versions that Colab ships: ``make colab``.

    python -m tools.run_colab [notebooks/colab/05_attention_module.ipynb …] [--python python3.13]

Sets up an environment of its own with Python 3.13 and ``tools/colab_requirements.txt``. Each chapter starts in an empty
folder without the package; its set-up cell runs twice, and the first time it must install the package from this
repository. Where a chapter shows explorers, their controls then move over all their values.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.chapter_rules import REPOSITORY
from tools.sphinx_chapters import in_order

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-colab"
REQUIREMENTS = ROOT / "tools" / "colab_requirements.txt"
CELL_SECONDS = 600  # a service may be slow
EXPLORED = """\
from resattn.figures.widgets import Explorer
for _explorer in {id(v): v for v in [*globals().values(), *Out.values()] if isinstance(v, Explorer)}.values():
    for _control in _explorer.controls.values():
        _all = getattr(_control, "options", None) or ([True, False] if isinstance(_control.value, bool) else None)
        for _value in _all or [_control.min, _control.max]:
            _control.value = _value
            assert _explorer.drawn == _explorer.values()
"""
INSTALLED = """\
import resattn, sys
assert resattn.__file__.startswith(sys.prefix), f"the package comes from {resattn.__file__}"
"""


def find_python(wanted: str | None = None) -> str:
    """A command that runs Python 3.13. Raises ValueError if there is none: a command may exist and not run."""
    for command in [wanted] if wanted else ["python3.13", "python3"]:
        ask = [command, "-c", "import sys, venv; print(*sys.version_info[:2])"]
        if shutil.which(command) and subprocess.run(ask, capture_output=True, text=True).stdout.split() == ["3", "13"]:
            return command
    raise ValueError(f"{wanted or 'python3.13'} is not a Python 3.13 that runs here; name one with --python")


def set_up(python: str | None = None) -> Path:
    """The interpreter of the environment, which is made anew when its requirements have changed."""
    interpreter = VENV / "bin" / "python"
    stamp = VENV / f".ready-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"
    if not stamp.exists():
        shutil.rmtree(VENV, ignore_errors=True)
        print(f"Setting up {VENV.name} with Colab's versions. This downloads PyTorch.", flush=True)
        subprocess.run([find_python(python), "-m", "venv", str(VENV)], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        stamp.touch()
    return interpreter


def prepared(nb: NotebookNode, source: Path) -> NotebookNode:
    """The notebook with its set-up cell twice, installing from ``source`` in place of the repository's address."""
    nb = nbformat.from_dict(nb)
    number = next(n for n, cell in enumerate(nb.cells) if "setup" in cell.metadata.get("tags", []))
    setup = nb.cells[number]
    if f"git+{REPOSITORY}" not in setup.source:
        raise ValueError("the set-up cell does not install the package")
    setup.source = setup.source.replace(f"git+{REPOSITORY}", str(source))
    nb.cells[number + 1 : number + 1] = [new_code_cell(INSTALLED), new_code_cell(setup.source)]
    nb.cells.append(new_code_cell(EXPLORED))
    return nb


def kernel_in(folder: Path, interpreter: Path) -> dict[str, str]:
    """Put the kernel "colab" below ``folder``, without the package, for `nbclient` to find; the environment for it."""
    remove = [str(interpreter), "-m", "pip", "uninstall", "--quiet", "--yes", "resattn"]
    subprocess.run(remove, check=True, capture_output=True)
    kernel = folder / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [str(interpreter), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Colab", "language": "python"}))
    os.environ["JUPYTER_PATH"] = str(folder / "jupyter")
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def sources_in(folder: Path) -> Path:
    """A copy of what the package is installed from: building a package leaves files where it lies."""
    source = folder / "repository"
    shutil.copytree(ROOT / "resattn", source / "resattn", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source


def run(path: Path, interpreter: Path) -> float:
    """Seconds that the chapter took. Raises what nbclient raises if a cell fails."""
    with tempfile.TemporaryDirectory() as folder:
        environment = kernel_in(Path(folder), interpreter)
        nb = prepared(nbformat.read(path, as_version=4), sources_in(Path(folder)))
        empty = Path(folder) / "empty"
        empty.mkdir()
        client = NotebookClient(
            nb,
            timeout=CELL_SECONDS,
            kernel_name="colab",
            store_widget_state=False,
            resources={"metadata": {"path": str(empty)}},
        )
        start = time.perf_counter()
        client.execute(env={**environment, "RESATTN_DATA": str(empty)})
        return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.run_colab", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="default: every chapter of notebooks/colab")
    parser.add_argument("--python", help="a command that runs Python 3.13")
    options = parser.parse_args(arguments)
    if missing := [str(path) for path in options.chapters if not path.is_file()]:
        print(f"there is no notebook {missing[0]}", file=sys.stderr)
        return 1
    try:
        interpreter = set_up(options.python)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    for path in options.chapters or [path.parent / "colab" / path.name for path in in_order(ROOT)]:
        try:
            print(f"{path.name}: {run(path, interpreter):.0f} s", flush=True)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, ValueError) as error:
            print(f"{path.name}: failed\n{error}", file=sys.stderr, flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
