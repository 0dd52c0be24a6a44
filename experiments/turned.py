"""Is it the start that harms a naive stack, or attenuation that lasts? (chapter 7)

Written down before the run:

*Arms.* "half" of `experiments.depth`, nine modules and 1,000 steps, with masks that are one number everywhere, and that
number changes while training goes on. "rising": one half for 200 steps, then in a straight line to 1 at step 400, and 1
to the end: it starts as half does, and ends as a network without masks. "falling": 1 for 200 steps, then down to one
half at step 400: the other way round. First weights, pictures and order are those of half, seed by seed. *Seeds.* Five.
Rates from {0.05, 0.1, 0.2, 0.4, 0.8}, chosen for each arm on the validation pictures of seed 0 and then fixed. *Test.*
The 4,000 pictures of `experiments.depth`, once. *Changed afterwards*: rising had taken 0.8, the last rate, and half had
been given 1.6 where 0.8 was its last. So rising was given 1.6 as well, when all runs had been read; it took it, and its
five runs were made anew. (With 0.8, rising less half had been −8.6 ± 9.3 points.)

*What decides.* Error, paired over seeds with half and plain of `experiments.depth`, Student, Holm over three: rising
less half, falling less half, falling less plain. If the start alone did the harm, rising would be no better than half,
and falling better than half and no worse than plain. If attenuation that lasts did it, rising would be better than
half, and falling worse than plain. Both may be true in part. *Exploratory*: rising less plain, as rising has only 600
steps left without masks.

Expected cost: 20 runs of about two minutes on one core.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from resattn.analysis import ConstantMask
from resattn.networks import ResidualAttentionNetwork

from . import depth, tuning
from .depth import DepthRun

STEPS, TURN, TURNED = 1000, 200, 400
FROM_TO = {"rising": (0.5, 1.0), "falling": (1.0, 0.5)}

RUNS = [DepthRun(arm, 3, STEPS, 0, rate) for arm in FROM_TO for rate in depth.tried_rates(arm, 3, STEPS)] + [
    DepthRun(arm, 3, STEPS, seed) for seed, arm in product(range(5), FROM_TO)
]


def mask_at(arm: str, step: int) -> float:
    """What the masks of an arm say after so many steps."""
    start, end = FROM_TO[arm]
    share = min(max((step - TURN) / (TURNED - TURN), 0.0), 1.0)
    return start + share * (end - start)


def turning(model: ResidualAttentionNetwork, arm: str) -> Callable[[int], None]:
    """Puts the masks of an arm into a network; the function that it returns turns them, called after each step."""
    masks = [ConstantMask(mask_at(arm, 0)) for _ in model.attention_modules()]
    for module, mask in zip(model.attention_modules().values(), masks, strict=True):
        module.mask = mask  # type: ignore[assignment]

    def turn(step: int) -> None:
        for mask in masks:
            mask.value = mask_at(arm, step)

    return turn


def work(run: DepthRun) -> tuple[ResidualAttentionNetwork, int, int]:
    model, size, pictures = depth.work(run)
    turning(model, run.arm)  # which puts the masks in
    return model, size, pictures


def train(run: DepthRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run, with the fields of `experiments.depth`."""
    model = depth.build(run)
    rate = run.rate or depth.chosen_rate(run, tuning.stored_runs("turned"))
    return depth.made(run, rate, model, device, turning(model, run.arm))
