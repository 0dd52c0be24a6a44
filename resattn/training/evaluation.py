"""Loss and error of a network on a test set (chapter 8)."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.augment import widest
from ..data.batches import Batches
from ..data.sets import ImageSet
from . import distributed
from .devices import pick_device, pick_precision


class Loader(Protocol):
    """What yields normalised batches: :class:`resattn.data.batches.Batches` or
    :class:`resattn.data.folder.FolderBatches`."""

    name: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int: ...
    def epoch(self, e: int) -> Iterator[tuple[Tensor, Tensor]]: ...


@torch.no_grad()
def evaluate(
    model: nn.Module,
    test: ImageSet | Loader,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    device: str | torch.device | None = None,
    precision: str = "auto",
) -> dict[str, float]:
    """Loss, accuracy and error (fractions) over a whole test set, in evaluation mode; the model's mode is put back.

    An ImageSet is normalised by ``mean`` and ``std``, which should be the training set's; a Loader knows its own. With
    a hundred classes or more, top5_error too. Raises ValueError if the test set has more classes than the network has
    outputs.
    """
    target = pick_device(device)
    dtype = pick_precision(precision, target)
    test = make_test_loader(test, target, mean, std, batch_size)
    check_outputs(model, test)
    was_training = model.training
    model.to(target)
    model.eval()
    sums = torch.zeros(4, dtype=widest(target), device=target)  # loss, hits, hits in the top five, images
    try:
        for x, y in test.epoch(0):  # x [B, 3, H, W], y [B]
            with torch.autocast(target.type, dtype=dtype, enabled=dtype != torch.float32):
                logits = model(x)  # [B, num_classes]
            logits = logits.float()
            top = logits.topk(min(5, logits.shape[1])).indices == y[:, None]  # [B, 5]
            loss = F.cross_entropy(logits, y, reduction="sum")
            sums += torch.stack([loss, top[:, 0].sum(), top.any(dim=1).sum(), torch.tensor(len(y), device=target)])
    finally:
        model.train(was_training)
    loss_sum, hits, top5, images = distributed.sum_over_processes(sums).tolist()
    scores = {"loss": loss_sum / images, "accuracy": hits / images, "error": 1 - hits / images, "images": images}
    if len(test.classes) >= 100:
        scores["top5_error"] = 1 - top5 / images
    return scores


def check_outputs(model: nn.Module, batches: Loader) -> None:
    """Raise ValueError if a data set has more classes than a network has outputs, whatever its config says."""
    config, classifier = getattr(model, "config", None), getattr(model, "classifier", None)
    outputs = getattr(classifier, "out_features", getattr(config, "num_classes", None))
    if outputs is not None and len(batches.classes) > outputs:
        raise ValueError(f"{batches.name} has {len(batches.classes)} classes and the network {outputs} outputs")


def make_test_loader(
    data: ImageSet | Loader,
    device: torch.device,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    batch_size: int = 256,
) -> Loader:
    """A test set as batches in order: an ImageSet normalised by ``mean`` and ``std``; a Loader stays what it is."""
    if not isinstance(data, ImageSet):
        return data
    rank, world = distributed.rank(), distributed.world()
    return Batches(data, batch_size, train=False, device=device, mean=mean, std=std, rank=rank, world=world)
