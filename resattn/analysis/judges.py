"""How the claims of :mod:`resattn.analysis.claims` are judged: from the records of an experiment by the rule that was
written down before its runs (a claim whose words came later says so: ``late``), or by a measurement on networks that
come with the package.

A judge takes records and returns a word and the numbers that decide; it raises :class:`Unfinished` where runs are
missing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import exchange, never_worse
from .printed import TABLE_7, TEST_PICTURES
from .runs import records as load
from .statistics import Difference, holm, one_sample, paired
from .telling import names_the_one_that_counts, which_masks

Records = list[dict[str, Any]]
Judgement = tuple[str, dict[str, Any]]  # a verdict's word, and the numbers that the reading of the claim names


class Unfinished(Exception):
    """Not all runs that a verdict needs are there; says how many are."""


def _by_seed(records: Records, value: str, **which: Any) -> list[Any]:
    """One value of every run that fits, in the order of the seeds."""
    runs = [run for run in records if all(run.get(key) == wanted for key, wanted in which.items())]
    return [run[value] for run in sorted(runs, key=lambda run: run["seed"])]


def _need(values: Sequence[Any], count: int, parts: int = 1) -> None:
    if len(values) < count:
        raise Unfinished(f"{len(values) * parts} / {count * parts}")


def _percent(share: float) -> float:
    return 100 * share


def _difference(a: Iterable[float], b: Iterable[float]) -> Difference:
    """Paired, in points of a hundred."""
    return paired([_percent(x) for x in a], [_percent(x) for x in b])


def one_mask_carries(swaps: dict[str, list[float]]) -> bool:
    """Whether one module's swap leaves ≤ 5 % with the cued object and ≥ 80 % to the other: [cued, other] each."""
    return any(cued <= 0.05 and other >= 0.8 for name, (cued, other) in swaps.items() if name != "all")


def one_mask_carries_the_choice(records: Records) -> Judgement:
    """The rule of experiments.cued: a swap leaves ≤ 5 % with the cued object and gives ≥ 80 % to the other, in seven of
    eight seeds, for ARL and for NAL."""
    counts, cued, other = {}, [], []
    for network in ("arl", "nal"):
        swaps = _by_seed(records, "swaps", network=network)
        _need(swaps, 8)
        best = [max((v for k, v in run.items() if k != "all"), key=lambda v: v[1]) for run in swaps]
        counts[network] = sum(map(one_mask_carries, swaps))
        cued += [c for c, _ in best]
        other += [o for _, o in best]
    arms = sum(count >= 7 for count in counts.values())
    word = ("did not show", "holds in part", "holds")[arms]
    means = {"cued": _percent(sum(cued) / len(cued)), "other": _percent(sum(other) / len(other))}
    return word, {**counts, **means}


def masks_beat_units(records: Records) -> Judgement:
    """The rule of experiments.cued: epoch of finding the cue and final accuracy, ARL and NAL less the twin of equal
    parameters, four comparisons, Holm; the verdict is on accuracy. "No difference" (inside ± 2 points) on one task
    does not refute a claim that is about others, and about smaller gains: it did not show."""
    accuracy, epoch = {}, {}
    for network in ("arl", "nal", "twin"):
        accuracy[network] = [1 - error for error in _by_seed(records, "test_error", network=network)]
        epoch[network] = [found_at(history) for history in _by_seed(records, "history", network=network)]
        _need(accuracy[network], 8)
    found = {}
    for name in ("arl", "nal"):
        found[name] = _difference(accuracy[name], accuracy["twin"])
        found[f"{name}_epoch"] = paired(epoch[name], epoch["twin"])
    stands = holm(found)
    better = sum(stands[name] and found[name].mean > 0 for name in ("arl", "nal"))
    word = ("did not show", "holds in part", "holds")[better]
    inside = sum(found[name].within(2.0) for name in ("arl", "nal"))
    twins = {c.task: c.difference for c in never_worse.comparisons() if c.counterpart == never_worse.TWIN}
    better_than_twins, worse = never_worse.standing(twins)
    others = {"n": len(twins), "better": better_than_twins, "worse": worse}
    return word, {"inside": inside, **others, **{name: str(difference) for name, difference in found.items()}}


def found_at(history: Records) -> int:
    """The first epoch in which a network has found the cue; one more than there are if it never has."""
    epochs = (n for n, entry in enumerate(history, start=1) if names_the_one_that_counts(*entry["answers"]))
    return next(epochs, len(history) + 1)


