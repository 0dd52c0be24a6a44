"""What telling a mask is worth: the verdicts of ``experiments/supervision.py``, and masks in labels (chapter 12).

A network whose mask was told where the object is, in ``masks`` of its n pictures, is as accurate as one that was told
nothing and had n' labels: one mask was worth (n' − n) / masks labels.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from .statistics import Difference, holm, in_words, paired

BOUND = 1.0  # points: attention that is told nothing is "not limited" if telling it changes less
ASKED = (("arl", "twin"), ("arl", "added"), ("arl-all", "arl"))  # an arm, and what it is compared with
AT = (300, 3000)  # labels, where the comparisons decide
Curve = Mapping[int, Sequence[float]]  # accuracies by number of labels, in the order of the seeds


def word_of(difference: Difference, stands: bool, telling: bool) -> str:
    """ "more", "less" or "not resolved"; of telling a network less not telling it "limited", "not limited", "worse
    when told" or "not resolved", where "not limited" needs the interval inside ± ``BOUND`` and comes first."""
    if telling:
        return in_words(difference, stands, ("worse when told", "limited"), BOUND, "not limited")
    return in_words(difference, stands, ("less", "more"))


@dataclass(frozen=True)
class Decision:
    """An arm less another, in points of accuracy; ``stands`` after Holm's correction over all that decide."""

    labels: int
    arm: str
    against: str
    difference: Difference
    stands: bool

    @property
    def word(self) -> str:
        """By :func:`word_of`."""
        return word_of(self.difference, self.stands, self.arm.startswith(f"{self.against}-"))


def accuracies(runs: Sequence[Mapping[str, Any]], arm: str) -> dict[int, list[float]]:
    """In per cent, of the runs of an arm that count, by number of labels, in the order of the seeds."""
    of_arm = sorted((run for run in runs if run["arm"] == arm), key=lambda run: (run["labels"], run["seed"]))
    found: dict[int, list[float]] = {}
    for run in of_arm:
        if "-weight" not in run["key"]:  # those choose λ, on pictures of their own
            found.setdefault(run["labels"], []).append(100 * run["scores"]["accuracy"])
    return found


def decisions(runs: Sequence[Mapping[str, Any]]) -> list[Decision]:
    """The six comparisons that decide, paired over seeds, Holm over all six."""
    curves = {arm: accuracies(runs, arm) for arm in {arm for pair in ASKED for arm in pair}}
    asked = [(labels, arm, against) for labels in AT for arm, against in ASKED]
    found = {f"{n} {arm} {against}": paired(curves[arm][n], curves[against][n]) for n, arm, against in asked}
    stands = holm(found)
    return [Decision(*what, found[name], stands[name]) for what, name in zip(asked, found, strict=True)]


def labels_for(curve: Mapping[int, float], accuracy: float) -> float:
    """The number of labels at which a curve, joined by straight lines over log n, first reaches an accuracy; −∞ if it
    starts above it, ∞ if it never gets there.

    >>> labels_for({100: 30.0, 1000: 50.0, 10_000: 80.0}, 40.0)
    316.22776601683796
    >>> labels_for({100: 30.0, 1000: 50.0}, 60.0)
    inf
    """
    points = sorted(curve.items())
    if accuracy < points[0][1]:
        return -math.inf
    for (n, low), (m, high) in pairwise(points):
        if accuracy <= low:
            return float(n)
        if accuracy < high:
            return n * (m / n) ** ((accuracy - low) / (high - low))
    last, top = points[-1]
    return float(last) if accuracy <= top else math.inf


@dataclass(frozen=True)
class Rate:
    """An exchange rate at ``labels`` pictures, ``masks`` of them with a mask. ``reached`` is the number of labels n'
    that are worth as much: of the means, the least and the most over resampled seeds; ±∞ outside ``span``."""

    labels: int
    masks: int
    reached: tuple[float, float, float]
    span: tuple[int, int]

    def worth(self, reached: float) -> str:
        """(n' − n) / masks as a text, and as a bound where n' lies outside the range of the curve.

        >>> rate = Rate(300, 300, (750.0, 600.0, math.inf), (100, 3000))
        >>> rate.worth(750.0), rate.worth(math.inf), str(rate)
        ('+1.5', '> +9.0', '+1.5 (+1.0 to > +9.0)')
        """
        sign, inside = self._clipped(reached)
        return f"{sign}{round((inside - self.labels) / self.masks, 1) + 0.0:+.1f}"  # no -0.0

    def amount(self, reached: float) -> str:
        """n' as a text, rounded to two digits, or as a bound.

        >>> Rate(300, 300, (750.0, 600.0, math.inf), (100, 3000)).amount(749.6)
        '750'
        """
        sign, inside = self._clipped(reached)
        rounded = inside if sign else float(f"{inside:.2g}")
        return f"{sign}{rounded:,.0f}"

    def _clipped(self, reached: float) -> tuple[str, float]:
        low, high = self.span
        return {-math.inf: ("< ", low), math.inf: ("> ", high)}.get(reached, ("", reached))

    def __str__(self) -> str:
        value, least, most = map(self.worth, self.reached)
        return value if value == least == most else f"{value} ({least} to {most})"


def exchange_rate(
    untold: Curve, told: Sequence[float], labels: int, masks: int | None = None, resamples: int = 1000
) -> Rate:
    """What one mask is worth in labels, for an arm that was told with so many labels, against one that was not.

    Seeds are resampled for both arms together, always in the same way. ``masks`` is ``labels`` if nothing is said.
    Raises ValueError if the arms have not the same number of seeds everywhere.
    """
    seeds = len(told)
    if not seeds or any(len(values) != seeds for values in untold.values()):
        counts = sorted({seeds, *map(len, untold.values())})
        raise ValueError(f"an exchange rate needs the same seeds everywhere; got {counts} values")

    def reached(chosen: Sequence[int]) -> float:
        curve = {n: fmean(values[i] for i in chosen) for n, values in untold.items()}
        return labels_for(curve, fmean(told[i] for i in chosen))

    draw = random.Random(0)
    again = [reached(draw.choices(range(seeds), k=seeds)) for _ in range(resamples)]
    value = reached(range(seeds))
    return Rate(labels, masks or labels, (value, min(again), max(again)), (min(untold), max(untold)))
