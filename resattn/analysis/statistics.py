"""The statistics of the book: paired differences over seeds, intervals, and the forest plot's numbers.

A *seed* is a new everything: first weights, order, noise and draw of training images. Two arms are compared seed by
seed, with Student's interval on the differences. One word, *resolved*, says that such an interval does not contain
zero; where a table holds several comparisons, Holm's correction says which of them stand. "No difference" is said only
where the interval lies inside a bound that was set before the run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri, stdtr, stdtrit


@dataclass(frozen=True)
class Difference:
    """A mean paired difference with its interval: mean ± half; p is the two-sided p-value, n the number of pairs.

    ``resolved`` says whether the interval leaves out zero, at the level that the interval was made for.
    """

    mean: float
    half: float
    p: float
    n: int

    @property
    def resolved(self) -> bool:
        return abs(self.mean) > self.half

    def within(self, bound: float) -> bool:
        """Whether the whole interval lies inside ± bound: the only ground on which to say "no difference"."""
        return abs(self.mean) + self.half < bound

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ± {self.half:.1f}"


def paired(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Difference:
    """a − b, seed by seed, with Student's interval. Raises ValueError for fewer than two pairs or unequal lengths.

    >>> print(paired([3.0, 4.0, 5.0], [1.0, 2.5, 2.5]))
    +2.0 ± 1.2
    """
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"a paired comparison needs two or more pairs; got {len(a)} and {len(b)} values")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return one_sample(differences, level)


def one_sample(values: Sequence[float], level: float = 0.95) -> Difference:
    """The mean of values, one a seed, against zero. Raises ValueError for fewer than two."""
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs two or more values; got {n}")
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    t = abs(mean) / error if error > 0 else math.inf if mean else 0.0
    return Difference(mean, half, 2 * float(stdtr(n - 1, -t)), n)


def by_seed(arms: Mapping[str, Mapping[int, float]]) -> dict[str, list[float]]:
    """The values of each arm in the order of the seeds, so that they pair. Raises ValueError unless all arms have the
    same seeds.

    >>> by_seed({"a": {1: 0.5, 0: 0.25}, "b": {0: 1.0, 1: 2.0}})
    {'a': [0.25, 0.5], 'b': [1.0, 2.0]}
    """
    if len({frozenset(values) for values in arms.values()}) != 1:
        seeds = {arm: sorted(values) for arm, values in arms.items()}
        raise ValueError(f"the arms must have the same seeds; they have {seeds}")
    return {arm: [values[seed] for seed in sorted(values)] for arm, values in arms.items()}


def holm(comparisons: Mapping[str, Difference], level: float = 0.95) -> dict[str, bool]:
    """Which comparisons of one table stand after Holm's correction, by name.

    >>> holm({"a": Difference(1, 0.5, 0.004, 9), "b": Difference(1, 0.9, 0.03, 9), "c": Difference(0, 1, 0.9, 9)})
    {'a': True, 'b': False, 'c': False}
    """
    stands: dict[str, bool] = dict.fromkeys(comparisons, False)
    for i, name in enumerate(sorted(comparisons, key=lambda key: comparisons[key].p)):
        if comparisons[name].p > (1 - level) / (len(comparisons) - i):
            break
        stands[name] = True
    return stands


def in_words(
    difference: Difference, stands: bool, words: tuple[str, str], bound: float = 0.0, inside: str = "no difference"
) -> str:
    """The verdict on a comparison: ``inside`` where the interval lies inside ± bound; "not resolved" unless it stands;
    else the first of the words for a negative difference, the second for a positive one.

    >>> in_words(Difference(-2.0, 1.0, 0.01, 5), True, ("fewer", "more"), bound=1)
    'fewer'
    >>> in_words(Difference(0.2, 0.3, 0.1, 5), False, ("fewer", "more"), bound=1)
    'no difference'
    """
    if difference.within(bound):
        return inside
    return words[difference.mean > 0] if stands else "not resolved"


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share, right also near 0 and 1. Raises ValueError unless 0 ≤ hits ≤ n and n ≥ 1.

    >>> low, high = wilson(0, 500)
    >>> low, round(high, 4)
    (0.0, 0.0076)
    """
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"a share needs 0 ≤ hits ≤ n and n ≥ 1; got {hits} of {n}")
    z = float(ndtri((1 + level) / 2))
    centre = (hits + z * z / 2) / (n + z * z)
    half = z * math.sqrt(hits * (n - hits) / n + z * z / 4) / (n + z * z)
    return max(0.0, centre - half), min(1.0, centre + half)
