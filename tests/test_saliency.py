"""Input gradients and Grad-CAM: against cases done by hand, finite differences, and the formulas of chapter 1."""

import ast

import nbformat
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from torch import nn

from resattn import create
from resattn.analysis import activity, grad_cam, input_gradient

LABELS = torch.tensor([2, 0, 1, 2])


class Plain(nn.Module):
    """Small, and to be done by hand: ``features`` and a ``head`` on them."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Tanh())
        self.classifier = nn.Linear(8, 3)

    def head(self, A):
        return self.classifier(A.mean(dim=(2, 3)))

    def forward(self, x):
        return self.head(self.features(x))


def images(n=4, size=8, dtype=torch.float32):
    return torch.randn(n, 3, size, size, dtype=dtype, generator=torch.Generator().manual_seed(1))


def attention():
    return create("attention56", width=0.25, stem="conv3_stride2", num_classes=3).eval()


def functions_of_chapter_1():
    """``input_gradient`` and ``grad_cam`` as the notebook defines them, taken from its source."""
    notebook = nbformat.read(ROOT / "notebooks" / "01_attention_in_images.ipynb", as_version=4)
    names = {"input_gradient", "grad_cam"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and all(f"def {name}(" in cell.source for name in names):
            tree = ast.parse(cell.source)
            tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
            space = {"torch": torch, "F": F}
            exec(compile(tree, "chapter 1", "exec"), space)
            return space["input_gradient"], space["grad_cam"]
    raise AssertionError("chapter 1 defines input_gradient and grad_cam in one cell")


def test_chapter_1_has_the_same_formulas():
    gradient_by_hand, cam_by_hand = functions_of_chapter_1()
    torch.manual_seed(0)
    model, x = create("attention56", width=0.25, stem="conv3_stride2", num_classes=3).eval(), images(8, size=16)
    answers = model(x).argmax(dim=1)
    assert len(answers.unique()) > 1
    torch.testing.assert_close(input_gradient(model, x, answers), gradient_by_hand(model, x))
    torch.testing.assert_close(grad_cam(model, x, answers), cam_by_hand(model, x))
    assert cam_by_hand(model, x).max() > 0


def test_gradient_of_a_linear_model_is_its_weights():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 3))
    expected = model[1].weight.detach()[LABELS].view(4, 3, 4, 4).abs().amax(dim=1)
    torch.testing.assert_close(input_gradient(model, images(size=4), LABELS), expected)


def test_gradient_agrees_with_finite_differences():
    model, x = Plain().double(), images(dtype=torch.float64)
    maps = input_gradient(model, x, LABELS)
    step = 1e-6
    for row, column in ((0, 0), (3, 5), (7, 7)):
        slopes = []
        for colour in range(3):
            shift = torch.zeros_like(x)
            shift[:, colour, row, column] = step
            ends = [model(x + sign * shift).gather(1, LABELS[:, None])[:, 0] for sign in (1, -1)]
            slopes.append((ends[0] - ends[1]) / (2 * step))
        torch.testing.assert_close(maps[:, row, column], torch.stack(slopes).abs().amax(dim=0), rtol=1e-6, atol=1e-9)


def test_cam_before_mean_and_linear_classifier_is_the_weighted_sum():
    """There the gradient is the classifier's weight over the number of positions, so the map is known in closed
    form."""
    model, x = Plain(), images()
    A = model.features(x).detach()
    weights = model.classifier.weight.detach()[LABELS] / 16  # [4, 8], a map of 4×4
    expected = torch.einsum("bc,bchw->bhw", weights, A).relu()
    enlarged = F.interpolate(expected[:, None], size=(8, 8), mode="bilinear")[:, 0]
    maps = grad_cam(model, x, LABELS, module_name="features")
    torch.testing.assert_close(maps, enlarged)
    assert maps.min() == 0 < maps.max()


@pytest.mark.parametrize("name", ["norm", "stage1.attention1", "stage3.unit2"])
def test_attention_network(name):
    model, x = attention(), images(size=32)
    before = model(x)
    maps = grad_cam(model, x, LABELS, module_name=name)
    assert maps.shape == input_gradient(model, x, LABELS).shape == (4, 32, 32)
    assert maps.min() >= 0 and maps.max() > 0 and not maps.requires_grad
    assert torch.equal(model(x), before), "no hook stays behind"
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not x.requires_grad


def test_the_default_is_the_last_feature_map():
    model, x = attention(), images(size=32)
    assert torch.equal(grad_cam(model, x, LABELS), grad_cam(model, x, LABELS, module_name="norm"))


@pytest.mark.parametrize("function", [input_gradient, grad_cam])
def test_maps_belong_to_their_images_and_labels(function):
    model, x = attention(), images(size=32)
    together = function(model, x, LABELS)
    alone = torch.cat([function(model, x[i : i + 1], LABELS[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4 * together.max().item())
    assert not torch.allclose(together, function(model, x, (LABELS + 1) % 3), rtol=1e-2)


@pytest.mark.parametrize("function", [input_gradient, grad_cam])
def test_frozen_networks_and_no_grad_make_no_difference(function):
    model, x = attention(), images(size=32)
    expected = function(model, x, LABELS)
    model.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(function(model, x, LABELS), expected)


@pytest.mark.parametrize("function", [input_gradient, grad_cam])
@pytest.mark.parametrize(
    ("x", "labels"),
    [
        (images(size=32)[0], LABELS),
        (images(size=32), LABELS[:3]),
        (images(size=32), LABELS.float()),
        (images(size=32), torch.tensor([0, 1, 2, 3])),
        (images(size=32), torch.tensor([0, 1, 2, -1])),
    ],
    ids=["rank", "number", "dtype", "class", "negative"],
)
def test_wrong_batches(function, x, labels):
    with pytest.raises(ValueError, match="labels"):
        function(attention(), x, labels)


@pytest.mark.parametrize(
    ("name", "words"),
    [("stage9", "there is no submodule 'stage9'"), ("", "there is no"), ("classifier", "feature map")],
)
def test_wrong_submodules(name, words):
    model, x = attention(), images(size=32)
    before = model(x)
    with pytest.raises(ValueError, match=words):
        grad_cam(model, x, LABELS, module_name=name)
    assert torch.equal(model(x), before), "no hook stays behind"


def test_a_submodule_that_the_logit_does_not_read():
    class Idle(Plain):
        def __init__(self):
            super().__init__()
            self.spare = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            self.spare(x)
            return super().forward(x)

    with pytest.raises(ValueError, match="must depend on spare"):
        grad_cam(Idle(), images(), LABELS, module_name="spare")


def test_activity_is_the_mean_size_of_a_feature_map():
    model, x = Plain(), images()
    by_hand = F.interpolate(model.features(x).abs().mean(dim=1, keepdim=True), size=8, mode="bilinear")[:, 0]
    assert torch.equal(activity(model, x, "features"), by_hand.detach())
    with pytest.raises(ValueError, match="there is no submodule 'norm'; the outermost are features, classifier"):
        activity(model, x)
    with pytest.raises(ValueError, match="classifier must put out one feature map"):
        activity(model, x, "classifier")
