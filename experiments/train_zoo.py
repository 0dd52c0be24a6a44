"""Train the networks whose weights come with the package, and put weights and records into resattn/zoo/weights.

    python -m experiments.train_zoo NAME [NAME …] [--work FOLDER] [--out FOLDER] [--threads N]

Every run checkpoints after each epoch in the work folder; the same command resumes an interrupted one. The last epoch
is kept, whatever its test error.

A run computes in the precision that its processor is fast in, and its record says which: seeds 1 and 2 of
attention56_scenes_nal and attention56_scenes_trunk in float32, the others in bfloat16.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from resattn import data, zoo
from resattn.__main__ import exit_status
from resattn.networks import create
from resattn.training import Recipe, fit
from resattn.zoo import checkpoints

WORK = Path(__file__).parents[1] / "_build" / "zoo"


@dataclass(frozen=True)
class Entry:
    """A trained Attention-56: its data, its recipe, and keywords of create("attention56", …)."""

    data: str
    recipe: Recipe
    settings: dict[str, Any]
    seed: int = 0


# Half the width: what one processor core trains in an hour and a half at most.
SCENES = Recipe("zoo_scenes", epochs=8, batch_size=64, lr=0.25, warmup=0.25, weight_decay=5e-4, pad=0)
CIFAR = Recipe("zoo_cifar", epochs=22, batch_size=64, lr=0.1, warmup=0.2, weight_decay=3e-4, evaluate_every=2)
ENTRIES = {
    "attention56_scenes": Entry("scenes", SCENES, {"width": 0.5, "fusion": "arl"}),
    "attention56_scenes_nal": Entry("scenes", SCENES, {"width": 0.5, "fusion": "nal"}),
    "attention56_scenes_trunk": Entry("scenes", SCENES, {"width": 0.5, "fusion": "none"}),
    **{
        f"attention56_scenes{kind}_seed{seed}": Entry("scenes", SCENES, {"width": 0.5, "fusion": fusion}, seed)
        for kind, fusion in (("", "arl"), ("_nal", "nal"), ("_trunk", "none"))
        for seed in (1, 2)
    },
    "attention56_cifar10": Entry("cifar10", CIFAR, {"width": 0.5, "fusion": "arl"}),
}


def train(name: str, entry: Entry, work: Path, out: Path) -> None:
    """Train, resume or skip one entry, then copy its weights and its record, whole or not at all."""
    train_set, test_set = data.load(entry.data, "train"), data.load(entry.data, "test")
    torch.manual_seed(entry.seed)
    model = create("attention56", num_classes=len(train_set.classes), **entry.settings)
    folder = work / name
    history = fit(model, train_set, test_set, entry.recipe, out=folder, seed=entry.seed)
    zoo.load_pretrained(folder)  # raises if the files do not belong together
    for suffix in (".safetensors", ".json"):
        checkpoints.write_aside(out / f"{name}{suffix}", partial(shutil.copy, folder / f"model{suffix}"))
    print(f"{name}: test error {1 - history[-1]['test_accuracy']:.2%}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.train_zoo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="+", choices=list(ENTRIES), metavar="NAME", help=", ".join(ENTRIES))
    parser.add_argument("--work", type=Path, default=WORK, help="folder for checkpoints (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=zoo.pretrained.WEIGHTS, help="folder for the weights (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: all, %(default)s here")
    options = parser.parse_args(arguments)

    def work() -> None:
        torch.set_num_threads(options.threads)
        for name in options.names:
            train(name, ENTRIES[name], options.work, options.out)

    return exit_status(work, "error", "interrupted; the same command goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
