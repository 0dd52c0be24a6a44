"""What a network costs and what it sees: parameter and multiply-add counts (chapter 2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """The number of learned parameters.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: nn.Module, height: int, width: int | None = None) -> int:
    """Multiply-adds of one forward pass on one image of height × width pixels (square if ``width`` is left out).

    Counted are convolutions, transposed convolutions and matrix products, as the paper does: what it calls FLOPs are
    multiply-adds. The model may live on the "meta" device, where counting costs no memory and next to no time.
    """
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, height, height if width is None else width, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), _evaluation(model):
        model(image)
    return counter.get_total_flops() // 2  # PyTorch counts a multiply-add as two operations


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, and back in each submodule's own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
