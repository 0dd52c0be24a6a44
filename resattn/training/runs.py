"""What identifies a run, and whether a checkpoint belongs to it (chapter 8)."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..networks import ResidualAttentionNetwork
from ..zoo import checkpoints
from . import distributed
from .evaluation import Loader
from .preparation import frozen_parts
from .recipes import Recipe

MAY_DIFFER = ("world", "data.root")  # a run may go on with more processes, and where its folder has moved


def describe_data(train: Loader, test: Loader) -> dict[str, Any]:
    """What a record says of the data: names, classes, numbers of images, size, and for folders what was in them."""
    found: dict[str, Any] = {"train": train.name, "test": test.name, "classes": list(train.classes)}
    shared = ("size", "root", "kind")
    for split, loader in (("train", train), ("test", test)):
        facts = dict(getattr(loader, "facts", {}))  # a loader of one's own need not have them
        found |= {key: facts.pop(key) for key in shared if key in facts and split == "train"}
        found |= {f"{split}_{key}": value for key, value in facts.items() if key not in shared}
    return found


def describe(
    model: ResidualAttentionNetwork,
    recipe: Recipe,
    train: Loader,
    test: Loader,
    *,
    seed: int,
    dtype: torch.dtype,
    accumulate: int,
    batch_statistics: str,
) -> dict[str, Any]:
    """What two calls of :func:`resattn.training.loop.fit` must share for one to continue the other."""
    return {
        "config": asdict(model.config),
        "recipe": asdict(recipe),
        "started_from": getattr(model, "started_from", None),
        "frozen": list(frozen_parts(model)),
        "seed": seed,
        "data": describe_data(train, test),
        "mean": list(train.mean),
        "std": list(train.std),
        "steps_per_epoch": len(train),
        "world": distributed.world(),
        "accumulate": accumulate,
        "batch_statistics": batch_statistics,
        "precision": str(dtype).removeprefix("torch."),
    }


def read_checkpoint(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint of a run. Raises CheckpointError for a damaged one, and for another run's, naming what differs."""
    state = checkpoints.load(path)
    differing = list(differences(state.get("run", {}), run))
    if differing:
        raise checkpoints.CheckpointError(
            f"{path} belongs to a run with another {', '.join(differing)}; choose another folder, or start afresh there"
        )
    return state


def differences(saved: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """What two descriptions disagree on, such as "seed (0 there, 1 here)"; what an older one does not say is passed
    over."""
    for key, value in wanted.items():
        name = prefix + key
        if name in MAY_DIFFER or key not in saved or saved[key] == value:
            continue
        if isinstance(value, dict) and isinstance(saved[key], dict):
            yield from differences(saved[key], value, f"{name}.")
        else:
            yield f"{name} ({_short(saved[key])} there, {_short(value)} here)"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
