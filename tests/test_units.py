"""The trunk units: the residual identity, shortcuts, strides, and what the authors' files fix."""

import pytest
import torch
from torch import nn

from resattn.units import UNITS, InceptionUnit, PreActBottleneck, ResNeXtUnit


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize(("in_channels", "stride"), [(128, 1), (64, 1), (64, 2), (128, 2)])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_shapes(name, in_channels, stride, size):
    unit = UNITS[name](in_channels, 128, stride)
    y = unit(torch.randn(2, in_channels, *size))
    assert y.shape == (2, 128, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("name", UNITS)
def test_constant_width_has_an_identity_shortcut(name):
    """With its last convolution at zero, a unit passes its input on (post-activation units: its positive part)."""
    unit = UNITS[name](128, 128).eval()
    last = unit.conv if name == "inception" else unit.conv3
    nn.init.zeros_(last.weight)
    x = torch.randn(2, 128, 5, 5)
    assert unit.projection is None
    assert torch.equal(unit(x), x if unit.pre_activation else x.relu())


def test_projection_of_the_bottleneck_reads_the_first_activation():
    unit = PreActBottleneck(16, 32, stride=2).eval()
    nn.init.zeros_(unit.conv3.weight)
    x = torch.randn(2, 16, 6, 6)
    assert torch.equal(unit(x), unit.projection(unit.bn1(x).relu()))


def test_resnext_has_32_groups_and_half_width():
    unit = ResNeXtUnit(256, 256)
    assert unit.conv2.groups == 32
    assert unit.conv2.in_channels == 128
    assert (unit(torch.randn(1, 256, 4, 4)) >= 0).all()


def test_inception_sees_five_pixels():
    """The longest branch has two 3×3 convolutions, so a unit sees 5×5 pixels and no more."""
    unit = InceptionUnit(16, 16).eval()
    for parameter in unit.parameters():
        parameter.data.abs_()  # so that no ReLU hides a pixel
    x = torch.rand(1, 16, 11, 11, requires_grad=True)
    unit(x)[0, :, 5, 5].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = seen.nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 7, 3, 7)


@pytest.mark.parametrize("name", UNITS)
def test_no_convolution_has_a_bias(name):
    assert all(m.bias is None for m in UNITS[name](64, 128, 2).modules() if isinstance(m, nn.Conv2d))
