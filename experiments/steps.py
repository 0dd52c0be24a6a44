"""So many steps in bfloat16, with a loss of one's own: the loop of chapter 8 for questions that `resattn.training.fit`
does not cover. Networks are trained on any device, and looked at on the CPU."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn.data import Batches
from resattn.training import Recipe

Found = TypeVar("Found")
Loss = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]  # the class loss, and what is added to it


def class_loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and nothing else: x [B, 3, H, W], y [B]."""
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        logits = model(x)  # [B, K]
    return F.cross_entropy(logits.float(), y), torch.zeros((), device=x.device)


def on_cpu(look: Callable[..., Found]) -> Callable[..., Found]:
    """What is looked at with the network, the first argument, on the CPU; behind it the network is where it was."""

    def looked(model: nn.Module, *rest: Any) -> Found:
        device = next(model.parameters()).device
        try:
            return look(model.to("cpu"), *rest)
        finally:
            model.to(device)

    return looked


def step(model: nn.Module, optimizer: torch.optim.Optimizer, loss_of: Loss, x: Tensor, y: Tensor) -> Tensor:
    """One step on x [B, 3, H, W], y [B]; the class loss."""
    loss, added = loss_of(model, x, y)
    optimizer.zero_grad(set_to_none=True)
    (loss + added).backward()
    optimizer.step()
    return loss.detach()


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
            losses.append(step(model, optimizer, loss_of, x, y).item())
            if after:
                after(len(losses))
            if len(losses) == total:
                break
        epoch += 1
    return losses
