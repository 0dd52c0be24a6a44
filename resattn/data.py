"""The data sets: CIFAR-10 and CIFAR-100, Scenes, and the paper's label noise.

A data set is an `ImageSet`: whole, in memory, as bytes. CIFAR is read from one folder, the first of these that is set:
the argument `root`, the environment variable RESATTN_DATA, the user's cache folder (~/.cache/resattn). It holds
`cifar10.npz` (Keras' key names) or torchvision's `cifar-10-batches-py`; with neither, the archive is downloaded there.
No data set ever stands in for another: what cannot be read is an error.
"""

import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor

from . import downloads


class DataError(ValueError):
    """A file on disk is damaged or holds something else than its name promises; the message names the file."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with labels, and where the data set has them the true pixel masks (chapter 10 scores attention by these).

    images: uint8 [N, 3, H, W] in 0..255; labels: int64 [N], each the index of a name in classes; name: for titles and
    records, such as "CIFAR-10 test"; object_masks, sky_masks: bool [N, H, W].

    Raises ValueError when shapes, types, devices or the range of the labels do not fit together.

    >>> data = ImageSet(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 1, 0]), ("cat", "dog"), "Pets")
    >>> len(data), len(data.subset([0, 2])), data.subset([0, 2]).labels.tolist()
    (4, 2, [0, 1])
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    object_masks: Tensor | None = None
    sky_masks: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels, k = self.images, self.labels, len(self.classes)
        if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(f"{self.name}: images must be uint8 [N, 3, H, W], N ≥ 1, not {_kind(images)}.")
        n, _, h, w = images.shape
        if labels.dtype != torch.int64 or labels.shape != (n,):
            raise ValueError(f"{self.name}: labels must be int64 [{n}], one per image, not {_kind(labels)}.")
        _check_labels(labels, k, self.name)
        for what, masks in (("object_masks", self.object_masks), ("sky_masks", self.sky_masks)):
            if masks is not None and (masks.dtype != torch.bool or masks.shape != (n, h, w)):
                raise ValueError(f"{self.name}: {what} must be bool [{n}, {h}, {w}], not {_kind(masks)}.")
        devices = {t.device for t in (images, labels, self.object_masks, self.sky_masks) if t is not None}
        if len(devices) > 1:
            raise ValueError(f"{self.name}: all tensors must be on one device, not on {sorted(map(str, devices))}.")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor | Sequence[int] | slice) -> "ImageSet":
        """The images at `indices` (int64 or bool tensor, list, range or slice), in that order."""
        if not isinstance(indices, slice):
            indices = torch.as_tensor(indices, device=self.labels.device)
            if indices.numel() == 0:
                raise ValueError(f"{self.name}: a subset must have at least one image.")
        return self._each(lambda t: t[indices])

    def to(self, device: torch.device | str) -> "ImageSet":
        """The same set with its tensors on `device`."""
        return self._each(lambda t: t.to(device))

    def _each(self, f: Callable[[Tensor], Tensor]) -> "ImageSet":
        objects, sky = (None if t is None else f(t) for t in (self.object_masks, self.sky_masks))
        return replace(self, images=f(self.images), labels=f(self.labels), object_masks=objects, sky_masks=sky)


def cifar10(split: str, root: str | Path | None = None) -> ImageSet:
    """CIFAR-10 (Krizhevsky 2009): 50,000 "train" and 10,000 "test" images of 32×32 pixels in ten classes.

    A file that holds fewer images is read as it is, and the set's name says how many they are. An npz file may say
    which of its images are the original pixels, in bool arrays `exact_train` and `exact_test`; if some are not, the
    set's name says what share is.

    Raises ValueError for another split, DataError for a damaged file, DownloadError (an OSError) when the data is not
    on disk and no mirror gives it.
    """
    return _cifar(_CIFAR10, split, root)


def cifar100(split: str, root: str | Path | None = None) -> ImageSet:
    """CIFAR-100 with its 100 fine classes: `cifar100.npz` or `cifar-100-python`; otherwise as `cifar10`."""
    return _cifar(_CIFAR100, split, root)


def scenes(split: str, n: int | None = None, size: int = 32, seed: int = 0) -> ImageSet:
    """n rendered scenes of size × size pixels with the true masks of object and sky; 20,000 "train" or 4,000 "test".

    Raises ValueError for another split, n < 1, or a size that the renderer does not allow.
    """
    from . import scenes as renderer

    _check_split(split)
    n = {"train": 20000, "test": 4000}[split] if n is None else n
    if n < 1:
        raise ValueError(f"The number of scenes must be 1 or more, not {n}.")
    drawn = renderer.render(split, n, size, seed)
    return ImageSet(
        drawn.images, drawn.labels, tuple(renderer.CLASSES), f"Scenes {split}", drawn.object_masks, drawn.sky_masks
    )


_LOADERS: dict[str, Callable[..., ImageSet]] = {"cifar10": cifar10, "cifar100": cifar100, "scenes": scenes}


def load(name: str, split: str, root: str | Path | None = None, **kw: Any) -> ImageSet:
    """A data set by name: "cifar10", "cifar100" or "scenes"; `kw` goes to that function (n, size, seed for Scenes).

    `root` is the folder of CIFAR; Scenes are rendered and do not use it. Raises ValueError for an unknown name.
    """
    if name not in _LOADERS:
        raise ValueError(f"There is no data set {name!r}; choose one of {', '.join(_LOADERS)}.")
    return scenes(split, **kw) if name == "scenes" else _LOADERS[name](split, root=root, **kw)


def at_hand(root: str | Path | None = None) -> str:
    """ "cifar10" when both its splits are on disk and read well, else "scenes". Never downloads.

    A damaged file does not count; a warning names it.
    """
    folder = data_folder(root)
    if not _on_disk(_CIFAR10, folder):
        return "scenes"
    try:
        for split in ("train", "test"):
            _read(_CIFAR10, split, folder)
    except DataError as error:
        warnings.warn(f"CIFAR-10 is on disk but does not count as at hand: {error}", stacklevel=2)
        return "scenes"
    return "cifar10"


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


def corrupt_labels(labels: Tensor, noise: float, num_classes: int, seed: int) -> Tensor:
    """The paper's label noise Q (equation 7; chapter 9): keep a label with probability r = 1 − noise, else replace it.

    The replacement is one of the num_classes − 1 other classes, all equally likely. The draw depends on the seed alone:
    it is the same on every device, and with one seed the labels replaced at a low noise are replaced, by the same
    class, at every higher one.

    Shapes: labels int64 [N] -> a new int64 [N] on the same device. Raises ValueError when noise is outside 0..1, when
    num_classes < 2, or for labels that are not int64 [N] in 0..num_classes − 1.

    >>> corrupt_labels(torch.tensor([3, 1, 4]), 0.0, 10, seed=0).tolist()
    [3, 1, 4]
    >>> bool((corrupt_labels(torch.arange(10), 1.0, 10, seed=0) == torch.arange(10)).any())
    False
    """
    if not 0 <= noise <= 1:
        raise ValueError(f"The noise level must be between 0 and 1, not {noise}.")
    if num_classes < 2:
        raise ValueError(f"Label noise needs 2 classes or more, not {num_classes}.")
    if labels.dtype != torch.int64 or labels.dim() != 1:
        raise ValueError(f"labels must be int64 [N], not {_kind(labels)}.")
    _check_labels(labels, num_classes, "corrupt_labels")
    generator = torch.Generator().manual_seed(seed)  # on the CPU, so that every device sees the same noise
    replaced = torch.rand(len(labels), generator=generator, dtype=torch.float64) < noise  # [N]
    shift = torch.randint(1, num_classes, (len(labels),), generator=generator)  # [N] in 1..K-1: never the same class
    return (labels + (replaced * shift).to(labels.device)) % num_classes  # [N]


@dataclass(frozen=True)
class _Cifar:
    npz: str
    archive: downloads.Archive
    reader: type[torchvision.datasets.CIFAR10]
    classes: tuple[str, ...]


_FULL = {"train": 50000, "test": 10000}
_CIFAR10 = _Cifar(
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
_CIFAR100 = _Cifar(
    "cifar100.npz",
    downloads.CIFAR100,
    torchvision.datasets.CIFAR100,
    tuple(_CIFAR100_NAMES.split()),
)


def _cifar(source: _Cifar, split: str, root: str | Path | None) -> ImageSet:
    _check_split(split)
    folder = data_folder(root)
    if not _on_disk(source, folder):
        downloads.fetch(source.archive, folder)
    return _read(source, split, folder)


def _on_disk(source: _Cifar, folder: Path) -> bool:
    return (folder / source.npz).exists() or (folder / source.archive.folder).exists()


def _read(source: _Cifar, split: str, folder: Path) -> ImageSet:
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
        _check_labels(labels, len(source.classes), "labels")
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


def _check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f'The split must be "train" or "test", not {split!r}.')


def _check_labels(labels: Tensor, num_classes: int, what: str) -> None:
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
        found = f"{int(labels.min())}..{int(labels.max())}"
        raise ValueError(f"{what}: labels must be in 0..{num_classes - 1}, one of {num_classes} classes, not {found}.")


def _kind(t: Tensor) -> str:
    return f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}"
