"""Labels: does a mask pass the right label's signal better than the wrong ones'? (chapter 6)

Nothing is trained here: the networks are those that come with the package. For one picture no mask can block all nine
wrong labels and pass the right one, but it may damp them more than the right one, since a label's signal has its own
places and channels.

Written down before the run:

*Arms.* Every network with masks that comes with the package, and every module of each: attention56_scenes and its seeds
1 and 2, attention56_scenes_nal, attention56_cifar10 (three modules each: stage1, stage2, stage3), cued_arl and cued_nal
with their seeds 1 and 2 (two modules each). *Seeds.* As shipped: three of a kind, one each of attention56_scenes_nal
and attention56_cifar10. Five that came into the package later were added when these eleven had been read: cued56_arl,
cued56_nal and attention56_cifar10_nal (three modules), cued_three_nal and cued_left_out_nal (two); two more when those
had been read, seeds 1 and 2 of attention56_scenes_nal. *Pictures.* Test
pictures 200 to 499 of the data that the network was trained on (for cued_left_out_nal those of them that show it
nothing that was left out). A first look had used the first 200 of Scenes, and found the last module to lean.

*Measured.* The gain ‖δ_T‖/‖δ_H‖ of each picture under each of the ten labels, in evaluation mode. The rank of the right
label: how many of the nine others have a larger gain; 4.5 on average for a mask that does not care. And its log gain
less the mean of the nine others, in per cent.

*What decides.* The mean rank less 4.5, Student over pictures, Holm over all modules of all networks. A module prefers
the right label if its mean rank is below 4.5 and stands, and wrong labels if it is above. It is said of trained masks
if every network's module of one depth does. The preference is called too small to protect a trunk if the mean
difference of log gain lies inside ± 5 % at every module; half of a signal would be 70 %.

*Exploratory.* On Cued Scenes, the log gain of the right label less that of the other object's label.

Expected cost: eighteen runs of one to three minutes on one core. The two on CIFAR-10 need the data set.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resattn import data, zoo
from resattn.analysis.statistics import one_sample
from resattn.data import CuedSet, ImageSet, Normalise
from resattn.zoo import provenance

from . import unseen
from .noise import log_gains

FIRST, LAST = 200, 500  # of the test pictures
INDIFFERENT = 4.5  # mean rank, 0 to 9, of a label that is like the others


@dataclass(frozen=True)
class LabelRun:
    """One network of the package."""

    network: str

    @property
    def key(self) -> str:
        return self.network


SCENES = ["attention56_scenes", "attention56_scenes_seed1", "attention56_scenes_seed2", "attention56_scenes_nal"]
CUED = [f"cued_{fusion}{seed}" for fusion in ("arl", "nal") for seed in ("", "_seed1", "_seed2")]
LATER = ["cued56_arl", "cued56_nal", "cued_three_nal", "cued_left_out_nal", "attention56_cifar10_nal"]
LATER += ["attention56_scenes_nal_seed1", "attention56_scenes_nal_seed2"]
RUNS = [LabelRun(name) for name in [*SCENES, *CUED, "attention56_cifar10", *LATER]]


def train(run: LabelRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one network: by module, the rank of the right label and its lead in log gain, in per cent."""
    start = time.perf_counter()
    commit = provenance.commit()
    model = zoo.load_pretrained(run.network)
    pictures = test_pictures(run.network)
    x = Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))(pictures.images)  # [N, 3, H, W]
    others = None
    if isinstance(pictures, CuedSet) and pictures.pair_labels.shape[1] == 2:
        others = pictures.other_labels  # [N]
    columns: dict[str, list[Tensor]] = {}
    for part in x.split(50):
        for name, gains in log_gains(model, part, len(pictures.classes)).items():
            columns.setdefault(name, []).append(gains)
    return {
        "network": run.network,
        "fusion": model.config.fusion,
        "seed": model.record["seed"],
        "data": pictures.name,
        "pictures": len(pictures),
        "modules": {name: preference(torch.cat(parts), pictures.labels, others) for name, parts in columns.items()},
        "seconds": time.perf_counter() - start,
        **provenance.origin(torch.device("cpu"), commit),
    }


def test_pictures(network: str) -> ImageSet:
    """The pictures on which a network is measured."""
    if network.startswith("attention56_cifar10"):
        return data.cifar10("test").subset(slice(FIRST, LAST))
    if not network.startswith("cued"):
        return data.scenes("test", LAST).subset(slice(FIRST, LAST))
    size, objects = 64 if network.startswith("cued56") else 48, 3 if network.startswith("cued_three") else 2
    pictures = data.cued_scenes("test", LAST, size, objects=objects).subset(slice(FIRST, LAST))
    return unseen.shown(pictures) if network.startswith("cued_left_out") else pictures


def preference(gains: Tensor, labels: Tensor, others: Tensor | None = None) -> dict[str, Any]:
    """From log gains [N, K]: mean, half of the interval and p of the right label's rank (less what is indifferent) and
    of its lead over the mean of the other labels in per cent; with ``others`` [N], of its lead over these labels."""
    own = gains.gather(1, labels[:, None])  # [N, 1]
    lead = own[:, 0] - (gains.sum(1) - own[:, 0]) / (gains.shape[1] - 1)  # [N]
    found = {"rank": (gains > own).sum(1).double() - INDIFFERENT, "lead": 100 * lead.double()}
    if others is not None:
        found["over_other_object"] = 100 * (own - gains.gather(1, others[:, None]))[:, 0].double()
    result: dict[str, Any] = {"gain": gains.exp().mean().item()}
    for name, values in found.items():
        difference = one_sample(values.tolist())
        result[name] = [difference.mean, difference.half, difference.p]
    return result
