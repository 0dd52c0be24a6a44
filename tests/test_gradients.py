"""Equation 2: what a loss sends to trunk and mask, against finite differences and in whole networks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from resattn import create
from resattn.analysis import gain, mask_depends_on_trunk, module_signals, per_location, share_on_second
from resattn.attention import AttentionModule
from resattn.units import PreActBottleneck

SMALL = {"width": 0.25, "stem": "conv3_stride2"}
LABELS = torch.tensor([3, 0, 9, 3])


class WronglyWired(AttentionModule):
    """The wiring of many ports: the trunk's output is added to what the mask's up-sampling returns."""

    def forward(self, x, return_mask=False):
        x = self.pre(x)
        T = self.trunk(x)
        with self.mask.tail.register_forward_pre_hook(lambda _, up: up[0] + T):
            M = self.mask(x)
        H = self.post(self.fuse(M, T))
        return (H, M) if return_mask else H


def images(n=4):
    return torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def network(**settings):
    torch.manual_seed(0)
    return create("attention56", **SMALL, **settings)


def miswire(model):
    for name, right in model.attention_modules().items():
        stage, place = name.split(".")
        wrong = WronglyWired(PreActBottleneck, right.mask.tail[-1].out_channels, right.mask.depth, fusion=right.fusion)
        wrong.load_state_dict(right.state_dict())
        setattr(getattr(model, stage), place, wrong)
    return model


def module_of_phi(kind, fusion):
    """A tiny module in double precision as a function of its trunk's parameters: φ [K] -> H, M and T, flat."""
    torch.manual_seed(0)
    module = kind(PreActBottleneck, 8, 1, fusion=fusion).double()
    module.post = nn.Identity()  # so that the module's output is H
    x = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    shapes = dict(module.trunk.named_parameters())
    phi = torch.cat([p.detach().flatten() for p in shapes.values()])

    def forward(phi):
        parts = phi.split([p.numel() for p in shapes.values()])
        changed = {name: part.view_as(p) for (name, p), part in zip(shapes.items(), parts, strict=True)}
        whole = {f"trunk.{name}": part for name, part in changed.items()}
        H, M = functional_call(module, whole, (x,), {"return_mask": True})
        T = functional_call(module.trunk, changed, (module.pre(x),))
        return H.flatten(), M.flatten(), T.flatten()

    return forward, phi


def central(function, phi, h=1e-6):
    """The Jacobian by central differences, [J, K]."""
    steps = h * torch.eye(len(phi), dtype=phi.dtype)
    return torch.stack([(function(phi + e) - function(phi - e)) / (2 * h) for e in steps], dim=1)


@pytest.mark.parametrize("fusion", ["arl", "nal"])
def test_equation_2_by_finite_differences(fusion):
    forward, phi = module_of_phi(AttentionModule, fusion)
    M = forward(phi)[1]
    weight = 1 + M if fusion == "arl" else M
    with torch.no_grad():
        dH, dT = (central(lambda v, i=i: forward(v)[i], phi) for i in (0, 2))
    assert dH.abs().max() > 0.01
    torch.testing.assert_close(dH, weight[:, None] * dT, rtol=1e-5, atol=1e-6)
    assert gradcheck(lambda v: forward(v)[0], phi.requires_grad_(), fast_mode=True)


def test_equation_2_fails_where_the_mask_reads_the_trunk():
    forward, phi = module_of_phi(WronglyWired, "nal")
    with torch.no_grad():
        _, M, T = forward(phi)
        dH, dM, dT = (central(lambda v, i=i: forward(v)[i], phi) for i in range(3))
    assert (dH - M[:, None] * dT).norm() > 0.01 * dH.norm()
    torch.testing.assert_close(dH, M[:, None] * dT + T[:, None] * dM, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("fusion", ["arl", "nal", "none"])
def test_signals_of_a_network(fusion, mode):
    model = network(fusion=fusion).train(mode)
    signals = module_signals(model, images(), LABELS)
    assert list(signals) == list(model.attention_modules())
    for delta_H, delta_T, M in signals.values():
        assert delta_H.abs().max() > 0 and not delta_H.requires_grad
        if fusion == "none":
            assert M is None
        else:
            assert not M.requires_grad
        weight = {"arl": lambda M: 1 + M, "nal": lambda M: M, "none": lambda M: torch.ones(())}[fusion](M)
        assert torch.equal(delta_T, weight * delta_H)


def test_signals_are_those_of_the_loss_and_of_the_pass():
    """Against a pass written out by hand: the last module's H through the rest of the network."""
    model = network().eval()
    x = model.stem(images())
    for name, block in model.blocks():
        if name == "stage3.attention1":
            x = block.pre(x)
            M = block.mask(x)
            H = block.fuse(M, block.trunk(x)).detach().requires_grad_()
            x = block.post(H)
        else:
            x = block(x)
    logits = model.classifier(model.norm(x).mean(dim=(2, 3)))
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, LABELS, reduction="sum"), H)
    found = module_signals(model, images(), LABELS)["stage3.attention1"]
    torch.testing.assert_close(found.delta_H, expected)
    torch.testing.assert_close(found.M, M.detach())


