"""Batches for training and testing: normalised, augmented, and a function of (seed, epoch, rank) alone.

`Batches` keeps a whole data set on the training device as bytes and makes each batch there in one vectorised step; for
data sets that fit in memory (CIFAR, Scenes) no worker process and no copy per step is needed. It is iterated by epoch,
so a resumed run sees the batches it would have seen. Chapter 8 builds a training loop on it; `resattn.folder` does the
same for image files on disk.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from .augment import cutout, random_crop, random_flip
from .sets import ImageSet


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each colour over all pixels, in units of pixel/255.

    Computed from exact integer counts of the 256 values, so that every device gives the same numbers.

    Shapes: uint8 [N, 3, H, W] -> two tuples of 3 floats. Raises ValueError for anything but uint8 [N, 3, H, W].

    >>> channel_statistics(torch.tensor([0, 255, 255, 255]).to(torch.uint8).view(1, 1, 2, 2).expand(1, 3, 2, 2))[0]
    (0.75, 0.75, 0.75)
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3 or images.numel() == 0:
        raise ValueError(f"Channel statistics need uint8 images [N, 3, H, W], not {images.dtype} {list(images.shape)}.")
    counts = [torch.bincount(images[:, c].flatten(), minlength=256).cpu().double() for c in range(3)]  # 3 × [256]
    value = torch.arange(256, dtype=torch.float64) / 255  # [256]
    means = [float(value @ n / n.sum()) for n in counts]
    stds = [float(((value - m).square() @ n / n.sum()).sqrt()) for m, n in zip(means, counts, strict=True)]
    return tuple(means), tuple(stds)


class Normalise:
    """uint8 [B, 3, H, W] -> float32 (x/255 − mean) / std, one multiply and add; mean, std in units of pixel/255."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        if len(mean) != 3 or len(std) != 3 or not all(s > 0 for s in std):
            raise ValueError(f"mean and std must be 3 floats each, std above 0, not {tuple(mean)} and {tuple(std)}.")
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        m, s = torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)  # each [3]
        self.scale = (1 / (255 * s)).float().view(1, 3, 1, 1).to(device)  # [1, 3, 1, 1]
        self.shift = (-m / s).float().view(1, 3, 1, 1).to(device)  # [1, 3, 1, 1]

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x.float(), self.scale)  # [B, 3, H, W]


