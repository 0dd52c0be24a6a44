"""The diagrams show what the model has: every unit, pooling and module, with measured shapes."""

from collections import Counter
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import resattn
from resattn.attention import AttentionModule
from resattn.figures import diagrams, plots
from resattn.units import PreActBottleneck


@pytest.fixture(autouse=True)
def headless() -> Iterator[None]:
    plt.switch_backend("agg")
    plt.close("all")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def kinds(figure: Figure) -> Counter[str]:
    """How many blocks of each kind the drawing shows, folded ones counted in full."""
    counts: Counter[str] = Counter()
    for patch in figure.axes[0].patches:
        if patch.get_gid() is not None and patch.get_gid() != "pile":
            counts[patch.get_gid()] += int(patch.get_label()) if patch.get_label().isdigit() else 1
    return counts


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def count_modules(root: nn.Module, kind: type) -> int:
    return sum(isinstance(module, kind) for module in root.modules())


SETTINGS = [
    {"depth": 1},
    {"depth": 2, "fusion": "nal", "upsample": "deconv"},
    {"depth": 3, "r": 2},
    {"depth": 2, "p": 2, "t": 4, "r": 3, "mask_activation": "channel"},
    {"depth": 2, "mask_branch": "local", "mask_activation": "spatial"},
    {"depth": 3, "fusion": "none"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_module_diagram_shows_what_the_module_has(settings: dict) -> None:
    module = AttentionModule(PreActBottleneck, 16, **settings)
    figure = diagrams.draw_attention_module(module)
    drawn = kinds(figure)
    levels = getattr(module.mask, "depth", 0)
    assert drawn["unit"] == count_modules(module, PreActBottleneck)
    assert drawn["pool"] == drawn["upsample"] == levels
    assert drawn["sum"] == max(levels - 1, 0)
    assert drawn["activation"] == (module.mask is not None)
    assert drawn["conv"] == (2 if module.mask is not None else 0)
    shown = words(figure)
    assert {"arl": "H = (1 + M) · T", "nal": "H = M · T", "none": "H = T"}[module.fusion] in shown
    assert shown.count("deconv") == (levels if settings.get("upsample") == "deconv" else 0)
    title = figure.axes[0].get_title(loc="left")
    assert f"p = {settings.get('p', 1)}, t = {settings.get('t', 2)}" in title
    if levels:
        assert f"r = {settings.get('r', 1)}, d = {levels}" in title
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_module_of_the_paper_fits_a_page(depth: int) -> None:
    assert_fits_a_page(diagrams.draw_attention_module(AttentionModule(PreActBottleneck, 16, depth=depth)))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_words_of_the_module_diagram_do_not_collide(settings: dict) -> None:
    figure = diagrams.draw_attention_module(AttentionModule(PreActBottleneck, 16, **settings))
    assert_no_collision(figure)


@pytest.mark.parametrize("name", resattn.list_models())
def test_network_diagram_shows_every_block_and_measured_shapes(name: str) -> None:
    with torch.device("meta"):
        model = resattn.create(name)
    size = 224 if name.endswith("_imagenet") else 32
    figure = diagrams.draw_network(model, size, size)
    drawn = kinds(figure)
    blocks = [block for _, block in model.blocks()]
    modules = len(model.attention_modules())
    assert drawn["module"] == modules
    assert drawn["unit"] == len(blocks) - modules
    assert drawn["stem"] == drawn["classifier"] == 1
    assert name in figure.axes[0].get_title(loc="left")
    shown = "\n".join(words(figure))
    for width, (h, w) in zip(model.config.widths, model.config.stage_sizes(size, size), strict=True):
        assert f"{width}×{h}×{w}" in shown
    assert ("H = (1 + M) · T" in shown) == (modules > 0)  # the fusion can be pointed at
    assert_no_collision(figure)
    assert_fits_a_page(figure)
    assert plt.get_fignums() == [figure.number]


def test_measured_shapes_agree_with_a_real_forward_pass() -> None:
    model = resattn.create("attention56", width=0.25, stem="conv3_stride2").eval()
    x = torch.zeros(1, 3, 33, 48)
    expected = {"stem": tuple(model.stem(x).shape[1:])}
    with torch.no_grad():
        y = model.stem(x)
        for name, block in model.blocks():
            y = block(y)
            expected[name] = tuple(y.shape[1:])
    assert {block.name: block.shape for block in diagrams.measured_blocks(model, 33, 48)} == expected


def test_drawing_leaves_the_model_as_it_was() -> None:
    model = resattn.create("attention56", width=0.25)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    diagrams.draw_network(model, 32, 32)
    assert model.training
    for key, value in model.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, before[key]), key


def test_a_size_that_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="pixels or larger"):
        diagrams.draw_network(resattn.create("attention56", width=0.25), 4, 4)
    assert plt.get_fignums() == []


def assert_fits_a_page(figure: Figure) -> None:
    """A page shows the drawing unshrunk, and no letters are smaller than the smallest of the book's style."""
    assert figure.get_size_inches()[0] <= plots.WIDTH
    sizes = [text.get_fontsize() for text in figure.axes[0].texts if text.get_text()]
    assert min(sizes) >= mpl.rcParams["xtick.labelsize"]


def assert_no_collision(figure: Figure) -> None:
    """No two words overlap, no words leave the figure, and words in a box stay inside it."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    axes = figure.axes[0]
    texts = [text for text in axes.texts if text.get_text()]
    texts += [title for title in (axes.title, axes._left_title) if title.get_text()]
    extents = [text.get_window_extent(renderer) for text in texts]
    for i, (text, extent) in enumerate(zip(texts, extents, strict=True)):
        assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= extent.y0 and extent.y1 <= figure.bbox.y1, text.get_text()
        for other, against in zip(texts[i + 1 :], extents[i + 1 :], strict=True):
            assert not extent.overlaps(against), (text.get_text(), other.get_text())
        for patch in axes.patches:
            if patch.get_gid() in (None, "sum", "pile"):
                continue
            frame = patch.get_window_extent(renderer)
            inside = frame.x0 <= extent.x0 and extent.x1 <= frame.x1 and frame.y0 <= extent.y0 and extent.y1 <= frame.y1
            assert inside or not frame.overlaps(extent), (text.get_text(), patch.get_gid())
