"""The Attention Module: a trunk, a soft mask beside it, and the fusion of the two (Fig. 2; chapter 5)."""

from typing import Literal, overload

from torch import Tensor, nn

from .mask import LocalMaskBranch, SoftMaskBranch
from .units import Unit, unit_chain

FUSIONS = ("arl", "nal", "none")


class AttentionModule(nn.Module):
    """p units, then trunk (t units) and mask side by side, their fusion H, then p units more.

    ``fusion`` says how mask M and trunk output T meet:

    * ``"arl"``, attention residual learning, equation 3: H = (1 + M) · T
    * ``"nal"``, naive attention learning, equation 1: H = M · T
    * ``"none"``: H = T; there is no mask branch, and ``module.mask`` is None

    Both branches read the same tensor and neither reads the other. So M does not depend on the trunk's parameters φ,
    and equation 2 holds: ∂(M·T)/∂φ = M · ∂T/∂φ (chapter 6).

    Shapes: [B, C, H, W] -> [B, C, H, W]; with ``return_mask=True`` also M, [B, C, H, W]. ``depth`` is the number d of
    poolings in the mask, so H and W must be at least 2**depth.

    >>> import torch
    >>> from resattn.units import PreActBottleneck
    >>> module = AttentionModule(PreActBottleneck, channels=16, depth=2)
    >>> output, mask = module(torch.zeros(2, 16, 8, 8), return_mask=True)
    >>> output.shape, mask.shape
    (torch.Size([2, 16, 8, 8]), torch.Size([2, 16, 8, 8]))
    """

    def __init__(
        self,
        unit: Unit,
        channels: int,
        depth: int,
        *,
        p: int = 1,
        t: int = 2,
        r: int = 1,
        fusion: str = "arl",
        mask_branch: str = "encoder_decoder",
        mask_activation: str = "mixed",
        upsample: str = "bilinear",
    ) -> None:
        super().__init__()
        self.fusion = fusion
        self.pre = unit_chain(unit, channels, p)
        self.trunk = unit_chain(unit, channels, t)
        self.mask: SoftMaskBranch | LocalMaskBranch | None
        if fusion == "none":
            self.mask = None
        elif mask_branch == "local":
            self.mask = LocalMaskBranch(unit, channels, mask_activation)
        else:
            self.mask = SoftMaskBranch(unit, channels, depth, r, mask_activation, upsample)
        self.post = unit_chain(unit, channels, p)

    @overload
    def forward(self, x: Tensor, return_mask: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, return_mask: Literal[True]) -> tuple[Tensor, Tensor | None]: ...
    def forward(self, x: Tensor, return_mask: bool = False) -> Tensor | tuple[Tensor, Tensor | None]:
        x = self.pre(x)  # [B, C, H, W], what both branches read
        T = self.trunk(x)  # [B, C, H, W]
        M = None if self.mask is None else self.mask(x)  # [B, C, H, W]
        H = self.fuse(M, T)  # [B, C, H, W]
        H = self.post(H)  # [B, C, H, W]
        return (H, M) if return_mask else H

    def fuse(self, M: Tensor | None, T: Tensor) -> Tensor:
        """Equation 3 or 1, by ``fusion``: mask and trunk output, both [B, C, H, W] -> H, [B, C, H, W]."""
        if M is None:
            return T
        return (1 + M) * T if self.fusion == "arl" else M * T
