"""Trained weights and their records (chapters 8, 9, 11 and 12).

Weights are a ``.safetensors`` file, which holds tensors and nothing that could run. Beside it, under the same name,
stands a record, a ``.json`` file that says how they came about: config, data, recipe, seed, hardware, seconds, date,
commit, the whole training history, and the sha256 of the weights, which is checked at loading.

Experiments of many runs keep their records only, all in one file of ``records/``; :func:`load_records` reads it.
"""

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from . import checkpoints
from .checkpoints import CheckpointError
from .networks import NetworkConfig, ResidualAttentionNetwork

WEIGHTS = Path(__file__).parent / "weights"  # what comes with the package
RECORDS = Path(__file__).parent / "records"  # of experiments, without their weights


def list_pretrained() -> list[str]:
    """Names that :func:`load_pretrained` takes: the weights that come with the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json"))


def load_pretrained(name: str | Path) -> ResidualAttentionNetwork:
    """A trained network in evaluation mode, with its record, a dict, as ``.record``.

    ``name`` is one of :func:`list_pretrained`, or a folder that ``python -m resattn train --out`` has filled.

    Raises CheckpointError if there are no such weights, or if they are damaged or do not match their record.
    """
    if (WEIGHTS / f"{name}.json").exists():
        return load(WEIGHTS / str(name))
    if (Path(name) / "model.json").exists():
        return load(Path(name) / "model")
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


def make_record(
    run: dict[str, Any], history: list[dict[str, Any]], device: torch.device, started_from: str | None
) -> dict[str, Any]:
    """What there is to know about a finished run, as plain values; ``run`` is what :func:`resattn.training.fit`
    fixed, ``started_from`` the :func:`commit` when it was called: files may change while it trains."""
    return run | {
        "test_error": 1 - history[-1]["test_accuracy"],  # of the last epoch, never of the best
        "seconds": sum(entry["seconds"] for entry in history),
        **origin(device, started_from),
        "history": history,
    }


def origin(device: torch.device, started_from: str | None) -> dict[str, Any]:
    """Where and when a run was made, and with what: the part that every record has."""
    return {
        "hardware": hardware(device),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": started_from,
        "torch": torch.__version__,
    }


def list_records() -> list[str]:
    """Names that :func:`load_records` takes: the experiments whose records come with the package."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def load_records(name: str) -> list[dict[str, Any]]:
    """The records of an experiment's runs, one dict a run, as ``python -m tools.experiments`` has stored them.

    A record has what :func:`make_record` gives, and what sets the run apart from the others: network, noise, noise_seed
    and the numbers of images. Chapter 9 reads the runs of ``"label_noise"``, chapter 11 those of ``"cifar_tables"``.
    Those of ``"mask_supervision"`` (chapter 12) come from ``python -m tools.mask_supervision`` and have the scores of
    their masks. Raises ValueError for an unknown name, and CheckpointError for a damaged file.
    """
    if name not in list_records():
        raise ValueError(f"there are no records {name!r}; there are: {', '.join(list_records()) or 'none'}")
    path = RECORDS / f"{name}.json"
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        whole = bool(runs) and all("test_error" in run and run["history"] for run in runs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: it does not hold the records of an experiment") from error
    if not whole:
        raise CheckpointError(f"{path} is damaged: a run has no history or no test error")
    return list(runs)


def hardware(device: torch.device) -> str:
    """The GPU's name, or the processor's with the number of threads that PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        name = next(lines, name)
    return f"{name}, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The package's git commit, with "+" if its files have changed since; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "."], cwd=folder, timeout=10).returncode
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changed else "")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
