"""Every comparison of attention residual learning with a network without masks that the package has records of
(chapter 5): what "M = 0 gives the trunk, so it is never worse" would promise, and what training reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .runs import Run, by_arm, records
from .statistics import Difference, paired

ARMS = {"trunk": "its trunk", "plain": "its trunk", "twin": "equal twin"}


@dataclass(frozen=True)
class Grid:
    """Runs of one record that differ in the network and the seed only: those whose fields are as in ``where``.

    ``value`` is "test_error", or "scores" where a run has its accuracy among the scores of its mask."""

    record: str
    task: str
    where: Mapping[str, Any] = field(default_factory=dict)
    value: str = "test_error"

    def errors(self) -> dict[str, dict[int, float]]:
        """Test error by network and seed; nothing where the grid has not been run."""
        arms = by_arm(records(self.record), self.where, self.value)
        return {arm: {seed: self._error(run) for seed, run in runs.items()} for arm, runs in arms.items()}

    def _error(self, run: Run) -> float:
        found = run[self.value]
        return found if self.value == "test_error" else 1 - found["accuracy"]


GRIDS = (
    Grid("cued", "Cued Scenes"),
    Grid("noise_control", "… wrong labels marked", {"kind": "mark"}),
    Grid("noise_control", "… wrong labels name the other", {"kind": "other"}),
    Grid("supervision", "Scenes, 300 pictures", {"labels": 300}, "scores"),
    Grid("supervision", "Scenes, 3,000 pictures", {"labels": 3000}, "scores"),
    Grid("label_noise", "Scenes, 4,000 pictures", {"noise": 0.0}),
    Grid("noise", "Scenes, 20,000 pictures", {"noise": 0.0}),
    Grid("noise", "… half of the labels wrong", {"noise": 0.5}),
    Grid("depth", "Scenes, nine modules", {"modules": 3, "steps": 4000}),
    Grid("cifar_tables", "CIFAR-10, 4,000 pictures"),
    Grid("cifar", "CIFAR-10, all pictures"),
)


@dataclass(frozen=True)
class Comparison:
    """ARL's accuracy less its counterpart's, in points, paired over seeds, and the counterpart's accuracy in %."""

    task: str
    counterpart: str
    accuracy: float
    difference: Difference


def comparisons() -> list[Comparison]:
    """All of them, in the order of ``GRIDS``; a pair of networks with fewer than three common seeds is left out."""
    found = []
    for grid in GRIDS:
        errors = grid.errors()
        for arm, counterpart in ARMS.items():
            theirs, ours = errors.get(arm, {}), errors.get("arl", {})
            seeds = sorted(theirs.keys() & ours.keys())
            if len(seeds) < 3:
                continue
            difference = paired([100 * theirs[s] for s in seeds], [100 * ours[s] for s in seeds])
            accuracy = 100 - 100 * sum(theirs[s] for s in seeds) / len(seeds)
            found.append(Comparison(grid.task, counterpart, accuracy, difference))
    return found
