"""Every registered network: counts, shapes, masks, errors, and the ways people run it."""

import copy
import io
import pickle
import typing

import numpy as np
import pytest
import torch

import resattn
from resattn.analysis import count_multiply_adds, count_parameters
from resattn.attention import AttentionModule
from resattn.networks import REGISTRY, NetworkConfig, ResidualAttentionNetwork

NAMES = resattn.list_models()
SMALL = {"width": 0.25}


def image_size(name):
    return 224 if name.endswith("_imagenet") else 32


def on_meta(name, **settings):
    with torch.device("meta"):
        return resattn.create(name, **settings)


# The four networks with published model files come out to the last parameter. The CIFAR rows are this package's reading
# of section 4.1, held fixed here; test_networks_are_near_the_printed_size compares them with the paper.
COUNTS = {
    "attention56": (1_030_362, 122_825_216),
    "attention92": (1_841_242, 211_913_216),
    "attention128": (2_652_122, 301_001_216),
    "attention164": (3_463_002, 390_089_216),
    "attention236": (5_084_762, 568_265_216),
    "attention452": (10_181_210, 984_386_048),
    "attention56_imagenet": (31_810_728, 6_270_836_736),
    "attention92_imagenet": (52_466_344, 10_533_789_696),
    "attentionnext56_imagenet": (31_318_824, 6_419_106_816),
    "attentionnext92_imagenet": (52_102_952, 10_704_337_920),
    "attentioninception56_imagenet": (31_095_432, 6_216_195_072),
    "preact_resnet164": (1_703_258, 247_646_720),
}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_multiply_adds(name):
    model = on_meta(name)
    assert (count_parameters(model), count_multiply_adds(model, image_size(name))) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "millions", "within"),
    [
        ("attention92", 1.9, 0.04),
        ("attention236", 5.1, 0.04),
        ("preact_resnet164", 1.70, 0.01),
        ("attention56_imagenet", 31.9, 0.01),
        ("attentioninception56_imagenet", 31.9, 0.05),
    ],
)
def test_networks_are_near_the_printed_size(name, millions, within):
    assert count_parameters(on_meta(name)) / 1e6 == pytest.approx(millions, rel=within)


def test_inception_is_near_the_printed_multiply_adds():
    assert count_multiply_adds(on_meta("attentioninception56_imagenet"), 224) / 1e9 == pytest.approx(6.3, rel=0.05)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
def test_depth_is_36m_plus_20(m):
    """Weighted layers on the trunk path: every convolution outside masks and shortcuts, and the classifier."""
    model = on_meta(f"attention{36 * m + 20}")
    path = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and ".mask." not in name and "projection" not in name
    ]
    assert len(path) + 1 == 36 * m + 20


@pytest.mark.parametrize("name", NAMES)
def test_forward_backward_and_masks(name):
    torch.manual_seed(0)
    model = resattn.create(name, num_classes=7, **SMALL)
    size = model.config.minimum_size() + 2
    x = torch.randn(2, 3, size, size + 3)
    logits, masks = model(x, return_masks=True)
    assert logits.shape == (2, 7)
    assert list(masks) == list(model.attention_modules())
    assert all(mask.shape[0] == 2 and mask.ndim == 4 and mask.min() >= 0 and mask.max() <= 1 for mask in masks.values())
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_masks_do_not_change_the_logits(name):
    model = resattn.create(name, **SMALL).eval()
    size = max(8, model.config.minimum_size())
    x = torch.randn(2, 3, size, size)
    assert torch.equal(model(x), model(x, return_masks=True)[0])


def test_module_names_and_mask_shapes():
    model = resattn.create("attention92_imagenet", **SMALL).eval()
    with torch.no_grad():
        _, masks = model(torch.randn(1, 3, 224, 224), return_masks=True)
    assert {name: tuple(mask.shape[1:]) for name, mask in masks.items()} == {
        "stage1.attention1": (64, 56, 56),
        "stage2.attention1": (128, 28, 28),
        "stage2.attention2": (128, 28, 28),
        "stage3.attention1": (256, 14, 14),
        "stage3.attention2": (256, 14, 14),
        "stage3.attention3": (256, 14, 14),
    }
    assert list(masks) == list(model.attention_modules())
    assert all(model.get_submodule(name) is module for name, module in model.attention_modules().items())


