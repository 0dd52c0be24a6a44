"""The explorers: controls and pictures follow each other, nothing is computed twice, no figure is left open."""

import base64
import copy
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

import resattn
from resattn import data
from resattn.analysis import forced
from resattn.data import Normalise, channel_statistics
from resattn.figures import plots
from resattn.figures.widgets import Explorer, intervention_explorer, mask_explorer
from resattn.networks import ResidualAttentionNetwork

RECORD = {
    "mean": [0.1, 0.2, 0.3],
    "std": [0.9, 0.8, 0.7],
    "data": {"classes": list(data.scenes("test", 1).classes)},
    "config": {"stem": "conv3"},
}
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(autouse=True)
def headless() -> Iterator[None]:
    plt.switch_backend("agg")
    plt.close("all")
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def network(fusion: str = "arl", **settings: object) -> ResidualAttentionNetwork:
    model = resattn.create("attention56", **{"fusion": fusion, "width": 0.25, "stem": "conv3_stride2", **settings})
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 32, 32))  # so that the normalisation has seen something
    return model.eval()


def count_calls(model: ResidualAttentionNetwork) -> list[int]:
    """Grows by one entry, the batch size, with each forward pass of the network or of a copy made from now on."""
    calls: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    return calls


@pytest.fixture(scope="module")
def images() -> data.ImageSet:
    return data.scenes("test", 5)


def normalised(images: data.ImageSet, i: int, record: dict[str, Any] | None = None) -> Tensor:
    mean, std = (record["mean"], record["std"]) if record else channel_statistics(images.images)
    return Normalise(mean, std, torch.device("cpu"))(images.images[i : i + 1])


def drawn_mask(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[1].get_images()[0].get_array())


def bars(ax: plt.Axes) -> list[float]:
    return [bar.get_width() for bar in ax.patches]


# --- any explorer


