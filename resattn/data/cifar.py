"""CIFAR-10 and CIFAR-100 from the disk, or downloaded there (chapters 8 and 11).

CIFAR is read from one folder, the first of these that is set: the argument `root`, the environment variable
RESATTN_DATA, the user's cache folder (~/.cache/resattn). It holds `cifar10.npz` (Keras' key names) or torchvision's
`cifar-10-batches-py`; with neither, the archive is downloaded there. No data set ever stands in for another: what
cannot be read is an error.
"""

import os
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor

from . import downloads
from .sets import DataError, ImageSet, check_labels, check_split


def cifar10(split: str, root: str | Path | None = None) -> ImageSet:
    """CIFAR-10 (Krizhevsky 2009): 50,000 "train" and 10,000 "test" images of 32×32 pixels in ten classes.

    A file that holds fewer images is read as it is, and the set's name says how many they are. An npz file may say
    which of its images are the original pixels, in bool arrays `exact_train` and `exact_test`; if some are not, the
    set's name says what share is.

    Raises ValueError for another split, DataError for a damaged file, DownloadError (an OSError) when the data is not
    on disk and no mirror gives it.
    """
    return _cifar(CIFAR10, split, root)


def cifar100(split: str, root: str | Path | None = None) -> ImageSet:
    """CIFAR-100 with its 100 fine classes: `cifar100.npz` or `cifar-100-python`; otherwise as `cifar10`."""
    return _cifar(CIFAR100, split, root)


def data_folder(root: str | Path | None = None) -> Path:
    """The folder that CIFAR is read from and downloaded to; it need not exist.

    Raises NotADirectoryError when it is a file, PermissionError when it cannot be read.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    chosen = root if root is not None else os.environ.get("RESATTN_DATA") or Path(cache) / "resattn"
    folder = Path(chosen).expanduser()
    if folder.exists():
        if not folder.is_dir():
            raise NotADirectoryError(f"The data folder {folder} is a file; name the folder that holds the data set.")
        if not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError(f"The data folder {folder} cannot be read; allow it or set RESATTN_DATA to another.")
    return folder


@dataclass(frozen=True)
class _Cifar:
    npz: str
    archive: downloads.Archive
    reader: type[torchvision.datasets.CIFAR10]
    classes: tuple[str, ...]


_FULL = {"train": 50000, "test": 10000}
CIFAR10 = _Cifar(
    "cifar10.npz",
    downloads.CIFAR10,
    torchvision.datasets.CIFAR10,
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CIFAR100 = _Cifar(
    "cifar100.npz",
    downloads.CIFAR100,
    torchvision.datasets.CIFAR100,
    tuple(_CIFAR100_NAMES.split()),
)


def _cifar(source: _Cifar, split: str, root: str | Path | None) -> ImageSet:
    check_split(split)
    folder = data_folder(root)
    if not on_disk(source, folder):
        downloads.fetch(source.archive, folder)
    return read(source, split, folder)


def on_disk(source: _Cifar, folder: Path) -> bool:
    return (folder / source.npz).exists() or (folder / source.archive.folder).exists()


def read(source: _Cifar, split: str, folder: Path) -> ImageSet:
    path = folder / source.npz
    remarks = []
    if path.exists():
        images, labels, exact = _read_npz(path, split)
        if exact < 1:
            remarks.append(f"{min(round(100 * exact, 1), 99.9)} % of the images exact")
    else:
        path = folder / source.archive.folder
        images, labels = _read_batches(source, split, path)
    try:
        check_labels(labels, len(source.classes), "labels")
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if len(labels) != _FULL[split]:
        remarks.insert(0, f"{len(labels)} images")
    remark = f" ({', '.join(remarks)})" if remarks else ""
    return ImageSet(images, labels, source.classes, f"{source.archive.title} {split}{remark}")


def _read_npz(path: Path, split: str) -> tuple[Tensor, Tensor, float]:
    """Images [N, 3, 32, 32] and labels [N] of a file with Keras' keys, and the share of images that are exact: 1 if
    the file says nothing about that."""
    keys = (f"x_{split}", f"y_{split}")
    try:
        with open(path, "rb") as raw:
            if not zipfile.is_zipfile(raw):
                raise DataError(f"{path} is no npz file, or only a part of one; replace it or delete it.")
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in keys if key in file.files}
            exact = file[f"exact_{split}"] if f"exact_{split}" in file.files else None
    except DataError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); replace it or delete it.") from None
    if len(found) < 2:
        missing = " and no ".join(key for key in keys if key not in found)
        raise DataError(f"{path} has no {missing}; the file must hold x_train, y_train, x_test and y_test.")
    x, y = found.values()
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[1:] != (32, 32, 3) or len(x) == 0:
        raise DataError(f"{path}: {keys[0]} must be uint8 [N, 32, 32, 3], N ≥ 1, not {x.dtype} {list(x.shape)}.")
    if not np.issubdtype(y.dtype, np.integer) or y.shape not in ((len(x),), (len(x), 1)):
        raise DataError(f"{path}: {keys[1]} must be whole numbers [{len(x)}], not {y.dtype} {list(y.shape)}.")
    if exact is not None and (exact.dtype != np.bool_ or exact.shape != (len(x),)):
        raise DataError(f"{path}: exact_{split} must be bool [{len(x)}], not {exact.dtype} {list(exact.shape)}.")
    images, labels = torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y.astype(np.int64).reshape(-1))
    return images, labels, 1.0 if exact is None else float(exact.mean())


def _read_batches(source: _Cifar, split: str, path: Path) -> tuple[Tensor, Tensor]:
    """Images [N, 3, 32, 32] and labels [N] of torchvision's folder; torchvision checks the md5 of every file in it."""
    try:
        with warnings.catch_warnings():
            # The pickles hold dtypes as NumPy wrote them in 2009; NumPy 2.4.0 to 2.4.4 warn about that form.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
            read = source.reader(path.parent, train=split == "train")
    except RuntimeError:
        raise DataError(
            f"{path} is incomplete or damaged (a file in it has the wrong md5); delete the folder to download it again."
        ) from None
    return torch.from_numpy(read.data).permute(0, 3, 1, 2), torch.tensor(read.targets, dtype=torch.int64)
