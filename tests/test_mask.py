"""The soft mask branch: poolings, skips, up-sampling, activations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from resattn.mask import ACTIVATIONS, Bilinear, Deconvolution, LocalMaskBranch, SoftMaskBranch
from resattn.units import UNITS, PreActBottleneck


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("r", [1, 2, 3])
def test_number_of_units(depth, r):
    """2rd + (d - 1) units, of which d - 1 are skips."""
    branch = SoftMaskBranch(PreActBottleneck, 16, depth, r)
    assert sum(isinstance(m, PreActBottleneck) for m in branch.modules()) == 2 * r * depth + depth - 1
    assert len(branch.skips) == depth - 1
    assert len(branch.down[-1]) == 2 * r


@pytest.mark.parametrize("unit", UNITS.values())
@pytest.mark.parametrize("upsample", ["bilinear", "deconv"])
@pytest.mark.parametrize("size", [(8, 8), (9, 12), (13, 31), (15, 8)])
def test_keeps_the_shape_of_any_input(unit, upsample, size):
    branch = SoftMaskBranch(unit, 64, depth=3, upsample=upsample)
    assert branch(torch.randn(2, 64, *size)).shape == (2, 64, *size)


def test_forward_equals_the_steps_written_out():
    """d = 3, r = 1, against the branch of Fig. 2 spelt out level by level."""
    torch.manual_seed(0)
    b = SoftMaskBranch(PreActBottleneck, 16, depth=3).eval()
    x = torch.randn(2, 16, 16, 12)
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    level1 = b.down[0](pool(x))
    level2 = b.down[1](pool(level1))
    level3 = b.down[2](pool(level2))
    y = F.interpolate(level3, size=(4, 3), mode="bilinear", align_corners=True) + b.skips[1](level2)
    y = F.interpolate(b.up[1](y), size=(8, 6), mode="bilinear", align_corners=True) + b.skips[0](level1)
    y = F.interpolate(b.up[0](y), size=(16, 12), mode="bilinear", align_corners=True)
    assert torch.equal(b(x), torch.sigmoid(b.tail(y)))


def test_too_small_a_map_is_said_clearly():
    with pytest.raises(ValueError, match="3 poolings needs maps of 8×8 or larger, got 8×7"):
        SoftMaskBranch(PreActBottleneck, 16, depth=3)(torch.zeros(2, 16, 8, 7))


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (4, 4), (5, 8)])
def test_deconvolution_starts_as_bilinear(h, w):
    x = torch.randn(2, 6, h, w)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(Deconvolution(6)(x, (2 * h, 2 * w)), expected)


def test_deconvolution_reaches_odd_sizes():
    """One row and column more than twice the input: the even part is the same, the rest repeats the edge's value."""
    x = torch.randn(1, 2, 3, 4)
    even, odd = Deconvolution(2)(x, (6, 8)), Deconvolution(2)(x, (7, 9))
    torch.testing.assert_close(odd[..., :6, :8], even)
    torch.testing.assert_close(odd[..., 6, :8], even[..., 5, :8])


def test_deconvolution_learns_and_bilinear_does_not():
    assert sum(p.numel() for p in Deconvolution(6).parameters()) == 6 * 16
    assert not list(Bilinear().parameters())
    branch = SoftMaskBranch(PreActBottleneck, 16, depth=2, upsample="deconv")
    branch(torch.randn(2, 16, 8, 8)).sum().backward()
    assert all(up.weight.grad.abs().sum() > 0 for up in branch.upsamplers)


def test_bilinear_aligns_corners():
    """With aligned corners a ramp stays a ramp, up to its ends; with half-pixel centres it flattens there."""
    ramp = torch.arange(3.0).expand(1, 1, 2, 3)
    torch.testing.assert_close(Bilinear()(ramp, (4, 5))[0, 0], torch.linspace(0, 2, 5).expand(4, 5))


class TestActivations:
    x = 3 * torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def test_mixed(self):
        torch.testing.assert_close(ACTIVATIONS["mixed"](self.x), 1 / (1 + torch.exp(-self.x)))

    def test_channel(self):
        y = ACTIVATIONS["channel"](self.x)
        torch.testing.assert_close(y[1, :, 2, 3], self.x[1, :, 2, 3] / self.x[1, :, 2, 3].square().sum().sqrt())
        torch.testing.assert_close(y.square().sum(dim=1), torch.ones(2, 4, 6, dtype=torch.float64))
        assert (y < 0).any()

    def test_spatial(self):
        y = ACTIVATIONS["spatial"](self.x)
        m = self.x[1, 3]
        expected = torch.sigmoid((m - m.mean()) / m.std(correction=0))
        torch.testing.assert_close(y[1, 3], expected)

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_gradients(self, name):
        assert torch.autograd.gradcheck(ACTIVATIONS[name], self.x.clone().requires_grad_())

    @pytest.mark.parametrize("name", ACTIVATIONS)
    @pytest.mark.parametrize("value", [0.0, 2.0, 1e4])
    def test_constant_maps_stay_finite(self, name, value):
        x = torch.full((1, 3, 2, 2), value, requires_grad=True)
        y = ACTIVATIONS[name](x)
        y.sum().backward()
        assert y.isfinite().all()
        assert x.grad.isfinite().all()


def test_local_mask_sees_less_than_the_encoder_decoder():
    """Three 3×3 convolutions see 7×7 pixels; three poolings see nearly everything (Table 4's comparison)."""

    def seen(branch):
        x = torch.randn(1, 16, 32, 32, requires_grad=True)
        branch.eval()(x)[0, :, 16, 16].sum().backward()
        return int((x.grad.abs().sum(dim=(0, 1)) > 0).sum())

    assert seen(LocalMaskBranch(PreActBottleneck, 16)) <= 49
    assert seen(SoftMaskBranch(PreActBottleneck, 16, depth=3)) > 500
