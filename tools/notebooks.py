"""Run chapters in place and store them in one normal form, or check them against the rules.

    python -m tools.notebooks notebooks/05_attention_module.ipynb           run, normalise, check
    python -m tools.notebooks --check notebooks/05_attention_module.ipynb   only check what is stored

Stored are text outputs, and what a cell glued; images and widget views are dropped, but for the first
figure (`tools.first_figures`). The chapters run on
Scenes, whatever data the machine has, so that everybody who runs this stores the same text.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools import first_figures
from tools.chapter_rules import breaches

CELL_SECONDS = 600  # a hung kernel fails after this; a processor without bfloat16 is only slow
KERNEL_SETTINGS = """c = get_config()
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "dpi": 220}
c.HistoryManager.enabled = False
"""  # a first figure that is kept is sharp on dense screens
CELL_METADATA = ("tags", "mystnb", "nbgrader")
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(nb: NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel started in ``folder``; outputs are stored in ``nb``."""
    client = NotebookClient(
        nb,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with tempfile.TemporaryDirectory() as nothing, tempfile.TemporaryDirectory() as settings:
        profile = Path(settings) / "profile_default"
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(KERNEL_SETTINGS)
        client.execute(env={**os.environ, "RESATTN_DATA": nothing, "IPYTHONDIR": settings})


def _kept(output: NotebookNode) -> NotebookNode | None:
    """The output without pictures and widget views; None if nothing is left."""
    if "data" not in output:
        return output
    if name := output.metadata.get("scrapbook", {}).get("name"):  # `resattn.figures.glue`
        return NotebookNode({**output, "metadata": nbformat.from_dict({"scrapbook": {"name": name}})})
    data = {
        kind: value
        for kind, value in output.data.items()
        if kind.startswith("text/") and not ("data:image" in str(value) or "<script" in str(value))
    }
    if not data:
        return None
    return NotebookNode({**output, "data": NotebookNode(data), "metadata": NotebookNode()})


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream as one output: how they arrive is a matter of timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def normalise(nb: NotebookNode) -> NotebookNode:
    """A copy in the form that is committed; normalising twice changes nothing. Cell ids and sources stay."""
    nb = nbformat.from_dict(nb)
    nb.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    count = 0
    for cell in nb.cells:
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata})
        if cell.cell_type != "code":
            continue
        ran = bool(cell.source.strip()) and cell.execution_count is not None
        count += ran
        cell.execution_count = count if ran else None
        cell.outputs = _joined([kept for output in cell.outputs if (kept := _kept(output)) is not None])
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    return nb


def write(nb: NotebookNode, path: Path) -> None:
    """Write aside, then rename: a reader sees the old notebook or the new one."""
    nbformat.validate(nb)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(nbformat.writes(nb) + "\n", encoding="utf-8")
    aside.replace(path)


def check(path: Path) -> list[str]:
    """Breaches of the rules in the stored notebook, its form included."""
    nb = nbformat.read(path, as_version=4)
    found = [*breaches(nb, path.name), *first_figures.breaches(nb, path)]
    if normalise(nb) != nb:
        found.append("is not in the normal form: run `make notebooks`")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks to run in place")
    parser.add_argument("--check", action="store_true", help="only check what is stored")
    options = parser.parse_args(arguments)
    failed = False
    for path in options.chapters:
        if not options.check:
            nb = nbformat.read(path, as_version=4)
            start = time.perf_counter()
            try:
                execute(nb, path.parent)
                first_figures.keep(nb, path)
            except (CellExecutionError, CellTimeoutError, DeadKernelError, first_figures.NoPicture) as error:
                print(f"{path}: not stored, a cell failed\n{error}", file=sys.stderr)
                failed = True
                continue
            write(normalise(nb), path)
            print(f"{path}: {time.perf_counter() - start:.0f} s")
        for breach in check(path):
            print(f"{path}: {breach}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
