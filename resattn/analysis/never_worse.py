"""Every comparison of attention residual learning with a network without masks that the package has records of
(chapter 5): what "M = 0 gives the trunk, so it is never worse" would promise, and what training reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .runs import by_arm, records
from .statistics import Difference, paired

ARMS = {"trunk": "its trunk", "trunk only": "its trunk", "plain": "its trunk", "twin": "equal twin"}


@dataclass(frozen=True)
class Grid:
    """Runs of one record that differ in the network and the seed only: those whose fields are as in ``where``."""

    record: str
    task: str
    where: Mapping[str, Any] = field(default_factory=dict)

    def errors(self) -> dict[str, dict[int, float]]:
        """Test error by network and seed; nothing where the grid has not been run."""
        arms = by_arm(records(self.record), self.where)
        return {arm.lower(): {seed: run["test_error"] for seed, run in runs.items()} for arm, runs in arms.items()}


GRIDS = (
    Grid("cued", "Cued Scenes"),
    Grid("mask_supervision", "Scenes, 300 pictures", {"labels": "few"}),
    Grid("mask_supervision", "Scenes, 3,000 pictures", {"labels": "many"}),
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
