"""The usual additions to plain gradient descent: which of them pays, where the network has time to learn? (chapter 8)

Written down before the run:

*Arms.* Each adds to the one before: plain gradient descent at a constant rate; Nesterov momentum 0.9; warm-up over a
quarter and a half cosine; flips and crops by four pixels; weight decay 5e-4 and label smoothing 0.1. The network is
the 16 k one of the chapter, batches of 32, 1,500 steps over 2,000 Scenes (24 passes), float32. *Rates.* Each arm has
its own, chosen among four on 500 validation pictures of seed 100: momentum 0.9 multiplies the length of a step by ten,
so without momentum the four are ten times as large. *Seeds.* Five, 0 to 4; a seed is new first weights, a new order,
and its own draw of pictures. *Test.* 4,000 pictures, once, right after the last step.

*What decides.* Each arm's test accuracy less that of the arm before it, paired over seeds, Student, four comparisons,
Holm. *Exploratory* is the accuracy on the training pictures.

Expected cost: 20 runs for the rates and 25, about a quarter of an hour of one core.
"""

from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch

from resattn import data, zoo
from resattn.data.batches import channel_statistics
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import Recipe, evaluate, fit

from . import tuning

TINY = {"stem": "conv7_pool", "widths": (32,), "units": (1,), "modules": (1,), "poolings": (2,), "t": 1}
TRAIN, VALIDATION, TEST, TUNED_ON = 2000, 500, 4000, 100
PLAIN = Recipe(
    "additions",
    steps=1500,
    batch_size=32,
    schedule="step",  # without milestones: a constant rate
    momentum=0,
    weight_decay=0,
    pad=0,
    flip=False,
    evaluate_every=1000,  # only after the last step
)
ADDITIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "schedule": {"schedule": "cosine", "warmup": 0.25},
    "crops": {"flip": True, "pad": 4},
    "decay": {"weight_decay": 5e-4, "label_smoothing": 0.1},
}
RATES = (0.03, 0.1, 0.3, 1.0)  # with momentum; ten times as large without


@dataclass(frozen=True)
class Addition:
    """An arm and a seed; with ``rate``, one of the runs that choose the rate."""

    arm: str
    seed: int
    rate: float | None = None

    @property
    def key(self) -> str:
        return f"{self.arm}-" + (f"rate{self.rate:g}" if self.rate else f"seed{self.seed}")


def rates(arm: str) -> list[float]:
    return [rate * (10 if arm == "plain" else 1) for rate in RATES]


# First the runs that choose the rates, then a whole seed at a time.
RUNS = [Addition(arm, TUNED_ON, rate) for arm in ADDITIONS for rate in rates(arm)] + [
    Addition(arm, seed) for seed in range(5) for arm in ADDITIONS
]


def recipe_for(arm: str) -> Recipe:
    """The recipe of an arm: every addition down to its own."""
    recipe = PLAIN
    for name, addition in ADDITIONS.items():
        recipe = replace(recipe, **addition)
        if name == arm:
            return recipe
    raise ValueError(f"there is no arm {arm!r}; there are {', '.join(ADDITIONS)}")


def chosen_rate(arm: str, stored: tuning.Stored) -> float:
    """The best rate on the validation pictures. Raises ValueError if the runs that choose it have not been made."""
    tried = {rate: Addition(arm, TUNED_ON, rate).key for rate in rates(arm)}
    return tuning.best(arm, "rate", tried, stored, itemgetter("validation_accuracy"))


def network() -> ResidualAttentionNetwork:
    return create("attention56", num_classes=10, **TINY)


def work(run: Addition) -> tuple[ResidualAttentionNetwork, int, int]:
    recipe = recipe_for(run.arm)
    return network(), 32, recipe.total_steps(TRAIN // recipe.batch_size) * recipe.batch_size


def train(run: Addition, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    rate = run.rate or chosen_rate(run.arm, tuning.stored_runs("additions"))
    whole = data.scenes("train", TRAIN + VALIDATION, seed=run.seed)
    train_set, validation = whole.subset(slice(TRAIN)), whole.subset(slice(TRAIN, TRAIN + VALIDATION))
    test_set = validation if run.rate else data.scenes("test", TEST)
    torch.manual_seed(run.seed)
    model = network()
    how: dict[str, Any] = {"device": device, "precision": "float32"}
    recipe = replace(recipe_for(run.arm), lr=rate)
    history = fit(model, train_set, test_set, recipe, seed=run.seed, progress=False, **how)
    mean, std = channel_statistics(train_set.images)
    return {
        "arm": run.arm,
        "seed": run.seed,
        "rate": rate,
        "data": {"train": f"{train_set.name}, draw {run.seed}", "test": test_set.name},
        "seconds": sum(entry["seconds"] for entry in history),
        "train_loss": history[-1]["train_loss"],
        "train_accuracy": evaluate(model, train_set, mean=mean, std=std, **how)["accuracy"],
        ("validation_accuracy" if run.rate else "test_accuracy"): history[-1]["test_accuracy"],
        **zoo.origin(torch.device(device), zoo.commit()),
    }
