"""What a network costs, what it sees, and how strongly it responds.

Counts are the ones of chapter 2, receptive fields of chapter 4, responses by stage of chapter 7 (Fig. 4).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..networks import ResidualAttentionNetwork


def count_parameters(model: nn.Module) -> int:
    """The number of learned parameters.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: nn.Module, height: int, width: int | None = None, channels: int = 3) -> int:
    """Multiply-adds of one forward pass on one image of height × width pixels (square if ``width`` is left out).

    A part of a network, such as a mask branch, takes features with more ``channels`` than an image has.

    Counted are convolutions, transposed convolutions and matrix products, as the paper does: what it calls FLOPs are
    multiply-adds. The model may live on the "meta" device, where counting costs no memory and next to no time.
    """
    device = next(model.parameters()).device
    x = torch.zeros(1, channels, height, height if width is None else width, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), _evaluation(model):
        model(x)
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


def receptive_field(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Which pixels of x the centre of an output sees, and how much: a map [H, W] whose largest value is 1.

    ``function`` maps [B, C, H, W] to [B, C', h, w], at any resolution. The map is the gradient of the output at its
    centre (row h // 2, column w // 2) with respect to x, absolute, summed over the channels and averaged over the
    batch (chapter 4; Fig. 3). A position outside the receptive field is exactly 0. The output's channels are weighted
    with random signs: a plain sum may vanish by symmetry. Raises ValueError for an x or an output of another rank, or
    an output whose centre sees nothing.

    >>> field = receptive_field(nn.Conv2d(1, 1, 3, padding=1), torch.randn(2, 1, 7, 7))
    >>> (field > 0).nonzero().amin(0).tolist(), (field > 0).nonzero().amax(0).tolist()
    ([2, 2], [4, 4])
    """
    if x.dim() != 4:
        raise ValueError(f"x must be a tensor [B, C, H, W]; got shape {list(x.shape)}")
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        output = function(x)  # [B, C', h, w]
        if output.dim() != 4:
            raise ValueError(f"the function must return a tensor [B, C, h, w]; got shape {list(output.shape)}")
        centre = output[:, :, output.shape[2] // 2, output.shape[3] // 2]  # [B, C']
        signs = torch.randint(0, 2, centre.shape, device=centre.device) * 2 - 1
        (gradient,) = torch.autograd.grad((signs * centre).sum(), x, allow_unused=True)
    field = torch.zeros(()) if gradient is None else gradient.abs().sum(dim=1).mean(dim=0)  # [H, W]
    if not field.any():
        raise ValueError("the centre of the output does not depend on x")
    return field / field.max()


def mean_response(model: ResidualAttentionNetwork, x: Tensor) -> dict[str, float]:
    """Mean absolute value of each stage's output on images x [B, 3, H, W], stage name -> value (Fig. 4; chapter 7).

    The paper draws these relative to the first stage. The model stays in the mode, training or evaluation, that it is
    in: an untrained network needs training mode, where its normalisation uses the batch.

    >>> import resattn
    >>> list(mean_response(resattn.create("attention56", width=0.25), torch.randn(2, 3, 32, 32)))
    ['stage1', 'stage2', 'stage3']
    """
    model.check_input(x)
    responses: dict[str, float] = {}
    with torch.no_grad():
        x = model.stem(x)  # [B, C_stem, H, W]
        for name, block in model.blocks():
            x = block(x)  # [B, C, h, w]
            responses[name.split(".")[0]] = x.abs().mean().item()  # the stage's last block stays
    return responses