def sky_below_object_above(records: Records) -> Judgement:
    """The rule of experiments.followed, over every trained network with masks: the mean of the first mask dims the sky;
    that of the last is high on the object; the order from edges to objects is there, and neither in the trunks beside
    the masks nor without masks too. "holds in part" if one or two of the three do."""
    runs = [run for run in records if "shares" in next(iter(run["modules"].values()))]  # Scenes, with true pixels
    masked = [run for run in runs if run["network"] in ("arl", "nal")]
    bare = [run for run in runs if run["network"] == "trunk"]
    _need(masked + bare, 9)
    means = [[module["mean"] for module in run["modules"].values()] for run in masked]
    sky = sum(mean[0]["sky"] < -0.1 for mean in means)
    top = sum(mean[-1]["object"] > 0.1 for mean in means)
    order = sum(from_edges_to_objects(run, "mask") for run in masked)
    beside, without = (sum(from_edges_to_objects(run, "trunk") for run in runs) for runs in (masked, bare))
    shown = [sky == len(masked), top == len(masked), order == len(masked) and not beside and not without]
    word = "holds" if all(shown) else "holds in part" if any(shown) else "did not show"
    return word, {"sky": sky, "top": top, "order": order, "n": len(masked), "bare": without, "bare_n": len(bare)}


def from_edges_to_objects(run: dict[str, Any], of: str) -> bool:
    """Whether the activity of "mask" or "trunk" goes less with edges and more with the object in every next module."""
    fits = [module["shares"][of] for module in run["modules"].values()]
    edges, objects = ([fit[what] for fit in fits] for what in ("edges", "object"))
    return edges == sorted(edges, reverse=True) and objects == sorted(objects)


def later_masks(run: dict[str, Any]) -> str:
    """What later masks do about a wrong first one, by the rule of experiments.stacking: "repair", "do not", "make it
    worse", or "nothing to repair" where less than two points are lost."""
    loss = round(_percent(run["accuracy"]["own"] - run["accuracy"]["held 1"]), 3)
    won, half = run["won 1"]
    if loss < 2:
        return "nothing to repair"
    if won < -half:
        return "make it worse"
    return "repair" if won > half and won >= loss / 2 else "do not"


def cost_blind(run: dict[str, Any]) -> float:
    """What a wrong first mask costs where later masks do not look at the picture, in points (experiments.stacking)."""
    return round(_percent(run["accuracy"]["blind, own first"] - run["accuracy"]["blind 1"]), 3)


def stacking_repairs(records: Records) -> Judgement:
    """The rule of experiments.stacking. Never "refuted": the masks that later ones must beat are the undisturbed. Among
    the numbers is what is won back against masks that do not look, on Scenes, where that costs two points or more."""
    _need(records, 12)
    asked = [run for run in records if later_masks(run) != "nothing to repair"]
    good = sum(later_masks(run) == "repair" for run in asked)
    lost = [_percent(run["accuracy"]["own"] - run["accuracy"]["held 1"]) for run in asked]
    word = "holds" if asked and good == len(asked) else "holds in part" if good else "did not show"
    won = [run["won 1"][0] for run in asked]
    parts = {"low": min(won, default=0.0), "high": max(won, default=0.0), "lost": max(lost, default=0.0)}
    back = [run["won 1, blind"][0] for run in records if run["task"] == "scenes" and cost_blind(run) >= 2]
    blind = {"blind_low": min(back, default=0.0), "blind_high": max(back, default=0.0), "blind_asked": len(back)}
    return word, {"good": good, "asked": len(asked), **parts, **blind}


def no_worse_than_trunk(_: Records) -> Judgement:
    """Accuracy less that of its own trunk, for ARL and for NAL, which contains its trunk too (M = 1), in every grid
    that has both; Holm over all. Of ARL: "refuted" if one stands against it, "holds" if every interval excludes a loss
    of two points, else "holds in part": that M = 0 gives the trunk is algebra."""
    found = {
        f"{network}: {compared.task}": compared.difference
        for network in ("arl", "nal")
        for compared in never_worse.comparisons(network)
        if compared.counterpart == never_worse.TRUNK
    }
    against, nal_against = (never_worse.standing(found, network)[1] for network in ("arl", "nal"))
    arl = sorted((found[name] for name in found if name.startswith("arl")), key=lambda difference: difference.mean)
    if not arl:
        raise Unfinished("0")
    excluded = sum(never_worse.loss(difference) == "excluded" for difference in arl)
    word = "refuted" if against else "holds" if excluded == len(arl) else "holds in part"
    numbers = {"low": str(arl[0]), "high": str(arl[-1]), "excluded": excluded, "n": len(arl)}
    counts = {"against": against, "nal_against": nal_against, "nal_n": len(found) - len(arl)}
    return word, numbers | counts


