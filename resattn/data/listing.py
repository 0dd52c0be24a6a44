"""Which files of a folder are its images, and which of them cannot be read (chapter 8)."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm

from .pictures import read_picture
from .sets import DataError

PARTS = {"train": "train", "test": "val"}  # the split, and the folder that it is read from
MORE = (".gif", ".jfif", ".avif")  # what torchvision's list leaves out, where Pillow reads it


@dataclass(frozen=True)
class Listing:
    """The image files of one split of a folder.

    samples: (path, label) of each, sorted; classes: their names; skipped: how many other files there are of each
    suffix; bad: how many image files were left out because they cannot be read.
    """

    root: Path
    name: str
    samples: list[tuple[str, int]]
    classes: tuple[str, ...]
    skipped: dict[str, int]
    bad: int = 0

    def without(self, paths: Collection[str]) -> "Listing":
        """The same without some files."""
        kept = [sample for sample in self.samples if sample[0] not in paths]
        if not kept:
            raise DataError(f"{self.root / self.name} has no image that can be read.")
        return replace(self, samples=kept, bad=self.bad + len(self.samples) - len(kept))

    def limited(self, n: int | None) -> "Listing":
        """At most n of the files, evenly spread over the classes as they are."""
        return self if n is None else replace(self, samples=[self.samples[i] for i in spread(len(self.samples), n)])

    @property
    def digest(self) -> str:
        """The sha256 of the files' names within the folder, in order; what is in the files does not enter it."""
        names = "\n".join(Path(path).relative_to(self.root).as_posix() for path, _ in self.samples)
        return hashlib.sha256(names.encode()).hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the files."""
        root = str(self.root.resolve())
        return {"root": root, "digest": self.digest, "bad": self.bad, "skipped": self.skipped}

    def __str__(self) -> str:
        left_out = [f"{n:,} {suffix or 'without suffix'}" for suffix, n in sorted(self.skipped.items())]
        left_out += [f"{self.bad:,} that cannot be read"] if self.bad else []
        skipped = f"; skipped: {', '.join(left_out)}" if left_out else ""
        return f"{self.root / self.name}: {len(self.samples):,} images of {len(self.classes)} classes{skipped}"


def spread(total: int, n: int) -> list[int]:
    """At most n of the numbers 0 … total − 1, evenly spread. Raises ValueError if n < 1.

    >>> spread(10, 4)
    [0, 2, 5, 7]
    """
    if n < 1:
        raise ValueError(f"The number of images must be 1 or more, not {n}.")
    return [i * total // n for i in range(n)] if n < total else list(range(total))


def list_images(root: str | Path, split: str) -> Listing:
    """The images of a split ("test" is read from val/): all files with a suffix that is read here, at any depth of the
    folder of each class. Hidden names, those that start with a dot, do not count at all.

    Raises ValueError for another split, FileNotFoundError for a folder that is missing or a class without images,
    DataError when train/ and val/ disagree on the classes.
    """
    root = Path(root).expanduser()
    if split not in PARTS:
        raise ValueError(f'The split must be "train" or "test" (read from val/), not {split!r}.')
    for name in PARTS.values():
        if not (root / name).is_dir():
            raise FileNotFoundError(f"{root} has no folder {name}/; it must hold train/ and val/, as ImageNet does.")
    train, val = ({p.name for p in _visible(root / name) if p.is_dir()} for name in PARTS.values())
    if train != val:
        odd = ", ".join(sorted(train ^ val)[:5])
        raise DataError(f"{root}: train/ and val/ must hold the same classes, but only one of them has {odd}.")
    folder, classes = root / PARTS[split], sorted(train)
    samples: list[tuple[str, int]] = []
    skipped: Counter[str] = Counter()
    empty = []
    for label, name in enumerate(classes):
        before = len(samples)
        for path in _files(folder / name):
            if path.suffix.lower() in _suffixes():
                samples.append((str(path), label))
            else:
                skipped[path.suffix.lower()] += 1
        if len(samples) == before:
            empty.append(name)
    if empty or not classes:
        reason = f"there is none in {', '.join(empty[:5])}" if empty else "it has no folder"
        raise FileNotFoundError(f"{folder} needs one folder of images per class, and {reason}.")
    return Listing(root, PARTS[split], samples, tuple(classes), dict(skipped))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


@cache
def _suffixes() -> frozenset[str]:
    readable = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return frozenset({*IMG_EXTENSIONS, *MORE} & readable)


def find_bad(paths: Sequence[str], workers: int = 8, *, whole: bool = True, progress: bool = True) -> dict[str, str]:
    """The files that cannot be read, each with a sentence; a bar shows how far it is on a terminal.

    Every file is decoded as in training; without ``whole`` only its beginning is read, which finds what is empty or no
    image, and not what was cut off.
    """
    bad: dict[str, str] = {}
    loader = DataLoader(_Tried(paths, whole), batch_size=16, num_workers=workers, collate_fn=list)
    with tqdm(total=len(paths), desc="checking", unit=" files", disable=None if progress else True, leave=False) as bar:
        for found in loader:
            bad |= {path: sentence for path, sentence in found if sentence}
            bar.update(len(found))
    return bad


class _Tried(Dataset[Any]):
    """Path i with what is wrong with its file, or None."""

    def __init__(self, paths: Sequence[str], whole: bool) -> None:
        self.paths, self.whole = paths, whole

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[str, str | None]:
        path = self.paths[i]
        try:
            if self.whole:
                read_picture(path)
            else:
                with Image.open(path):
                    pass
        except DataError as error:
            return path, str(error)
        except Exception as error:  # decoders of damaged files raise nearly everything
            return path, f"the picture {path} cannot be read ({type(error).__name__})"
        return path, None
