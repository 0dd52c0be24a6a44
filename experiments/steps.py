"""So many steps in bfloat16 on a CPU, with a loss of one's own: the loop of chapter 8 for questions that
`resattn.training.fit` does not cover."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn.data import Batches
from resattn.training import Recipe

Loss = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]  # the class loss, and what is added to it


def class_loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and nothing else: x [B, 3, H, W], y [B]."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)  # [B, K]
    return F.cross_entropy(logits.float(), y), torch.zeros(())


def fit_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    recipe: Recipe,
    loss_of: Loss = class_loss,
    after: Callable[[int], Any] | None = None,
) -> list[float]:
    """Class losses, step by step; an epoch ends where the pictures end. ``after`` is called with the number of steps
    made, after each; it may leave the network in evaluation mode."""
    total = recipe.total_steps(len(batches))
    losses: list[float] = []
    epoch = 0
    while len(losses) < total:
        for x, y in batches.epoch(epoch):  # x [B, 3, H, W], y [B]
            model.train()
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr_at(len(losses), total)
            loss, added = loss_of(model, x, y)
            optimizer.zero_grad(set_to_none=True)
            (loss + added).backward()
            optimizer.step()
            losses.append(loss.item())
            if after:
                after(len(losses))
            if len(losses) == total:
                break
        epoch += 1
    return losses