class Recorder:
    """Stands in for a plot function: keeps the values it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []

    def __call__(self, **values: object) -> Figure:
        self.calls.append(values)
        figure, ax = plt.subplots(figsize=(1, 1))
        ax.set_title(str(values))
        return figure


def test_one_change_draws_once_and_no_change_draws_nothing() -> None:
    draw = Recorder()
    a, b = ipywidgets.IntSlider(1, min=0, max=9), ipywidgets.Dropdown(options=["x", "y"])
    explorer = Explorer(draw, {"a": a, "b": b})
    assert draw.calls == [{"a": 1, "b": "x"}]
    a.value = 2
    b.value = "y"
    a.value = 2
    explorer.show()
    assert draw.calls[1:] == [{"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert explorer.children == (a, b, explorer.picture)


def test_what_adjust_changes_is_in_the_same_picture() -> None:
    draw = Recorder()
    a, b = ipywidgets.IntSlider(1, min=0, max=9), ipywidgets.IntSlider(5, min=0, max=9)

    def adjust() -> None:
        b.max = max(1, a.value)

    Explorer(draw, {"a": a, "b": b}, adjust)
    a.value = 3
    b.value = 2
    a.value = 0
    assert draw.calls == [{"a": 1, "b": 1}, {"a": 3, "b": 1}, {"a": 3, "b": 2}, {"a": 0, "b": 1}]


def test_the_picture_is_an_opaque_png_that_changes() -> None:
    a = ipywidgets.IntSlider(1, min=0, max=9)
    explorer = Explorer(Recorder(), {"a": a})
    before = bytes(explorer.picture.value)
    a.value = 7
    after = bytes(explorer.picture.value)
    assert before != after
    picture = np.asarray(Image.open(BytesIO(after)).convert("RGBA"))
    assert picture.shape == (110, 110, 4)  # not cut to what is drawn: a slider must not make the page jump
    assert picture[0, 0].tolist() == [255, 255, 255, 255] and picture[..., 3].min() == 255


def test_a_page_without_a_kernel_gets_the_picture() -> None:
    explorer = Explorer(Recorder(), {"a": ipywidgets.IntSlider(1)})
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]) == bytes(explorer.picture.value)


def test_a_plot_that_fails_leaves_the_explorer_usable() -> None:
    record = Recorder()

    def draw(a: int) -> Figure:
        if a == 3:
            raise ValueError("three")
        return record(a=a)

    a = ipywidgets.IntSlider(1, min=0, max=9)
    Explorer(draw, {"a": a})
    with pytest.raises(ValueError, match="three"):
        a.value = 3
    a.value = 4
    assert record.calls == [{"a": 1}, {"a": 4}]


def test_an_adjustment_that_fails_leaves_the_explorer_usable() -> None:
    draw = Recorder()
    a = ipywidgets.IntSlider(1, min=0, max=9)

    def adjust() -> None:
        if a.value == 3:
            raise ValueError("three")

    Explorer(draw, {"a": a}, adjust)
    with pytest.raises(ValueError, match="three"):
        a.value = 3
    a.value = 4
    assert draw.calls == [{"a": 1}, {"a": 4}]


# --- masks


def test_mask_explorer_shows_the_masks_of_the_network(images: data.ImageSet) -> None:
    models = {"ARL": network(), "NAL": network("nal")}
    models["NAL"].record = RECORD
    explorer = mask_explorer(models, images)
    control = explorer.controls
    assert list(control) == ["image", "network", "module", "channel", "blend", "contrast"]
    assert control["image"].max == 4 and control["network"].options == ("ARL", "NAL")
    for name, image, module, channel in (
        ("ARL", 0, "stage1.attention1", -1),
        ("ARL", 3, "stage2.attention1", 5),
        ("NAL", 3, "stage2.attention1", 5),
        ("NAL", 2, "stage3.attention1", 0),
    ):
        control["image"].value, control["network"].value = image, name
        control["module"].value, control["channel"].value = module, channel
        x = normalised(images, image, getattr(models[name], "record", None))
        with torch.no_grad():
            logits, masks = models[name](x, return_masks=True)
        wanted = masks[module][0].mean(dim=0) if channel < 0 else masks[module][0, channel]
        figure = explorer.figure()
        np.testing.assert_allclose(drawn_mask(figure), wanted, atol=1e-6)
        np.testing.assert_array_equal(figure.axes[0].get_images()[0].get_array(), images.images[image].permute(1, 2, 0))
        (title,) = [text.get_text() for text in figure.texts]
        assert f"Scenes test, image {image}: {images.classes[images.labels[image]]}." in title
        assert f"{name} says {images.classes[logits.argmax()]} ({logits.softmax(1).max():.0%})" in title


def test_blend_and_contrast_reach_the_picture(images: data.ImageSet) -> None:
    explorer = mask_explorer({"ARL": network()}, images)
    explorer.controls["blend"].value = 0.25
    figure = explorer.figure()
    assert figure.axes[2].get_images()[1].get_alpha() == 0.25
    assert figure.axes[1].get_images()[0].get_clim() == (0, 1)
    explorer.controls["contrast"].value = True
    explorer.controls["channel"].value = 3
    figure = explorer.figure()
    mask = drawn_mask(figure)
    assert figure.axes[1].get_images()[0].get_clim() == (mask.min(), mask.max())


def test_full_contrast_of_a_constant_mask_is_drawn(images: data.ImageSet) -> None:
    model = network()
    explorer = mask_explorer({"M = 1": forced(model, dict.fromkeys(model.attention_modules(), 1.0))}, images)
    explorer.controls["contrast"].value = True
    assert explorer.figure().axes[1].get_images()[0].get_clim() == (0, 1)


def test_channels_follow_the_module(images: data.ImageSet) -> None:
    model = network()
    widths = {name: mask.shape[1] for name, mask in model(normalised(images, 0), return_masks=True)[1].items()}
    assert widths["stage1.attention1"] < widths["stage2.attention1"] < widths["stage3.attention1"]
    explorer = mask_explorer({"ARL": model}, images)
    module, channel = explorer.controls["module"], explorer.controls["channel"]
    assert module.options == tuple(widths) and (channel.min, channel.value) == (-1, -1)
    for name in ("stage1.attention1", "stage3.attention1", "stage2.attention1"):
        module.value = name
        assert channel.max == widths[name] - 1


def test_a_channel_that_the_next_module_lacks_is_pulled_down(images: data.ImageSet) -> None:
    explorer = mask_explorer({"ARL": network()}, images)
    module, channel = explorer.controls["module"], explorer.controls["channel"]
    module.value = "stage3.attention1"
    channel.value = last = channel.max
    module.value = "stage1.attention1"
    assert channel.value == channel.max < last
    assert f"channel {channel.max} of 0…{channel.max}" in explorer.figure().axes[1].get_title()
    module.value = "stage3.attention1"
    channel.value = -1
    module.value = "stage1.attention1"
    assert channel.value == -1  # the mean stays the mean


def test_modules_follow_the_network(images: data.ImageSet) -> None:
    explorer = mask_explorer({"two": network(modules=(2, 1, 1)), "one": network()}, images)
    choice, module = explorer.controls["network"], explorer.controls["module"]
    assert module.options == ("stage1.attention1", "stage1.attention2", "stage2.attention1", "stage3.attention1")
    module.value = "stage2.attention1"
    pictures: list[object] = []
    explorer.picture.observe(pictures.append, "value")
    choice.value = "one"
    assert len(pictures) == 1  # none of the modules that were chosen in passing
    assert module.options == ("stage1.attention1", "stage2.attention1", "stage3.attention1")
    assert module.value == "stage2.attention1"  # both have it
    choice.value = "two"
    module.value = "stage1.attention2"
    choice.value = "one"
    assert module.value == "stage1.attention1"  # the first, as that one is not there
    assert explorer.drawn == explorer.values()


def test_masks_are_computed_once_for_each_network_and_image(images: data.ImageSet) -> None:
    models = {"ARL": network(), "NAL": network("nal")}
    calls = {name: count_calls(model) for name, model in models.items()}
    control = mask_explorer(models, images).controls
    assert calls == {"ARL": [1], "NAL": []}
    for name, value in (("module", "stage2.attention1"), ("channel", 3), ("blend", 0.1), ("contrast", True)):
        control[name].value = value
    assert calls == {"ARL": [1], "NAL": []}
    control["network"].value = "NAL"
    control["image"].value = 2
    assert calls == {"ARL": [1], "NAL": [1, 1]}
    control["network"].value = "ARL"
    control["image"].value = 0
    control["network"].value = "NAL"
    assert calls == {"ARL": [1, 1], "NAL": [1, 1]}


def test_the_networks_given_stay_as_they_are(images: data.ImageSet) -> None:
    model = network().train()
    evaluated = copy.deepcopy(model).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    masks = mask_explorer({"ARL": model}, images)
    bars_before = bars(intervention_explorer(model, images).figure().axes[1])
    assert model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    first = drawn_mask(masks.figure())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    masks.controls["image"].value = 1
    masks.controls["image"].value = 0
    np.testing.assert_array_equal(drawn_mask(masks.figure()), first)
    with torch.no_grad():
        wanted = evaluated(normalised(images, 0))[0].softmax(0)
    np.testing.assert_allclose(bars_before, wanted, atol=1e-6)


# --- interventions


def test_interventions_change_the_scores_as_forced_does(images: data.ImageSet) -> None:
    model = network()
    model.record = RECORD
    explorer = intervention_explorer(model, images)
    assert list(explorer.controls) == ["image", *model.attention_modules()]
    explorer.controls["image"].value = 2
    as_it_is, chosen = explorer.figure().axes[1:]
    assert bars(as_it_is) == bars(chosen)
    explorer.controls["stage1.attention1"].value = "1"
    explorer.controls["stage3.attention1"].value = "mean"
    x = normalised(images, 2, model.record)
    with torch.no_grad():
        wanted = forced(model, {"stage1.attention1": 1.0, "stage3.attention1": "mean"})(x)[0].softmax(0)
        unchanged = model(x)[0].softmax(0)
    picture, as_it_is, chosen = explorer.figure().axes
    np.testing.assert_array_equal(picture.get_images()[0].get_array(), images.images[2].permute(1, 2, 0))
    np.testing.assert_allclose(bars(as_it_is), unchanged, atol=1e-6)
    np.testing.assert_allclose(bars(chosen), wanted, atol=1e-6)
    assert not np.allclose(wanted, unchanged, atol=1e-4)
    explorer.controls["stage1.attention1"].value = "0"
    explorer.controls["stage3.attention1"].value = "as it is"
    with torch.no_grad():
        wanted = forced(model, {"stage1.attention1": 0.0})(x)[0].softmax(0)
    np.testing.assert_allclose(bars(explorer.figure().axes[2]), wanted, atol=1e-6)


def test_scores_are_computed_once_for_each_image_and_choice(images: data.ImageSet) -> None:
    model = network()
    calls = count_calls(model)
    control = intervention_explorer(model, images).controls
    assert calls == [1]  # unchanged masks are one case
    control["stage1.attention1"].value = "0"
    control["stage1.attention1"].value = "as it is"
    control["stage1.attention1"].value = "0"
    assert calls == [1, 1]
    control["image"].value = 1
    assert calls == [1, 1, 1, 1]


# --- both


def test_no_figure_stays_open(images: data.ImageSet) -> None:
    masks = mask_explorer({"ARL": network()}, images)
    scores = intervention_explorer(network(), images)
    assert plt.get_fignums() == []
    pictures = set()
    masks.controls["module"].value = "stage3.attention1"
    for i in range(40):
        masks.controls["channel"].value = i
        pictures.add(bytes(masks.picture.value))
    for i in range(10):
        scores.controls["stage2.attention1"].value = ("0", "1")[i % 2]
    assert len(pictures) == 40
    assert plt.get_fignums() == []


@pytest.mark.parametrize("device", DEVICES)
def test_networks_and_images_may_be_on_any_device(images: data.ImageSet, device: str) -> None:
    model = network()
    expected = drawn_mask(mask_explorer({"ARL": model}, images).figure())
    probabilities = bars(intervention_explorer(model, images).figure().axes[1])
    on_device = model.to(device)
    np.testing.assert_allclose(
        drawn_mask(mask_explorer({"ARL": on_device}, images.to(device)).figure()), expected, atol=1e-4
    )
    scores = bars(intervention_explorer(on_device, images.to(device)).figure().axes[1])
    np.testing.assert_allclose(scores, probabilities, atol=1e-4)


def test_bad_input_is_refused_in_a_sentence(images: data.ImageSet) -> None:
    with pytest.raises(ValueError, match="there is no network to explore"):
        mask_explorer({}, images)
    with pytest.raises(ValueError, match="the network 'plain' has no masks to explore"):
        mask_explorer({"ARL": network(), "plain": network("none")}, images)
    with pytest.raises(ValueError, match="has no masks to replace"):
        intervention_explorer(network("none"), images)
    tiny = data.ImageSet(images.images[..., :8, :8].contiguous(), images.labels, images.classes, "tiny")
    for make in (lambda: mask_explorer({"ARL": network()}, tiny), lambda: intervention_explorer(network(), tiny)):
        with pytest.raises(ValueError, match="needs images of 15×15 pixels or larger; got 8×8"):
            make()
    assert plt.get_fignums() == []


# --- pictures of one's own, whose true classes are not known


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> data.ImageSet:
    folder = tmp_path_factory.mktemp("own")
    paths = [folder / f"{i}.png" for i in range(2)]
    for path, image in zip(paths, data.scenes("test", 2, size=64).images, strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((90, 64)).save(path)
    return data.picture_set(paths, 32)


def test_masks_of_own_pictures_name_the_classes_of_the_network(own: data.ImageSet) -> None:
    model = resattn.load_pretrained("attention56_scenes")
    for images in (own, data.ImageSet(own.images, torch.zeros(2).long(), ("photo",), "Mine")):
        explorer = mask_explorer({"ARL": model}, images)
        with torch.no_grad():
            logits = model(normalised(images, 1, model.record))
        explorer.controls["image"].value = 1
        said = model.record["data"]["classes"][int(logits.argmax())]
        title = explorer.figure().texts[0].get_text()
        assert f"{images.name}, image 1: {images.classes[0]}. ARL says {said} (" in title


def test_interventions_on_own_pictures_mark_no_true_class(own: data.ImageSet) -> None:
    explorer = intervention_explorer(resattn.load_pretrained("attention56_scenes"), own)
    axes = explorer.figure().axes[1]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 10 and "lighthouse" in names and not any("true" in name for name in names)
    assert {patch.get_facecolor() for patch in axes.patches} == {(1.0, 1.0, 1.0, 1.0)}


def test_own_pictures_and_a_network_without_a_record(own: data.ImageSet) -> None:
    explorer = mask_explorer({"new": network()}, own)
    assert "new says " in explorer.figure().texts[0].get_text()


# --- every place to which the controls can be moved


def places(control: ipywidgets.Widget) -> list[object]:
    """All values of a control; of a slider with many, its ends and its middle."""
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    if isinstance(control, ipywidgets.Dropdown):
        return list(control.options)
    return sorted({control.min, control.min + (control.max - control.min) // 2, control.max})


@pytest.mark.parametrize("kind", ["mask", "intervention"])
def test_every_setting_is_drawn(monkeypatch, kind: str) -> None:
    """One after the other, as a reader may move them: what a module offers changes with the network before it."""
    pictures: list[list[str]] = []

    def count(figure: Figure) -> bytes:
        pictures.append([text.get_text() for text in figure.texts])
        plt.close(figure)
        return str(len(pictures)).encode()

    monkeypatch.setattr("resattn.figures.widgets._png", count)
    if kind == "mask":
        explorer = mask_explorer({"ARL": network(), "NAL, wider": network("nal", width=0.5)}, data.scenes("test", 2))
    else:
        explorer = intervention_explorer(network(), data.scenes("test", 1))
    controls = list(explorer.controls.values())
    settings = 0

    def walk(left: list[ipywidgets.Widget]) -> None:
        nonlocal settings
        if not left:
            settings += 1
            assert explorer.values() == explorer.drawn
            return
        for place in places(left[0]):
            left[0].value = place
            walk(left[1:])

    walk(controls)
    assert settings == {"mask": 2 * 2 * 3 * 3 * 2 * 2, "intervention": 4**3}[kind]
    assert len(pictures) >= settings and all(pictures)
    assert plt.get_fignums() == []
