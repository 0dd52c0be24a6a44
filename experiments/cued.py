"""Cued Scenes: which mask takes the work, when, and does the choice hang on it? (chapters 2, 5, 6 and 10)

Written down before the run:

*Arms.* The 51 k network (stem conv3_stride2, widths 32 and 64, one module a stage, poolings 2 and 1, t = 1): attention
residual learning (ARL) and naive attention (NAL); the equal twin, which has the masks' parameters in more trunk units
(3 and 6); the trunk alone. *Seeds.* Eight; a seed is new first weights, a new order, and its own draw of 8,010 training
pictures. *Test.* 1,980 pictures, the same for all. 16 epochs, batch 64, bfloat16, rate 0.2, warm-up 0.2, weight decay
5e-4, no flips (a flip would exchange left and right), last epoch.

*A network has found the cue* in the first epoch after which, of its answers that name either object, three in four name
the one that counts. A network that has not found it by the last epoch is reported and left out of what is said of
masks.

*What decides.* (1) Swap one mask: every mask of a module is replaced by the one that the same network computes for the
same picture under the other cue. "One mask carries the choice" holds for a network if some module's swap leaves at most
5 % of the answers with the object that counts and gives at least 80 % to the other. It is said of an arm if it holds in
at least seven of eight seeds. (2) Sooner or better: the epoch of finding and the final accuracy, ARL less twin and NAL
less twin, paired over seeds, Student, four comparisons, Holm; "no difference" in accuracy if the interval lies inside
± 2 points.

*Exploratory* is the rest: place or bit (pattern and channel means exchanged separately, mirror image, flattened over
places, over channels), the exchange of features, shifts of masks by channel, what moves first.

Expected cost: 32 runs of about four minutes on one core.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from resattn import data, zoo
from resattn.analysis import answer_from, block_outputs, forced, module_parts, swap_masks
from resattn.data import CuedSet, Normalise
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import Recipe, fit

from .steps import on_cpu

SMALL = {"stem": "conv3_stride2", "widths": (32, 64), "modules": (1, 1), "poolings": (2, 1), "t": 1}
NETWORKS: dict[str, dict[str, Any]] = {
    "arl": SMALL | {"units": (1, 1), "fusion": "arl"},
    "nal": SMALL | {"units": (1, 1), "fusion": "nal"},
    "twin": SMALL | {"units": (3, 6), "fusion": "none"},
    "trunk": SMALL | {"units": (1, 1), "fusion": "none"},
}
RECIPE = Recipe("cued", epochs=16, batch_size=64, lr=0.2, warmup=0.2, weight_decay=5e-4, pad=0, flip=False)
TRAIN, TEST, WATCHED = 8010, 1980, 360
AT_ONCE = 45  # pictures that an intervention looks at together


@dataclass(frozen=True)
class CuedRun:
    """A network and a seed."""

    network: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.network}-seed{self.seed}"


RUNS = [CuedRun(network, seed) for seed, network in product(range(8), NETWORKS)]  # a whole seed at a time
# What the chapters load: three seeds of each network.
KEPT = {run.key: f"cued_{run.network}" + (f"_seed{run.seed}" if run.seed else "") for run in RUNS if run.seed < 3}


def train(run: CuedRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run: its history, watched on the way, and every intervention at its end."""
    return made(NETWORKS[run.network], run, data.cued_scenes("train", TRAIN, seed=run.seed), folder, device)


def made(
    config: dict[str, Any], run: Any, train_set: CuedSet, folder: Path, device: str, recipe: Recipe | None = None
) -> dict[str, Any]:
    """:func:`swapped`, and every other intervention at the end."""
    record = swapped(config, run, train_set, folder, device, recipe)
    model = zoo.load_pretrained(folder)
    views = Views(test_set(TEST, train_set.images.shape[2]), record["mean"], record["std"])
    return record | {"replacements": replacements(model, views), "features": features(model, views)}


