"""One epoch of a training: the steps, their loss, and the numbers that the history keeps (chapter 8)."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from ..data.augment import mixup, widest
from ..data.batches import generator_for
from . import distributed
from .evaluation import Loader
from .preparation import set_training
from .recipes import Recipe

MIXUP_STREAM = 1_000_000  # keeps mixup's random numbers apart from those of the batches
BATCH_STATISTICS = ("process", "all")  # of whose images batch normalisation takes its statistics
LOSS_CHECK_EVERY = 25  # steps between looks at the loss; each look makes a GPU wait


class TrainingError(Exception):
    """Training cannot go on; the message is one sentence for a person."""


@dataclass
class Epochs:
    """What stays the same from epoch to epoch, and one epoch of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Loader
    recipe: Recipe
    total: int  # steps of the whole run
    dtype: torch.dtype
    seed: int
    accumulate: int
    progress: bool

    def epoch(self, epoch: int, first_step: int) -> dict[str, Any]:
        """One pass, or what the run has left of one. Sums stay on the device: a GPU need not wait at every step."""
        device = next(self.model.parameters()).device
        generator = generator_for(device, self.seed, epoch, MIXUP_STREAM + distributed.rank())
        length = min(len(self.batches), self.total - first_step)
        losses = torch.zeros(length, device=device)
        correct = torch.zeros((), device=device)
        images = 0
        lr = 0.0
        set_training(self.model)
        start = time.perf_counter()
        hidden = True if not self.progress or distributed.rank() > 0 else None  # None: hidden but on a terminal
        with tqdm(total=length, desc=f"epoch {epoch + 1}", disable=hidden, leave=False) as bar:
            for i, (x, y) in enumerate(islice(self.batches.epoch(epoch), length)):  # x [B, 3, H, W], y [B]
                lr = self.recipe.lr_at(first_step + i, self.total)
                losses[i], logits = self.step(x, y, lr, generator)  # logits [B, num_classes]
                correct += (logits.argmax(dim=1) == y).sum()
                images += len(y)
                bar.update()
                if (i + 1) % LOSS_CHECK_EVERY == 0 or i + 1 == length:
                    _check_finite(losses[: i + 1], epoch, first_step)
                    bar.set_postfix(loss=f"{losses[max(0, i + 1 - LOSS_CHECK_EVERY) : i + 1].mean().item():.3f}")
        seconds = time.perf_counter() - start
        sums = torch.stack([losses.sum(), correct, torch.tensor(float(images), device=device)])
        sums = sums.to(widest(device))
        loss_sum, hits, seen = distributed.sum_over_processes(sums).tolist()
        return {
            "epoch": epoch + 1,
            "step": first_step + length,
            "lr": lr,
            "train_loss": loss_sum / (length * distributed.world()),
            "train_accuracy": hits / seen,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }

    def step(self, x: Tensor, y: Tensor, lr: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One step of SGD on images x [B, 3, H, W] with labels y [B] -> the loss [] and the logits [B, num_classes]."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        targets = y
        if self.recipe.mixup > 0:
            x, targets = mixup(x, y, self.recipe.mixup, len(self.batches.classes), generator)  # targets [B, K]
        self.optimizer.zero_grad(set_to_none=True)
        loss, outputs = torch.zeros((), device=x.device), []
        pieces = list(zip(x.chunk(self.accumulate), targets.chunk(self.accumulate), strict=True))
        for i, (piece, wanted) in enumerate(pieces):  # [B / accumulate, 3, H, W], [B / accumulate] or […, K]
            with self.gradients_are_exchanged(i + 1 == len(pieces)):
                with torch.autocast(x.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
                    logits = self.model(piece)  # [B / accumulate, num_classes]
                part = F.cross_entropy(logits.float(), wanted, label_smoothing=self.recipe.label_smoothing)
                part = part * (len(piece) / len(x))
                part.backward()
            loss += part.detach()
            outputs.append(logits.detach())
        self.optimizer.step()
        return loss, torch.cat(outputs)

    def gradients_are_exchanged(self, last: bool) -> AbstractContextManager[None]:
        """Between processes only after the last piece of a batch."""
        return nullcontext() if last or distributed.world() == 1 else self.model.no_sync()  # type: ignore[operator]


def _check_finite(losses: Tensor, epoch: int, first_step: int) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        i = int(bad[0])
        raise TrainingError(
            f"the loss became {losses[i].item()} in epoch {epoch + 1} at step {first_step + i + 1}; "
            f"the last checkpoint is from before; try a lower learning rate or float32"
        )
