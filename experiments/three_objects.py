"""Three objects and three cues: does one mask still carry the choice? (chapter 10)

With two objects a mask may do its work by turning one half of the picture down. With three, one in each third, turning
down "the other side" is not enough.

Written down before the run:

*Arms.* The networks of `experiments.cued` with masks, attention residual learning (ARL) and naive attention (NAL), on
Cued Scenes of three objects: under a red frame the left one counts, under yellow the middle one, under blue the right
one. *Seeds.* Five; a seed is new first weights, a new order, and its own draw of 8,640 training pictures. *Test.* 1,440
pictures, each under all three cues. 16 epochs and the rest as in `experiments.cued`, last epoch.

*What decides.* Swap one mask, as there, for each of the six ordered pairs of cues: the network reads the picture under
one cue, and a module gets the masks that it computes for the picture under another. "One mask carries the choice" holds
for a network if some module's swap leaves at most 5 % of the answers with the object that counts, and gives the one
that the mask's cue names at least nine tenths of the answers that the object that counts gets without a swap; all six
pairs together. (A pilot, ARL with seed 100, was right on 84 %, too near to the 80 % of the rule for two objects.) It is
said of an arm if it holds in at least four of five seeds. A network has found the cue by the rule of
`experiments.cued`, with both other objects for "the other".

*Exploratory* is the rest: the worst of the six pairs, the answers for the third object, and how high the mask and the
trunk's output stand on each object under each cue.

Expected cost: 10 runs of about six minutes on one core.
"""

from collections.abc import Sequence
from functools import cache, partial
from itertools import permutations, product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from resattn import data
from resattn.analysis import swap_masks
from resattn.data import CuedSet, Normalise
from resattn.networks import ResidualAttentionNetwork

from . import cued

CUES = range(3)
TRAIN, TEST, WATCHED = 8640, 1440, 240
NETWORKS = {name: cued.NETWORKS[name] for name in ("arl", "nal")}
RECIPE = cued.RECIPE
RUNS = [cued.CuedRun(network, seed) for seed, network in product(range(5), NETWORKS)]
KEPT = {"nal-seed0": "cued_three_nal"}


def train(run: cued.CuedRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run: its history, watched on the way, and what it does at its end."""
    train_set = data.cued_scenes("train", TRAIN, seed=run.seed, objects=len(CUES))

    def watch(model: ResidualAttentionNetwork, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
        views = Views(test_set(WATCHED), mean, std)
        return {"answers": answers(model, views), "swaps": over_pairs(by_pair(model, views))}

    test = test_set(TEST)
    model = cued.trained(NETWORKS[run.network], run.seed, train_set, test, folder, device, RECIPE, watch)
    record = dict(model.record)
    del record["sha256"]  # of weights that are not kept with the record
    views = Views(test, record["mean"], record["std"])
    pairs = by_pair(model, views)
    return {
        "network": run.network,
        **record,
        "seconds": sum(entry["seconds"] for entry in record["history"]),
        "answers": answers(model, views),
        "swaps": over_pairs(pairs),
        "by_pair": pairs,
        "levels": levels(model, views),
    }


@cache
def test_set(n: int) -> CuedSet:
    return data.cued_scenes("test", n, objects=len(CUES))


class Views:
    """Every picture under all three cues, normalised: x[cue] is [N, 3, S, S]."""

    def __init__(self, pictures: CuedSet, mean: Sequence[float], std: Sequence[float]) -> None:
        normalise = Normalise(mean, std, torch.device("cpu"))
        self.x = [normalise(pictures.recued(torch.full((len(pictures),), cue)).images) for cue in CUES]
        self.labels = pictures.pair_labels  # [N, 3]
        self.masks = pictures.pair_masks  # [N, 3, S, S]

    def shares(self, logits: Tensor, objects: Sequence[int]) -> list[float]:
        """The shares of answers, logits [N, K], that name each of these objects."""
        named = logits.argmax(1, keepdim=True)  # [N, 1]
        return [(named == self.labels)[:, i].float().mean().item() for i in objects]


def averaged(rows: Sequence[Sequence[float]]) -> list[float]:
    return [round(sum(column) / len(rows), 5) for column in zip(*rows, strict=True)]


def answers(model: ResidualAttentionNetwork, views: Views) -> list[float]:
    """Shares of answers for the object that counts, and for the two others together, over all cues."""
    rows = []
    for cue in CUES:
        counts, *others = views.shares(cued.batched(model, views.x[cue]), [cue, *(i for i in CUES if i != cue)])
        rows.append([counts, sum(others)])
    return averaged(rows)


def swapped(model: ResidualAttentionNetwork, views: Views, names: Sequence[str], own: int, theirs: int) -> list[float]:
    """Shares of answers for the object that counts, for the one that the masks' cue names, and for the third, when the
    named masks of pictures under one cue come from the same pictures under another."""
    logits = cued.batched(partial(swap_masks, model, names=names), views.x[own], views.x[theirs])
    return views.shares(logits, [own, theirs, 3 - own - theirs])


def chosen(model: ResidualAttentionNetwork) -> dict[str, list[str]]:
    """Which masks are swapped together, by what they are called: each alone, and all."""
    names = cued.masked(model)
    return {name: [name] for name in names} | {"all": names}


def by_pair(model: ResidualAttentionNetwork, views: Views) -> dict[str, dict[str, list[float]]]:
    """The shares of :func:`swapped`, by masks and by "own cue, cue of the mask"."""
    return {
        key: {
            f"{own}{theirs}": averaged([swapped(model, views, names, own, theirs)])
            for own, theirs in permutations(CUES, 2)
        }
        for key, names in chosen(model).items()
    }


def over_pairs(found: dict[str, dict[str, list[float]]]) -> dict[str, list[float]]:
    """The means of :func:`by_pair` over the six ordered pairs of cues."""
    return {key: averaged(list(pairs.values())) for key, pairs in found.items()}


def levels(model: ResidualAttentionNetwork, views: Views) -> dict[str, dict[str, list[list[float]]]]:
    """By module: the mean of its mask, and of the size of its trunk's output |T|, on each object (columns) under each
    cue (rows)."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for x in views.x:
        for name, (mask, trunk) in cued.insides(model, x).items():
            places = F.adaptive_avg_pool2d(views.masks.float(), (mask.shape[2], mask.shape[3]))  # [N, 3, h, w]
            weights = places / places.sum((2, 3), keepdim=True).clamp(min=1e-6)  # [N, 3, h, w]
            of = found.setdefault(name, {"mask": [], "trunk": []})
            for part, value in (("mask", mask), ("trunk", trunk.abs())):
                mean = torch.einsum("nchw,nkhw->k", value, weights) / (len(value) * value.shape[1])  # [3]
                of[part].append([round(level, 4) for level in mean.tolist()])
    return found