def _cifar(records: Records) -> tuple[dict[str, Difference], dict[str, bool]]:
    """The comparisons of the small CIFAR-10 grid, error of the rival less error of the paper's choice; Holm."""
    error = {name: _by_seed(records, "test_error", network=name) for name in {run["network"] for run in records}}
    pairs = [("channel", "arl"), ("spatial", "arl"), ("local", "arl"), ("twin", "arl"), ("nal", "arl")]
    pairs.append(("nal-m3", "arl-m3"))
    found = {rival: _difference(error[rival], error[choice]) for rival, choice in pairs}
    return found, holm(found)


def less_error_than(*rivals: str) -> Callable[[Records], Judgement]:
    """A judge: in the CIFAR-10 grid the paper's choice has less error than every one of these rivals."""

    def judge(records: Records) -> Judgement:
        found, stands = _cifar(records)
        better = sum(stands[name] and found[name].mean > 0 for name in rivals)
        worse = any(stands[name] and found[name].mean < 0 for name in rivals)
        shown = "holds" if better == len(rivals) else "holds in part" if better else "did not show"
        word = "refuted" if worse else shown
        numbers = {f"d{i}": str(found[name]) for i, name in enumerate(rivals)}
        return word, {**numbers, "stand": sum(stands[name] for name in rivals)}

    return judge


DEPTH_ASKS = {f"nal{steps}": ("nal", "plain", steps) for steps in (60, 250, 1000, 4000)}
DEPTH_ASKS |= {"attenuation": ("half", "plain", 1000), "learned": ("nal", "half", 1000)}
DEPTH_ASKS |= {"gradients": ("adam", "nal", 1000), "start": ("open", "nal", 1000)}


def naive_stacks_cost(records: Records) -> Judgement:
    """The rule of experiments.depth, nine modules: error of NAL less that of no masks is one of eight comparisons at
    each of four lengths; Holm. "holds" if it stands at the two longest, and ARL's interval at the longest, which no
    rule foresaw, excludes two points more errors than no masks; "refuted" if nothing stands and the longest lies
    inside ± 2 points. The small CIFAR-10 grid stands beside it."""
    three = [run for run in records if run["modules"] == 3 and "test_error" in run]
    wanted = {(arm, steps) for a, b, steps in (*DEPTH_ASKS.values(), ("arl", "plain", 4000)) for arm in (a, b)}
    error = {(arm, steps): _by_seed(three, "test_error", arm=arm, steps=steps) for arm, steps in wanted}
    made = sum(min(len(values), 5) for values in error.values())
    if made < 5 * len(wanted):
        raise Unfinished(f"{made} / {5 * len(wanted)}")
    found = {name: _difference(error[a, steps], error[b, steps]) for name, (a, b, steps) in DEPTH_ASKS.items()}
    stands = holm(found)
    arl = _difference(error["arl", 4000], error["plain", 4000])
    open_masks = str(_difference(error["open", 1000], error["plain", 1000]))
    worse = {name for name in found if name.startswith("nal") and stands[name] and found[name].mean > 0}
    shown = {"nal1000", "nal4000"} <= worse and arl.mean + arl.half < 2
    nothing = "refuted" if found["nal4000"].within(2.0) else "did not show"
    word = "holds" if shown else "holds in part" if worse else nothing
    numbers = {name: str(difference) for name, difference in found.items()}
    cifar = str(_cifar(load("cifar_tables"))[0]["nal-m3"])
    return word, numbers | {"arl": str(arl), "open": open_masks, "cifar": cifar}


def helps_under_noise(records: Records) -> Judgement:
    """The rule of experiments.noise: accuracy less the twin's, ARL and NAL at three levels, Holm over six; "refuted"
    also where, under noise, neither network is a point away from its twin."""
    found = {}
    for noise in (0.0, 0.3, 0.5):
        twin = [1 - error for error in _by_seed(records, "test_error", network="twin", noise=noise)]
        for network in ("arl", "nal"):
            own = [1 - error for error in _by_seed(records, "test_error", network=network, noise=noise)]
            _need(own, 8, parts=9)
            _need(twin, 8, parts=9)
            found[f"{network}{round(100 * noise)}"] = _difference(own, twin)
    stands = holm(found)
    noisy = {name: found[name] for name in ("arl50", "nal50")}
    better = sum(stands[name] and difference.mean > 0 for name, difference in noisy.items())
    worse = sum(stands[name] and difference.mean < 0 for name, difference in noisy.items())
    if not better and (worse or all(difference.within(1.0) for difference in noisy.values())):
        word = "refuted"
    else:
        word = ("did not show", "holds in part", "holds")[better]
    return word, {name: str(difference) for name, difference in found.items()}


