"""Depth and fusion: what harms naive stacking, and does training heal it? (chapter 7)

Written down before the run:

*Arms.* Attention-56 at a quarter of the width and half the resolution, with three modules a stage, on the ten classes
of Scenes: attention residual learning (ARL), naive attention (NAL), plain (no mask), and "half", NAL whose masks are
the constant one half, which attenuates and can do nothing else. Each for 60, 250, 1,000 and 4,000 steps of 64 pictures,
a run of its own with its own schedule. With 250 and 1,000 steps also "adam", NAL under Adam, which divides every
gradient by its size, and "open", NAL whose masks start at 0.98; with 1,000 "plain-adam", so that what Adam does to NAL
can be told from what it does to any network. With one module a stage ARL, NAL and plain for 1,000 steps (all arms and
budgets were planned; cut before the first run to what the hours allow). *Seeds.* Five; a seed is
new first weights, a new order, and its own draw of 20,000 pictures, of which the last 2,000 are for validation. Rates
from {0.05, 0.1, 0.2, 0.4, 0.8} (Adam: {1e-3, 3e-3, 1e-2, 3e-2}), chosen for each arm, depth and budget on the
validation pictures of seed 0 and then fixed. *Test.* 4,000 pictures, once. *Changed on the way*: three rates were
planned; as the last of them was best almost everywhere, 0.4 was added, and as it was best again, 0.8 and Adam's 3e-2,
when the runs of seed 0 up to NAL's had been made. The choice is by validation pictures alone; runs whose choice this
changed were made anew. 4,000 steps were to take the rate of 1,000; but plain had 94.8 % of the validation
pictures right at 0.4 and 88.9 % at 0.8, the choice of 1,000 steps, so this length chooses for itself, among 0.2, 0.4
and 0.8. Last, before the runs of seeds 1 to 4: where the first or the last rate was still the best of an arm, a depth
and a budget, one more was tried, 1.6 or 0.1.

*What decides.* At three modules, paired over seeds, Holm over eight: NAL less plain at each budget (does training heal
it? "healed" at the first budget at which the interval lies inside ± 2 points); at 1,000 steps half less plain (does
attenuation alone harm?), NAL less half (what do learned masks add?), adam less NAL (is it the size of gradients?), open
less NAL (is it the start?). *Exploratory*: whether depth costs NAL more, NAL less plain with three modules less the
same with one, at 1,000 steps; and whether Adam helps NAL more than plain, the difference of the two differences.

Expected cost: 120 runs and 122 for the rates, about ten core-hours.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resattn import data, zoo
from resattn.analysis import ConstantMask, mean_response
from resattn.data import Batches, ImageSet
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import Recipe, evaluate, make_optimizer

from . import tuning
from .steps import fit_steps

BUDGETS = (60, 250, 1000, 4000)
ARMS = ("arl", "nal", "plain", "half")
EXTRA = ("adam", "open")  # three modules, the two budgets in the middle
RATES = dict.fromkeys(("adam", "plain-adam"), (1e-3, 3e-3, 1e-2, 3e-2))
DEFAULT_RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
LONG_RATES = (0.2, 0.4, 0.8)  # of the longest budget
# One rate more for the cells whose best was the first or the last of those above.
FURTHER = {
    **dict.fromkeys(product(("plain", "half"), (3,), (60, 250, 1000)), 1.6),
    **dict.fromkeys(product(("arl", "open"), (3,), (250,)), 1.6),
    **dict.fromkeys(product(("adam", "plain-adam"), (3,), (1000,)), 0.1),
    **dict.fromkeys(product(("arl", "plain", "half"), (3,), (4000,)), 0.1),
    ("rising", 3, 1000): 1.6,  # an arm of experiments.turned
}
TRAIN, VALIDATION, TEST, BATCH = 20_000, 2_000, 4_000, 64
OPEN = 4.0  # what is added to every mask logit: σ(4) is 0.98


@dataclass(frozen=True)
class DepthRun:
    """An arm, its depth and budget, and a seed; with ``rate``, one of the runs that choose the rate."""

    arm: str
    modules: int
    steps: int
    seed: int
    rate: float | None = None

    @property
    def key(self) -> str:
        return f"{self.arm}-m{self.modules}-steps{self.steps}-" + (
            f"rate{self.rate:g}" if self.rate else f"seed{self.seed}"
        )


def cells() -> Iterator[tuple[str, int, int]]:
    yield from product(ARMS, (3,), BUDGETS)
    yield from product(EXTRA, (3,), (250, 1000))
    yield "plain-adam", 3, 1000
    yield from product(("arl", "nal", "plain"), (1,), (1000,))


def tried_rates(arm: str, modules: int, steps: int) -> tuple[float, ...]:
    rates = LONG_RATES if steps == BUDGETS[-1] else RATES.get(arm, DEFAULT_RATES)
    further = FURTHER.get((arm, modules, steps))
    return rates if further is None else (*rates, further)


# First the runs that choose the rates, then a whole seed at a time.
RUNS = [DepthRun(*cell, 0, rate) for cell in cells() for rate in tried_rates(*cell)] + [
    DepthRun(*cell, seed) for seed in range(5) for cell in cells()
]


class Open(nn.Module):
    """A mask that starts nearly open: σ(z + 4) where the branch says σ(z). [B, C, H, W] -> the same."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        M = self.branch(x)  # [B, C, H, W]
        return M * math.exp(OPEN) / (1 + M * (math.exp(OPEN) - 1))  # [B, C, H, W], σ(z + 4) in terms of σ(z)


