"""Where, when and with what a run was made: what every record says (chapter 8)."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch


def make_record(
    run: dict[str, Any], history: list[dict[str, Any]], device: torch.device, started_from: str | None
) -> dict[str, Any]:
    """What there is to know about a finished run, as plain values; ``run`` is what :func:`resattn.training.loop.fit`
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


def hardware(device: torch.device) -> str:
    """The GPU's name, or the processor's with the number of threads that PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        name = next(lines, name)
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' * (threads != 1)}"


def commit() -> str | None:
    """The package's git commit, with "+" if its files have changed since; None outside a checkout of this package, such
    as in an environment that stands in somebody else's repository."""
    folder = Path(__file__).parents[1]
    try:
        _git(folder, "ls-files", "--error-unmatch", "zoo/provenance.py")  # fails where this file is not git's
        prefix, head = _git(folder, "rev-parse", "--show-prefix", "HEAD").split()
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if prefix != "resattn/":  # copied into another project, whose commits say nothing of this one's state
        return None
    return head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints, without the variables by which a hook of another repository would lead it there."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # asking must not stand in the way of a git that works
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
