"""CIFAR-10 at about ten per cent error: what do masks buy on photographs? (chapters 8 and 11)

Written down before the run:

*Arms.* Attention-56 at half width by the zoo's recipe (22 epochs, batch 64, rate 0.1, warm-up 0.2, weight decay 3e-4,
crops and flips): attention residual learning (ARL), naive attention (NAL), the trunk alone, and the equal
twin, which has the masks' parameters in more trunk units. *Seeds.* Three; a seed is new first weights, order and
augmentation. The training set is all of CIFAR-10, so there is no draw of pictures. *Test.* The 10,000 test pictures
after the last epoch. They are looked at every second epoch too, for the curve; nothing is chosen by it.

*What decides.* Test error, ARL less each of the other three, paired over seeds, Student, three comparisons, Holm. With
three seeds only a large difference can be resolved; the interval is what is reported. "No difference" if it lies inside
± 1 point.

*Precision.* ARL, NAL and the trunk of seed 0 in bfloat16. The other nine in float32, changed before any of the nine was
finished (two had been begun in bfloat16 and were lost), and after the three had been read: the processor at hand now
has no bfloat16 and takes five times as long to imitate it. So one pair, ARL and the twin of seed 0, mixes the two.

Expected cost: on one core 76 minutes a run in bfloat16, 140 in float32: 25 core-hours. The twelfth, ARL with seed 0, is
the zoo's attention56_cifar10, trained by this recipe, and tested, before this was written. (A first epoch made again
has its loss to the last bit.)
"""

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from resattn import data, zoo
from resattn.networks import create
from resattn.training import Recipe, fit

NETWORKS: dict[str, dict[str, Any]] = {
    "arl": {"width": 0.5, "fusion": "arl"},
    "nal": {"width": 0.5, "fusion": "nal"},
    "trunk": {"width": 0.5, "fusion": "none"},
    "twin": {"width": 0.5, "fusion": "none", "units": (6, 6, 7)},
}
BFLOAT16 = ("arl-seed0", "nal-seed0", "trunk-seed0")
RECIPE = Recipe("zoo_cifar", epochs=22, batch_size=64, lr=0.1, warmup=0.2, weight_decay=3e-4, evaluate_every=2)


@dataclass(frozen=True)
class CifarRun:
    """A network and a seed."""

    network: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.network}-seed{self.seed}"

    @property
    def precision(self) -> str:
        return "bfloat16" if self.key in BFLOAT16 else "float32"


RUNS = [CifarRun(network, seed) for seed, network in product(range(3), NETWORKS)]  # a whole seed at a time
KEPT = {"nal-seed0": "attention56_cifar10_nal"}
MADE = {"arl-seed0": "attention56_cifar10"}  # by experiments.train_zoo


def train(run: CifarRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    if run.key in MADE:
        record = of_the_zoo(run)
    else:
        sets = data.cifar10("train"), data.cifar10("test")
        torch.manual_seed(run.seed)
        model = create("attention56", num_classes=10, **NETWORKS[run.network])
        options: dict[str, Any] = {"seed": run.seed, "device": device, "precision": run.precision, "progress": False}
        fit(model, *sets, RECIPE, out=folder, **options)
        record = dict(zoo.load_pretrained(folder).record)
    del record["sha256"]  # of weights that are not kept
    return {"network": run.network, **record}


def of_the_zoo(run: CifarRun) -> dict[str, Any]:
    """The record of a network that is there. Raises ValueError if it was trained in another way."""
    name = MADE[run.key]
    model = zoo.load_pretrained(name)
    record = dict(model.record)
    wanted = create("attention56", num_classes=10, **NETWORKS[run.network]).config
    recipe = json.loads(json.dumps(asdict(RECIPE)))  # as a record has it
    made = (model.config, record["recipe"], record["seed"], record["precision"], record["world"])
    if made != (wanted, recipe, run.seed, run.precision, 1):
        raise ValueError(f"{name} was not trained as {run.key} would be")
    return record
