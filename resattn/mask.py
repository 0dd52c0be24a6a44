"""The soft mask branch: what it sees, how it returns to full resolution, and its three activations (chapter 4).

The branch reads the module's pre-processed input, never a trunk output, and returns a mask M of the trunk output's
shape, [B, C, H, W]. Sources: Fig. 2 and sections 3.2 and 3.3 of the paper, and the authors' model files.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .units import Unit, conv1x1, unit_chain

EPSILON = 1e-6  # keeps f2 and f3 finite where a norm or a deviation is zero


def mixed_attention(x: Tensor) -> Tensor:
    """f1, equation 4: a sigmoid at every position and channel. [B, C, H, W] -> the same, in (0, 1).

    >>> mixed_attention(torch.zeros(1, 1, 1, 1)).item()
    0.5
    """
    return torch.sigmoid(x)  # [B, C, H, W]


def channel_attention(x: Tensor) -> Tensor:
    """f2, equation 5: x over its L2 norm across channels, at every position. [B, C, H, W] -> the same, in [-1, 1].

    There is no sigmoid, so the mask is negative where x is: chapter 4 shows what that does.

    >>> channel_attention(torch.tensor([3.0, -4.0]).reshape(1, 2, 1, 1)).flatten()
    tensor([ 0.6000, -0.8000])
    """
    return F.normalize(x, dim=1, eps=EPSILON)  # [B, C, H, W]


def spatial_attention(x: Tensor) -> Tensor:
    """f3, equation 6: each map standardised over its positions, then a sigmoid. [B, C, H, W] -> the same, in (0, 1).

    >>> spatial_attention(torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2)).flatten()
    tensor([0.2689, 0.7311])
    """
    mean = x.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    variance = x.var(dim=(2, 3), keepdim=True, correction=0)  # [B, C, 1, 1]
    return torch.sigmoid((x - mean) * torch.rsqrt(variance + EPSILON**2))  # [B, C, H, W]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mixed": mixed_attention,
    "channel": channel_attention,
    "spatial": spatial_attention,
}


class Bilinear(nn.Module):
    """Bilinear interpolation to a given size, corners aligned, as in the authors' interpolation layer.

    Shapes: [B, C, h, w] and (H, W) -> [B, C, H, W].
    """

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)  # [B, C, H, W]


class Deconvolution(nn.Module):
    """Learned up-sampling by two: a depthwise transposed convolution that starts as bilinear interpolation.

    The kernel is 4×4 with stride 2, initialised as in FCN (Long et al. 2015, section 3.3). The edge is replicated
    first, so that at the start the layer *equals* bilinear interpolation by two with half-pixel centres, borders
    included. One kernel for all places cannot align corners: there the weights change from place to place. Chapter 4
    compares the two.

    Shapes: [B, C, h, w] and (H, W) -> [B, C, H, W], where H is 2h or 2h+1 and W is 2w or 2w+1.

    >>> x = torch.rand(1, 3, 4, 5)
    >>> bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    >>> torch.allclose(Deconvolution(3)(x, (8, 10)), bilinear, atol=1e-6)
    True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        profile = torch.tensor([0.25, 0.75, 0.75, 0.25])
        kernel = torch.outer(profile, profile)  # [4, 4], sums to 4: each input pixel is spread over four output pixels
        self.weight = nn.Parameter(kernel.repeat(channels, 1, 1, 1))  # [C, 1, 4, 4]

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")  # [B, C, h+2, w+2]
        x = F.conv_transpose2d(
            x, self.weight, stride=2, padding=3, output_padding=(size[0] % 2, size[1] % 2), groups=x.shape[1]
        )  # [B, C, H, W]: what the replicated edge adds beyond 2h or 2h+1 is cut off
        return x


UPSAMPLERS = ("bilinear", "deconv")


def make_upsampler(kind: str, channels: int) -> nn.Module:
    """An up-sampling layer by name: "bilinear" has no parameters, "deconv" learns 16 a channel."""
    return Bilinear() if kind == "bilinear" else Deconvolution(channels)