def test_in_evaluation_mode_an_image_has_signals_of_its_own():
    model = network().double().eval()
    x = images().double()
    together = module_signals(model, x, LABELS)
    alone = module_signals(model, x[2:3], LABELS[2:3])
    for name in together:
        torch.testing.assert_close(together[name].delta_T[2:3], alone[name].delta_T)


def test_signals_leave_the_network_as_it_was():
    model = network().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():  # as one who evaluates would call it
        module_signals(model, images(), LABELS)
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_hooks_go_even_when_the_pass_fails():
    model = network().eval()
    model.classifier = nn.Linear(1, 10)
    with pytest.raises(RuntimeError):
        module_signals(model, images(), LABELS)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_signals_of_a_frozen_network():
    model = network().eval()
    expected = module_signals(model, images(), LABELS)
    frozen = module_signals(model.requires_grad_(False), images(), LABELS)
    assert all(torch.equal(frozen[name].delta_T, expected[name].delta_T) for name in expected)


def test_signals_show_the_wrong_wiring():
    model = miswire(network().eval())
    for delta_H, delta_T, M in module_signals(model, images(), LABELS).values():
        assert (delta_T - (1 + M) * delta_H).norm() > 0.001 * delta_T.norm()


def test_wiring_test_tells_right_from_wrong():
    right, wrong = network(), miswire(network())
    for name, module in right.attention_modules().items():
        x = torch.randn(2, module.mask.tail[-1].out_channels, 8, 8)
        assert not mask_depends_on_trunk(module, x)
        assert mask_depends_on_trunk(wrong.attention_modules()[name], x)


@pytest.mark.parametrize("fusion, low, high", [("arl", 1, 2), ("nal", 0, 1), ("none", 1, 1)])
def test_gain(fusion, low, high):
    model = network(fusion=fusion).eval()
    ratios = gain(model, images(), LABELS)
    signals = module_signals(model, images(), LABELS)
    assert list(ratios) == list(signals)
    for name, ratio in ratios.items():
        assert ratio.shape == (4,)
        assert ((ratio >= low - 1e-6) & (ratio <= high + 1e-6)).all()
        one = signals[name]
        assert ratio[1].item() == pytest.approx((one.delta_T[1].norm() / one.delta_H[1].norm()).item(), rel=1e-5)
        assert fusion == "none" or ratio.std() > 0


def test_gain_of_no_signal_is_nan():
    model = network().eval()
    with torch.no_grad():
        model.classifier.weight.zero_()
    assert all(ratio.isnan().all() for ratio in gain(model, images(), LABELS).values())


def test_share_on_the_second_of_two_regions():
    first, second = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    first[:, :4, :4] = second[:, 4:, 4:] = True
    delta = torch.zeros(3, 5, 4, 4)
    delta[:, :, 0, 0], delta[:, :, 3, 3], delta[:, :, 0, 3] = 1.0, torch.tensor([0.0, 1.0, 3.0])[:, None], 9.0
    assert torch.allclose(share_on_second(delta, first, second), torch.tensor([0.0, 0.5, 0.9]))
    second[:, 6:, 6:] = False  # covers three quarters of what it covered; the position (3, 3) no more
    assert share_on_second(delta, first, second).max() == 0
    with pytest.raises(ValueError, match="both regions"):
        share_on_second(delta, first[:2], second[:2])


def test_per_location():
    delta = torch.randn(2, 5, 3, 4)
    norms = per_location(delta)
    assert norms.shape == (2, 3, 4)
    assert norms[1, 2, 3].item() == pytest.approx(delta[1, :, 2, 3].norm().item(), rel=1e-5)


@pytest.mark.parametrize("labels", [LABELS[:3], LABELS.float(), LABELS + 1, LABELS - 1, LABELS[:, None]])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(ValueError, match=r"labels must be int64 \[4\].* from 0 to 9"):
        module_signals(network(), images(), labels)


def test_other_bad_input():
    with pytest.raises(ValueError, match="no Attention Modules"):
        module_signals(create("preact_resnet164", width=0.25), images(), LABELS)
    with pytest.raises(ValueError, match="images must be a tensor"):
        module_signals(network(), images()[:, :2], LABELS)
    with pytest.raises(ValueError, match="3, 4"):
        per_location(torch.zeros(3, 4))
