"""Files that are whole or absent: written aside, flushed to the disk, then renamed over the old one (chapter 8)."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch


class CheckpointError(Exception):
    """A checkpoint or weight file that cannot be written or read; the message is one sentence for a person."""


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a path beside ``path``, then rename; on any failure the old file stays and the new one goes.

    Raises CheckpointError if the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())  # a rename that outlives the data it names would lose both
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        raise CheckpointError(f"cannot write {path}: {_reason(error)}; what was there before is kept") from error
    finally:
        with suppress(OSError):  # already renamed, or its folder could not even be made
            partial.unlink()


def _reason(error: BaseException) -> str:
    """The operating system's words where there are some, for torch hides them in the exception's context."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_aside(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, a dict of tensors and plain values, or raise CheckpointError and leave the old one."""
    write_aside(path, lambda partial: torch.save(state, partial))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Raises CheckpointError if the file is truncated, corrupt or not a checkpoint."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint; remove it or choose another folder") from error
    if not isinstance(state, dict) or "model" not in state:
        raise CheckpointError(f"{path} is no checkpoint of this package; remove it or choose another folder")
    return state
