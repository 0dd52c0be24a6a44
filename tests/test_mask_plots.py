"""The figures of one mask and of changed masks: what is drawn is what was given, and no figure is left behind."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from resattn.figures import plots
from resattn.figures.map_plots import map_rows
from resattn.figures.mask_plots import mask_view, score_bars

CLASSES = tuple(f"class {k}" for k in range(20))


@pytest.fixture(autouse=True)
def headless() -> Iterator[None]:
    """No window, the book's style, and every figure closed afterwards."""
    plt.switch_backend("agg")
    plt.close("all")
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def an_image(height: int = 12, width: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize("channel", [None, 0, 4])
def test_mask_view_draws_image_mask_and_both(channel: int | None) -> None:
    image, mask = an_image(), torch.rand(5, 4, 6)
    figure = mask_view(image, mask, channel=channel, blend=0.25, title="Scenes test, image 0")
    assert plt.get_fignums() == [figure.number]
    left, middle, right, bar = figure.axes
    wanted = mask.mean(dim=0) if channel is None else mask[channel]
    for ax in (left, right):
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), image.permute(1, 2, 0))
    over = right.get_images()[1]
    for artist, opacity in ((middle.get_images()[0], None), (over, 0.25)):
        np.testing.assert_allclose(artist.get_array(), wanted, rtol=1e-6)
        assert artist.get_alpha() == opacity
        assert artist.get_clim() == (0, 1)
        assert artist.get_extent() == [-0.5, 15.5, 11.5, -0.5]  # covers the image
    assert bar.get_ylim() == (0, 1)
    assert f"{wanted.min():.2f} to {wanted.max():.2f}" in middle.get_title()
    assert ("mean of 5 channels" if channel is None else f"channel {channel} of 0…4") in middle.get_title()
    assert "Scenes test, image 0" in [text.get_text() for text in figure.texts]


def test_mask_view_scale_follows_the_mask_or_the_limits() -> None:
    mask = torch.tensor([[[-0.25, 0.5]]])
    assert mask_view(an_image(), mask).axes[1].get_images()[0].get_clim() == (-0.25, 1)
    assert mask_view(an_image(), mask, limits=(0.1, 0.6)).axes[1].get_images()[0].get_clim() == (0.1, 0.6)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (12, 40), (40, 12)])
def test_mask_view_keeps_pixels_square_and_words_inside(height: int, width: int) -> None:
    mask = torch.linspace(0.401, 0.4099, 64).reshape(1, 8, 8)
    figure = mask_view(an_image(height, width), mask, limits=(0.401, 0.4099), title="Scenes test, image 0: sailboat")
    box = figure.axes[0].get_window_extent()
    assert box.width / box.height == pytest.approx(width / height)
    tight = figure.get_tightbbox()  # inches
    assert tight.x0 >= 0 and tight.y0 >= 0
    assert tight.x1 <= figure.get_size_inches()[0] and tight.y1 <= figure.get_size_inches()[1]


def test_mask_view_places_an_image_alike_whatever_the_words() -> None:
    views = [mask_view(an_image(), torch.rand(c, 4, 4), title="a" * n) for c, n in ((1, 1), (128, 60))]
    assert len({tuple(view.get_size_inches()) for view in views}) == 1
    assert len({str(view.axes[0].get_position()) for view in views}) == 1


