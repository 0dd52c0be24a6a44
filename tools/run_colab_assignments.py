"""A student's way through the assignments on Colab, from the badge to the hand-in, with the versions that Colab ships.

    python -m tools.run_colab_assignments [soft_mask …] [--python python3.13]

Each release is opened where its badge points, runs once as it is and once filled in, without the package until its
set-up cell has installed it; the last cell asks Colab for the notebook, in the shape that Colab keeps notebooks in, and
offers the zip file. The zip file is then graded, and must get full marks.
"""

import argparse
import copy
import json
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from grading import notebooks
from grading.assignments import NAMES, load
from grading.marks import grade, key
from grading.run import Server
from tools.chapter_rules import REPOSITORY
from tools.run_colab import CELL_SECONDS, ROOT, kernel_in, set_up, sources_in

VARIANT = "paper"
HANDED_OUT = """\
import json, sys, types
def _ask(kind, timeout_sec):
    with open("colab.json", encoding="utf-8") as file:
        return {"ipynb": json.load(file)}
def _download(name):
    with open("downloaded", "w") as file:
        file.write(name)
google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
google.colab = colab
colab._message = types.SimpleNamespace(blocking_request=_ask)
colab.files = types.SimpleNamespace(download=_download)
sys.modules.update({"google": google, "google.colab": colab})
"""


def as_colab_keeps_it(nb: NotebookNode) -> str:
    """The notebook's text in the shape that Colab saves: format 4.0, ids in the metadata, sources as lists of lines."""
    made = json.loads(nbformat.writes(nb))
    made["nbformat_minor"] = 0
    made["metadata"]["colab"] = {"provenance": []}
    for cell in made["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
    return json.dumps(made)


def badge_target(nb: NotebookNode) -> Path:
    """The file of this repository that the badge opens. Raises ValueError for a badge that opens nothing."""
    start = notebooks.COLAB.removesuffix("notebooks/assignments/release")
    for part in nb.cells[0].source.split("("):
        target = ROOT / part.split(")")[0].removeprefix(start)
        if part.startswith(start) and target.exists():
            return target
    raise ValueError("the badge opens no notebook of this repository")


def run(nb: NotebookNode, environment: dict[str, str], folder: Path, source: Path) -> str:
    """Run all cells in ``folder`` with Colab's versions, and return what they wrote."""
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.source = cell.source.replace(f"git+{REPOSITORY}", str(source))
    nb.cells.insert(0, new_code_cell(HANDED_OUT))
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(nb, timeout=CELL_SECONDS, kernel_name="colab", resources=place)
    client.execute(env=environment)
    outputs = [output for cell in nb.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs if output.output_type == "stream")


def way(name: str, interpreter: Path) -> float:
    """Seconds of one assignment's way. Raises AssertionError where it does not lead to full marks."""
    assignment = load(name)
    stem = notebooks.file_stem(assignment, VARIANT)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as top:
        environment, source, folder = kernel_in(Path(top), interpreter), sources_in(Path(top)), Path(top) / "content"
        folder.mkdir()
        opened = nbformat.read(notebooks.RELEASES / f"{stem}.ipynb", as_version=4)
        assert badge_target(opened) == notebooks.RELEASES / f"{stem}.ipynb"
        for nb, verdict in ((opened, "not written yet"), (notebooks.filled_in(assignment, VARIANT), "agrees on")):
            (folder / "colab.json").write_text(as_colab_keeps_it(nb), encoding="utf-8")
            said = run(nb, environment, folder, source)
            for question in assignment.questions:
                assert f"{question.name}: {verdict}" in said, (question.name, said)
        assert "as it stands now" in said and (folder / "downloaded").read_text() == f"{stem}.zip"
        with Server() as server:
            marks = grade(folder / f"{stem}.zip", "a student", key(name, VARIANT, 1), server)
        assert marks.points == assignment.points(), [line for line in marks.lines if line.why]
        assert all(marks.words.values())
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.run_colab_assignments", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("names", nargs="*", default=NAMES, help="default: every assignment")
    parser.add_argument("--python", help="a command that runs Python 3.13")
    options = parser.parse_args(arguments)
    try:
        interpreter = set_up(options.python)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for name in options.names:
        print(f"{name}: from the badge to full marks, {way(name, interpreter):.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
