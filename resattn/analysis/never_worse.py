"""Networks with masks against networks without, wherever the package has records of both (chapter 5).

There are two questions, and each has a family of its own. *Its trunk*, the same network less its mask branches, is
contained in the network: M = 0 gives it under ARL, M = 1 under NAL. That training ends no worse than this trunk is what
"with M = 0 it is the trunk" would promise. The *equal twin* has the parameters of the masks in more trunk units. It is
not contained, and asks what masks are worth.

The comparisons were gathered from grids that had run for questions of their own: all of this is exploratory. A grid is
admitted when all of its planned runs are there, and then with every setting in which it has both networks, those near
guessing too, so that nobody chooses which is shown. One is left out, "cifar_tables": its seeds share one small set of
training pictures, so its intervals would speak of first weights and order alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .runs import Run, by_arm, records
from .statistics import Difference, holm, paired

TRUNK, TWIN = "its trunk", "equal twin"
ARMS = {"trunk": TRUNK, "plain": TRUNK, "twin": TWIN}
BOUND = 2.0  # points: what experiments.cued calls no difference


@dataclass(frozen=True)
class Grid:
    """Runs of one record that differ in the network and the seed only: those whose fields are as in ``where``.

    ``planned`` is how many runs the experiment lists, these and all others.
    ``value`` is "test_error", or "scores" where a run has its accuracy among the scores of its mask."""

    record: str
    planned: int
    task: str
    where: Mapping[str, Any] = field(default_factory=dict)
    value: str = "test_error"

    def errors(self) -> dict[str, dict[int, float]]:
        """Test error by network and seed; nothing while planned runs are missing."""
        runs = records(self.record)
        if len(runs) < self.planned:
            return {}
        arms = by_arm(runs, self.where, self.value)
        return {arm: {seed: self._error(run) for seed, run in by_seed.items()} for arm, by_seed in arms.items()}

    def _error(self, run: Run) -> float:
        found = run[self.value]
        return found if self.value == "test_error" else 1 - found["accuracy"]


GRIDS = (
    Grid("cued", 32, "Cued Scenes"),
    Grid("unseen", 20, "… half of the cued classes left out"),
    Grid("noise_control", 40, "… wrong labels marked", {"kind": "mark"}),
    Grid("noise_control", 40, "… wrong labels name the other", {"kind": "other"}),
    *(Grid("supervision", 526, f"Scenes, {n:,} pictures", {"labels": n}, "scores") for n in (100, 300, 1000, 3000)),
    Grid("noise", 72, "Scenes, 20,000 pictures", {"noise": 0.0}),
    Grid("noise", 72, "… three labels in ten wrong", {"noise": 0.3}),
    Grid("noise", 72, "… half of the labels wrong", {"noise": 0.5}),
    Grid("depth", 242, "Scenes, three modules, 1,000 steps", {"modules": 1, "steps": 1000}),
    *(
        Grid("depth", 242, f"Scenes, nine modules, {n:,} steps", {"modules": 3, "steps": n})
        for n in (60, 250, 1000, 4000)
    ),
    Grid("cifar", 12, "CIFAR-10, all pictures"),
)


@dataclass(frozen=True)
class Comparison:
    """Accuracy of a network with masks less its counterpart's, in points, paired over seeds, and the counterpart's
    accuracy in %."""

    task: str
    counterpart: str
    accuracy: float
    difference: Difference


def comparisons(network: str = "arl") -> list[Comparison]:
    """All of them for "arl" or "nal", in the order of ``GRIDS``; a pair with fewer than three common seeds is left
    out."""
    found = []
    for grid in GRIDS:
        errors = grid.errors()
        for arm, counterpart in ARMS.items():
            theirs, ours = errors.get(arm, {}), errors.get(network, {})
            seeds = sorted(theirs.keys() & ours.keys())
            if len(seeds) < 3:
                continue
            difference = paired([100 * theirs[s] for s in seeds], [100 * ours[s] for s in seeds])
            accuracy = 100 - 100 * sum(theirs[s] for s in seeds) / len(seeds)
            found.append(Comparison(grid.task, counterpart, accuracy, difference))
    return found


def standing(family: Mapping[str, Difference], of: str = "") -> tuple[int, int]:
    """How many differences of a family stand above and below zero after Holm's correction over all of it, among those
    whose names begin with ``of``."""
    stands = holm(family)
    signs = [family[name].mean > 0 for name in family if stands[name] and name.startswith(of)]
    return signs.count(True), signs.count(False)


def loss(difference: Difference, bound: float = BOUND) -> str:
    """What an interval says of a loss of ``bound`` points: "excluded", "exceeded", or "open".

    >>> [loss(Difference(mean, 1.0, 0.05, 8)) for mean in (-0.9, -3.1, -2.5)]
    ['excluded', 'exceeded', 'open']
    """
    if difference.mean - difference.half > -bound:
        return "excluded"
    return "exceeded" if difference.mean + difference.half < -bound else "open"
