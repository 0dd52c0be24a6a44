"""Attention-56, told where the object is: at its last module, at all, or not at all (chapter 12)

Chapter 12 tells a network of one small module. Does a deep network with three gain as much, and where should it be
told? Written down before the run:

*Arms.* Attention-56 at half width with attention residual learning, one module a stage, on 3,000 labelled Scenes and
their mirror images: "untold"; "last", the mask of the last module is told where the object is; "all", every mask is.
The loss is that of `experiments.supervision`, its mean over the modules that are told, of weight λ = 5, which that
question has chosen. 1,000 steps of 64 pictures, bfloat16, SGD, cosine, rate 0.25 and the rest as for the networks of
the package that were trained on 20,000 Scenes. (A pilot of the untold arm, with seed 100, was right on 95.7 %.)
*Seeds.* Five; a seed is new first weights, a new order, and its own draw of pictures. *Test.* 4,000 pictures, once.

*What decides.* Right answers, paired over seeds, Student, Holm over three: last less untold, all less untold, all less
last. Attention that nobody tells is "limited" where telling it stands and is positive, and "not limited" if the
interval lies inside ± 1 point.

*Exploratory* is the rest: how well each module's mean mask finds the object, and what is lost when the masks of one
module, or of all, are averaged over places or are those of another picture.

Expected cost: 15 runs of about six minutes on one core.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resattn import data, zoo
from resattn.analysis import forced, module_parts
from resattn.data import Batches, ImageSet, Normalise
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import Recipe, make_optimizer

from .steps import fit_steps
from .supervision import found_by, test_set
from .told import Telling, numbered

ARMS: dict[str, slice] = {"untold": slice(0), "last": slice(-1, None), "all": slice(None)}  # which modules are told
LABELS = 3000
NETWORK = {"width": 0.5, "fusion": "arl"}
RECIPE = Recipe(
    "told56", steps=1000, batch_size=64, lr=0.25, warmup=0.25, weight_decay=5e-4, pad=0, flip=False
)  # the mirror images are in the set, with their masks
AT_ONCE = 50  # pictures that are looked at together


@dataclass(frozen=True)
class Told56:
    """Which masks are told, and a seed."""

    arm: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.arm}-seed{self.seed}"


RUNS = [Told56(arm, seed) for seed, arm in product(range(5), ARMS)]  # a whole seed at a time


def work(run: Told56) -> tuple[ResidualAttentionNetwork, int, int]:
    assert RECIPE.steps is not None
    return create("attention56", num_classes=10, **NETWORK), 32, RECIPE.steps * RECIPE.batch_size


def train(run: Told56, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    pictures = mirrored(data.scenes("train", LABELS, seed=run.seed))
    how: dict[str, Any] = {"train": True, "device": device, "seed": run.seed, "pad": 0, "flip": False}
    batches = Batches(numbered(pictures), RECIPE.batch_size, **how)
    torch.manual_seed(run.seed)
    model = create("attention56", num_classes=len(pictures.classes), **NETWORK)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(model, RECIPE, torch.device(device))
    assert pictures.object_masks is not None
    telling = Telling(pictures.labels.to(device), pictures.object_masks.to(device), ARMS[run.arm])
    losses = fit_steps(model, optimizer, batches, RECIPE, telling)
    return {
        "arm": run.arm,
        "labels": LABELS,
        "seed": run.seed,
        "data": {"train": f"{pictures.name}, draw {run.seed}"},
        "train_loss": sum(losses[-50:]) / len(losses[-50:]),
        **looked_at(model.eval().to("cpu"), test_set(), Normalise(batches.mean, batches.std, torch.device("cpu"))),
        **zoo.origin(torch.device(device), zoo.commit()),
    }


def mirrored(pictures: ImageSet) -> ImageSet:
    """The pictures, and behind them their mirror images, with their masks: [2N, 3, H, W]."""
    images, masks = pictures.images, pictures.object_masks
    if masks is None:
        raise ValueError(f"{pictures.name} has no true masks")
    return ImageSet(
        torch.cat([images, images.flip(-1)]),
        pictures.labels.repeat(2),
        pictures.classes,
        pictures.name,
        torch.cat([masks, masks.flip(-1)]),
    )


@torch.no_grad()
def looked_at(model: ResidualAttentionNetwork, test: ImageSet, normalise: Normalise) -> dict[str, Any]:
    """Shares: right answers; the same with masks replaced; how well each module's mean mask finds the object."""
    x = normalise(test.images)  # [N, 3, S, S]
    parts = [module_parts(model, piece) for piece in x.split(AT_ONCE)]
    masks = {
        name: torch.cat([M for part in parts if (M := part[name].M) is not None]) for name in parts[0]
    }  # [N, C, h, w] each
    flat = {name: M.mean((2, 3), keepdim=True).expand_as(M) for name, M in masks.items()}
    another = {name: M.roll(1, 0) for name, M in masks.items()}
    lost = {}
    for how, new in (("flat", flat), ("another", another)):
        lost[how] = {name: right(model, x, test, {name: M}) for name, M in new.items()}
        lost[how]["all"] = right(model, x, test, new)
    assert test.object_masks is not None
    found = {name: found_by(M, test.object_masks) for name, M in masks.items()}
    return {"accuracy": right(model, x, test, {}), **lost, "scores": found}


def right(model: ResidualAttentionNetwork, x: Tensor, test: ImageSet, masks: dict[str, Tensor]) -> float:
    """The share of right answers on x [N, 3, S, S] with these masks, [N, C, h, w], in place of the network's own."""
    hits = []
    for i in torch.arange(len(x)).split(AT_ONCE):
        answers = forced(model, {name: M[i] for name, M in masks.items()})(x[i]).argmax(1)  # [B]
        hits.append(answers == test.labels[i])
    return round(torch.cat(hits).float().mean().item(), 5)
