"""Folders of image files (ImageNet's layout) as batches, decoded by worker processes (chapter 8)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from .batches import Normalise, Shard, seed_from
from .pictures import read_picture
from .sets import DataError, ImageSet

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FolderBatches:
    """A folder of image files (ImageNet's layout) as batches, decoded by worker processes.

    root holds train/ and val/, each with one folder of images per class; the split "test" reads val/. Training images
    get a scale-and-aspect crop, a flip and colour jitter (section 4.2), test images a resize to size · 256/224 and a
    centre crop. Bytes go to the device and are normalised there. The augmentation of an image depends on (seed, epoch,
    image) alone, so the number of workers does not matter; rank and world share an epoch as in `Batches`.

    Raises ValueError for another split or sizes below 1, FileNotFoundError for a folder that is missing or without
    images, DataError when train/ and val/ disagree on the classes, and in `epoch` for a file that is no readable image.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        size: int = 224,
        batch_size: int = 64,
        workers: int = 8,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        jitter: float = 0.4,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        dtype: torch.dtype = torch.float32,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if size < 1 or workers < 0:
            raise ValueError(f"size must be 1 or more and workers 0 or more, not {size} and {workers}.")
        root = Path(root).expanduser()
        self.samples, self.classes = _image_files(root, split)
        self.name = f"{root.resolve().name} {split}"
        self.shard = Shard(len(self.samples), batch_size, split == "train", seed, rank, world)
        self.device, self.dtype, self.workers = torch.device(device), dtype, workers
        self.normalise = Normalise(mean, std, self.device)
        self.mean, self.std = self.normalise.mean, self.normalise.std
        if split == "train":
            steps = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.ColorJitter(jitter, jitter, jitter)]
        else:
            steps = [v2.Resize(round(size * 256 / 224)), v2.CenterCrop(size)]
        self.transform = v2.Compose([*steps, v2.PILToTensor()])

    def __len__(self) -> int:
        """Batches per epoch, counted as in `Batches`."""
        return len(self.shard)

    def epoch(self, e: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch e ≥ 0: x of the chosen dtype, channels last [B, 3, size, size], and y int64 [B]."""
        on_gpu = self.device.type == "cuda"
        loader = DataLoader(
            _Decoded(self.samples, self.transform, self.shard.seed, e),
            batch_sampler=[indices.tolist() for indices in self.shard.epoch(e, torch.device("cpu"))],
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=on_gpu,
            generator=Generator(),  # its own, so that the program's random numbers are not drawn from
        )
        for batch in loader:
            if isinstance(batch, DataError):  # raised here: a worker's exception would arrive wrapped in its traceback
                raise batch
            x, y = (t.to(self.device, non_blocking=on_gpu) for t in batch)  # uint8 [B, 3, size, size], [B]
            x = self.normalise(x).to(self.dtype, memory_format=torch.channels_last)  # [B, 3, size, size]
            yield x, y


def folder_set(root: str | Path, split: str, size: int) -> ImageSet:
    """A folder of pictures, laid out as for :class:`FolderBatches`, whole in memory as a network is shown them.

    Each picture is read once, and its middle square scaled to size × size: the way for a few hundred photographs, whose
    decoding in every epoch would take longer than the training. Raises what FolderBatches raises, all of it at once,
    and ValueError for a size below 1.
    """
    root = Path(root).expanduser()
    samples, classes = _image_files(root, split)
    images = torch.stack([read_picture(path).shown_at(size) for path, _ in samples])  # [N, 3, size, size]
    labels = torch.tensor([label for _, label in samples])  # [N]
    return ImageSet(images, labels, classes, f"{root.resolve().name} {split}")


class _Decoded(Dataset[Any]):
    """Image i of one epoch, decoded and augmented; a DataError in its place when the file cannot be read."""

    def __init__(self, samples: list[tuple[str, int]], transform: v2.Transform, seed: int, e: int) -> None:
        self.samples, self.transform, self.seed, self.e = samples, transform, seed, e

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> tuple[Tensor, int] | DataError:
        path, label = self.samples[i]
        try:
            image = read_picture(path).image
        except DataError as error:
            return error
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator
            torch.manual_seed(seed_from(self.seed, self.e, i))
            return self.transform(image), label


def _collate(items: list[tuple[Tensor, int] | DataError]) -> tuple[Tensor, Tensor] | DataError:
    decoded = []
    for item in items:
        if isinstance(item, DataError):
            return item
        decoded.append(item)
    return torch.stack([x for x, _ in decoded]), torch.tensor([y for _, y in decoded])  # [B, 3, H, W], [B]


def _image_files(root: Path, split: str) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """(path, label) of every image of a split, and the class names; train/ and val/ must have the same classes."""
    names = {"train": "train", "test": "val"}
    if split not in names:
        raise ValueError(f'The split must be "train" or "test" (read from val/), not {split!r}.')
    for name in names.values():
        if not (root / name).is_dir():
            raise FileNotFoundError(f"{root} has no folder {name}/; it must hold train/ and val/, as ImageNet does.")
    train, val = ({p.name for p in (root / name).iterdir() if p.is_dir()} for name in names.values())
    if train != val:
        odd = ", ".join(sorted(train ^ val)[:5])
        raise DataError(f"{root}: train/ and val/ must hold the same classes, but only one of them has {odd}.")
    try:
        found = ImageFolder(str(root / names[split]))
    except FileNotFoundError as error:
        reason = str(error).split(" Supported extensions")[0].rstrip(". ")
        raise FileNotFoundError(f"{root / names[split]} needs one folder of images per class: {reason}.") from None
    return found.samples, tuple(found.classes)