def test_masks_are_computed_once_and_kept_by_nobody():
    model = resattn.create("attention56", **SMALL).eval()
    calls = []
    for module in model.attention_modules().values():
        module.mask.register_forward_hook(lambda *_: calls.append(1))
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    for return_masks in (False, True):
        calls.clear()
        model(torch.randn(1, 3, 32, 32), return_masks=return_masks)
        assert len(calls) == 3
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before


@pytest.mark.parametrize("size", [(32, 32), (8, 8), (33, 47), (9, 64), (192, 192)])
@pytest.mark.parametrize(
    "settings", [{}, {"upsample": "deconv"}, {"mask_branch": "local"}, {"fusion": "none"}], ids=str
)
def test_any_input_size_cifar(size, settings):
    model = resattn.create("attention56", **SMALL, **settings).eval()
    assert model(torch.randn(1, 3, *size)).shape == (1, 10)


@pytest.mark.parametrize("name", ["attention56_imagenet", "attentionnext56_imagenet", "attentioninception56_imagenet"])
@pytest.mark.parametrize("size", [(224, 224), (192, 192), (299, 299), (320, 320), (225, 31)])
def test_any_input_size_imagenet(name, size):
    model = resattn.create(name, **SMALL).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, *size)).shape == (1, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_minimum_size_is_exact(name):
    """At the minimum it runs; below, the error comes from the network and not from deep inside a pooling."""
    model = resattn.create(name, **SMALL).eval()
    least = model.config.minimum_size()
    assert model(torch.randn(1, 3, least, least)).isfinite().all()
    if least > 1:
        with pytest.raises(ValueError, match=f"{name} needs images of {least}×{least} pixels or larger"):
            model(torch.randn(1, 3, least + 5, least - 1))
        model.check_input = lambda x: None
        with pytest.raises((ValueError, RuntimeError)):  # the bound is not stricter than it has to be
            model(torch.randn(1, 3, least - 1, least - 1))


def test_stage_sizes_are_what_a_forward_pass_finds():
    for name, size in (("attention56", (37, 64)), ("attention56_imagenet", (225, 301))):
        model = resattn.create(name, **SMALL).eval()
        _, masks = model(torch.randn(1, 3, *size), return_masks=True)
        assert [tuple(mask.shape[2:]) for mask in masks.values()] == model.config.stage_sizes(*size)[:3]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(3, 32, 32), r"must be a tensor \[B, 3, H, W\]; got shape \[3, 32, 32\]"),
        (torch.zeros(2, 1, 32, 32), r"must be a tensor \[B, 3, H, W\]; got shape \[2, 1, 32, 32\]"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "must be normalised floating-point numbers; got torch.uint8"),
        (torch.zeros(2, 3, 7, 32), "needs images of 8×8 pixels or larger; got 7×32"),
    ],
)
def test_bad_images(x, words):
    with pytest.raises(ValueError, match=words):
        resattn.create("attention56", **SMALL)(x)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("attention57", {}, "unknown network 'attention57'; there are attention56, attention92"),
        ("attention56", {"fusions": "arl"}, "unknown setting 'fusions'; there are stem, "),
        ("attention56", {"fusion": "add"}, "fusion must be one of arl, nal, none; got 'add'"),
        ("attention56", {"mask_activation": "f1"}, "mask_activation must be one of mixed, channel, spatial"),
        ("attention56", {"upsample": "nearest"}, "upsample must be one of bilinear, deconv"),
        ("attention56", {"num_classes": 0}, "num_classes must be a whole number of at least 1; got 0"),
        ("attention56", {"width": 0}, "width must be a positive number; got 0"),
        ("attention56", {"width": float("nan")}, "width must be a positive number; got nan"),
        ("attention56", {"modules": (1, 1)}, "one entry for each stage"),
        ("attention56", {"poolings": (3, 2, 0)}, "every entry of poolings must be a whole number of at least 1"),
        ("preact_resnet164", {"fusion": "nal"}, "preact_resnet164 has no Attention Modules, so 'fusion' would have no"),
    ],
)
def test_bad_settings(name, settings, words):
    with pytest.raises(ValueError, match=words):
        resattn.create(name, **settings)