def build(run: DepthRun) -> ResidualAttentionNetwork:
    """The network of a run, freshly initialised by its seed."""
    torch.manual_seed(run.seed)
    fusion = {"arl": "arl", "plain": "none", "plain-adam": "none"}.get(run.arm, "nal")
    model = create(
        "attention56", stem="conv3_stride2", width=0.25, modules=(run.modules,) * 3, fusion=fusion, num_classes=10
    )
    for module in model.attention_modules().values():
        if run.arm == "half":
            module.mask = ConstantMask(0.5)  # type: ignore[assignment]
        elif run.arm == "open":
            module.mask = Open(module.get_submodule("mask"))  # type: ignore[assignment]
    return model


def optimizer_for(
    model: nn.Module, run: DepthRun, recipe: Recipe, device: torch.device | str = "cpu"
) -> torch.optim.Optimizer:
    if run.arm in RATES:
        return torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=0.0)
    return make_optimizer(model, recipe, torch.device(device))


def chosen_rate(run: DepthRun, stored: tuning.Stored) -> float:
    """The rate of a run's arm, depth and budget: the best on the validation pictures.

    Raises ValueError if the runs that choose it have not been made.
    """
    tried = {rate: replace(run, seed=0, rate=rate).key for rate in tried_rates(run.arm, run.modules, run.steps)}
    return tuning.best(run.key, "rate", tried, stored, itemgetter("validation_accuracy"))


def work(run: DepthRun) -> tuple[ResidualAttentionNetwork, int, int]:
    return build(run), 32, run.steps * BATCH


def train(run: DepthRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    return made(run, run.rate or chosen_rate(run, tuning.stored_runs("depth")), build(run), device)


def made(
    run: DepthRun, rate: float, model: ResidualAttentionNetwork, device: str, after: Callable[[int], Any] | None = None
) -> dict[str, Any]:
    """The record of a network that is trained as a run says; ``after`` is called after each step, with their number."""
    recipe = Recipe("depth", steps=run.steps, batch_size=BATCH, lr=rate, warmup=0.1, weight_decay=5e-4, pad=0)
    whole = data.scenes("train", TRAIN, seed=run.seed)
    train_set, validation = whole.subset(slice(TRAIN - VALIDATION)), whole.subset(slice(TRAIN - VALIDATION, TRAIN))
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optimizer_for(model, run, recipe, device)
    batches = Batches(train_set, BATCH, train=True, device=device, seed=run.seed, pad=0)
    losses = fit_steps(model, optimizer, batches, recipe, after=after)
    x, _ = next(iter(Batches(validation, 256, train=False, mean=batches.mean, std=batches.std).epoch(0)))
    statistics: dict[str, Any] = {"mean": batches.mean, "std": batches.std, "device": device, "precision": "bfloat16"}
    record: dict[str, Any] = {
        "arm": run.arm,
        "modules": run.modules,
        "steps": run.steps,
        "seed": run.seed,
        "rate": rate,
        "data": {"train": f"{train_set.name}, draw {run.seed}"},
        "train_loss": losses[-min(50, len(losses)) :],
        "validation_accuracy": evaluate(model, validation, **statistics)["accuracy"],
        **zoo.origin(torch.device(device), zoo.commit()),
    }
    if run.rate is None:
        scores = evaluate(model, test_set(), **statistics)
        record |= {"test_error": scores["error"], "response": mean_response(model.eval().to("cpu"), x)}
    return record


def test_set() -> ImageSet:
    return data.scenes("test", TEST)
