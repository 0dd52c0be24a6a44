"""What a network costs, what it sees, how strongly it responds, and how well its maps find the object.

Counts are the ones of chapter 2, receptive fields of chapter 4, responses by stage of chapter 7 (Fig. 4). The scores
compare a map, of a mask or of any other saliency, with the true pixels of the object; chapter 1 introduces them and
chapter 10 scores the masks with them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .networks import ResidualAttentionNetwork


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


def pointing_game(maps: Tensor, truth: Tensor) -> Tensor:
    """Whether the largest value of each map lies on the object: maps [N, H, W] and truth bool [N, H, W] -> bool [N].

    Where several positions share the largest value, more than half of them must lie on the object; so a constant map
    points at no object that covers less than half of the image. (Zhang et al. 2016 play the game with a tolerance of
    some pixels; this one has none.) Raises ValueError for shapes that differ, an image without an object, or a map that
    is not finite.

    >>> maps = torch.tensor([[[0.1, 0.9], [0.0, 0.2]]])
    >>> pointing_game(maps, torch.tensor([[[False, True], [False, False]]])).tolist()
    [True]
    """
    _check_maps(maps, truth)
    highest = maps == maps.amax(dim=(1, 2), keepdim=True)  # [N, H, W]
    return 2 * (highest & truth).sum(dim=(1, 2)) > highest.sum(dim=(1, 2))  # [N]


def energy_inside(maps: Tensor, truth: Tensor) -> Tensor:
    """The share of each map's sum that lies on the object: maps [N, H, W] ≥ 0, truth bool [N, H, W] -> float [N].

    A constant map scores what its object covers, and so does a map that is zero everywhere. Raises ValueError as
    :func:`pointing_game` does, and for a negative value.

    >>> energy_inside(torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[True, False]]])).tolist()
    [0.75]
    """
    _check_maps(maps, truth)
    if (maps < 0).any():
        raise ValueError("the energy of a map needs values of at least 0; take its absolute or its positive part")
    empty = ~maps.flatten(1).any(dim=1)  # [N]
    maps = torch.where(empty[:, None, None], torch.ones_like(maps), maps)  # [N, H, W]
    return (maps * truth).sum(dim=(1, 2)) / maps.sum(dim=(1, 2))  # [N]


def best_iou(maps: Tensor, truth: Tensor) -> Tensor:
    """The best intersection over union that any threshold of a map reaches: maps [N, H, W], truth bool -> float [N].

    Every value of the map is tried as a threshold; the region is where the map is at least as large. A constant map
    scores what its object covers. As the threshold is chosen with the truth at hand, compare with a baseline that
    chooses too. Raises ValueError as :func:`pointing_game` does.

    >>> maps = torch.tensor([[[0.9, 0.8, 0.1, 0.2]]])
    >>> best_iou(maps, torch.tensor([[[True, True, False, False]]])).tolist()
    [1.0]
    """
    _check_maps(maps, truth)
    values, order = maps.flatten(1).sort(dim=1, descending=True)  # [N, H·W]
    hits = truth.flatten(1).gather(1, order).cumsum(dim=1)  # [N, H·W], object pixels among the k + 1 largest
    area = torch.arange(1, values.shape[1] + 1, device=maps.device)  # [H·W]
    iou = hits / (area + hits[:, -1:] - hits)  # [N, H·W]
    last_of_ties = torch.ones_like(values, dtype=torch.bool)
    last_of_ties[:, :-1] = values[:, :-1] != values[:, 1:]  # a threshold takes all pixels of one value, or none
    return iou.where(last_of_ties, torch.zeros_like(iou)).amax(dim=1)  # [N]


def _check_maps(maps: Tensor, truth: Tensor) -> None:
    if maps.dim() != 3 or maps.shape != truth.shape:
        raise ValueError(
            f"maps and truth must have one shape [N, H, W]; got {list(maps.shape)} and {list(truth.shape)}"
        )
    if truth.dtype != torch.bool:
        raise ValueError(f"truth must be bool, true on the object; got {truth.dtype}")
    if not maps.isfinite().all():
        raise ValueError("the maps hold a value that is not finite")
    if not truth.flatten(1).any(dim=1).all():
        raise ValueError("there is an image without an object; leave it out")
