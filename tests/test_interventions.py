"""Masks that are replaced: what the network then computes, exactly, and that the original stays as it was."""

import copy

import pytest
import torch
from torch import Tensor, nn

import resattn
from resattn.analysis import block_outputs, forced, module_parts, swap_features, swap_masks
from resattn.networks import ResidualAttentionNetwork


def network(fusion: str = "arl", **settings: object) -> ResidualAttentionNetwork:
    """A small network of two modules a stage, whose normalisation has seen some images."""
    settings = {"width": 0.25, "stem": "conv3_stride2", "modules": (1, 2, 1), **settings}
    model = resattn.create("attention56", fusion=fusion, **settings)
    with torch.no_grad():
        model.train()(torch.randn(16, 3, 32, 32))
    return model.eval()


def trunk_only(model: ResidualAttentionNetwork) -> ResidualAttentionNetwork:
    """The network without mask branches, with the same weights for the rest."""
    trunk = ResidualAttentionNetwork(type(model.config)(**{**vars(model.config), "fusion": "none"}))
    missing, unexpected = trunk.load_state_dict(model.state_dict(), strict=False)
    assert missing == [] and all(".mask." in key for key in unexpected)
    return trunk.train(model.training)


def everywhere(model: ResidualAttentionNetwork, value: float | str) -> dict[str, float | str]:
    return dict.fromkeys(model.attention_modules(), value)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("fusion", "neutral", "other"), [("arl", 0.0, 1.0), ("nal", 1.0, 0.5)])
def test_neutral_masks_leave_the_trunk_bit_for_bit(fusion: str, neutral: float, other: float, training: bool) -> None:
    model, x = network(fusion).train(training), torch.randn(4, 3, 32, 32)
    trunk = trunk_only(model)(x)
    assert torch.equal(forced(model, everywhere(model, neutral))(x), trunk)
    assert not torch.equal(forced(model, everywhere(model, other))(x), trunk)
    assert not torch.equal(model(x), trunk)


def test_a_closed_naive_mask_makes_all_images_alike() -> None:
    model = network("nal")
    logits = forced(model, everywhere(model, 0))(torch.randn(4, 3, 32, 32))
    assert torch.equal(logits, logits[:1].expand_as(logits))
    assert model(torch.randn(4, 3, 32, 32)).std(dim=0).min() > 0


@pytest.mark.parametrize("value", [0, 0.25, 1.0])
def test_forced_masks_are_the_ones_returned(value: float) -> None:
    model, x = network(), torch.randn(2, 3, 32, 32)
    chosen = "stage2.attention2"
    _, masks = forced(model, {chosen: value})(x, return_masks=True)
    _, before = model(x, return_masks=True)
    assert list(masks) == list(before)
    assert masks[chosen].shape == before[chosen].shape and bool((masks[chosen] == value).all())
    for name in ("stage1.attention1", "stage2.attention1"):  # what comes before the change is as it was
        assert torch.equal(masks[name], before[name])
    assert not torch.equal(masks["stage3.attention1"], before["stage3.attention1"])  # what comes after sees it


def test_a_mean_mask_keeps_each_channels_mean_and_nothing_else() -> None:
    model, x = network(), torch.randn(3, 3, 32, 40)
    first = "stage1.attention1"
    _, masks = forced(model, {first: "mean"})(x, return_masks=True)
    _, before = model(x, return_masks=True)
    mean = masks[first]
    assert mean.shape == before[first].shape
    assert torch.equal(mean.amax(dim=(2, 3)), mean.amin(dim=(2, 3)))  # no variance over the positions
    torch.testing.assert_close(mean[:, :, 0, 0], before[first].mean(dim=(2, 3)))
    assert before[first].var(dim=(2, 3)).median() > 0
    assert mean[:, :, 0, 0].var(dim=0).median() > 0 and mean[:, :, 0, 0].var(dim=1).min() > 0  # images, channels


@pytest.mark.parametrize("training", [False, True])
def test_the_original_is_untouched(training: bool) -> None:
    model, x = network().train(training), torch.randn(2, 3, 32, 32)
    model.record = {"mean": [0.5]}
    weights, twin = copy.deepcopy(model.state_dict()), copy.deepcopy(model)
    changed = forced(model, {"stage1.attention1": "mean", "stage3.attention1": 1.0})
    assert {module.training for module in changed.modules()} == {training}
    assert changed.record == model.record
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.zero_()
    changed.train()(x)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert torch.equal(model(x), twin(x))


def test_without_values_it_is_a_copy_and_forcing_again_changes_more() -> None:
    model, x = network(), torch.randn(2, 3, 32, 32)
    assert torch.equal(forced(model, {})(x), model(x))
    halves = forced(model, everywhere(model, 0.5))
    assert torch.equal(forced(halves, everywhere(model, "mean"))(x), halves(x))  # the mean of a constant
    twice = forced(forced(model, {"stage1.attention1": 0.0}), {"stage2.attention1": 0.0})
    once = forced(model, {"stage1.attention1": 0.0, "stage2.attention1": 0.0})
    assert torch.equal(twice(x), once(x))


