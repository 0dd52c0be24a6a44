"""Cued Scenes beyond two modules and two objects: the verdicts of ``experiments/one_module.py``,
``experiments/three_objects.py``, ``experiments/unseen.py`` and ``experiments/cued56.py`` (chapter 10, deeper)."""

from collections.abc import Mapping, Sequence
from typing import Any

from .judges import one_mask_carries
from .statistics import Difference, by_seed, holm, in_words, paired

BOUND = 2.0  # points of right answers: a single module does "as well" inside it
WORSE_BETTER = ("worse", "better")
MOVED = 0.05  # a mask's shift to the object that counts, or a trunk's, as a share of its size
CARRIED = -10.0  # points: above it, a network carries the cue over to classes that it was never seen with
SEEN = 2  # seeds that had been looked at when that of masks alone was asked
ASKED = (  # a network, and the one that it is compared with
    ("first-arl", "arl"),
    ("second-arl", "arl"),
    ("first-nal", "nal"),
    ("second-nal", "nal"),
    ("three", "large"),
)
MODULES = {  # what a reader is told of these networks
    "arl": "ARL, both",
    "first-arl": "ARL, stage 1",
    "second-arl": "ARL, stage 2",
    "nal": "NAL, both",
    "first-nal": "NAL, stage 1",
    "second-nal": "NAL, stage 2",
    "three": "ARL, three in stage 1",
    "large": "ARL, a large one in stage 1",
}
Runs = Sequence[Mapping[str, Any]]
Decided = dict[tuple[str, str], tuple[Difference, str]]  # network and its counterpart -> their difference, its word


def of(runs: Runs, network: str) -> list[Mapping[str, Any]]:
    """The runs of a network, in the order of the seeds."""
    return sorted((run for run in runs if run["network"] == network), key=lambda run: run["seed"])


def modules_alone(both: Runs, alone: Runs) -> Decided:
    """Right answers in points, paired over the seeds of ``alone``, the runs of ``experiments/one_module.py``; those of
    ``experiments/cued.py`` have both modules.

    The word after Holm's correction over the five: a single module does "as well" as both where the interval lies
    inside ± ``BOUND``; else, and for three small modules less a large one, "better", "worse" or "not resolved". Raises
    ValueError where a seed has no counterpart.
    """
    found = {f"{a} {b}": _paired(of(alone, a), of(alone if b == "large" else both, b)) for a, b in ASKED}
    stands = holm(found)
    return {
        (a, b): (d, in_words(d, stands[key], WORSE_BETTER, 0 if b == "large" else BOUND, "as well"))
        for (a, b), (key, d) in zip(ASKED, found.items(), strict=True)
    }


def _paired(ours: Runs, theirs: Runs) -> Difference:
    right = [{run["seed"]: 100 * (1 - run["test_error"]) for run in runs} for runs in (ours, theirs)]
    if missing := sorted(right[0].keys() - right[1].keys()):
        raise ValueError(f"there is nothing to pair seed {missing[0]} with")
    return paired(list(right[0].values()), [right[1][seed] for seed in right[0]])


def carrier(run: Mapping[str, Any]) -> str:
    """The module whose swapped mask gives most answers to the object that the mask's cue names."""
    modules = {name: shares for name, shares in run["swaps"].items() if name != "all"}
    return max(modules, key=lambda name: modules[name][1])


def one_mask_of_three(run: Mapping[str, Any]) -> bool:
    """Whether, of three objects, one module's swap leaves at most 5 % of the answers with the one that counts, and
    gives the one that the mask's cue names nine tenths of the answers that the one that counts gets without a swap."""
    swaps = [shares for name, shares in run["swaps"].items() if name != "all"]
    return any(own <= 0.05 and named >= 0.9 * run["answers"][0] for own, named, _ in swaps)


def among_three(runs: Runs) -> tuple[int, bool]:
    """How many runs of one network are :func:`one_mask_of_three`, and whether the claim holds of it: in four of five.
    The rule of ``experiments/three_objects.py``."""
    count = sum(map(one_mask_of_three, runs))
    return count, count >= 0.8 * len(runs)


def figure_1(run: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The one module whose mask carries the choice between two objects, or None, and whether Fig. 1 holds for it: its
    mask moves to the object that counts, and the trunk's output beside it does not. The rule of
    ``experiments/cued56.py``."""
    name = carrier(run)
    if not one_mask_carries({name: run["swaps"][name]}):
        return None, False
    shift = run["shifts"][name]
    return name, shift["mask"] > MOVED > abs(shift["trunk"])


def follows(shares: Sequence[float]) -> float:
    """Of the answers that name either object, per cent for the one that counts: shares of (counts, other)."""
    counts, other = shares
    return 100 * counts / (counts + other)


def change(run: Mapping[str, Any]) -> float:
    """:func:`follows` on classes that never counted under the cue, less on the others, in points."""
    return follows(run["new"]) - follows(run["known"])


def carries_over(run: Mapping[str, Any]) -> bool:
    return change(run) > CARRIED


def masks_carry_over(runs: Runs) -> tuple[int, bool]:
    """In how many runs of one network the masks carry the cue over (pictures under red, masks from blue) and the
    answers under blue do not, and whether it is said of the network: in all. The second rule of
    ``experiments/unseen.py``, for its seeds from ``SEEN`` on."""
    count = sum(carries_over(run["by_masks"]) and not carries_over(run) for run in runs)
    return count, 0 < count == len(runs)


def attention_carries_over(runs: Runs) -> Decided:
    """:func:`change` of networks with masks less that of the equal twin, paired over seeds, and the word after Holm's
    correction over the two: "better" (it loses less), "worse" or "not resolved". Raises ValueError where a seed has no
    counterpart."""
    asked = [(network, "twin") for network in ("arl", "nal")]
    changes = {network: {run["seed"]: change(run) for run in of(runs, network)} for network in ("arl", "nal", "twin")}
    values = by_seed(changes)
    found = {a: paired(values[a], values[b]) for a, b in asked}
    stands = holm(found)
    return {(a, b): (found[a], in_words(found[a], stands[a], WORSE_BETTER)) for a, b in asked}


def over_three_tasks(cued: Runs, three: Runs, deep: Runs, network: str) -> tuple[int, int]:
    """In how many networks of a kind one mask carries the choice, and of how many, over ``experiments/cued.py``,
    ``experiments/three_objects.py`` and ``experiments/cued56.py`` together: their masks' swaps, each by its own rule
    (chapter 10). Exploratory: no rule foresaw the sum."""
    two = [one_mask_carries(run["swaps"]) for run in (*of(cued, network), *of(deep, network))]
    of_three = of(three, network)
    return sum(two) + among_three(of_three)[0], len(two) + len(of_three)
