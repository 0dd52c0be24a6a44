"""Told masks where attention has work to do: does the cue come sooner? (chapter 12)

Written down before the run:

*Arms.* The ARL and the NAL network of `experiments.cued` on Cued Scenes, trained as there, with the mask's loss of
`experiments.supervision`, mean over the two modules, of weight λ = 5, which that question has chosen for both.
"untold"; "told", where the object is that counts; "objects", where both objects are, whatever the cue says: the
control, which is told of objects and not of the choice. *Seeds.* Five; a seed is new first weights, a new order, and
its own draw of 8,010 pictures. *Test.* 1,980 pictures, each under both cues, once.

*A network has found the cue* at the first step that is watched (25, 50, … 500, then every 125th of 2,000) after which,
on 360 pictures under both cues, three in four of the answers that name either object name the one that counts. A
network that never finds it counts with 2,125 steps.

*What decides.* Paired over seeds, Student, Holm over six: the step of finding, told less untold and told less objects,
and the right answers at the end, told less untold, for ARL and for NAL. Telling "brings the cue sooner" if both
differences in steps are resolved and negative; if only the first is, telling of objects did it and not the choice. "No
difference" in right answers if the interval lies inside ± 2 points.

*Exploratory*: whether one mask carries the choice, by the rule of `experiments.cued`, when it was told.

Expected cost: 30 runs of about five minutes on one core, 2.5 core-hours.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn import data, zoo
from resattn.data import Batches, CuedSet, ImageSet
from resattn.networks import create
from resattn.training import make_optimizer

from . import cued
from .steps import fit_steps, on_cpu
from .supervision import mask_loss

FUSIONS = ("arl", "nal")
ARMS = ("untold", "told", "objects")
WEIGHT = 5.0  # of the mask's loss
OFTEN, UNTIL, THEN = 25, 500, 125  # steps between looks, until this step, and after it


@dataclass(frozen=True)
class Told:
    """A fusion, what its masks are told, and a seed."""

    fusion: str
    arm: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.fusion}-{self.arm}-seed{self.seed}"


RUNS = [Told(fusion, arm, seed) for seed, arm, fusion in product(range(5), ARMS, FUSIONS)]  # a whole seed at a time


class Telling:
    """The class loss, and λ times the mean of the mask's loss over the modules that are told. Its batches have the
    numbers of the pictures in place of labels.

    labels: [N]; whole: what masks are told, bool [N, H, W]; modules: which of the network's modules are told.
    """

    def __init__(self, labels: Tensor, whole: Tensor, modules: slice = slice(None)) -> None:
        self.labels = labels  # [N], on the device that its pictures are on
        self.target = whole[:, None].float()  # [N, 1, H, W]
        self.modules = modules

    def __call__(self, model: nn.Module, x: Tensor, i: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            logits, masks = model(x, return_masks=True)  # [B, K]; [B, C, h, w] each
        loss = F.cross_entropy(logits.float(), self.labels[i])
        parts = []
        for M in list(masks.values())[self.modules]:
            y = F.adaptive_avg_pool2d(self.target[i], (M.shape[2], M.shape[3]))[:, 0]  # [B, h, w], the coverage
            parts.append(mask_loss(M.float(), y, torch.ones(len(i), device=x.device)))
        return loss, WEIGHT * torch.stack(parts).mean() if parts else torch.zeros((), device=x.device)


def numbered(pictures: ImageSet) -> ImageSet:
    """The same pictures with their numbers in place of labels."""
    count = len(pictures)
    return ImageSet(pictures.images, torch.arange(count), tuple(map(str, range(count))), pictures.name)


def telling(pictures: CuedSet, arm: str, device: str = "cpu") -> Telling:
    """The loss of an arm on these pictures."""
    whole = pictures.pair_masks.any(1) if arm == "objects" else pictures.object_masks  # bool [N, H, W]
    assert whole is not None  # the set says where its objects are
    return Telling(pictures.labels.to(device), whole.to(device), slice(0) if arm == "untold" else slice(None))


def watched(step: int) -> bool:
    return step % (OFTEN if step <= UNTIL else THEN) == 0


def work(run: Told) -> tuple[nn.Module, int, int]:
    model = create("attention56", num_classes=10, **cued.NETWORKS[run.fusion])
    batch = cued.RECIPE.batch_size
    return model, 48, cued.RECIPE.total_steps(cued.TRAIN // batch) * batch


def train(run: Told, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run: the answers on the way, and those and the interventions at its end."""
    pictures = data.cued_scenes("train", cued.TRAIN, seed=run.seed)
    how: dict[str, Any] = {"train": True, "device": device, "seed": run.seed, "pad": 0, "flip": False}
    batches = Batches(numbered(pictures), cued.RECIPE.batch_size, **how)
    test, some = (cued.Views(cued.test_set(many), batches.mean, batches.std) for many in (cued.TEST, cued.WATCHED))
    torch.manual_seed(run.seed)
    model = create("attention56", num_classes=len(pictures.classes), **cued.NETWORKS[run.fusion])
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    looks: list[list[float]] = []

    def look(step: int) -> None:
        if watched(step):
            looks.append([step, *on_cpu(cued.answers)(model.eval(), some)])

    optimizer = make_optimizer(model, cued.RECIPE, torch.device(device))
    losses = fit_steps(model, optimizer, batches, cued.RECIPE, telling(pictures, run.arm, device), look)
    model.eval().to("cpu")
    return {
        "fusion": run.fusion,
        "arm": run.arm,
        "seed": run.seed,
        "data": {"train": f"{pictures.name}, draw {run.seed}"},
        "train_loss": sum(losses[-50:]) / len(losses[-50:]),
        "looks": looks,
        "answers": cued.answers(model, test),
        "swaps": cued.swaps(model, test),
        "shifts": cued.shifts(model, test),
        **zoo.origin(torch.device(device), zoo.commit()),
    }
