"""The gradient of masked features, equation 2, and the wiring that it rests on (chapter 6)."""

import torch
from torch import Tensor

from .attention import AttentionModule


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
