"""The figures: what is drawn is what was given, and no figure is left behind."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import resattn
from resattn import data
from resattn.figures import plots


@pytest.fixture(autouse=True)
def headless() -> Iterator[None]:
    """No window, the book's style, and every figure closed afterwards."""
    plt.switch_backend("agg")
    plt.close("all")
    with mpl.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def random_images(n: int, height: int = 12, width: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.manual_seed(0))


def history(epochs: int) -> list[dict[str, float]]:
    keys = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    return [{"epoch": e, **{key: (i + 1) / (10 * e) for i, key in enumerate(keys)}} for e in range(1, epochs + 1)]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def test_style_makes_white_opaque_files(tmp_path: Path) -> None:
    figure = plots.curves(history(2))
    figure.savefig(tmp_path / "curves.png")
    pixels = plt.imread(tmp_path / "curves.png")
    corner = pixels[0, 0]
    assert corner[:3].tolist() == [1, 1, 1]
    assert pixels.shape[2] == 3 or pixels[..., 3].min() == 1


def test_words_are_readable_on_white() -> None:
    for role in ("ink", "grey"):
        assert 1.05 / (luminance(plots.COLOURS[role]) + 0.05) >= 4.5


@pytest.mark.parametrize(("n", "modules"), [(1, 1), (3, 2)])
def test_mask_grid_draws_channel_means_in_order(n: int, modules: int) -> None:
    images = random_images(n)
    masks = {f"stage{i}.attention1": torch.rand(n, 5, 8 // i, 6 // i) for i in range(1, modules + 1)}
    figure = plots.mask_grid(images, masks, title="Scenes test")
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [figure.number]
    cells = [axes for axes in figure.axes if axes.get_images()]
    assert len(cells) == n * (1 + modules)
    assert [axes.get_title() for axes in cells[: 1 + modules]] == [
        "image",
        *(name.replace(".", "\n") for name in masks),
    ]
    assert figure.get_suptitle() == "Scenes test"
    for row in range(n):
        image, *drawn = cells[row * (1 + modules) : (row + 1) * (1 + modules)]
        np.testing.assert_array_equal(image.get_images()[0].get_array(), images[row].permute(1, 2, 0))
        for axes, mask in zip(drawn, masks.values(), strict=True):
            artist = axes.get_images()[0]
            np.testing.assert_allclose(artist.get_array(), mask[row].mean(0), rtol=1e-6)
            assert artist.get_clim() == (0, 1)
            assert artist.get_extent() == [-0.5, 15.5, 11.5, -0.5]  # covers the image


def test_mask_grid_scale_follows_masks_that_leave_zero_to_one() -> None:
    mask = torch.full((1, 2, 4, 4), -0.25)
    figure = plots.mask_grid(random_images(1), {"stage1.attention1": mask})
    assert figure.axes[1].get_images()[0].get_clim() == (-0.25, 1)
    figure = plots.mask_grid(random_images(1), {"stage1.attention1": mask}, limits=(-0.5, 0.5))
    assert figure.axes[1].get_images()[0].get_clim() == (-0.5, 0.5)


def test_mask_grid_takes_what_a_network_returns() -> None:
    model = resattn.create("attention56", width=0.25)
    images = random_images(2, 32, 32)
    _, masks = model(images / 255, return_masks=True)
    figure = plots.mask_grid(images, masks, labels=["one", "two"])
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel() in ("one", "two")] == ["one", "two"]
    assert sum("attention1" in axes.get_title() for axes in figure.axes) == 3


@pytest.mark.parametrize(
    ("images", "masks", "labels", "message"),
    [
        (torch.rand(1, 3, 8, 8), {"m": torch.rand(1, 1, 4, 4)}, None, "uint8"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {}, None, "no masks"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {"m": torch.rand(2, 1, 4, 4)}, None, "mask of m"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {"m": torch.rand(1, 1, 4, 4)}, ["a", "b"], "labels"),
    ],
)
def test_mask_grid_refuses_and_leaves_no_figure(
    images: torch.Tensor, masks: dict[str, torch.Tensor], labels: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plots.mask_grid(images, masks, labels=labels)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("epochs", [1, 5])
def test_curves_draw_the_history(epochs: int) -> None:
    record = history(epochs)
    figure = plots.curves(record, title="Attention-56 on Scenes")
    loss, error = figure.axes
    assert (loss.get_title(loc="left"), error.get_title(loc="left")) == ("loss", "error (%)")
    assert figure.get_suptitle() == "Attention-56 on Scenes"
    for axes, key in ((loss, "loss"), (error, "accuracy")):
        for line, part in zip(axes.get_lines(), ("train", "test"), strict=True):
            values = np.array([entry[f"{part}_{key}"] for entry in record])
            np.testing.assert_allclose(line.get_ydata(), values if key == "loss" else 100 * (1 - values))
    first, second = loss.get_lines()
    assert first.get_linestyle() != second.get_linestyle()  # told apart without colour


def test_curves_refuse_bad_histories() -> None:
    with pytest.raises(ValueError, match="empty"):
        plots.curves([])
    with pytest.raises(ValueError, match="test_loss"):
        plots.curves([{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "test_accuracy": 0.5}])
    assert plt.get_fignums() == []


@pytest.mark.parametrize("n", [1, 4, 7])
def test_image_grid_names_the_classes(n: int) -> None:
    images = data.ImageSet(random_images(7), torch.arange(7) % 2, ("ball", "tree"), "Toys")
    figure = plots.image_grid(images, n, columns=4)
    drawn = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title() for axes in drawn] == [("ball", "tree")[i % 2] for i in range(n)]
    assert figure.get_suptitle() == "Toys"
    np.testing.assert_array_equal(drawn[-1].get_images()[0].get_array(), images.images[n - 1].permute(1, 2, 0))


@pytest.mark.parametrize("n", [0, 8])
def test_image_grid_refuses_a_wrong_count(n: int) -> None:
    images = data.ImageSet(random_images(7), torch.arange(7) % 2, ("ball", "tree"), "Toys")
    with pytest.raises(ValueError, match="between 1 and 7"):
        plots.image_grid(images, n)
    assert plt.get_fignums() == []
