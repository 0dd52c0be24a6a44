"""How the claims about gradients are judged (chapter 6); part of :mod:`resattn.analysis.judges`."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .. import data, zoo
from ..networks import ResidualAttentionNetwork, create
from .gradients import mask_depends_on_trunk, module_signals, share_on_second
from .interventions import forced
from .judges import Judgement, Records, _need, _percent
from .statistics import Difference, holm


def gradient_filter(_: Records) -> Judgement:
    """Equation 2 needs masks that do not depend on the trunk's parameters: all modules, with every unit."""
    modules = []
    for unit in ("preact", "resnext", "inception"):
        model = create("attention92", width=0.5, unit=unit)
        for name, module in model.attention_modules().items():
            channels = model.config.channels(model.config.widths[int(name[5]) - 1])
            modules.append((module, torch.randn(2, channels, 8, 8)))
    depends = sum(mask_depends_on_trunk(module, x) for module, x in modules)
    return "holds" if depends == 0 else "refuted", {"depends": depends, "modules": len(modules)}


def unheard_object(_: Records) -> Judgement:
    """The shipped networks of Cued Scenes, at the module whose mask carries the choice: of the trunk's signal on both
    objects, the share on the one that does not count. "holds" if equation 2's factor alone, behind a mask without
    places, brings it below 5 % in every network; "holds in part" if the masks as they are do, and in most networks that
    of the other cue leaves more than 80 %. The means are over the networks in which one mask turns most answers;
    "twin" is the most that an equal twin without masks leaves there."""
    found = {
        fusion: [
            _shares(zoo.load_pretrained(name)) for name in zoo.list_pretrained() if name.startswith(f"cued_{fusion}")
        ]
        for fusion in ("arl", "nal")
    }
    every = [shares for networks in found.values() for shares in networks]
    moved = sum(shares["swapped"] > 80 for shares in every)
    decided = all(shares["own"] < 5 for shares in every) and 2 * moved > len(every)
    alone = all(shares["factor"] < 5 for shares in every)
    word = "holds" if decided and alone else "holds in part" if decided else "did not show"
    carrying = {fusion: [shares for shares in networks if shares["named"] > 70] for fusion, networks in found.items()}
    numbers = {
        f"{fusion}_{name}": sum(shares[name] for shares in networks) / max(1, len(networks))
        for fusion, networks in carrying.items()
        for name in ("own", "swapped", "flat", "factor")
    }
    twins = [_share_unmasked(zoo.load_pretrained(n)) for n in zoo.list_pretrained() if n.startswith("cued_twin")]
    counts = {
        "networks": len(every),
        "carrying": sum(map(len, carrying.values())),
        "twin": max(twins, default=math.nan),
    }
    return word, {**numbers, **counts}


class _Views(NamedTuple):
    """Ninety test pictures, each under both cues."""

    x: Tensor  # [2N, 3, H, W], the other cues behind their own
    labels: Tensor  # [2N]
    others: Tensor  # [2N]
    counts: Tensor  # [2N, H, W], the object that counts
    idle: Tensor  # [2N, H, W], the other one


def _under_both_cues(model: ResidualAttentionNetwork) -> _Views:
    pictures = data.cued_scenes("test", 90)
    both = [pictures, pictures.recued()]
    normalise = data.Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))
    x = normalise(torch.cat([some.images for some in both]))
    kinds = ("labels", "other_labels", "object_masks", "other_masks")
    return _Views(x, *(torch.cat([getattr(some, kind) for some in both]) for kind in kinds))


def _share_unmasked(model: ResidualAttentionNetwork) -> float:
    """The share on the object that does not count in a network without masks, in per cent: at the worse module."""
    views = _under_both_cues(model)
    signals = module_signals(model, views.x, views.labels).values()
    return max(_percent(share_on_second(delta_T, views.counts, views.idle).mean().item()) for _, delta_T, _ in signals)


def _shares(model: ResidualAttentionNetwork) -> dict[str, float]:
    """Shares on the object that does not count, in per cent: with the network's own masks; with one mask from the other
    cue, the one that changes the answer most; with a mask without places forward and no factor back, or the own one.
    And of the answers, with that mask from the other cue, those that name the other object. As in chapter 6."""
    x, labels, others, counts, idle = _under_both_cues(model)
    with torch.no_grad():
        _, masks = model(x, return_masks=True)  # each [2N, C, h, w]
        other = {name: M.roll(len(x) // 2, 0) for name, M in masks.items()}
        moved = {name: (forced(model, {name: other[name]})(x).argmax(1) == others).sum() for name in masks}
    name = max(moved, key=lambda name: int(moved[name]))

    def share(changed: ResidualAttentionNetwork, factor: Tensor | None = None) -> float:
        delta_H, delta_T, _ = module_signals(changed, x, labels)[name]  # [2N, C, h, w]
        delta = delta_T if factor is None else factor * delta_H
        return _percent(share_on_second(delta, counts, idle).mean().item())

    factor = masks[name] + (model.config.fusion == "arl")  # [2N, C, h, w]
    flat = forced(model, {name: "mean"})
    swapped = share(forced(model, {name: other[name]}))
    named = _percent(int(moved[name]) / len(x))
    blind, seeing = share(flat, torch.ones(())), share(flat, factor)
    return {"own": share(model), "swapped": swapped, "flat": blind, "factor": seeing, "named": named}


NAMED_BEFORE = 11  # the networks that experiments.labels named before it measured; the others came later


def right_label_preferred(records: Records) -> Judgement:
    """The rule of experiments.labels, for the last of three modules: "holds in part" if every network's prefers the
    right label and no lead of any module leaves ± 5 %, "holds" if the leads are larger, "did not show" if one
    network's does not."""
    ranks = {}
    for run in records:
        for name, module in run["modules"].items():
            mean, half, p = module["rank"]
            ranks[run["network"], name] = Difference(mean, half, p, run["pictures"])
    stands = holm({" ".join(key): rank for key, rank in ranks.items()})
    two, deep = (
        {run["network"]: list(run["modules"])[-1] for run in records if len(run["modules"]) == count}
        for count in (2, 3)
    )
    _need(list(deep), 10)
    preferring, of_two = (
        sum(stands[" ".join(key)] and ranks[key].mean < 0 for key in some.items()) for some in (deep, two)
    )
    small = all(abs(m["lead"][0]) + m["lead"][1] < 5 for run in records for m in run["modules"].values())
    leads = [run["modules"][deep[run["network"]]]["lead"][0] for run in records if run["network"] in deep]
    word = "did not show" if preferring < len(deep) else "holds in part" if small else "holds"
    named = [run["network"] for run in records[:NAMED_BEFORE] if run["network"] in deep]
    early = sum(stands[f"{name} {deep[name]}"] and ranks[name, deep[name]].mean < 0 for name in named)
    counts = {"preferring": preferring, "networks": len(deep), "of_two": of_two, "two": len(two)}
    counts |= {"early": early, "named": len(named)}
    return word, {**counts, "low": min(leads), "high": max(leads)}
