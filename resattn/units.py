"""Trunk units: the pre-activation bottleneck, the ResNeXt unit and a simplified Inception unit.

Every unit is a residual unit, x + f(x), and every unit has the same constructor: ``Unit(in_channels, out_channels,
stride)``. The rest of the package builds trunks, skips and mask branches from any of them. Chapter 3 compares the
three.

Where width or resolution changes, the shortcut is a 1×1 convolution with the stride of the unit; elsewhere it is the
input itself. No convolution has a bias: the batch normalisation that follows would remove it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=False)


class PreActBottleneck(nn.Module):
    """The pre-activation bottleneck, the unit of the authors' Attention-56 and -92 (He et al. 2016; chapter 3).

    BN-ReLU, 1×1 to C/4, BN-ReLU, 3×3 (carries the stride), BN-ReLU, 1×1 to C, plus the raw input. A projecting shortcut
    reads the first BN-ReLU's output, as in the authors' model files.

    Shapes: [B, in_channels, H, W] -> [B, out_channels, ceil(H/stride), ceil(W/stride)].

    >>> PreActBottleneck(16, 64, stride=2)(torch.zeros(2, 16, 8, 8)).shape
    torch.Size([2, 64, 4, 4])
    """

    pre_activation = True
    divisor = 4  # out_channels must divide by this

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        inner = out_channels // 4
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv1x1(in_channels, inner)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, stride)
        self.bn3 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, out_channels)
        changes = stride != 1 or in_channels != out_channels
        self.projection = conv1x1(in_channels, out_channels, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))  # [B, C_in, H, W]
        shortcut = x if self.projection is None else self.projection(a)  # [B, C, H/s, W/s]
        y = self.conv1(a)  # [B, C/4, H, W]
        y = self.conv2(F.relu(self.bn2(y)))  # [B, C/4, H/s, W/s]
        y = self.conv3(F.relu(self.bn3(y)))  # [B, C, H/s, W/s]
        return y + shortcut  # [B, C, H/s, W/s], no ReLU: the identity path stays clean


class ResNeXtUnit(nn.Module):
    """The post-activation ResNeXt unit with 32 groups, the unit of the authors' AttentionNeXt (Xie et al. 2017;
    chapter 3).

    1×1-BN-ReLU to C/2, 3×3 in 32 groups-BN-ReLU (carries the stride), 1×1-BN to C, plus the shortcut, ReLU. A
    projecting shortcut is followed by a BN.

    Shapes: [B, in_channels, H, W] -> [B, out_channels, ceil(H/stride), ceil(W/stride)].

    >>> ResNeXtUnit(64, 256)(torch.zeros(2, 64, 8, 8)).shape
    torch.Size([2, 256, 8, 8])
    """

    pre_activation = False
    divisor = 64  # half of it, the inner width, must split into 32 groups

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        inner = out_channels // 2
        self.conv1 = conv1x1(in_channels, inner)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, stride, groups=32)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        changes = stride != 1 or in_channels != out_channels
        self.projection = (
            nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels)) if changes else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.projection is None else self.projection(x)  # [B, C, H/s, W/s]
        y = F.relu(self.bn1(self.conv1(x)))  # [B, C/2, H, W]
        y = F.relu(self.bn2(self.conv2(y)))  # [B, C/2, H/s, W/s]
        y = self.bn3(self.conv3(y))  # [B, C, H/s, W/s]
        return F.relu(y + shortcut)  # [B, C, H/s, W/s]


class InceptionUnit(nn.Module):
    """A simplified Inception unit, pre-activation, for AttentionInception-56 (chapter 3).

    The paper says only that it simplifies the Inception unit to keep the size of Attention-56, and prints 31.9 M
    parameters and 6.3 G multiply-adds. This is our reading: the three branches of Inception-ResNet's A block (1×1;
    1×1 and 3×3; 1×1, 3×3 and 3×3), joined, projected to C by a 1×1 convolution and added to the shortcut. Widths are
    C/8 on every branch but for the first two layers of the longest (C/16, C/8), which brings the network to the
    printed size.

    Shapes: [B, in_channels, H, W] -> [B, out_channels, ceil(H/stride), ceil(W/stride)].

    >>> InceptionUnit(64, 64)(torch.zeros(2, 64, 8, 8)).shape
    torch.Size([2, 64, 8, 8])
    """

    pre_activation = True
    divisor = 16

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        eighth, sixteenth = out_channels // 8, out_channels // 16
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.branch1 = conv1x1(in_channels, eighth, stride)
        self.branch2 = nn.Sequential(
            conv1x1(in_channels, eighth), nn.BatchNorm2d(eighth), nn.ReLU(), conv3x3(eighth, eighth, stride)
        )
        self.branch3 = nn.Sequential(
            conv1x1(in_channels, sixteenth),
            nn.BatchNorm2d(sixteenth),
            nn.ReLU(),
            conv3x3(sixteenth, eighth),
            nn.BatchNorm2d(eighth),
            nn.ReLU(),
            conv3x3(eighth, eighth, stride),
        )
        self.bn2 = nn.BatchNorm2d(3 * eighth)
        self.conv = conv1x1(3 * eighth, out_channels)
        changes = stride != 1 or in_channels != out_channels
        self.projection = conv1x1(in_channels, out_channels, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))  # [B, C_in, H, W]
        shortcut = x if self.projection is None else self.projection(a)  # [B, C, H/s, W/s]
        y = torch.cat([self.branch1(a), self.branch2(a), self.branch3(a)], dim=1)  # [B, 3C/8, H/s, W/s]
        y = self.conv(F.relu(self.bn2(y)))  # [B, C, H/s, W/s]
        return y + shortcut  # [B, C, H/s, W/s]


Unit = type[PreActBottleneck] | type[ResNeXtUnit] | type[InceptionUnit]

UNITS: dict[str, Unit] = {"preact": PreActBottleneck, "resnext": ResNeXtUnit, "inception": InceptionUnit}


def unit_chain(unit: Unit, channels: int, length: int) -> nn.Sequential:
    """``length`` units of constant width, one after another: [B, C, H, W] -> [B, C, H, W]."""
    return nn.Sequential(*(unit(channels, channels) for _ in range(length)))