@pytest.mark.parametrize(
    ("image", "mask", "options", "message"),
    [
        (torch.rand(3, 8, 8), torch.rand(2, 4, 4), {}, "uint8"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.rand(2, 4, 4), {}, r"\[3, H, W\]"),
        (an_image(), torch.rand(1, 2, 4, 4), {}, r"\[C, h, w\]"),
        (an_image(), torch.rand(2, 0, 4), {}, r"\[C, h, w\]"),
        (an_image(), torch.rand(2, 4, 4), {"channel": 2}, "channels 0 to 1; got 2"),
        (an_image(), torch.rand(2, 4, 4), {"channel": -1}, "channels 0 to 1; got -1"),
        (an_image(), torch.rand(2, 4, 4), {"blend": 1.5}, "blend must be between 0 and 1; got 1.5"),
        (an_image(), torch.rand(2, 4, 4), {"limits": (1, 0)}, "limits"),
    ],
)
def test_mask_view_refuses_and_leaves_no_figure(
    image: torch.Tensor, mask: torch.Tensor, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mask_view(image, mask, **options)
    assert plt.get_fignums() == []


def bars(ax: plt.Axes) -> list[float]:
    return [bar.get_width() for bar in ax.patches]


def names(ax: plt.Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("with_image", [False, True])
def test_score_bars_draw_every_setting(with_image: bool) -> None:
    scores = {"masks as they are": torch.tensor([0.1, 0.7, 0.2]), "M = 0": torch.tensor([0.6, 0.3, 0.1])}
    image = an_image()
    figure = score_bars(scores, CLASSES[:3], truth=1, image=image if with_image else None, title="image 3")
    panels = figure.axes
    if with_image:
        picture, *panels = panels
        np.testing.assert_array_equal(picture.get_images()[0].get_array(), image.permute(1, 2, 0))
    assert [ax.get_title(loc="left") for ax in panels] == list(scores)
    assert figure.get_suptitle() == "image 3"
    for ax, values in zip(panels, scores.values(), strict=True):
        np.testing.assert_allclose(bars(ax), values)
        assert ax.get_xlim() == (0, 1)
    assert names(panels[0]) == ["class 0", "true: class 1", "class 2"]
    assert panels[0].yaxis_inverted()  # the first class is at the top
    assert [text.get_text() for text in panels[0].texts] == ["70%"]
    assert [text.get_text() for text in panels[1].texts] == ["60%", "30%"]  # the largest and the true one
    white = [bar.get_facecolor()[:3] == (1, 1, 1) for bar in panels[1].patches]
    assert white == [True, False, True]


def test_score_bars_of_many_classes_show_those_that_matter() -> None:
    first, second = torch.zeros(20), torch.zeros(20)
    first[[2, 19]] = torch.tensor([0.75, 0.25])
    second[7:17] = 0.1
    figure = score_bars({"a": first, "b": second}, CLASSES, truth=0)
    assert len(names(figure.axes[0])) == 10
    assert {"true: class 0", "class 2", "class 19", "class 7"} <= set(names(figure.axes[0]))
    order = [int(name.split()[-1]) for name in names(figure.axes[0])]
    assert order == sorted(order)
    np.testing.assert_allclose(bars(figure.axes[1]), second[order])


@pytest.mark.parametrize(
    ("scores", "truth", "image", "message"),
    [
        ({}, 0, None, "no scores"),
        ({"a": torch.tensor([0.5, 0.5])}, 0, None, r"the scores of 'a' must be \[3\]"),
        ({"a": torch.tensor([2.0, -1.0, 0.0])}, 0, None, "softmax"),
        ({"a": torch.tensor([0.9, 0.9, 0.9])}, 0, None, "softmax"),
        ({"a": torch.tensor([torch.nan, 0.5, 0.5])}, 0, None, "softmax"),
        ({"a": torch.tensor([0.5, 0.5, 0.0])}, 3, None, "truth"),
        ({"a": torch.tensor([0.5, 0.5, 0.0])}, -1, None, "truth"),
        ({"a": torch.tensor([0.5, 0.5, 0.0])}, 0, torch.rand(3, 8, 8), "uint8"),
    ],
)
def test_score_bars_refuse_and_leave_no_figure(
    scores: dict[str, torch.Tensor], truth: int, image: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_bars(scores, CLASSES[:3], truth, image=image)
    assert plt.get_fignums() == []


def test_map_rows_compare_what_shares_a_line() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    T, M, other = 3 * torch.rand(2, 4, 4), torch.rand(2, 8, 8), torch.rand(2, 2, 2)
    maps = {"T\nstage 1": T, "M\nstage 1": M, "H\nstage 1": 2 * T, "T\nstage 2": other}
    kinds = {title: ("mask" if title[0] == "M" else "activity", values) for title, values in maps.items()}
    figure = map_rows(images, kinds, labels=["red", "blue"], answers=["house", "car"])
    shown = [ax.get_images()[0] for ax in figure.axes]
    assert len(shown) == 2 * 5 and figure.axes[5].get_ylabel() == "blue"
    np.testing.assert_array_equal(shown[5].get_array(), images[1].permute(1, 2, 0))
    for row in (0, 1):
        for column, values in enumerate(maps.values(), start=1):
            np.testing.assert_allclose(shown[5 * row + column].get_array(), values[row])
        tops = [shown[5 * row + column].get_clim()[1] for column in (1, 2, 3, 4)]
        np.testing.assert_allclose(tops, [2 * float(T.max()), 1, 2 * float(T.max()), float(other.max())])
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["house", "car"]


def test_map_rows_stand_in_bands_where_they_are_too_wide() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    maps = {f"{kind}\nstage {k}": ("mask", torch.rand(2, 4, 4)) for k in (1, 2) for kind in "ABCD"}
    figure = map_rows(images, maps, labels=["red", "blue"], answers=["house", "car"])
    axes = figure.axes
    assert figure.get_size_inches()[0] == pytest.approx(plots.WIDTH) and len(axes) == 2 * 2 * 5
    titles = [ax.get_title() for ax in axes]
    assert titles[:5] == ["image", *list(maps)[:4]] and titles[10:15] == ["image", *list(maps)[4:]]
    for row, (first, image) in enumerate(((0, 0), (0, 1), (4, 0), (4, 1))):
        np.testing.assert_array_equal(axes[5 * row].get_images()[0].get_array(), images[image].permute(1, 2, 0))
        for column, (_, values) in enumerate(list(maps.values())[first : first + 4], start=1):
            np.testing.assert_allclose(axes[5 * row + column].get_images()[0].get_array(), values[image])
    assert [text.get_text() for text in (*axes[14].texts, *axes[19].texts)] == ["house", "car"]
    assert sum(len(ax.texts) for ax in axes) == 2


@pytest.mark.parametrize(
    ("maps", "labels", "sentence"),
    [
        ({"T": ("heat", torch.rand(2, 4, 4))}, ["a", "b"], "must be one of mask, activity; got 'heat'"),
        ({"T": ("mask", torch.rand(1, 4, 4))}, ["a", "b"], r"must be \[2, h, w\]"),
        ({"T": ("mask", torch.rand(2, 4, 4))}, ["a"], "one entry for each of the 2 images"),
    ],
)
def test_map_rows_refuse_in_a_sentence(maps: dict, labels: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        map_rows(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), maps, labels=labels)
    assert plt.get_fignums() == []
