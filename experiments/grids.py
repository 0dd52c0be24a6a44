"""Run a named grid of trainings once and store the records of its runs for a chapter to read.

    python -m experiments.grids label_noise [--jobs 2] [--work FOLDER] [--out FOLDER]

Every run checkpoints after each epoch in the work folder. The same command resumes an interrupted grid, to the same
result, and skips what is finished. The records go to resattn/zoo/records/NAME.json when the last run is done; the
weights are not stored.
"""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from resattn import data, zoo
from resattn.__main__ import exit_status
from resattn.data import ImageSet
from resattn.networks import create
from resattn.training import RECIPES, Recipe, fit
from resattn.zoo import checkpoints

WORK = Path(__file__).parents[1] / "_build" / "experiments"


@dataclass(frozen=True)
class Run:
    """One training: a network on the first images of a data set. Its training labels have passed through Q, which
    leaves them as they are where ``noise`` is 0; the test labels are clean."""

    network: str  # what the chapter calls it
    recipe: Recipe
    seed: int
    noise: float
    train_images: int
    test_images: int
    settings: dict[str, Any] = field(default_factory=dict)  # keywords of create("attention56", …)
    data: str = "scenes"  # or another name that resattn.data.load takes

    @property
    def key(self) -> str:
        return f"{self.network}-noise{round(100 * self.noise)}-seed{self.seed}"


def label_noise() -> list[Run]:
    """Chapter 9: attention (ARL, NAL) and a plain residual twin, four noise levels, three seeds, one recipe.

    The twin has no mask. The mask's parameters go into more residual units: 3 and 6 in its stages instead of 1 and 1.
    """
    small = {"stem": "conv3_stride2", "widths": (32, 64), "modules": (1, 1), "poolings": (2, 1), "t": 1}
    networks = {
        "arl": small | {"units": (1, 1), "fusion": "arl"},
        "nal": small | {"units": (1, 1), "fusion": "nal"},
        "twin": small | {"units": (3, 6), "fusion": "none"},
    }
    recipe = Recipe("label_noise", epochs=4, batch_size=32, lr=0.2, warmup=0.2, weight_decay=5e-4, pad=0)
    grid = product(range(3), (0.0, 0.3, 0.5, 0.7), networks.items())  # a whole seed at a time
    return [Run(name, recipe, seed, noise, 4000, 1000, settings) for seed, noise, (name, settings) in grid]


def cifar_tables() -> list[Run]:
    """Chapter 11: the arms of the paper's Tables 1, 3 and 4, and a pair as in Table 6, on CIFAR-10, four seeds.

    Attention-56 at a quarter of the width and half the resolution, by the recipe "quick" with one epoch more. "m3" has
    three modules a stage, the layout of Attention-128. The twin has no mask, and the mask's parameters in more units.
    """
    small = {"stem": "conv3_stride2", "width": 0.25}
    networks = {
        "arl": small,
        "channel": small | {"mask_activation": "channel"},
        "spatial": small | {"mask_activation": "spatial"},
        "nal": small | {"fusion": "nal"},
        "local": small | {"mask_branch": "local"},
        "twin": small | {"fusion": "none", "units": (6, 6, 7)},
        "arl-m3": small | {"modules": (3, 3, 3)},
        "nal-m3": small | {"modules": (3, 3, 3), "fusion": "nal"},
    }
    recipe = replace(RECIPES["quick"], name="cifar_tables", epochs=4, evaluate_every=4)
    grid = product(range(4), networks.items())  # a whole seed at a time
    return [Run(name, recipe, seed, 0.0, 4000, 5000, settings, "cifar10") for seed, (name, settings) in grid]


GRIDS = {"label_noise": label_noise, "cifar_tables": cifar_tables}


@cache
def first_images(name: str, split: str, n: int) -> ImageSet:
    if name == "scenes":
        return data.scenes(split, n)  # renders no more than n
    whole = data.load(name, split)
    if len(whole) < n:
        raise ValueError(f"{whole.name} has {len(whole)} images; the grid needs {n}")
    return whole.subset(slice(n))


def train(run: Run, work: Path) -> dict[str, Any]:
    """The record of one run, trained, resumed or already there, in its own folder below ``work``."""
    torch.set_num_threads(1)  # so that runs side by side do not share one processor
    clean = first_images(run.data, "train", run.train_images)
    test = first_images(run.data, "test", run.test_images)
    labels = data.corrupt_labels(clean.labels, run.noise, len(clean.classes), run.seed)
    name = f"{clean.name}, {len(clean)} images, noise {run.noise}, noise seed {run.seed}"  # a resumed run must match it
    torch.manual_seed(run.seed)
    model = create("attention56", num_classes=len(clean.classes), **run.settings)
    folder = work / run.key
    noisy = replace(clean, labels=labels, name=name)
    fit(model, noisy, test, run.recipe, out=folder, seed=run.seed, device="cpu", precision="float32", progress=False)
    record = checkpoints.read_json(folder / "model.json")
    del record["sha256"]  # of weights that are not kept
    extra = {key: value for key, value in asdict(run).items() if key not in ("recipe", "seed", "settings", "data")}
    print(f"{run.key}: test error {record['test_error']:.1%}, {record['seconds']:.0f} s", flush=True)
    return extra | {"noise_seed": run.seed} | record


def run_grid(runs: list[Run], work: Path, jobs: int = 1) -> list[dict[str, Any]]:
    """The records of all runs, in the order of the grid; ``jobs`` processes of one thread each."""
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1; got {jobs}")
    if len({run.key for run in runs}) != len(runs):
        raise ValueError("two runs of the grid have the same network, noise and seed")
    one = partial(train, work=work)
    if jobs == 1:
        return [one(run) for run in runs]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(one, runs))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.grids", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=sorted(GRIDS), help="which grid")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each of one thread (default: 1)")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for checkpoints (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=zoo.grids.RECORDS, help="folder for the records (default: %(default)s)"
    )
    options = parser.parse_args(arguments)

    def work() -> None:
        records = run_grid(GRIDS[options.name](), options.work / options.name, options.jobs)
        checkpoints.write_json(options.out / f"{options.name}.json", {"runs": records})

    return exit_status(work, "error", "interrupted; the same command goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
