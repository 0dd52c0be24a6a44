"""Images with labels and masks, held whole in memory as bytes (chapters 1 and 8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


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
            raise ValueError(f"{self.name}: images must be uint8 [N, 3, H, W], N ≥ 1, not {kind(images)}.")
        n, _, h, w = images.shape
        if labels.dtype != torch.int64 or labels.shape != (n,):
            raise ValueError(f"{self.name}: labels must be int64 [{n}], one per image, not {kind(labels)}.")
        check_labels(labels, k, self.name)
        for what, masks in (("object_masks", self.object_masks), ("sky_masks", self.sky_masks)):
            if masks is not None and (masks.dtype != torch.bool or masks.shape != (n, h, w)):
                raise ValueError(f"{self.name}: {what} must be bool [{n}, {h}, {w}], not {kind(masks)}.")
        devices = {t.device for t in (images, labels, self.object_masks, self.sky_masks) if t is not None}
        if len(devices) > 1:
            raise ValueError(f"{self.name}: all tensors must be on one device, not on {sorted(map(str, devices))}.")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor | Sequence[int] | slice) -> Self:
        """The images at `indices` (int64 or bool tensor, list, range or slice), in that order."""
        if not isinstance(indices, slice):
            indices = torch.as_tensor(indices, device=self.labels.device)
            if indices.numel() == 0:
                raise ValueError(f"{self.name}: a subset must have at least one image.")
        return self._each(lambda t: t[indices])

    def to(self, device: torch.device | str) -> Self:
        """The same set with its tensors on `device`."""
        return self._each(lambda t: t.to(device))

    def _each(self, f: Callable[[Tensor], Tensor]) -> Self:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: f(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed)


def check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f'The split must be "train" or "test", not {split!r}.')


def check_labels(labels: Tensor, num_classes: int, what: str) -> None:
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
        found = f"{int(labels.min())}..{int(labels.max())}"
        raise ValueError(f"{what}: labels must be in 0..{num_classes - 1}, one of {num_classes} classes, not {found}.")


def kind(t: Tensor) -> str:
    return f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}"
