"""Records of experiments of many runs, all runs of one experiment in one file of ``records/``, without weights."""

from pathlib import Path
from typing import Any

from .checkpoints import CheckpointError, read_json

RECORDS = Path(__file__).parent / "records"  # of experiments, without their weights


def list_records() -> list[str]:
    """Names that :func:`load_records` takes: the experiments whose records come with the package."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def load_records(name: str) -> list[dict[str, Any]]:
    """The records of an experiment's runs, one dict a run, as ``python -m experiments`` has stored them.

    A record has a key, what sets its run apart from the others, such as network and seed, what the run has found, and
    where and when it was made. Raises ValueError for an unknown name, and CheckpointError for a damaged file.
    """
    if name not in list_records():
        raise ValueError(f"there are no records {name!r}; there are: {', '.join(list_records()) or 'none'}")
    path = RECORDS / f"{name}.json"
    try:
        runs = read_json(path)["runs"]
        # What was not trained, such as a comparison with published files, has no seed.
        whole = bool(runs) and all(run["date"] and ("difference" in run or run["seed"] >= 0) for run in runs)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: it does not hold the records of an experiment") from error
    if not whole:
        raise CheckpointError(f"{path} is damaged: a run has no seed or no date")
    return list(runs)
