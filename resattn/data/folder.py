"""Folders of image files (ImageNet's layout) as batches, decoded by worker processes (chapter 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from .batches import Normalise, Shard, seed_from
from .listing import Listing, list_images
from .pictures import read_picture
from .sets import DataError, ImageSet

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class FolderBatches:
    """A folder of image files (ImageNet's layout) as batches, decoded by worker processes.

    root holds train/ and val/, each with one folder of images per class; the split "test" reads val/. Training images
    get a scale-and-aspect crop, a flip and colour jitter (section 4.2), test images a resize to size · 256/224 and a
    centre crop. Bytes go to the device and are normalised there. The augmentation of an image depends on (seed, epoch,
    image) alone, so the number of workers does not matter; rank and world share an epoch as in `Batches`. ``listing``,
    from :func:`resattn.data.listing.list_images`, leaves out some of the files.

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
        listing: Listing | None = None,
    ) -> None:
        if size < 1 or workers < 0:
            raise ValueError(f"size must be 1 or more and workers 0 or more, not {size} and {workers}.")
        found = list_images(root, split) if listing is None else listing
        self.samples, self.classes = found.samples, found.classes
        self.name = f"{found.root.resolve().name} {split}"
        self.shard = Shard(len(self.samples), batch_size, split == "train", seed, rank, world)
        self.device, self.dtype, self.workers = torch.device(device), dtype, workers
        self.normalise = Normalise(mean, std, self.device)
        self.mean, self.std = self.normalise.mean, self.normalise.std
        # What a record says of the data beside its name.
        self.facts = found.facts | {"kind": "imagenet", "size": size, "images": len(found.samples)}
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


@dataclass(frozen=True, eq=False)
class FolderSet(ImageSet):
    """An ImageSet that knows the folder that it was read from: ``facts`` are what a record says of it."""

    facts: dict[str, Any] = field(default_factory=dict)


def folder_set(root: str | Path, split: str, size: int, listing: Listing | None = None) -> FolderSet:
    """A folder of pictures, laid out as for :class:`FolderBatches`, whole in memory as a network is shown them.

    Each picture is read once, and its middle square scaled to size × size: the way for a few hundred photographs, whose
    decoding in every epoch would take longer than the training. Raises what FolderBatches raises, all of it at once,
    and ValueError for a size below 1.
    """
    found = list_images(root, split) if listing is None else listing
    images = torch.stack([read_picture(path).shown_at(size) for path, _ in found.samples])  # [N, 3, size, size]
    labels = torch.tensor([label for _, label in found.samples])  # [N]
    return FolderSet(
        images, labels, found.classes, f"{found.root.resolve().name} {split}", facts=found.facts | {"kind": "folder"}
    )


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
