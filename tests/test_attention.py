"""The Attention Module: equations 1 and 3, p, t and r, and the wiring that equation 2 needs."""

import pytest
import torch

from resattn import create, list_models
from resattn.analysis import mask_depends_on_trunk
from resattn.attention import AttentionModule
from resattn.mask import SoftMaskBranch
from resattn.units import PreActBottleneck


def module(**settings):
    torch.manual_seed(0)
    return AttentionModule(PreActBottleneck, 16, 2, **settings).eval()


X = torch.randn(2, 16, 9, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fusion", ["arl", "nal", "none"])
def test_fusion(fusion):
    m = module(fusion=fusion)
    features = m.pre(X)
    T = m.trunk(features)
    if fusion == "none":
        assert m.mask is None
        H = T
    else:
        M = m.mask(features)
        H = (1 + M) * T if fusion == "arl" else M * T
    assert torch.equal(m(X), m.post(H))


def test_returned_mask_is_the_one_that_was_used():
    m = module(fusion="nal")
    H, M = m(X, return_mask=True)
    assert torch.equal(H, m.post(M * m.trunk(m.pre(X))))
    assert torch.equal(H, m(X))


def test_zero_mask_gives_the_trunk_under_arl_and_nothing_under_nal():
    T = torch.randn(2, 16, 4, 4)
    assert torch.equal(module(fusion="arl").fuse(torch.zeros_like(T), T), T)
    assert torch.equal(module(fusion="nal").fuse(torch.zeros_like(T), T), torch.zeros_like(T))


def test_p_t_and_r():
    m = module(p=2, t=4, r=3)
    assert (len(m.pre), len(m.trunk), len(m.post)) == (2, 4, 2)
    assert [len(units) for units in m.mask.down] == [3, 6]
    assert [len(units) for units in m.mask.up] == [3]


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("settings", [{}, {"fusion": "nal", "mask_activation": "spatial"}], ids=["arl", "nal-f3"])
def test_no_trunk_output_enters_its_own_mask(name, settings):
    if name == "preact_resnet164":
        assert not create(name).attention_modules()
        return
    modules = create(name, width=0.25, **settings).attention_modules()
    assert modules
    for m in modules.values():
        channels = m.mask.tail[-1].out_channels
        assert not mask_depends_on_trunk(m, torch.randn(2, channels, 8, 8))


def test_the_wiring_test_catches_the_wiring_of_many_ports():
    """Adding the trunk's output to what the mask's up-sampling returns, the bug described in chapter 6."""

    class Ported(AttentionModule):
        def forward(self, x, return_mask=False):
            x = self.pre(x)
            T = self.trunk(x)
            M = torch.sigmoid(self.mask.tail(self.mask(x) + T))
            H = self.post(self.fuse(M, T))
            return (H, M) if return_mask else H

    torch.manual_seed(0)
    assert mask_depends_on_trunk(Ported(PreActBottleneck, 16, 2), X)


def test_branches_share_no_parameters():
    m = module()
    counts = [sum(p.numel() for p in part.parameters()) for part in (m.pre, m.trunk, m.mask, m.post)]
    assert sum(counts) == sum(p.numel() for p in m.parameters())
    assert isinstance(m.mask, SoftMaskBranch)
