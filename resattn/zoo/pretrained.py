"""Trained weights and their records (chapters 8, 10 and 12).

Weights are a ``.safetensors`` file, which holds tensors and nothing that could run. Beside it, under the same name,
stands a record, a ``.json`` file that says how they came about: config, data, recipe, seed, hardware, seconds, date,
commit, the whole training history, and the sha256 of the weights, which is checked at loading, as is the record's own.
"""

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ..networks import NetworkConfig, ResidualAttentionNetwork
from . import checkpoints
from .checkpoints import CheckpointError

WEIGHTS = Path(__file__).parent / "weights"  # what comes with the package


def list_pretrained() -> list[str]:
    """Names that :func:`load_pretrained` takes: the weights that come with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json"))


def load_pretrained(
    name: str | Path, num_classes: int | None = None, *, freeze: bool = False
) -> ResidualAttentionNetwork:
    """A trained network in evaluation mode, with its record, a dict, as ``.record``.

    ``name`` is one of :func:`list_pretrained`, or a folder that ``python -m resattn train --out`` has filled; a Path,
    or a word with a slash, is always a folder. A run that is not finished gives what its last checkpoint holds, and a
    warning says so; its record has the history up to there and no ``test_error``.

    With ``num_classes`` the classifier is a new one of so many outputs, drawn under your own seed, to be fine-tuned on
    classes of your own; the network has no record until it is trained. ``freeze`` then leaves only the classifier to be
    trained: all that is before it, trunk and masks, keeps its weights and its batch statistics.

    ``.started_from`` says what was loaded: name and sha256 of the weights, mean and deviation of the colours they are
    used to. :func:`resattn.training.loop.fit` normalises by these, and writes them into its record.

    Raises CheckpointError if there are no such weights, or if they are damaged or do not match their record; ValueError
    for a name that means two networks, for a ``num_classes`` below 1, or for ``freeze`` without it.
    """
    model = _load(name)
    model.started_from = {"weights": Path(name).resolve().name} | {
        k: model.record[k] for k in ("sha256", "mean", "std")
    }
    if num_classes is not None:
        model.config = replace(model.config, num_classes=num_classes)  # refuses what is no number of classes
        if freeze:
            model.requires_grad_(False)
        model.classifier = nn.Linear(model.classifier.in_features, num_classes)
        del model.record  # it speaks of other classes
    elif freeze:
        raise ValueError("freeze leaves a new classifier to be trained: say with num_classes how many outputs it has")
    return model


def _load(name: str | Path) -> ResidualAttentionNetwork:
    """The network of this name or in this folder."""
    folder = Path(name)
    holds_run = (folder / "model.json").exists() or (folder / "checkpoint.pt").exists()
    if isinstance(name, str) and name in list_pretrained():
        if holds_run:
            here = os.path.join(".", name)
            raise ValueError(
                f"{name!r} is the name of weights that come with the package and of a run in this folder; "
                f"write {here!r} for the run, or go to another folder for the package's"
            )
        return load(WEIGHTS / name)
    if (folder / "model.json").exists():
        return load(folder / "model")
    if holds_run:
        return load_checkpoint(folder / "checkpoint.pt")
    known = ", ".join(list_pretrained()) or "none"
    raise CheckpointError(f"there are no weights {str(name)!r}; with the package come: {known}; or name a run's folder")


def save(stem: Path, model: ResidualAttentionNetwork, record: dict[str, Any]) -> None:
    """Write ``stem``.safetensors and ``stem``.json, the record with the weights' sha256; CheckpointError if it
    fails."""
    weights = stem.with_suffix(".safetensors")
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    checkpoints.write_aside(weights, lambda partial: save_file(tensors, partial))
    checkpoints.write_json(stem.with_suffix(".json"), record | {"sha256": checkpoints.file_digest(weights)})


def load(stem: Path) -> ResidualAttentionNetwork:
    """The network of ``stem``.json with the weights of ``stem``.safetensors, in evaluation mode."""
    weights, path = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    record = checkpoints.read_json(path)
    model = _network(record, path)
    if not weights.exists() or checkpoints.file_digest(weights) != record.get("sha256"):
        raise CheckpointError(f"{weights} is missing or damaged: its sha256 is not the one in {path.name}")
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{weights} does not hold the weights of {model.config.name}") from error
    model.record = record
    return model.eval()


def load_checkpoint(path: Path) -> ResidualAttentionNetwork:
    """The network of a run that is not finished, as its last checkpoint has it; a warning says how far it is."""
    state = checkpoints.load(path)
    history, run = list(state["history"]), dict(state["run"])
    model = _network(run, path)
    model.load_state_dict(state["model"])
    done = f"{len(history)} epoch{'s' * (len(history) != 1)}" if history else "no epoch at all"
    warnings.warn(f"the run in {path.parent} is not finished: these are its weights after {done}", stacklevel=4)
    model.record = run | {"history": history, "sha256": checkpoints.file_digest(path)}
    return model.eval()


def _network(record: dict[str, Any], path: Path) -> ResidualAttentionNetwork:
    try:
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in record["config"].items()}
        return ResidualAttentionNetwork(NetworkConfig(**fields))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no record of trained weights: it describes no network") from error
