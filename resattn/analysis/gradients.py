"""The gradient of masked features, equation 2, and the wiring that it rests on (chapter 6).

A loss sends a backward signal δ = ∂loss/∂(features) down the network. At the fusion of an Attention Module the signal
δ_H that arrives at H becomes δ_T = w · δ_H at the trunk's output, with w = M under NAL, 1 + M under ARL and 1 without
a mask. That product is the paper's gradient filter; this module reads both of its sides off a network.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..attention import AttentionModule
from ..networks import ResidualAttentionNetwork


def mask_depends_on_trunk(module: AttentionModule, x: Tensor) -> bool:
    """Whether the mask M of ``module`` changes with the trunk's parameters φ, by gradient, on input x [B, C, H, W].

    Equation 2 needs M to be independent of φ; then this is False. It is True for the wiring of many public ports, which
    add the trunk's output to what the mask branch reads. A module without a mask gives False. Chapter 6 shows the
    difference.

    >>> from resattn.units import PreActBottleneck
    >>> mask_depends_on_trunk(AttentionModule(PreActBottleneck, 16, depth=1), torch.randn(2, 16, 4, 4))
    False
    """
    with torch.enable_grad():
        _, mask = module(x, return_mask=True)  # [B, C, H, W]
    if mask is None or not mask.requires_grad:
        return False
    phi = [parameter for parameter in module.trunk.parameters() if parameter.requires_grad]
    # A random direction: the gradient of a plain sum may vanish by symmetry, as under f2 or f3.
    gradients = torch.autograd.grad(mask, phi, grad_outputs=torch.randn_like(mask), allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


class Signals(NamedTuple):
    """What one Attention Module sees of a backward pass, each [B, C, h, w] (chapter 6)."""

    delta_H: Tensor  # ∂loss/∂H, what arrives at the output of the fusion
    delta_T: Tensor  # ∂loss/∂T, what the trunk gets of it
    M: Tensor | None  # the mask of the same pass; None where there is none


def module_signals(model: ResidualAttentionNetwork, images: Tensor, labels: Tensor) -> dict[str, Signals]:
    """The backward signals at every Attention Module, by name, for the cross-entropy of ``images`` with ``labels``.

    The loss is summed over the batch. So in evaluation mode entry b of a signal is the gradient of the loss of image b
    alone; in training mode batch normalisation couples the images. The signals come from the network's own forward
    pass, whatever its wiring: in a module whose mask reads the trunk, ``delta_T`` has the extra term that equation 2
    lacks. Parameters keep their ``.grad``; in training mode batch normalisation updates its statistics, as ever.

    Shapes: images [B, 3, H, W] float, labels int64 [B]. Raises ValueError if they do not fit each other or the network,
    or if it has no Attention Modules. Chapter 6 derives what to expect.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25, fusion="nal")
    >>> signals = module_signals(model, torch.randn(2, 3, 32, 32), torch.tensor([3, 8]))
    >>> delta_H, delta_T, M = signals["stage1.attention1"]
    >>> delta_H.shape, torch.equal(delta_T, M * delta_H)
    (torch.Size([2, 16, 32, 32]), True)
    """
    modules = model.attention_modules()
    if not modules:
        raise ValueError(f"{model.config.name} has no Attention Modules, so there are no signals to read")
    model.check_input(images)
    classes = model.config.num_classes
    fit = labels.dtype == torch.int64 and labels.shape == (len(images),)
    if not fit or bool(((labels < 0) | (labels >= classes)).any()):
        raise ValueError(
            f"labels must be int64 [{len(images)}], one for each image, with values from 0 to {classes - 1}; "
            f"got {labels.dtype} {list(labels.shape)}" + (f" with {labels.min()} to {labels.max()}" if fit else "")
        )

    T: dict[str, Tensor] = {}
    H: dict[str, Tensor] = {}
    with torch.enable_grad(), ExitStack() as hooks:  # hooks of these modules alone; they go with the block
        for name, module in modules.items():
            hooks.callback(module.trunk.register_forward_hook(partial(_keep_output, T, name)).remove)
            hooks.callback(module.post.register_forward_pre_hook(partial(_keep_input, H, name)).remove)
        # Images that require a gradient make a graph even where every parameter is frozen.
        logits, masks = model(images.detach().requires_grad_(), return_masks=True)  # [B, K]; each mask [B, C, h, w]
        loss = F.cross_entropy(logits, labels, reduction="sum")
    deltas = torch.autograd.grad(loss, [*H.values(), *T.values()])  # each [B, C, h, w]
    delta_H = dict(zip(H, deltas[: len(H)], strict=True))
    delta_T = dict(zip(T, deltas[len(H) :], strict=True))
    return {name: Signals(delta_H[name], delta_T[name], _detached(masks.get(name))) for name in modules}


def per_location(delta: Tensor) -> Tensor:
    """The size of a backward signal at each position: its norm over the channels. [B, C, H, W] -> [B, H, W].

    Raises ValueError for another rank. Chapter 6 draws it.

    >>> per_location(torch.tensor([3.0, -4.0]).reshape(1, 2, 1, 1))
    tensor([[[5.]]])
    """
    if delta.dim() != 4:
        raise ValueError(f"a backward signal must be a tensor [B, C, H, W]; got shape {list(delta.shape)}")
    return torch.linalg.vector_norm(delta, dim=1)  # [B, H, W]


def share_on_second(delta: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of the energy of a backward signal on two regions, the share on the second: one number for each image.

    The energy is the sum of squares; a position counts by the part of it that a region covers. Chapter 6 asks with it
    how much of a gradient comes from the object that does not count.

    Shapes: delta [N, C, h, w], first and second bool [N, H, W] -> [N]; nan where neither region has a signal. Raises
    ValueError for other shapes.

    >>> left, right = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    >>> left[..., :2], right[..., 2:] = True, True
    >>> share_on_second(torch.tensor([[[[3.0, 1.0], [0.0, 0.0]]]]), left, right)
    tensor([0.1000])
    """
    if delta.dim() != 4 or first.shape != second.shape or first.dim() != 3 or len(first) != len(delta):
        raise ValueError(
            "a signal must be [N, C, h, w] and both regions [N, H, W]; "
            f"got {list(delta.shape)}, {list(first.shape)} and {list(second.shape)}"
        )
    energy = delta.square().sum(dim=1)  # [N, h, w]
    size = (energy.shape[1], energy.shape[2])
    on = [(energy * F.adaptive_avg_pool2d(m[:, None].float(), size)[:, 0]).sum((1, 2)) for m in (first, second)]
    return on[1] / (on[0] + on[1])  # [N]


def gain(model: ResidualAttentionNetwork, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """How much of the signal each module hands to its trunk: ‖δ_T‖ / ‖δ_H‖ of every image, [B], by module name.

    Under ARL it lies in [1, 2], under NAL in [0, 1] (with the sigmoids f1 and f3), and it is 1 without a mask. It is
    nan for an image whose loss sends no signal at all. A factor common to all images is no filter, since later
    normalisation can undo it: compare images, as chapter 9 does for clean and noisy labels. Chapter 6 says why.

    Takes and raises what :func:`module_signals` does; use evaluation mode, or images share their signals.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25, fusion="none").eval()
    >>> gain(model, torch.randn(2, 3, 32, 32), torch.tensor([3, 8]))["stage1.attention1"]
    tensor([1., 1.])
    """
    signals = module_signals(model, images, labels)
    return {name: _norms(s.delta_T) / _norms(s.delta_H) for name, s in signals.items()}  # each [B]


def _norms(delta: Tensor) -> Tensor:
    return torch.linalg.vector_norm(delta.flatten(1), dim=1)  # [B]


def _detached(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask.detach()


def _keep_output(kept: dict[str, Tensor], name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
    kept[name] = output


def _keep_input(kept: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    kept[name] = inputs[0]