def swapped(
    config: dict[str, Any], run: Any, train_set: CuedSet, folder: Path, device: str, recipe: Recipe | None = None
) -> dict[str, Any]:
    """The record of a network of these settings, trained on ``train_set`` with the seed of ``run`` and watched; the
    recipe is RECIPE unless another is given. Other questions of this folder train with it too."""
    size = train_set.images.shape[2]
    watched, test = test_set(WATCHED, size), test_set(TEST, size)

    def watch(model: ResidualAttentionNetwork, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
        views = Views(watched, mean, std)
        return {"answers": answers(model, views), "swaps": swaps(model, views), "shifts": shifts(model, views)}

    model = trained(config, run.seed, train_set, test, folder, device, recipe or RECIPE, watch)
    record = dict(model.record)
    del record["sha256"]  # of weights that are not kept with the record
    views = Views(test, record["mean"], record["std"])
    return {
        "network": run.network,
        **record,
        "seconds": sum(entry["seconds"] for entry in record["history"]),
        "answers": answers(model, views),
        "swaps": swaps(model, views),
        "shifts": shifts(model, views),
    }


def trained(
    config: dict[str, Any],
    seed: int,
    train_set: CuedSet,
    test: CuedSet,
    folder: Path,
    device: str,
    recipe: Recipe,
    watch: Callable[..., dict[str, Any]],
) -> ResidualAttentionNetwork:
    """A network of these settings, trained with this seed and watched after each epoch; its record has the history."""
    torch.manual_seed(seed)
    model = create("attention56", num_classes=len(train_set.classes), **config)
    fit(
        model,
        train_set,
        test,
        recipe,
        out=folder,
        seed=seed,
        device=device,
        precision="bfloat16",
        progress=False,
        watch=on_cpu(watch),
    )
    return zoo.load_pretrained(folder)


@cache
def test_set(n: int, size: int = 48) -> CuedSet:
    return data.cued_scenes("test", n, size)


class Views:
    """Every picture under both cues, normalised: x[0] the left object counts, x[1] the right one; [N, 3, S, S] each."""

    def __init__(self, pictures: CuedSet, mean: Sequence[float], std: Sequence[float]) -> None:
        normalise = Normalise(mean, std, torch.device("cpu"))
        count = len(pictures)
        cues = [torch.full((count,), cue) for cue in (0, 1)]
        self.x = [normalise(pictures.recued(cue).images) for cue in cues]
        self.labels = pictures.pair_labels  # [N, 2]
        self.masks = pictures.pair_masks  # [N, 2, S, S]

    def only(self, which: Tensor) -> "Views":
        """The pictures for which ``which``, bool [N], is true."""
        some = copy(self)
        some.x, some.labels, some.masks = [x[which] for x in self.x], self.labels[which], self.masks[which]
        return some

    def count(self, logits: Sequence[Tensor]) -> list[float]:
        """The shares of answers that name the cued object, and the other one, over both cues: logits [N, K] each."""
        named = torch.stack([scores.argmax(1) for scores in logits], 1)  # [N, 2], by cue
        cued = (named == self.labels).float().mean().item()
        other = (named == self.labels.flip(1)).float().mean().item()
        return [round(cued, 5), round(other, 5)]


def answers(model: ResidualAttentionNetwork, views: Views) -> list[float]:
    """Shares of answers for the cued and for the other object."""
    return views.count([batched(model, x) for x in views.x])


def batched(run: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """What ``run`` gives for inputs [N, …] of one length, a few pictures at a time, which stay in the processor's
    cache: in evaluation mode no picture depends on the others."""
    with torch.no_grad():
        return torch.cat([run(*parts) for parts in zip(*(x.split(AT_ONCE) for x in inputs), strict=True)])


def masked(model: ResidualAttentionNetwork) -> list[str]:
    return [name for name, module in model.attention_modules().items() if module.mask is not None]


def swaps(model: ResidualAttentionNetwork, views: Views) -> dict[str, list[float]]:
    """Shares of answers for the cued and for the other object when one mask, or all, come from the other cue."""
    names = masked(model)
    chosen = {name: [name] for name in names} | ({"all": names} if names else {})
    return {
        key: views.count(
            [batched(partial(swap_masks, model, names=which), views.x[cue], views.x[1 - cue]) for cue in (0, 1)]
        )
        for key, which in chosen.items()
    }


def shifts(model: ResidualAttentionNetwork, views: Views) -> dict[str, dict[str, Any]]:
    """By module and channel, how far the mask, and the trunk's output relative to its size, move to the cued object.

    A map's lean is its mean on the left object less its mean on the right one; its shift is half of the lean under the
    cue "left" less half of the lean under the cue "right", averaged over pictures. For the trunk the map is |T|, and
    the shift is divided by the mean of |T| on both objects.
    """
    found: dict[str, dict[str, Any]] = {}
    left, right = (insides(model, x) for x in views.x)
    for name in left:
        (mask_left, trunk_left), (mask_right, trunk_right) = left[name], right[name]
        size = (mask_left.shape[2], mask_left.shape[3])
        objects = F.adaptive_avg_pool2d(views.masks.float(), size)  # [N, 2, h, w]
        weights = objects / objects.sum((2, 3), keepdim=True).clamp(min=1e-6)  # [N, 2, h, w]
        side = weights[:, 0] - weights[:, 1]  # [N, h, w]
        mask = torch.einsum("nchw,nhw->c", mask_left - mask_right, side) / (2 * len(side))  # [C]
        level = torch.einsum("nchw,nhw->", trunk_left.abs(), weights.sum(1)) / (2 * len(side) * mask_left.shape[1])
        trunk = torch.einsum("nchw,nhw->c", trunk_left.abs() - trunk_right.abs(), side) / (2 * len(side)) / level  # [C]
        found[name] = {
            "mask": round(mask.mean().item(), 5),
            "mask_channels": [round(value, 4) for value in mask.tolist()],
            "mask_moved": round((mask_left - mask_right).abs().mean().item(), 5),
            "trunk": round(trunk.mean().item(), 5),
            "trunk_moved": round(((trunk_left - trunk_right).abs().mean() / trunk_left.abs().mean()).item(), 5),
        }
    return found


def insides(model: ResidualAttentionNetwork, x: Tensor) -> dict[str, list[Tensor]]:
    """Mask M and trunk's output T of every module that has a mask, on normalised pictures x: [N, C, h, w] each."""
    pieces = [module_parts(model, piece) for piece in x.split(AT_ONCE)]
    return {
        name: [torch.cat([getattr(piece[name], part) for piece in pieces]) for part in ("M", "T")]
        for name in masked(model)
    }


def replacements(model: ResidualAttentionNetwork, views: Views) -> dict[str, dict[str, list[float]]]:
    """Place or bit? Shares of answers when one module's mask is replaced, by module and by what replaces it."""
    found: dict[str, dict[str, list[float]]] = {}
    both = [insides(model, x) for x in views.x]
    for name in masked(model):
        own_by_cue = [masks[name][0] for masks in both]
        found[name] = {}
        for key in REPLACEMENTS:
            logits = []
            for cue in (0, 1):
                new = REPLACEMENTS[key](own_by_cue[cue], own_by_cue[1 - cue])  # [N, C, h, w]
                logits.append(batched(partial(given, model, name), views.x[cue], new))
            found[name][key] = views.count(logits)
    return found


def given(model: ResidualAttentionNetwork, name: str, x: Tensor, mask: Tensor) -> Tensor:
    """Logits [N, K] for x [N, 3, H, W] when one module has this mask [N, C, h, w]."""
    logits: Tensor = forced(model, {name: mask})(x)
    return logits


def level(mask: Tensor) -> Tensor:
    return mask.mean(dim=(2, 3), keepdim=True)  # [N, C, 1, 1]


REPLACEMENTS = {
    "own pattern, other means": lambda own, other: own - level(own) + level(other),
    "other pattern, own means": lambda own, other: other - level(other) + level(own),
    "mirror image": lambda own, other: own.flip(3),
    "mean over places": lambda own, other: level(own).expand_as(own),
    "mean over channels": lambda own, other: own.mean(dim=1, keepdim=True).expand_as(own),
    "mean over pictures": lambda own, other: own.mean(dim=0, keepdim=True).expand_as(own),
    "one half": lambda own, other: torch.full_like(own, 0.5),
}


def features(model: ResidualAttentionNetwork, views: Views) -> dict[str, list[float]]:
    """Where is the choice made? Shares of answers when after one block the features at the places of the two objects,
    and there alone, come from the other cue, by block."""
    objects = views.masks.any(dim=1, keepdim=True).float()  # [N, 1, S, S]
    logits = [batched(partial(exchanged, model), views.x[cue], views.x[1 - cue], objects) for cue in (0, 1)]
    names = [name for name, _ in model.blocks()]
    return {name: views.count([by_block[:, i] for by_block in logits]) for i, name in enumerate(names)}


def exchanged(model: ResidualAttentionNetwork, x: Tensor, other: Tensor, objects: Tensor) -> Tensor:
    """:func:`resattn.analysis.swap_features` after every block, one at a time: logits [N, blocks, K] for x and other
    [N, 3, H, W] and the places of the objects [N, 1, S, S]. What comes before a block is computed once."""
    own, theirs = (block_outputs(model, pictures) for pictures in (x, other))
    logits = []
    for name, output in own.items():
        where = F.adaptive_max_pool2d(objects, (output.shape[2], output.shape[3])) > 0  # [N, 1, h, w]
        logits.append(answer_from(model, name, torch.where(where, theirs[name], output)))  # [N, K]
    return torch.stack(logits, dim=1)  # [N, blocks, K]