def filters_wrong_labels(records: Records) -> Judgement:
    """The rule of experiments.noise for the mechanism, at the last module after the last epoch, half of the labels
    wrong: log gain of wrongly less rightly labelled pictures; "refuted" if the interval lies inside ± 0.02; it
    filters if the interval lies below −0.02."""
    found = {}
    for network in ("arl", "nal"):
        histories = _by_seed(records, "history", network=network, noise=0.5)
        _need(histories, 8, parts=2)
        found[network] = one_sample(
            [100 * list(history[-1]["filter"].values())[-1]["between"] for history in histories]
        )
    filtering = sum(difference.mean + difference.half < -2.0 for difference in found.values())
    none = all(difference.within(2.0) for difference in found.values())
    word = "refuted" if none else ("did not show", "holds in part", "holds")[filtering]
    return word, {name: str(difference) for name, difference in found.items()}


def as_published(records: Records) -> Judgement:
    """The four published files against our networks: logits, with every weight filled by its shape."""
    worst = max(run["difference"] for run in records)
    equal = sum(run["difference"] <= 1e-12 and run["parameters"] == run["our_parameters"] for run in records)
    word = "holds" if equal == len(records) else "holds in part" if equal else "refuted"
    return word, {"equal": equal, "files": len(records), "worst": worst}


def printed_sizes(records: Records) -> Judgement:
    """Table 7's parameters against the authors' own files, within half a per cent."""
    printed = {name: row[0] for name, row in TABLE_7.items() if row[0]}
    off = {run["key"]: run["parameters"] / 1e6 / printed[run["key"]] - 1 for run in records if run["key"] in printed}
    agree = sum(abs(share) < 0.005 for share in off.values())
    name = max(off, key=lambda name: abs(off[name]))
    word = "holds" if agree == len(off) else "holds in part" if agree else "refuted"
    return word, {"agree": agree, "all": len(off), "name": name, "off": _percent(off[name])}


def printed_lead(ours: str, theirs: str) -> tuple[str, str]:
    """By how much the first network's printed top-1 error in Table 7 lies below the second's, in points, and half of
    the interval that two shares of 50,000 pictures have."""
    a, b = (TABLE_7[name][3] / 100 for name in (ours, theirs))
    half = 1.96 * ((a * (1 - a) + b * (1 - b)) / TEST_PICTURES["imagenet"]) ** 0.5
    return f"{100 * (b - a):.2f}", f"{100 * half:.2f}"


def against_resnet152(_: Records) -> Judgement:
    """As printed; nobody has trained these networks again."""
    lead, half = printed_lead("Attention-56", "ResNet-152")
    return "not tested", {"lead": lead, "half": half}


def other_units(_: Records) -> Judgement:
    """As printed: networks with attention, of ResNeXt and of Inception units, and the plain ones of such units."""
    found = {}
    for name, pair in (
        ("next", ("AttentionNeXt-56", "ResNeXt-101")),
        ("inception", ("AttentionInception-56", "Inception-ResNet-v1")),
    ):
        found[name], found[f"{name}_half"] = printed_lead(*pair)
    return "not tested", found


def telling_helps(records: Records) -> Judgement:
    """The rule of experiments.supervision: accuracy under ARL, its mask told less not told, at 300 and at 3,000 labels;
    "refuted" if both intervals lie inside ± 1 point, or telling makes it worse at both."""
    for arm in {arm for pair in exchange.ASKED for arm in pair}:
        curve = exchange.accuracies(records, arm)
        for labels in exchange.AT:
            _need(curve.get(labels, []), 10)
    told = [found for found in exchange.decisions(records) if found.arm == "arl-all"]
    words = [found.word for found in told]
    limited = words.count("limited")
    none = all(word in ("not limited", "worse when told") for word in words)
    word = "refuted" if none else ("did not show", "holds in part", "holds")[limited]
    curves = {arm: exchange.accuracies(records, arm) for arm in ("arl", "arl-all", "twin")}
    numbers = {f"at{found.labels}": str(found.difference) for found in told}
    for name, payer, masks in (("worth", "arl", 300), ("worth1000", "arl", 1000), ("twin1000", "twin", 1000)):
        numbers[name] = str(exchange.exchange_rate(curves[payer], curves["arl-all"][masks], masks))
    deep = {arm: found for (arm, less), found in which_masks(load("told56")).items() if less == "untold"}
    told56 = {f"deep_{arm}": str(difference) for arm, (difference, _) in deep.items()}
    stand = sum(word in ("limited", "worse when told") for _, word in deep.values())
    return word, numbers | told56 | {"deep_stand": stand}
