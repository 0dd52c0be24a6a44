"""Run the long experiment of chapter 12, with the chapter's own cells, and store the records for the chapter to read.

    python -m experiments.mask_supervision [--threads 1] [--work FOLDER] [--out FOLDER]

Nothing of the experiment is written twice: the cells of the notebook that are named in CELLS define network, loss, loop
and scores, and here they run with more seeds and more arms than a chapter has minutes for. Every finished run is stored
in the work folder, and the same command goes on after the last one. The records hold a digest of the cells, so a test
can tell when the chapter has changed and they must be made again.
"""

import argparse
import ast
import contextlib
import hashlib
import io
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import nbformat
import torch
from IPython.core.inputtransformer2 import TransformerManager

from resattn import zoo
from resattn.__main__ import exit_status
from resattn.zoo import checkpoints

ROOT = Path(__file__).parents[1]
CHAPTER = ROOT / "notebooks" / "12_supervised_attention.ipynb"
WORK = ROOT / "_build" / "experiments" / "mask_supervision"
CELLS = ("setup", "data", "loss", "scale", "network", "loop", "baselines", "measure", "ceiling", "oracle")
AMOUNTS = {"few": 300, "many": 3000}
SEEDS = 5


@dataclass(frozen=True)
class Arm:
    """A way to train. ``told`` says what the mask is compared with: nothing, the object of the image, or that of
    another image; ``with_masks`` images have such a target, or all. ``perfect`` is the strength of a mask that is
    the truth itself and stands in for a mask branch."""

    fusion: str
    told: str = "nothing"
    with_masks: int | None = None
    weight: float = 5.0
    perfect: float | None = None


TRUTH, ANOTHER = "its object", "another object"
BOTH = {
    "trunk only": Arm("none"),
    "ARL": Arm("arl"),
    "NAL": Arm("nal"),
    "ARL told": Arm("arl", TRUTH),
    "NAL told": Arm("nal", TRUTH),
    "perfect mask": Arm("none", perfect=1.0),
}
ARMS = {
    "few": BOTH
    | {
        "perfect mask × 0.5": Arm("none", perfect=0.5),
        "ARL told, λ = 1": Arm("arl", TRUTH, weight=1.0),
        "ARL told another": Arm("arl", ANOTHER),
        "NAL told another": Arm("nal", ANOTHER),
    },
    "many": BOTH
    | {
        "ARL told, 1 in 10": Arm("arl", TRUTH, with_masks=300),
        "NAL told, 1 in 10": Arm("nal", TRUTH, with_masks=300),
    },
}


def sources(chapter: Path = CHAPTER) -> dict[str, str]:
    """The code of the named cells as plain Python, in the chapter's order. Raises ValueError if one is missing."""
    transform = TransformerManager().transform_cell  # the set-up cell holds a %pip
    nb = nbformat.read(chapter, as_version=4)
    found = {cell.id: transform(cell.source) for cell in nb.cells if cell.cell_type == "code" and cell.id in CELLS}
    missing = [name for name in CELLS if name not in found]
    if missing:
        raise ValueError(f"{chapter.name} has no cell {', '.join(missing)}")
    return found


def digest(chapter: Path = CHAPTER) -> str:
    """sha256 of what the cells mean to Python. Neither comments nor layout change it, nor line breaks in docstrings,
    nor imports, nor where the cells stand among the others."""
    found = sources(chapter)
    trees = [ast.parse(found[name]) for name in CELLS if name != "setup"]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            docstring = cast(ast.Constant, cast(ast.Expr, node.body[0]).value)
            docstring.value = " ".join(str(docstring.value).split())
    return hashlib.sha256("\n".join(ast.dump(tree) for tree in trees).encode()).hexdigest()


def namespace(chapter: Path = CHAPTER) -> dict[str, Any]:
    """The names that the cells define, after running them in order; what they print is dropped."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for name, source in sources(chapter).items():
            exec(compile(source, f"{chapter.name}[{name}]", "exec"), names)
    return names


def run(chapter: dict[str, Any], arm: Arm, images: int, seed: int) -> tuple[dict[str, float], list[dict[str, float]]]:
    """What the chapter measures of one trained network, in the chapter's units, and the history of its losses."""
    if arm.perfect is not None:
        model, history = chapter["train_oracle"](seed, images, arm.perfect)
        return chapter["oracle_accuracy"](model), history
    target = None
    if arm.told != "nothing":
        target = chapter["TARGET"] if arm.told == TRUTH else chapter["TARGET"].roll(1, 0)
    model = chapter["create"](arm.fusion, seed)
    model, history = chapter["train"](model, seed, images, target, arm.with_masks, arm.weight)
    scores = chapter["measure"](model)
    if arm.fusion != "none":
        scores |= chapter["ceiling"](model)
    return scores, history


def record(chapter: dict[str, Any], amount: str, name: str, seed: int) -> dict[str, Any]:
    arm, images = ARMS[amount][name], AMOUNTS[amount]
    start = time.perf_counter()
    scores, history = run(chapter, arm, images, seed)
    return {
        "network": name,
        "labels": amount,
        "seed": seed,
        "train_images": images,
        "test_images": len(chapter["test_set"]),
        "arm": asdict(arm),
        "recipe": {"steps": chapter["STEPS"], "batch_size": chapter["BATCH"]},
        "data": {"train": chapter["train_set"].name, "test": chapter["test_set"].name},
        "scores": scores,
        "test_error": 1 - scores["accuracy"] / 100,
        "seconds": time.perf_counter() - start,
        **zoo.origin(torch.device("cpu"), chapter["commit"]),
        "cells": chapter["cells"],
        "history": history,
    }


def stored(path: Path, cells: str) -> dict[str, Any] | None:
    """A finished run of the same cells, or None."""
    if not path.exists():
        return None
    found = checkpoints.read_json(path)
    return found if found["cells"] == cells else None


def run_all(work: Path) -> list[dict[str, Any]]:
    """The records of all arms, a whole seed at a time, run now or found in ``work``."""
    chapter = namespace() | {"cells": digest(), "commit": zoo.commit()}
    records = []
    for seed in range(SEEDS):
        for number, (amount, name) in enumerate((amount, name) for amount, arms in ARMS.items() for name in arms):
            path = work / f"{number:02}-seed{seed}.json"
            found = stored(path, chapter["cells"])
            if found is None:
                found = record(chapter, amount, name, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                checkpoints.write_json(path, found)
                print(f"{amount}, {name}, seed {seed}: {found['scores']['accuracy']:.1f} %", flush=True)
            records.append(found)
    return records


def main(arguments: list[str] | None = None) -> int:
    description = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m experiments.mask_supervision", description=description)
    parser.add_argument("--threads", type=int, default=1, help="for PyTorch (default: 1)")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for finished runs (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=zoo.grids.RECORDS, help="folder for the records (default: %(default)s)"
    )
    options = parser.parse_args(arguments)

    def work() -> None:
        torch.set_num_threads(options.threads)
        checkpoints.write_json(options.out / "mask_supervision.json", {"runs": run_all(options.work)})

    return exit_status(work, "error", "interrupted; the same command goes on after the last finished run")


if __name__ == "__main__":
    sys.exit(main())
