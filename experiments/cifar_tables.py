"""The arms of the paper's Tables 1, 3, 4 and 6 on CIFAR-10, in networks that train in a minute (chapter 11)

Written down before the run:

*Arms.* Attention-56 at a quarter of the width and half the resolution, mixed attention, ARL, one module a stage, and
what differs from it in one thing: channel and spatial attention (Table 1), NAL (Table 3), local convolutions in the
mask branch (Table 4), an equal twin without masks, whose parameters are in more units (as in Table 6); and with three
modules a stage, the layout of Attention-128, ARL and NAL. *Data.* The first 4,000 training pictures and the first 5,000
test pictures. *Recipe.* "quick" with one epoch more, four, so 248 steps; float32. *Seeds.* Four; a seed is new first
weights, order and flips.

*What decides.* This was not written down, and all seeds share one small set of training pictures, so the intervals
speak of first weights and order alone. All that is read from these runs is exploratory. They stand where nothing larger
asks the same: `experiments.cifar` asks what NAL and the equal twin do when the network has time to learn.

Expected cost: 32 runs of about two minutes on one core.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from resattn import data, zoo
from resattn.data import ImageSet
from resattn.networks import create
from resattn.training import RECIPES, fit

SMALL: dict[str, Any] = {"stem": "conv3_stride2", "width": 0.25}
NETWORKS: dict[str, dict[str, Any]] = {
    "arl": SMALL,
    "channel": SMALL | {"mask_activation": "channel"},
    "spatial": SMALL | {"mask_activation": "spatial"},
    "nal": SMALL | {"fusion": "nal"},
    "local": SMALL | {"mask_branch": "local"},
    "twin": SMALL | {"fusion": "none", "units": (6, 6, 7)},
    "arl-m3": SMALL | {"modules": (3, 3, 3)},
    "nal-m3": SMALL | {"modules": (3, 3, 3), "fusion": "nal"},
}
RECIPE = replace(RECIPES["quick"], name="cifar_tables", epochs=4, evaluate_every=4)
TRAIN, TEST = 4000, 5000


@dataclass(frozen=True)
class TablesRun:
    """A network and a seed."""

    network: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.network}-seed{self.seed}"


RUNS = [TablesRun(network, seed) for seed, network in product(range(4), NETWORKS)]  # a whole seed at a time


def first(split: str, n: int) -> ImageSet:
    """The first n pictures; their number is in the name, so that a run is not resumed on another set."""
    whole = data.cifar10(split)
    return replace(whole.subset(slice(n)), name=f"{whole.name}, {n} images")


def train(run: TablesRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    train_set, test_set = first("train", TRAIN), first("test", TEST)
    torch.manual_seed(run.seed)
    model = create("attention56", num_classes=10, **NETWORKS[run.network])
    options: dict[str, Any] = {"seed": run.seed, "device": device, "precision": "float32", "progress": False}
    fit(model, train_set, test_set, RECIPE, out=folder, **options)
    record = dict(zoo.load_pretrained(folder).record)
    del record["sha256"]  # of weights that are not kept
    return {"network": run.network, "train_images": TRAIN, "test_images": TEST, **record}
