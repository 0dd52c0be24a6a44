"""Does a later module repair what an earlier one got wrong? (chapter 10)

One reason for stacking that the paper gives (section 3): a single module changes the features once, and where it goes
wrong there is no second chance. Written down before the run:

*Arms.* Trained networks of the package: on Scenes, Attention-56 with ARL (three seeds) and NAL, three modules; on Cued
Scenes, ARL and NAL, two modules. The first module gets a wrong mask: on Scenes the one that it computes for another
picture of another class, on Cued Scenes the one of the same picture under the other cue. The later modules are either
"free", they compute their masks from what now reaches them, or "held", they keep the masks of the undisturbed pass.
Their trunks do the same work in both. So free less held is what the later *masks* win back; what the trunk forgives is
in both. *Seeds.* Every network of these kinds that the package holds. *Test.* 500 test Scenes; 495 Cued Scenes under
both cues.

*What decides.* Accuracy, own less held, is what there is to win back; a network with less than 2 points of it says
nothing. Later masks "repair" in a network if free less held is at least half of it and its interval over pictures
(paired, 95 %) lies above zero; they "make it worse" if that interval lies below zero. It is said of stacking if it
holds in every network with something to win back.

*Exploratory*: the same with the masks of all modules but the last wrong, and how far the last features are from those
of the undisturbed pass.

*Added after the first run*, and exploratory: held masks know the undisturbed picture, so that to win against them is
to do better than perfect. A neutral control on Scenes: later modules that are "blind", whose masks are their mean over
the test pictures. The cost of a wrong first mask, blind less free, is what later masks that look win back. On Cued
Scenes, where a mask is needed, blind masks are no control; their numbers are stored and decide nothing.
Seeds 1 and 2 of NAL on Scenes came to the package after that, and so to this question.

Expected cost: 12 runs of about half a minute on one core, no training.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resattn import data, zoo
from resattn.analysis import block_outputs, forced
from resattn.analysis.statistics import one_sample
from resattn.data import CuedSet, Normalise
from resattn.networks import ResidualAttentionNetwork
from resattn.zoo.provenance import commit, origin

PICTURES, CUED_PICTURES, BATCH = 500, 495, 50
SCENES = ("", "_seed1", "_seed2", "_nal", "_nal_seed1", "_nal_seed2")


@dataclass(frozen=True)
class Stacked:
    """A trained network of the package, by name."""

    key: str

    @property
    def network(self) -> str:
        return "nal" if "nal" in self.key else "arl"

    @property
    def seed(self) -> int:
        return int(self.key.rpartition("seed")[2]) if "seed" in self.key else 0


CUED = [f"cued_{kind}{seed}" for seed in ("", "_seed1", "_seed2") for kind in ("arl", "nal")]
RUNS = [Stacked(name) for name in (*(f"attention56_scenes{end}" for end in SCENES), *CUED)]


def train(run: Stacked, folder: Path, device: str) -> dict[str, Any]:
    """The record of one network. Nothing is trained, and ``folder`` stays empty. Raises ValueError where the package
    does not hold the network yet."""
    started, state = time.monotonic(), commit()
    model = zoo.load_pretrained(run.key)
    normalise = Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))
    if run.key.startswith("cued"):
        pictures: CuedSet = data.cued_scenes("test", CUED_PICTURES)
        cues = [pictures.recued(torch.full((len(pictures),), cue)) for cue in (0, 1)]
        x = torch.cat([normalise(view.images) for view in cues])  # [2N, 3, S, S]
        labels = torch.cat([view.labels for view in cues])
        wrong = torch.cat([x[len(pictures) :], x[: len(pictures)]])
    else:
        scenes = data.scenes("test", PICTURES)
        x, labels = normalise(scenes.images), scenes.labels
        wrong = x[another_class(labels)]
    return {
        "network": run.network,
        "seed": run.seed,
        "task": "cued" if run.key.startswith("cued") else "scenes",
        **repaired(model, x, wrong, labels),
        "seconds": round(time.monotonic() - started, 1),
        **origin(torch.device("cpu"), state),
    }


def another_class(labels: Tensor) -> Tensor:
    """For every picture the number of another one, of another class; each serves once. Raises ValueError where a class
    holds more than half of the pictures.

    Sorted by class and moved on by the size of the largest class, no picture meets its own.
    """
    order = labels.argsort(stable=True)  # [N]
    shift = int(labels.bincount().max())
    if 2 * shift > len(labels):
        raise ValueError("one class holds more than half of the pictures: not all can get one of another class")
    partner = torch.empty_like(order)
    partner[order] = order.roll(shift)
    return partner


def repaired(model: ResidualAttentionNetwork, x: Tensor, wrong: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracy with own masks and with wrong ones, later masks free, held or blind, by which modules are wrong: the
    first, or all but the last (not blind). Normalised pictures x and wrong, [N, 3, S, S]."""
    names = list(model.attention_modules())
    mean = mean_masks(model, x)  # [1, C, h, w] each
    right: dict[str, list[Tensor]] = {}
    apart: dict[str, list[Tensor]] = {}
    for part, bad, truth in zip(x.split(BATCH), wrong.split(BATCH), labels.split(BATCH), strict=True):
        with torch.no_grad():
            _, own = model(part, return_masks=True)  # [B, C, h, w] each
            _, other = model(bad, return_masks=True)
        clean = last_features(model, part)
        right.setdefault("own", []).append(answer(model, clean) == truth)
        later = {name: mean[name].expand_as(own[name]) for name in names[1:]}
        for key, first in (("blind, own first", own), ("blind 1", other)):
            features = last_features(forced(model, {names[0]: first[names[0]]} | later), part)
            right.setdefault(key, []).append(answer(model, features) == truth)
        for count in sorted({1, len(names) - 1}):
            spoiled = {name: other[name] for name in names[:count]}
            held = spoiled | {name: own[name] for name in names[count:]}
            for key, masks in ((f"free {count}", spoiled), (f"held {count}", held)):
                features = last_features(forced(model, masks), part)
                right.setdefault(key, []).append(answer(model, features) == truth)
                far = (features - clean).flatten(1).norm(dim=1) / clean.flatten(1).norm(dim=1)  # [B]
                apart.setdefault(key, []).append(far)
    found = {key: torch.cat(values).float() for key, values in right.items()}  # [N] each
    record: dict[str, Any] = {
        "accuracy": {key: round(values.mean().item(), 5) for key, values in found.items()},
        "distance": {key: round(torch.cat(values).mean().item(), 4) for key, values in apart.items()},
    }
    for count in sorted({1, len(names) - 1}):
        record[f"won {count}"] = won(found[f"free {count}"], found[f"held {count}"])
    free, blind = (found[key] for key in ("free 1", "blind 1"))
    record["won 1, blind"] = won(free - found["own"], blind - found["blind, own first"])
    return record


def won(a: Tensor, b: Tensor) -> list[float]:
    """Answers a less b, [N] each, 1 where one is right: the mean in points of a hundred, and half of its interval."""
    difference = one_sample((100 * (a - b)).tolist())
    return [round(difference.mean, 3), round(difference.half, 3)]


def mean_masks(model: ResidualAttentionNetwork, x: Tensor) -> dict[str, Tensor]:
    """The mean over pictures of every mask, by module: [1, C, h, w] each, for normalised pictures x [N, 3, S, S]."""
    with torch.no_grad():
        parts = [model(part, return_masks=True)[1] for part in x.split(BATCH)]
    return {name: sum(part[name].sum(dim=0, keepdim=True) for part in parts) / len(x) for name in parts[0]}


def last_features(model: ResidualAttentionNetwork, x: Tensor) -> Tensor:
    """The output of the last block, [B, C, h, w]."""
    return list(block_outputs(model, x).values())[-1]


def answer(model: ResidualAttentionNetwork, features: Tensor) -> Tensor:
    """What the head makes of the last block's output: classes, int64 [B]."""
    with torch.no_grad():
        return model.classifier(model.norm(features).mean(dim=(2, 3))).argmax(1)
