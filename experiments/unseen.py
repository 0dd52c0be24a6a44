"""Does what the cue says hold for objects that it was never seen with? (chapter 10)

A network may learn where to look, or may learn for each class and each colour of the frame what to answer.

Written down before the run:

*Arms.* The four networks of `experiments.cued`: attention residual learning (ARL), naive attention (NAL), the equal
twin, the trunk alone. Five of the ten classes never count under a blue frame in training: such pictures are left out.
All ten count under red, and under blue the five others; every class is seen on both sides, as the object that does not
count. *Seeds.* Five (eight were planned; cut before the first run to what the hours allow); a seed is new first
weights, a new order, and its own draw: the first 8,010 of 12,015 pictures that may be shown. *Test.* 1,980 pictures
under a blue frame, by whether the right object's class was left out. 16 epochs, as in `experiments.cued`.

*What decides.* The share of answers, among those that name either object, that name the one that counts, on pictures of
the classes left out less on the others: paired over seeds for each arm. A network "carries the cue over" if this
difference lies above −10 points. Attention is said to carry it over better if ARL or NAL less twin of this difference
is resolved after Holm over two.

Expected cost: 20 runs of about four minutes on one core.
"""

from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resattn import data, zoo
from resattn.data import CuedSet, Normalise

from . import cued

LEFT_OUT = (0, 2, 4, 6, 8)  # classes that never count under blue in training
SPARE = 1.5  # times as many pictures are drawn: a quarter of them may not be shown


RUNS = [cued.CuedRun(network, seed) for seed, network in product(range(5), cued.NETWORKS)]


def left_out(pictures: CuedSet) -> Tensor:
    """Whether the object on the right is of a class that never counted under blue: bool [N]."""
    return torch.isin(pictures.pair_labels[:, 1], torch.tensor(LEFT_OUT))


def training_set(seed: int) -> CuedSet:
    """Pictures that may be shown: none that is blue and whose right object is of a class left out."""
    drawn = data.cued_scenes("train", round(SPARE * cued.TRAIN), seed=seed)
    allowed = (~(left_out(drawn) & (drawn.cues == 1))).nonzero()[:, 0]
    return drawn.subset(allowed[: cued.TRAIN])


def train(run: cued.CuedRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run, with the fields of `experiments.cued` and the answers on new and on known pairs."""
    record = cued.made(cued.NETWORKS[run.network], run, training_set(run.seed), folder, device)
    model = zoo.load_pretrained(folder)
    test = cued.test_set(cued.TEST)
    blue = test.recued(torch.ones(len(test), dtype=torch.int64))
    normalise = Normalise(record["mean"], record["std"], torch.device("cpu"))
    with torch.no_grad():
        named = model(normalise(blue.images)).argmax(1)  # [N]
    new = left_out(test)
    return record | {"new": answers(named, blue, new), "known": answers(named, blue, ~new)}


def answers(named: Tensor, pictures: CuedSet, which: Tensor) -> list[float]:
    """Shares of the chosen answers that name the object that counts, and the other one."""
    pairs = ((named == labels)[which].float().mean().item() for labels in (pictures.labels, pictures.other_labels))
    return [round(share, 5) for share in pairs]