class Shard:
    """Which images, in which order, one of `world` processes sees in an epoch, cut into batches.

    Raises ValueError for sizes below 1, a negative seed, a rank outside 0..world − 1, or fewer images than processes.
    """

    def __init__(self, n: int, batch_size: int, train: bool, seed: int, rank: int, world: int) -> None:
        if batch_size < 1:
            raise ValueError(f"The batch size must be 1 or more, not {batch_size}.")
        if seed < 0:
            raise ValueError(f"The seed must be 0 or more, not {seed}.")
        if not 0 <= rank < world:
            raise ValueError(f"The rank must be in 0..world - 1, not {rank} of {world}.")
        if n < world:
            raise ValueError(f"{n} images cannot be shared by {world} processes.")
        self.n, self.batch_size, self.train, self.seed, self.rank, self.world = n, batch_size, train, seed, rank, world

    def __len__(self) -> int:
        if self.train:
            return max(1, self.n // self.world // self.batch_size)
        return math.ceil(len(range(self.rank, self.n, self.world)) / self.batch_size)

    def epoch(self, e: int, device: torch.device) -> Iterator[Tensor]:
        """Index tensors int64 [B] of epoch e. Every rank shuffles alike and takes every world-th index."""
        if e < 0:
            raise ValueError(f"The epoch must be 0 or more, not {e}.")
        if self.train:
            generator = generator_for(device, self.seed, e, 0)
            order = torch.randperm(self.n, generator=generator, device=device)  # [N]
            order = order[: self.n // self.world * self.world]  # every rank gets as many, so no rank waits for another
        else:
            order = torch.arange(self.n, device=device)  # [N]
        mine = order[self.rank :: self.world]  # [N / world]
        return iter(mine.split(self.batch_size)[: len(self)])  # each [B]


def generator_for(device: torch.device, seed: int, epoch: int, stream: int) -> Generator:
    """A generator on `device` for one use of randomness (`stream`) in one epoch; all three numbers are 0 or more.

    Its seed is a hash of them, so neighbouring seeds, epochs and streams give unrelated numbers. `Batches` takes stream
    0 for the order of an epoch and 1 for the augmentation.
    """
    return Generator(device).manual_seed(seed_from(seed, epoch, stream))


def seed_from(*key: int) -> int:
    """A seed of 64 bits from whole numbers of at least 0; neighbouring keys give unrelated seeds."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


class Batches:
    """An `ImageSet` as batches, made on the device: augmented for training; the plain images in order for test.

    The padding of the crop is added after normalisation, so it equals the channel means. The order of epoch e and its
    augmentation depend on (seed, e) and the kind of device alone, never on what ran before.

    mean, std: 3 floats each in units of pixel/255; None takes the statistics of this data set, so give a test set those
    of its training set. world processes share an epoch: for training each rank gets an equal part of one permutation
    (the last N mod world images of it are left out), for testing the ranks' parts together are all images. The parts of
    a step, batch_size images each, are together the batch of world · batch_size images that one process would get.

    Raises ValueError for sizes below 1, a negative pad, cutout or seed, std ≤ 0, or a rank outside 0..world − 1.

    >>> data = ImageSet(torch.zeros(10, 3, 8, 8, dtype=torch.uint8), torch.zeros(10).long(), ("sky",), "Blank")
    >>> batches = Batches(data, 4, train=True, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    >>> [(tuple(x.shape), tuple(y.shape)) for x, y in batches.epoch(0)]
    [((4, 3, 8, 8), (4,)), ((4, 3, 8, 8), (4,))]
    """

    def __init__(
        self,
        data: ImageSet,
        batch_size: int,
        *,
        train: bool,
        device: torch.device | str = "cpu",
        seed: int = 0,
        pad: int = 4,
        flip: bool = True,
        cutout: int = 0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if pad < 0 or cutout < 0:
            raise ValueError(f"pad and cutout must be 0 or more pixels, not {pad} and {cutout}.")
        self.shard = Shard(len(data), batch_size, train, seed, rank, world)
        self.device, self.dtype = torch.device(device), dtype
        self.name, self.classes = data.name, data.classes
        self.pad, self.flip, self.cutout = pad, flip, cutout
        # Channels last, as the networks run: the batch that is cut out of it has that layout already.
        self.images = data.images.to(self.device).contiguous(memory_format=torch.channels_last)  # [N, 3, H, W]
        self.labels = data.labels.to(self.device)  # [N]
        if mean is None or std is None:
            found = channel_statistics(self.images)
            mean, std = found[0] if mean is None else mean, found[1] if std is None else std
        self.normalise = Normalise(mean, std, self.device)
        self.mean, self.std = self.normalise.mean, self.normalise.std
        height, width = data.images.shape[2:]
        # What a record says of the data beside its name.
        self.facts = {"size": height if height == width else [height, width], "images": len(data)}
        self.facts |= getattr(data, "facts", {})

    def __len__(self) -> int:
        """Batches per epoch: for training the last short one is dropped, unless it is the only one."""
        return len(self.shard)

    def epoch(self, e: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch e ≥ 0: x of the chosen dtype, channels last [B, 3, H, W], and y int64 [B]."""
        order = self.shard.epoch(e, self.device)
        generator = generator_for(self.device, self.shard.seed, e, 1)
        share = (self.shard.rank, self.shard.world)
        for indices in order:  # [B]
            x = self.images[indices]  # uint8 [B, 3, H, W]
            if self.shard.train and self.flip:
                x = random_flip(
                    x, generator, *share
                )  # uint8 [B, 3, H, W]; a quarter of the bytes that floats would move
            x = self.normalise(x).to(self.dtype)  # [B, 3, H, W]
            if self.shard.train:
                x = random_crop(x, self.pad, generator, *share)  # [B, 3, H, W]
                x = cutout(x, self.cutout, generator, *share)  # [B, 3, H, W]
            yield x.contiguous(memory_format=torch.channels_last), self.labels[indices]