class MaskTail(nn.Sequential):
    """From features to mask logits: BN-ReLU, 1×1, BN-ReLU, 1×1, both convolutions keeping the C channels.

    After post-activation units (AttentionNeXt) the first 1×1 reads its input directly, as in the authors' file.

    Shapes: [B, C, H, W] -> [B, C, H, W].
    """

    def __init__(self, channels: int, pre_activation: bool) -> None:
        first = [nn.BatchNorm2d(channels), nn.ReLU()] if pre_activation else []
        super().__init__(
            *first, conv1x1(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(), conv1x1(channels, channels)
        )


class SoftMaskBranch(nn.Module):
    """Bottom-up, top-down: d poolings, d up-samplings, a skip at every level between, a tail, an activation (Fig. 2).

    Level 0 is the input's resolution, level d the lowest. Down: max-pool and ``r`` units for each level, twice as
    many at the lowest. Up: interpolate, add the skip of that level, ``r`` units; at full resolution there is neither
    skip nor unit, but the tail. With r = 1 and d = 3 these are 8 units, 2 of them skips. Chapter 4 builds the branch
    step by step.

    Shapes: [B, C, H, W] -> M, [B, C, H, W]. H and W need not be even. Raises ValueError if either is below 2**depth.

    >>> from resattn.units import PreActBottleneck
    >>> SoftMaskBranch(PreActBottleneck, channels=16, depth=3)(torch.zeros(2, 16, 9, 12)).shape
    torch.Size([2, 16, 9, 12])
    """

    def __init__(
        self,
        unit: Unit,
        channels: int,
        depth: int,
        r: int = 1,
        activation: str = "mixed",
        upsample: str = "bilinear",
    ) -> None:
        super().__init__()
        self.depth = depth
        self.activation = activation
        # Ceil-mode and no padding, as in the authors' files: an output is never made of padding alone.
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.down = nn.ModuleList(unit_chain(unit, channels, r if i < depth else 2 * r) for i in range(1, depth + 1))
        self.skips = nn.ModuleList(unit(channels, channels) for _ in range(1, depth))
        self.upsamplers = nn.ModuleList(make_upsampler(upsample, channels) for _ in range(depth))
        self.up = nn.ModuleList(unit_chain(unit, channels, r) for _ in range(1, depth))
        self.tail = MaskTail(channels, unit.pre_activation)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2], x.shape[3]) < 2**self.depth:
            raise ValueError(
                f"a mask with {self.depth} poolings needs maps of {2**self.depth}×{2**self.depth} or larger, "
                f"got {x.shape[2]}×{x.shape[3]}"
            )
        sizes: list[tuple[int, int]] = []  # of levels 0 … d-1
        skips: list[Tensor] = []  # of levels 1 … d-1
        for level, units in enumerate(self.down):
            if level > 0:
                skips.append(self.skips[level - 1](x))  # [B, C, H/2^level, W/2^level]
            sizes.append((x.shape[2], x.shape[3]))
            x = units(self.pool(x))  # [B, C, H/2^(level+1), W/2^(level+1)]
        for level in reversed(range(self.depth)):
            x = self.upsamplers[level](x, sizes[level])  # [B, C, H/2^level, W/2^level]
            if level > 0:
                x = self.up[level - 1](x + skips[level - 1])  # the same
        return ACTIVATIONS[self.activation](self.tail(x))  # [B, C, H, W]


class LocalMaskBranch(nn.Module):
    """The mask without a bottom-up top-down path: three units at full resolution, then the same end (Table 4).

    The paper sets it against :class:`SoftMaskBranch` to show that a mask needs the wide view that pooling gives.

    Shapes: [B, C, H, W] -> M, [B, C, H, W].
    """

    def __init__(self, unit: Unit, channels: int, activation: str = "mixed") -> None:
        super().__init__()
        self.activation = activation
        self.units = unit_chain(unit, channels, 3)
        self.tail = MaskTail(channels, unit.pre_activation)

    def forward(self, x: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation](self.tail(self.units(x)))  # [B, C, H, W]


MASK_BRANCHES = ("encoder_decoder", "local")