def test_a_constant_mask_stands_in_for_the_branch_in_training_too() -> None:
    """No mask parameter is left, the trunk's gradient is M · ∂T/∂φ, and double precision stays double."""
    model = network("nal").double().train()
    halves = forced(model, everywhere(model, 0.5))
    assert not any(".mask." in key for key in halves.state_dict())
    assert {module.mask.training for module in halves.attention_modules().values()} == {True}
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    halves(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in halves.parameters())
    means = forced(model, everywhere(model, "mean"))
    means(x).square().sum().backward()
    branches = [parameter for name, parameter in means.named_parameters() if ".mask." in name]
    assert branches and all(parameter.grad is not None for parameter in branches)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stage9.attention1": 0.0}, "no Attention Module 'stage9.attention1'; there are stage1.attention1"),
        ({"stage1.unit1": 0.0}, "no Attention Module 'stage1.unit1'"),
        ({"stage1.attention1": 1.5}, "from 0 to 1, 'mean' or a tensor; got 1.5"),
        ({"stage1.attention1": -0.1}, "got -0.1"),
        ({"stage1.attention1": float("nan")}, "got nan"),
        ({"stage1.attention1": "median"}, "got 'median'"),
        ({"stage1.attention1": None}, "got None"),
        ({"stage1.attention1": 0.0, "stage2.attention1": 2}, "mask of stage2.attention1"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        forced(network(), values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "model",
    [
        resattn.create("attention56", width=0.25, fusion="none"),
        resattn.create("preact_resnet164", width=0.25, units=(1, 1, 1)),
    ],
    ids=["trunk only", "no modules"],
)
def test_a_network_without_masks_is_refused(model: nn.Module) -> None:
    for values in ({}, {"stage1.attention1": 0.0}):
        with pytest.raises(ValueError, match="has no masks to replace"):
            forced(model, values)


def network_and_pictures() -> tuple[ResidualAttentionNetwork, Tensor, Tensor]:
    torch.manual_seed(3)
    model = resattn.create("attention56", width=0.25).eval()
    x, other = torch.randn(2, 3, 3, 32, 32)
    return model, x, other


def test_a_swapped_mask_is_the_only_thing_that_changes():
    model, x, other = network_and_pictures()
    name = "stage2.attention1"
    M = model(other, return_masks=True)[1][name]
    module = model.attention_modules()[name]
    with torch.no_grad():  # by hand: the blocks before, the module with the other mask, the blocks after
        y = model.stem(x)
        for block_name, block in model.blocks():
            if block_name == name:
                y = module.pre(y)
                y = module.post((1 + M) * module.trunk(y))
            else:
                y = block(y)
        expected = model.classifier(model.norm(y).mean((2, 3)))
    assert torch.allclose(swap_masks(model, x, other, [name]), expected, atol=1e-6)
    assert not torch.allclose(swap_masks(model, x, other, [name]), model(x), atol=1e-4)


def test_swapped_features_are_those_of_the_other_input_at_these_places_alone():
    model, x, other = network_and_pictures()
    everywhere = torch.ones(3, 1, 1, dtype=torch.bool)
    for name in ("stage1.unit1", "stage3.attention1"):
        assert torch.allclose(swap_features(model, x, other, name, everywhere), model(other), atol=1e-5)
        assert torch.allclose(swap_features(model, x, other, name, ~everywhere), model(x), atol=1e-5)
    half = torch.zeros(3, 32, 32, dtype=torch.bool)
    half[:, :, :16] = True
    mixed = swap_features(model, x, other, "stage1.unit1", half)
    assert not torch.allclose(mixed, model(x), atol=1e-4) and not torch.allclose(mixed, model(other), atol=1e-4)


def test_block_outputs_are_those_of_the_forward_pass():
    model, x, _ = network_and_pictures()
    outputs = block_outputs(model, x)
    assert list(outputs) == [name for name, _ in model.blocks()]
    logits = model.classifier(model.norm(list(outputs.values())[-1]).mean((2, 3)))
    assert torch.allclose(logits, model(x), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x: swap_masks(m, x, x[:1], ["stage1.attention1"]), "one shape"),
        (lambda m, x: swap_masks(m, x, x, ["stage9"]), "no mask 'stage9'"),
        (lambda m, x: swap_features(m, x, x, "stage9", torch.ones(3, 1, 1, dtype=torch.bool)), "no block 'stage9'"),
        (lambda m, x: forced(m, {"stage1.attention1": torch.zeros(1, 2, 3, 4)})(x), "the given mask is"),
    ],
)
def test_a_swap_that_does_not_fit_is_refused(call, words):
    model, x, _ = network_and_pictures()
    with pytest.raises(ValueError, match=words):
        call(model, x)


@pytest.mark.parametrize("fusion", ["arl", "nal", "none"])
def test_parts_are_those_of_the_forward_pass(fusion):
    model = resattn.create("attention56", width=0.25, fusion=fusion).eval()
    x = torch.randn(2, 3, 32, 32)
    seen = {}
    for name, module in model.attention_modules().items():
        module.post.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    _, masks = model(x, return_masks=True)
    parts = module_parts(model, x)
    assert list(parts) == list(model.attention_modules())
    for name, (T, M, H) in parts.items():
        assert torch.equal(H, seen[name])
        assert (M is None) == (fusion == "none") and (M is None or torch.equal(M, masks[name]))
        weight = {"arl": 1 + M, "nal": M} if M is not None else {"none": torch.ones(())}
        assert torch.equal(H, weight[fusion] * T)
