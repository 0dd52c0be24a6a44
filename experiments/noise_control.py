"""The positive control of the noise question: noise that a mask could filter. (chapter 9)

Symmetric noise does not depend on the picture, so nothing in a picture tells a wrong label from a right one. Here
something does.

Written down before the run:

*Arms.* The networks of `experiments.noise` (ARL, NAL, equal twin). Three kinds of wrong label, each on 30 % of the
training pictures of Cued Scenes: "other", the label names the other object of the picture, as labels from the web err;
"mark", a white square of 5×5 pixels in the upper left corner stands where a label is wrong, and the wrong label is one
of the nine other classes; "free", the same wrong labels without the mark, as the control of the control (not for the
twin, which no comparison asks there). *Seeds.* Five (eight were planned; cut before the first run to what the hours
allow); a seed is new first weights, order, noise, and its own draw of 8,010 pictures. *Test.* 1,980 clean pictures
without marks. 16 epochs, otherwise as in `experiments.cued`.

*What decides.* (1) Filtering: at the last module, mean log gain ‖δ_T‖/‖δ_H‖ of wrongly labelled training pictures less
that of rightly labelled ones, "mark" less "free", paired over seeds. A mask that filters where it could makes it
negative; it is said to filter if the interval lies below −0.02, and not to if it lies inside ± 0.02. (2) For "other":
the share of the backward signal's energy that arrives at the trunk at the places of the object that the wrong label
names, less the same share of δ_H, NAL and ARL. (3) Accuracy: each arm less the twin under "mark" and "other", paired,
Holm over four.

Expected cost: 40 runs of about six minutes on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from resattn import data, zoo
from resattn.analysis import module_signals
from resattn.data import CuedSet, Normalise
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import fit

from . import cued

KINDS = ("free", "mark", "other")
SHARE, MARK, LOOKED_AT = 0.3, 5, 1000


@dataclass(frozen=True)
class ControlRun:
    """A network, a kind of wrong label and a seed."""

    network: str
    kind: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.network}-{self.kind}-seed{self.seed}"


RUNS = [
    ControlRun(network, kind, seed)
    for seed, kind, network in product(range(5), KINDS, ("arl", "nal", "twin"))
    if (network, kind) != ("twin", "free")
]


def spoil(clean: CuedSet, kind: str, seed: int) -> CuedSet:
    """The training set with wrong labels of one kind on a share of its pictures. "free" and "mark" err on the same
    pictures in the same way; only the mark differs."""
    if kind == "other":
        wrong = data.corrupt_labels(torch.zeros(len(clean), dtype=torch.int64), SHARE, 2, seed).bool()  # [N]
        labels = torch.where(wrong, clean.other_labels, clean.labels)
        return replace(clean, labels=labels, name=f"{clean.name}, {kind}")
    labels = data.corrupt_labels(clean.labels, SHARE, len(clean.classes), seed)
    images = clean.images
    if kind == "mark":
        images = images.clone()
        corner = images[:, :, 4 : 4 + MARK, 4 : 4 + MARK]  # inside the frame
        corner[labels != clean.labels] = 255
    return replace(clean, images=images, labels=labels, name=f"{clean.name}, {kind}")


def train(run: ControlRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run, with what its masks let through at its end."""
    clean = data.cued_scenes("train", cued.TRAIN, seed=run.seed)
    spoiled = spoil(clean, run.kind, run.seed)
    torch.manual_seed(run.seed)
    model = create("attention56", num_classes=len(clean.classes), **cued.NETWORKS[run.network])
    fit(
        model,
        spoiled,
        cued.test_set(cued.TEST),
        cued.RECIPE,
        out=folder,
        seed=run.seed,
        device=device,
        precision="bfloat16",
        progress=False,
    )
    model = zoo.load_pretrained(folder)
    record = dict(model.record)
    del record["sha256"]  # of weights that are not kept
    looked = slice(LOOKED_AT)
    found = passing(model, clean.subset(looked), spoiled.subset(looked), record["mean"], record["std"])
    return {"network": run.network, "kind": run.kind, **record, "passing": found}


def passing(
    model: ResidualAttentionNetwork, clean: CuedSet, spoiled: CuedSet, mean: Sequence[float], std: Sequence[float]
) -> dict[str, dict[str, float]]:
    """By module, on training pictures: "between", mean log gain of wrongly less rightly labelled pictures; "other_H"
    and "other_T", the share of the energy of δ_H and of δ_T that lies on the object that does not count, where the
    label is wrong."""
    normalise = Normalise(mean, std, torch.device("cpu"))
    wrong = spoiled.labels != clean.labels  # [N]
    gains: dict[str, list[Tensor]] = {}
    shares: dict[str, dict[str, list[Tensor]]] = {}
    for part in torch.arange(len(clean)).split(100):
        signals = module_signals(model, normalise(spoiled.images[part]), spoiled.labels[part])
        for name, (delta_H, delta_T, _) in signals.items():
            gains.setdefault(name, []).append(
                delta_T.flatten(1).norm(dim=1).log() - delta_H.flatten(1).norm(dim=1).log()
            )
            size = (delta_H.shape[2], delta_H.shape[3])
            place = F.adaptive_avg_pool2d(clean.other_masks[part, None].float(), size)[:, 0]  # [B, h, w]
            for key, delta in (("other_H", delta_H), ("other_T", delta_T)):
                energy = delta.square().sum(1)  # [B, h, w]
                share = (energy * place).sum((1, 2)) / energy.sum((1, 2))  # [B]
                shares.setdefault(name, {}).setdefault(key, []).append(share)
    found = {}
    for name, parts in gains.items():
        gain = torch.cat(parts)  # [N]
        found[name] = {"between": (gain[wrong].mean() - gain[~wrong].mean()).item()}
        found[name] |= {key: torch.cat(values)[wrong].mean().item() for key, values in shares[name].items()}
    return found
