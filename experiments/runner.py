"""One runner for every grid of trainings.

    python -m experiments NAME [--jobs 2] [--device cpu] [--only WORD] [--work FOLDER] [--out FOLDER]

A question is a module of this folder. Its docstring says, before the run, which arms there are, how many seeds, on
what data, and which comparison decides. Its ``RUNS`` lists the runs, its ``train(run, folder, device)``
makes one of them and returns its record. ``KEPT`` may name runs whose weights go into resattn/zoo/weights. Where a
record does not name its network and its steps, ``work(run)`` gives the network, the pixels of a side and the number of
pictures that it is trained on, each as often as it is seen.

Every run has one thread and checkpoints after each epoch in the work folder. A record is stored, in
resattn/zoo/records/NAME.json, as soon as its run is finished: the grid can be stopped at any time, and the same command
goes on from where it was. Records of runs that the module no longer lists are kept out.
"""

import multiprocessing
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock
from torch import nn

from resattn.zoo import checkpoints, load_pretrained, pretrained

from . import tuning

ROOT = Path(__file__).parents[1]
WORK = ROOT / "_build" / "experiments"


class Run(Protocol):
    """One training of a grid; a frozen dataclass with a key that no other run of the grid has."""

    @property
    def key(self) -> str: ...


class Question(Protocol):
    """What a module of this folder offers; ``work`` only where its records need it."""

    RUNS: Sequence[Any]

    def train(self, run: Any, folder: Path, device: str) -> dict[str, Any]: ...

    def work(self, run: Any) -> tuple[nn.Module, int, int]: ...


@dataclass(frozen=True)
class Place:
    """Where a grid works and where its records go."""

    name: str
    work: Path
    out: Path

    @property
    def records(self) -> Path:
        return self.out / f"{self.name}.json"

    def stored(self) -> dict[str, dict[str, Any]]:
        """The records that are there, by key."""
        return tuning.by_key(self.records)

    def store(self, record: dict[str, Any], order: list[str]) -> None:
        """Put one record beside the others, in the order of the grid; other processes may be doing the same."""
        self.work.mkdir(parents=True, exist_ok=True)
        with FileLock(self.work / ".records.lock"):
            found = self.stored() | {record["key"]: record}
            runs = [found[key] for key in order if key in found]
            checkpoints.write_json(self.records, {"runs": runs})


def question(name: str) -> Question:
    """The module of a question. Raises ValueError for another name, and says which there are."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if "\nRUNS" in path.read_text())
    if name not in names:
        raise ValueError(f"there is no experiment {name!r}; there are {', '.join(names)}")
    return import_module(f"experiments.{name}")  # type: ignore[return-value]


def make(place: Place, key: str, device: str) -> str:
    """Make the run of this key and store its record; one line that says so."""
    torch.set_num_threads(1)  # so that runs side by side do not share a processor
    tuning.FOLDER = place.out  # a later run reads there what an earlier one has chosen
    module = question(place.name)
    order = [run.key for run in module.RUNS]
    run = module.RUNS[order.index(key)]
    start = time.process_time()
    record = {"key": key} | module.train(run, place.work / key, device)
    record.setdefault("seconds", round(time.process_time() - start, 1))  # of the one core
    kept: dict[str, str] = getattr(module, "KEPT", {})
    if key in kept:
        keep(place.work / key, kept[key])
    place.store(record, order)
    return f"{key}: {record['seconds']:.0f} s"


def keep(folder: Path, name: str, weights: Path | None = None) -> None:
    """Put the weights and the record of a finished run beside those that come with the package, whole or not at all."""
    load_pretrained(folder)  # raises if the files do not belong together
    for suffix in (".safetensors", ".json"):
        goal = (weights or pretrained.WEIGHTS) / f"{name}{suffix}"
        checkpoints.write_aside(goal, partial(shutil.copy, folder / f"model{suffix}"))


def run_grid(place: Place, jobs: int = 1, device: str = "cpu", only: str = "") -> None:
    """Make the runs whose records are missing, ``jobs`` at a time; with ``only``, those whose key has this word.

    Raises ValueError for no jobs, or a word that no key has.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1; got {jobs}")
    keys = [run.key for run in question(place.name).RUNS]
    if len(set(keys)) != len(keys):
        raise ValueError(f"two runs of {place.name} have the same key")
    wanted = [key for key in keys if only in key]
    if not wanted:
        raise ValueError(f"no run of {place.name} has {only!r} in its key")
    done = place.stored()
    missing = [key for key in wanted if key not in done]
    print(f"{place.name}: {len(missing)} of {len(wanted)} runs to make", flush=True)
    if jobs == 1:
        for key in missing:
            print(make(place, key, device), flush=True)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(make, place, key, device) for key in missing]
        for finished in as_completed(waiting):
            print(finished.result(), flush=True)
