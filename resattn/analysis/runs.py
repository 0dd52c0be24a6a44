"""The runs of a record by arm and seed, as comparisons over seeds read them (chapters 5 and 11)."""

from collections.abc import Iterable, Mapping
from typing import Any

from .. import zoo

Run = dict[str, Any]


def records(name: str) -> list[Run]:
    """The runs of an experiment; none where its record does not come with the package."""
    return zoo.load_records(name) if name in zoo.list_records() else []


def by_arm(runs: Iterable[Run], where: Mapping[str, Any], value: str = "test_error") -> dict[str, dict[int, Run]]:
    """The runs that have a value and whose fields are as in ``where``, by arm and seed.

    >>> run = {"network": "arl", "seed": 2, "noise": 0.5, "test_error": 0.1}
    >>> by_arm([run], {"noise": 0.5}) == {"arl": {2: run}}, by_arm([run], {"noise": 0.0})
    (True, {})
    """
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        if value in run and all(run.get(key) == wanted for key, wanted in where.items()):
            found.setdefault(run.get("network") or run["arm"], {})[run["seed"]] = run
    return found
