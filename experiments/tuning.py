"""A setting that is chosen on validation pictures: by runs of their own, before the runs that it is for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from resattn import zoo
from resattn.zoo import checkpoints

Stored = dict[str, dict[str, Any]]
FOLDER: Path | None = None  # where the grid that is under way stores its records; None: those of the package


def by_key(record: Path) -> Stored:
    """The finished runs in a file of records, by key; none if there is no such file yet."""
    return {run["key"]: run for run in checkpoints.read_json(record)["runs"]} if record.exists() else {}


def stored_runs(name: str) -> Stored:
    """The finished runs of a question, by key."""
    return by_key((FOLDER or zoo.grids.RECORDS) / f"{name}.json")


def best(who: str, setting: str, tried: Mapping[float, str], stored: Stored, score: Callable[[Any], float]) -> float:
    """The value whose run, named by its key, has the highest score.

    Raises ValueError if runs are missing, in the name of ``who``, which needs the ``setting``.
    """
    if missing := [key for key in tried.values() if key not in stored]:
        raise ValueError(f"{who} needs its {setting}: make {', '.join(missing)} first")
    return max(tried, key=lambda value: score(stored[tried[value]]))
