"""Files that are whole or absent: written aside, flushed to the disk, then renamed over the old one (chapter 8).

Checkpoints and records carry a digest of their own contents. A file that has changed since it was written, if only by a
single bit, is refused: it never gives other weights or another result.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

MARK = (
    b"\nresattn sha256 "  # stands behind a checkpoint, before the digest; readers of the format itself pass over both
)
DIGEST = "digest"  # the key of a record's digest


class CheckpointError(Exception):
    """A checkpoint or weight file that cannot be written or read; the message is one sentence for a person."""


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a path beside ``path``, then rename; on any failure the old file stays and the new one goes.

    What a killed process left half-written in this folder goes too. Raises CheckpointError if the disk is full or the
    folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
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


def remove_leftovers(folder: Path) -> None:
    """Remove from a folder what processes left half-written that are no longer there."""
    for partial in folder.glob(".*.partial"):
        pid = partial.name.split(".")[-2]
        if pid.isdecimal() and not _is_running(int(pid)):
            with suppress(OSError):  # another process may be doing the same
                partial.unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a record with a digest of its contents, or raise CheckpointError and leave the old one."""
    text = json.dumps(value | {DIGEST: json_digest(value)}, indent=1, ensure_ascii=False) + "\n"
    write_aside(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """What :func:`write_json` was given. Raises CheckpointError for anything else that the file may hold."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"there is no record {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it cannot be read as a record") from error
    found = value.pop(DIGEST, None) if isinstance(value, dict) else None
    if found is None:
        raise CheckpointError(
            f"{path} is damaged or from before records carried a digest: it has none "
            "(tools/seal.py of the repository gives one to a file that you trust)"
        )
    if found != json_digest(value):
        raise CheckpointError(f"{path} is damaged or was changed by hand: its contents are not those of its digest")
    return dict(value)


def json_digest(value: dict[str, Any]) -> str:
    """The sha256 of plain values: of the text that they make without spaces, in their own order."""
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, a dict of tensors and plain values, or raise CheckpointError and leave the old one."""

    def write(partial: Path) -> None:
        torch.save(state, partial)
        append_digest(partial)

    write_aside(path, write)


def append_digest(path: Path) -> None:
    """Put a digest of all that a file holds behind it."""
    digest = file_digest(path)
    with open(path, "ab") as file:
        file.write(MARK + digest.encode())


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Raises CheckpointError if the file is not bit by bit what :func:`save` wrote."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {_reason(error)}") from error
    body, mark, digest = content[: -64 - len(MARK)], content[-64 - len(MARK) : -64], content[-64:]
    if mark != MARK or hashlib.sha256(body).hexdigest().encode() != digest:
        raise CheckpointError(f"{path} is damaged or no checkpoint; remove it or choose another folder")
    state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or "model" not in state:
        raise CheckpointError(f"{path} is no checkpoint of this package; remove it or choose another folder")
    return state


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
