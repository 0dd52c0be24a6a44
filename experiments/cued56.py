"""Attention-56 on a task with work to do: Fig. 1 of the paper told again (chapter 10)

Written down before the run:

*Arms.* Attention-56 at half width, three stages with one module each, on Cued Scenes of 64 pixels (the stem halves the
resolution, so the stages work at 32, 16 and 8): attention residual learning (ARL) and naive attention (NAL). *Seeds.*
Three; a seed is new first weights, a new order, and its own draw of 20,025 training pictures. *Test.* 1,980 pictures.
16 epochs, batch 64, bfloat16, rate 0.1, warm-up 0.2, weight decay 5e-4, no flips, last epoch. (The equal twin and the
trunk alone were planned too, and cut before the first run: with three seeds their accuracy would decide nothing, and
what they do in place of masks is measured with eight seeds in `experiments.cued`.)

*What decides.* By the rule of `experiments.cued`, does one of three masks carry the choice, and is it the same module
in all seeds? Fig. 1 told again, for the module that carries it and for no other: its mask moves to the cued object
(shift above 0.05) and the trunk's output beside it does not (below 0.05 of its size). It "holds" for an arm if both are
so in all three seeds.

*Exploratory* is the rest, as in `experiments.cued`.

Expected cost: 6 runs of about half an hour on one core.
"""

from itertools import product
from pathlib import Path
from typing import Any

from resattn import data
from resattn.training import Recipe

from . import cued

SIZE, TRAIN = 64, 20_025
NETWORKS: dict[str, dict[str, Any]] = {
    "arl": {"width": 0.5, "stem": "conv3_stride2", "fusion": "arl"},
    "nal": {"width": 0.5, "stem": "conv3_stride2", "fusion": "nal"},
}
RECIPE = Recipe("cued56", epochs=16, batch_size=64, lr=0.1, warmup=0.2, weight_decay=5e-4, pad=0, flip=False)


RUNS = [cued.CuedRun(network, seed) for seed, network in product(range(3), NETWORKS)]
KEPT = {run.key: f"cued56_{run.network}" for run in RUNS if run.seed == 0}


def train(run: cued.CuedRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run, with the fields of `experiments.cued`."""
    pictures = data.cued_scenes("train", TRAIN, SIZE, seed=run.seed)
    return cued.made(NETWORKS[run.network], run, pictures, folder, device, RECIPE)
