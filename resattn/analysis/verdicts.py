"""Verdicts of questions that one table of paired differences decides: ``experiments/units.py`` (chapter 3),
``turned.py`` (chapter 7), ``additions.py`` (chapter 8), ``noise.py`` and ``noise_control.py`` (chapter 9)."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from .runs import Run, by_arm
from .statistics import Difference, by_seed, holm, in_words, one_sample, paired

Runs = Sequence[Run]
Decided = tuple[Difference, str]
Arm = TypeVar("Arm", bound=Hashable)

ADDITIONS = ("plain", "momentum", "schedule", "crops", "decay")  # each has all that stand before it
CHAINS = (4, 16)  # units
TURNS = (("rising", "half"), ("falling", "half"), ("falling", "plain"))
FILTERS = 2.0  # per cent of the signal: a mask filters where the whole interval lies below −2


def _decided(
    values: Mapping[Arm, Mapping[int, float]], asked: Sequence[tuple[Arm, Arm]], words: tuple[str, str]
) -> dict[tuple[Arm, Arm], Decided]:
    """Each pair's difference, paired over seeds, and its word after Holm's correction over all of them."""
    paired_up = by_seed({str(arm): found for arm, found in values.items()})
    differences = {str((a, b)): paired(paired_up[str(a)], paired_up[str(b)]) for a, b in asked}
    stands = holm(differences)
    return {
        pair: (d, in_words(d, stands[key], words)) for pair, (key, d) in zip(asked, differences.items(), strict=True)
    }


def _percent(runs: Runs, where: Mapping[str, object], value: str) -> dict[str, dict[int, float]]:
    """The value in per cent of the runs that have it, by arm and seed; others have chosen a rate."""
    arms = by_arm(runs, where, value)
    return {arm: {seed: 100 * run[value] for seed, run in found.items()} for arm, found in arms.items()}


def units(runs: Runs) -> dict[tuple[tuple[str, int], tuple[str, int]], Decided]:
    """Right answers in points: a chain of so many units, "with" or "without" its additions, less another."""
    asked = [(("with", n), ("without", n)) for n in CHAINS]
    asked += [((arm, CHAINS[1]), (arm, CHAINS[0])) for arm in ("with", "without")]
    right = {(arm, n): v for n in CHAINS for arm, v in _percent(runs, {"depth": n}, "test_accuracy").items()}
    return _decided(right, asked, ("worse", "better"))


def additions(runs: Runs) -> dict[tuple[str, str], Decided]:
    """Right answers in points: each addition less the recipe without it."""
    asked = [(arm, before) for before, arm in pairwise(ADDITIONS)]
    return _decided(_percent(runs, {}, "test_accuracy"), asked, ("worse", "better"))


def turned(runs: Runs, depth: Runs) -> dict[tuple[str, str], Decided]:
    """Errors in points: masks that turn less masks that do not, of ``experiments/depth.py``."""
    still = _percent(depth, {"modules": 3, "steps": 1000}, "test_error")
    errors = _percent(runs, {}, "test_error") | {arm: still[arm] for arm in ("half", "plain")}
    return _decided(errors, TURNS, ("fewer", "more"))


def filtering(change: Difference) -> str:
    """Whether masks filter wrong labels, by the change of the log gain in per cent: "does not filter" inside ±
    ``FILTERS``, "filters" below −``FILTERS``, "leans" where it is resolved and negative, else "not resolved"."""
    if change.within(FILTERS):
        return "does not filter"
    if change.mean + change.half < -FILTERS:
        return "filters"
    return "leans" if change.resolved and change.mean < 0 else "not resolved"


def noise(runs: Runs) -> dict[tuple[str, str], Decided]:
    """By what is asked and network. "more": accuracy less the twin's with half of the labels wrong, less the same with
    clean labels, in points; "within": log gain of a picture's true label less the mean of its others, half of the
    labels wrong, at the last module after the last epoch, in per cent. Neither has a correction."""
    found: dict[tuple[str, str], Decided] = {}
    for network in ("arl", "nal"):
        leads = {}
        for level in (0.5, 0.0):
            errors = by_seed(_percent(runs, {"noise": level}, "test_error"))
            leads[level] = [twin - own for twin, own in zip(errors["twin"], errors[network], strict=True)]
        more = paired(leads[0.5], leads[0.0])
        found["more", network] = more, in_words(more, more.resolved, ("it helps less", "it helps more"))
    for network in ("arl", "nal"):
        histories = [run["history"] for run in runs if (run["network"], run["noise"]) == (network, 0.5)]
        within = one_sample([100 * list(history[-1]["filter"].values())[-1]["within"] for history in histories])
        found["within", network] = within, in_words(within, within.resolved, ("the others pass", "it passes better"))
    return found


def noise_control(runs: Runs) -> dict[tuple[str, str], Decided]:
    """By what is asked and network. "mark": log gain of wrongly less rightly labelled pictures in per cent, marked less
    free, at the last module; "named": the share of the backward signal on the object that a wrong label names, behind
    the module less before it, in points, without correction; "lead, mark" and "lead, other": right answers less the
    twin's, in points, Holm over four."""

    def last(network: str, kind: str, field: str) -> dict[int, float]:
        return {
            run["seed"]: 100 * list(run["passing"].values())[-1][field]
            for run in runs
            if (run["network"], run["kind"]) == (network, kind)
        }

    found: dict[tuple[str, str], Decided] = {}
    for network in ("arl", "nal"):
        gains = by_seed({kind: last(network, kind, "between") for kind in ("mark", "free")})
        change = paired(gains["mark"], gains["free"])
        found["mark", network] = change, filtering(change)
    for network in ("arl", "nal"):
        shares = by_seed({side: last(network, "other", f"other_{side}") for side in "TH"})
        moved = paired(shares["T"], shares["H"])
        found["named", network] = moved, in_words(moved, moved.resolved, ("less lies there", "more lies there"))
    asked = [((network, kind), ("twin", kind)) for kind in ("mark", "other") for network in ("arl", "nal")]
    right = {
        (network, kind): {seed: 100 - error for seed, error in errors.items()}
        for kind in ("mark", "other")
        for network, errors in _percent(runs, {"kind": kind}, "test_error").items()
    }
    leads = _decided(right, asked, ("less accurate", "more accurate"))
    return found | {(f"lead, {kind}", network): lead for ((network, kind), _), lead in leads.items()}
