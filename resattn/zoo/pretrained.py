"""Trained weights and their records (chapters 8, 10 and 12).

Weights are a ``.safetensors`` file, which holds tensors and nothing that could run. Beside it, under the same name,
stands a record, a ``.json`` file that says how they came about: config, data, recipe, seed, hardware, seconds, date,
commit, the whole training history, and the sha256 of the weights, which is checked at loading.
"""

import hashlib
import json
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

    ``name`` is one of :func:`list_pretrained`, or a folder that ``python -m resattn train --out`` has filled.

    With ``num_classes`` the classifier is a new one of so many outputs, drawn under your own seed, to be fine-tuned on
    classes of your own; the network has no record until it is trained. ``freeze`` then leaves only the classifier to be
    trained: all that is before it, trunk and masks, keeps its weights and its batch statistics.

    ``.started_from`` says what was loaded: name and sha256 of the weights, mean and deviation of the colours they are
    used to. :func:`resattn.training.loop.fit` normalises by these, and writes them into its record.

    Raises CheckpointError if there are no such weights, or if they are damaged or do not match their record; ValueError
    for a ``num_classes`` below 1, or for ``freeze`` without it.
    """
    model = load(_stem(name))
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


def _stem(name: str | Path) -> Path:
    """Where the weights and the record of this name lie, without their suffix."""
    if (WEIGHTS / f"{name}.json").exists():
        return WEIGHTS / str(name)
    if (Path(name) / "model.json").exists():
        return Path(name) / "model"
    if (Path(name) / "checkpoint.pt").exists():
        raise CheckpointError(f"the run in {name} is not finished; the same train command resumes it")
    known = ", ".join(list_pretrained()) or "none"
    raise CheckpointError(f"there are no weights {str(name)!r}; with the package come: {known}; or name a run's folder")


def save(stem: Path, model: ResidualAttentionNetwork, record: dict[str, Any]) -> None:
    """Write ``stem``.safetensors and ``stem``.json, the record with the weights' sha256; CheckpointError if it
    fails."""
    weights = stem.with_suffix(".safetensors")
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    checkpoints.write_aside(weights, lambda partial: save_file(tensors, partial))
    checkpoints.write_json(stem.with_suffix(".json"), record | {"sha256": _sha256(weights)})


def load(stem: Path) -> ResidualAttentionNetwork:
    """The network of ``stem``.json with the weights of ``stem``.safetensors, in evaluation mode."""
    weights, path = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in record["config"].items()}
        config = NetworkConfig(**fields)
        digest = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is missing or no record of trained weights") from error
    if not weights.exists() or _sha256(weights) != digest:
        raise CheckpointError(f"{weights} is missing or damaged: its sha256 is not the one in {path.name}")
    model = ResidualAttentionNetwork(config)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{weights} does not hold the weights of {config.name}") from error
    model.record = record
    return model.eval()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