def test_registry_and_names():
    assert [
        *(f"attention{n}" for n in (56, 92, 128, 164, 236, 452)),
        *("attention56_imagenet", "attention92_imagenet", "attentionnext56_imagenet", "attentionnext92_imagenet"),
        *("attentioninception56_imagenet", "preact_resnet164"),
    ] == NAMES
    assert all(isinstance(config, NetworkConfig) for config in REGISTRY.values())


def test_fusion_none_has_the_trunk_alone():
    full, trunk = on_meta("attention56"), on_meta("attention56", fusion="none")
    in_masks = sum(p.numel() for name, p in full.named_parameters() if ".mask." in name)
    assert count_parameters(trunk) == count_parameters(full) - in_masks
    model = resattn.create("attention56", fusion="none", **SMALL)
    assert model(torch.randn(2, 3, 32, 32), return_masks=True)[1] == {}
    assert len(model.attention_modules()) == 3


def test_he_initialisation():
    torch.manual_seed(0)
    conv = resattn.create("attention56").get_submodule("stage3.unit1.conv1")  # 1×1, 128 -> 64 channels
    assert conv.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    deconv = resattn.create("attention56", upsample="deconv").get_submodule("stage1.attention1.mask.upsamplers.0")
    assert deconv.weight.sum(dim=(2, 3)).unique().tolist() == [4.0]


class TestWaysToRunIt:
    """Compiled, exported, autocast, channels last, copied, pickled, and as ONNX."""

    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        return resattn.create("attention56", **SMALL).eval()

    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rounding: typing.ClassVar = {"rtol": 1e-3, "atol": 1e-3}  # other kernels add up in another order, through 56 layers

    def test_compile(self, model):
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        logits, masks = compiled(self.x, return_masks=True)
        expected, expected_masks = model(self.x, return_masks=True)
        torch.testing.assert_close(logits, expected, **self.rounding)
        torch.testing.assert_close(masks, expected_masks, **self.rounding)

    def test_export(self, model):
        batch = torch.export.Dim("batch", min=2, max=64)
        program = torch.export.export(model, (self.x,), dynamic_shapes=({0: batch}, None)[:1])
        x = torch.randn(5, 3, 32, 32)
        torch.testing.assert_close(program.module()(x), model(x), **self.rounding)

    def test_onnx(self, model):
        onnxruntime = pytest.importorskip("onnxruntime")
        buffer = io.BytesIO()
        torch.onnx.export(model, (self.x,), dynamo=True, verbose=False).save(buffer)
        session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {session.get_inputs()[0].name: self.x.numpy()})
        np.testing.assert_allclose(logits, model(self.x).detach().numpy(), rtol=1e-3, atol=1e-4)

    def test_autocast(self, model):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, masks = model(self.x, return_masks=True)
        assert logits.dtype == torch.bfloat16
        torch.testing.assert_close(logits.float(), model(self.x), rtol=0.1, atol=0.1)
        assert all(mask.isfinite().all() for mask in masks.values())

    def test_channels_last(self, model):
        expected = model(self.x)
        model.to(memory_format=torch.channels_last)
        x = self.x.to(memory_format=torch.channels_last)
        logits, masks = model(x, return_masks=True)
        torch.testing.assert_close(logits, expected, **self.rounding)
        assert all(mask.is_contiguous(memory_format=torch.channels_last) for mask in masks.values())

    @pytest.mark.parametrize(
        "how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
    )
    def test_copies(self, model, how):
        twin = how(model)
        assert torch.equal(twin(self.x), model(self.x))
        assert twin.config == model.config
        next(twin.parameters()).data.add_(1)
        assert not torch.equal(next(twin.parameters()), next(model.parameters()))

    def test_state_dict_rebuilds_from_the_config(self, model):
        twin = ResidualAttentionNetwork(model.config).eval()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(twin(self.x), model(self.x))


def test_modules_are_attention_modules():
    assert all(isinstance(m, AttentionModule) for m in resattn.create("attention92").attention_modules().values())
