"""Does telling a mask bring the cue sooner, and which masks of a deep network should be told? The verdicts of
``experiments/told.py`` and ``experiments/told56.py`` (chapter 12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .exchange import word_of
from .statistics import Difference, by_seed, holm, in_words, paired

BOUND = 2.0  # points of right answers: "no difference" inside it
NEVER = 2125  # steps of a network that does not find the cue: one look more than there are
FUSIONS = ("arl", "nal")
Runs = Sequence[Mapping[str, Any]]


def names_the_one_that_counts(cued: float, other: float, share: float = 0.75) -> bool:
    """Whether, of the answers that name either object, three in four (experiments.cued), or another share, name the one
    that counts."""
    return cued >= share * (cued + other)


def found_at(run: Mapping[str, Any], share: float = 0.75) -> int:
    """The first step that was watched after which the network has found the cue, or this share of the answers follows
    it; ``NEVER`` if there is none.

    >>> found_at({"looks": [[25, 0.1, 0.1], [50, 0.4, 0.1], [75, 0.5, 0.1]]})
    50
    """
    looks = run["looks"]
    return next((int(step) for step, cued, other in looks if names_the_one_that_counts(cued, other, share)), NEVER)


def arm(runs: Runs, fusion: str, name: str) -> list[Mapping[str, Any]]:
    """The runs of an arm, in the order of the seeds."""
    return sorted((run for run in runs if (run["fusion"], run["arm"]) == (fusion, name)), key=lambda run: run["seed"])


@dataclass(frozen=True)
class Telling:
    """What telling changes for one fusion: the step of finding less that of the untold network and less that of the
    network told of both objects, and the right answers less the untold ones', in points."""

    steps: Difference
    beyond_objects: Difference
    right: Difference
    stands: tuple[bool, bool, bool]  # of the three, after Holm's correction over both fusions

    @property
    def sooner(self) -> str:
        """ "sooner", by the choice; "sooner by objects"; "later"; or "not resolved"."""
        if not self.stands[0]:
            return "not resolved"
        if self.steps.mean > 0:
            return "later"
        return "sooner" if self.stands[1] and self.beyond_objects.mean < 0 else "sooner by objects"

    @property
    def better(self) -> str:
        """ "no difference" where the interval lies inside ± ``BOUND``, else "more", "fewer" or "not resolved"."""
        return in_words(self.right, self.stands[2], ("fewer", "more"), BOUND)


def decisions(runs: Runs) -> dict[str, Telling]:
    """By fusion. Raises ValueError if an arm has fewer than two seeds, or other seeds than the rest."""
    differences: dict[str, Difference] = {}
    for fusion in FUSIONS:
        arms = {name: arm(runs, fusion, name) for name in ("untold", "told", "objects")}
        seeds = {name: [run["seed"] for run in found] for name, found in arms.items()}
        if len({tuple(found) for found in seeds.values()}) != 1:
            raise ValueError(f"the arms of {fusion} must have the same seeds; they have {seeds}")
        step = {name: [float(found_at(run)) for run in arms[name]] for name in arms}
        answer = {name: [100 * run["answers"][0] for run in arms[name]] for name in arms}
        differences[f"{fusion} steps"] = paired(step["told"], step["untold"])
        differences[f"{fusion} beyond"] = paired(step["told"], step["objects"])
        differences[f"{fusion} right"] = paired(answer["told"], answer["untold"])
    stands = holm(differences)
    found = {}
    for fusion in FUSIONS:
        steps, beyond, right = (f"{fusion} {what}" for what in ("steps", "beyond", "right"))
        found[fusion] = Telling(
            differences[steps], differences[beyond], differences[right], (stands[steps], stands[beyond], stands[right])
        )
    return found


ASKED = (("last", "untold"), ("all", "untold"), ("all", "last"))  # an arm of told56, and what it is compared with


def which_masks(runs: Runs) -> dict[tuple[str, str], tuple[Difference, str]]:
    """Right answers in points, an arm of ``experiments/told56.py`` less another, paired over seeds, and the word for it
    after Holm's correction over the three. Raises ValueError if the arms have not the same seeds, two or more."""
    by_arm = {
        arm: {run["seed"]: 100 * run["accuracy"] for run in runs if run["arm"] == arm}
        for arm in ("untold", "last", "all")
    }
    values = by_seed(by_arm)
    found = {f"{arm} {against}": paired(values[arm], values[against]) for arm, against in ASKED}
    stands = holm(found)
    return {
        (arm, against): (d, word_of(d, stands[key], against == "untold"))
        for (arm, against), (key, d) in zip(ASKED, found.items(), strict=True)
    }
