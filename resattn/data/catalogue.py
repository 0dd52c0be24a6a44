"""Data sets by name, and which of them is at hand."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cifar import CIFAR10, CIFAR100, cifar10, cifar100, data_folder, on_disk, read
from .cued import cued_scenes
from .scenes.render import CLASSES, render
from .sets import DataError, ImageSet, check_split


def scenes(split: str, n: int | None = None, size: int = 32, seed: int = 0) -> ImageSet:
    """n rendered scenes of size × size pixels with the true masks of object and sky; 20,000 "train" or 4,000 "test".

    Raises ValueError for another split, n < 1, or a size that the renderer does not allow.
    """
    check_split(split)
    n = {"train": 20000, "test": 4000}[split] if n is None else n
    if n < 1:
        raise ValueError(f"The number of scenes must be 1 or more, not {n}.")
    drawn = render(split, n, size, seed)
    return ImageSet(drawn.images, drawn.labels, CLASSES, f"Scenes {split}", drawn.object_masks, drawn.sky_masks)


_LOADERS: dict[str, Callable[..., ImageSet]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "scenes": scenes,
    "cued_scenes": cued_scenes,
}


# How the names of sets begin, in titles and records.
TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "scenes": "Scenes", "cued_scenes": "Cued Scenes"}


def load(name: str, split: str, root: str | Path | None = None, **kw: Any) -> ImageSet:
    """A data set by name: "cifar10", "cifar100", "scenes" or "cued_scenes"; `kw` goes to that function (n, size
    and seed for what is rendered).

    `root` is the folder of CIFAR; what is rendered does not use it. Raises ValueError for an unknown name.
    """
    if name not in _LOADERS:
        raise ValueError(f"There is no data set {name!r}; choose one of {', '.join(_LOADERS)}.")
    loader = _LOADERS[name]
    return loader(split, root=root, **kw) if name.startswith("cifar") else loader(split, **kw)


def at_hand(root: str | Path | None = None) -> str:
    """ "cifar10" when both its splits are on disk and read well, else "scenes". Never downloads.

    A damaged file does not count; a warning names it.
    """
    folder = data_folder(root)
    if not on_disk(CIFAR10, folder):
        return "scenes"
    try:
        for split in ("train", "test"):
            read(CIFAR10, split, folder)
    except DataError as error:
        warnings.warn(f"CIFAR-10 is on disk but does not count as at hand: {error}", stacklevel=2)
        return "scenes"
    return "cifar10"


def is_at_hand(name: str, root: str | Path | None = None) -> bool:
    """Whether a data set can be had without a download."""
    sources = {"cifar10": CIFAR10, "cifar100": CIFAR100}
    return name not in sources or on_disk(sources[name], data_folder(root))


def named(title: str) -> str | None:
    """The name by which :func:`load` knows a set of this title; None for one that it does not know.

    >>> named("CIFAR-100 test"), named("Scenes train, 4000 images"), named("My pictures")
    ('cifar100', 'scenes', None)
    """
    return next((name for name, start in TITLES.items() if title.startswith(f"{start} ")), None)
