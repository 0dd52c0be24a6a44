"""Figures that the chapters and the command line share: pure functions, each returns one matplotlib Figure.

Each function makes its figure with pyplot, so that a notebook shows it; who calls it from a program closes it. Bad
input raises ValueError before a figure is made. Colours and sizes live here and nowhere else.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..data.sets import ImageSet

# The palette of Okabe and Ito, told apart with every common colour blindness. One role, one colour, in every figure.
COLOURS = {
    "trunk": "#0072B2",
    "mask": "#D55E00",
    "skip": "#009E73",
    "fusion": "#CC79A7",
    "extra": "#E69F00",
    "light": "#56B4E9",
    "arl": "#CC79A7",  # the two ways to fuse, where networks are compared
    "nal": "#D55E00",
    "ink": "#22272E",
    "grey": "#6E7781",
    "pale": "#EEF1F4",
}
MASK_COLOURS = "viridis"
WIDTH = 7.2  # inches: what a page of the book shows without shrinking it, so that letters keep their size


def use_style() -> None:
    """Set matplotlib's defaults for the book: white opaque figures, the palette, quiet axes, sizes that fit a page.

    >>> use_style()
    >>> mpl.rcParams["figure.facecolor"], mpl.rcParams["savefig.transparent"]
    ('white', False)
    """
    lines = [COLOURS[name] for name in ("trunk", "mask", "skip", "fusion", "extra", "light")]
    mpl.rcParams.update(
        {
            "axes.edgecolor": COLOURS["grey"],
            "axes.facecolor": "white",
            "axes.grid": False,
            "axes.labelcolor": COLOURS["ink"],
            "axes.labelsize": 10,
            "axes.prop_cycle": cycler(color=lines),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.dpi": 120,
            "figure.facecolor": "white",
            "figure.figsize": (WIDTH, 3.6),
            "figure.titlesize": 12,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so figures are alike on every machine
            "font.size": 10,
            "grid.color": "#D8DDE2",
            "image.cmap": MASK_COLOURS,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 2.0,
            "savefig.bbox": "tight",
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "text.color": COLOURS["ink"],
            "xtick.color": COLOURS["grey"],
            "xtick.labelcolor": COLOURS["ink"],
            "xtick.labelsize": 9,
            "ytick.color": COLOURS["grey"],
            "ytick.labelcolor": COLOURS["ink"],
            "ytick.labelsize": 9,
        }
    )


def mask_grid(
    images: Tensor,
    masks: Mapping[str, Tensor],
    *,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """One row an image: the image, then the channel mean of each module's mask, in the order of ``masks``.

    ``images`` is uint8 [N, 3, H, W]; ``masks`` is what ``model(x, return_masks=True)`` returns beside the logits, each
    [N, C, h, w]. A mask is drawn at the size of the image, one square for each of its own positions. All share one
    colour scale: ``limits``, or 0 to 1, or a wider range where a mask (such as f2's) leaves 0 to 1. ``labels`` are
    written beside the rows. Chapter 12 uses it.

    Raises ValueError if a shape does not fit or there is nothing to draw.

    >>> figure = mask_grid(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {"stage1.attention1": torch.rand(1, 4, 4, 4)})
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['image', 'stage1\\nattention1']
    >>> plt.close(figure)
    """
    _check_images(images)
    if not masks:
        raise ValueError("there are no masks to draw; a network with fusion='none' has none")
    for name, mask in masks.items():
        if mask.dim() != 4 or len(mask) != len(images):
            raise ValueError(
                f"the mask of {name} must be [N, C, h, w] with N = {len(images)}, the number of images; "
                f"got shape {list(mask.shape)}"
            )
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"labels must have one entry for each of the {len(images)} images; got {len(labels)}")
    means = {name: mask.detach().float().mean(dim=1).cpu() for name, mask in masks.items()}  # [N, h, w] each
    if limits is None:
        limits = (
            min(0.0, *(float(m.min()) for m in means.values())),
            max(1.0, *(float(m.max()) for m in means.values())),
        )
    rows, columns = len(images), 1 + len(masks)
    height, width = images.shape[2:]
    cell = min(1.5, (WIDTH - 1.0) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(cell * columns + 1.0, cell * height / width * rows + 0.7),
        squeeze=False,
        layout="constrained",
    )
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)  # the mask covers the image, whatever its own resolution
    for row in range(rows):
        axes[row, 0].imshow(images[row].permute(1, 2, 0).cpu().numpy())
        if labels is not None:
            axes[row, 0].set_ylabel(labels[row], rotation=0, ha="right", va="center")
        for column, mean in enumerate(means.values(), start=1):
            drawn = axes[row, column].imshow(
                mean[row].numpy(), vmin=limits[0], vmax=limits[1], extent=frame, interpolation="nearest"
            )
    for column, name in enumerate(chain(["image"], means)):
        words = name.replace(".", "\n") if cell > 0.9 else name.replace(".attention", "\natt. ")
        axes[0, column].set_title(words, fontsize=9, loc="center")
    for ax in axes.flat:
        _frame_only(ax)
    figure.colorbar(drawn, ax=axes, label="mask, mean over channels", shrink=min(1.0, 3.0 / (cell * rows)), pad=0.02)
    if title is not None:
        figure.suptitle(title)
    return figure


def curves(history: Sequence[Mapping[str, Any]], *, title: str | None = None) -> Figure:
    """Loss and error over the epochs, training solid and test dashed.

    ``history`` holds one dict an epoch with the keys epoch, train_loss, train_accuracy, test_loss and test_accuracy
    (accuracies in [0, 1]; errors are drawn in per cent), as :func:`resattn.training.loop.fit` returns it. Chapter 8
    reads such curves. Raises ValueError for an empty history or a missing key.
    """
    if not history:
        raise ValueError("the history is empty: there is no epoch to draw")
    needed = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
    for entry in history:
        missing = [key for key in needed if key not in entry]
        if missing:
            raise ValueError(f"every entry of the history must have {', '.join(needed)}; missing: {', '.join(missing)}")
    epochs = [entry["epoch"] for entry in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2), layout="constrained")
    for part, colour, line, marker in (("train", "trunk", "-", "o"), ("test", "mask", "--", "s")):
        style: dict[str, Any] = {
            "color": COLOURS[colour],
            "linestyle": line,
            "marker": marker,
            "markersize": 4 if len(epochs) <= 20 else 0,
            "label": {"train": "training", "test": "test"}[part],
        }
        left.plot(epochs, [entry[f"{part}_loss"] for entry in history], **style)
        right.plot(epochs, [100 * (1 - entry[f"{part}_accuracy"]) for entry in history], **style)
    for ax, name in ((left, "loss"), (right, "error (%)")):
        ax.set(title=name, xlabel="epoch", ylim=(0, None))
        ax.grid(axis="y")
        ax.xaxis.get_major_locator().set_params(integer=True)
    right.legend()
    if title is not None:
        figure.suptitle(title)
    return figure


def image_grid(image_set: ImageSet, n: int = 20, *, columns: int = 10) -> Figure:
    """The first ``n`` images with the names of their classes, under the name of the data set.

    Raises ValueError if ``n`` is below 1 or more than there are.
    """
    if not 1 <= n <= len(image_set):
        raise ValueError(f"n must be between 1 and {len(image_set)}, the number of images; got {n}")
    _check_images(image_set.images)
    columns = min(columns, n)
    cell = min(1.05, WIDTH / columns)
    rows = math.ceil(n / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(cell * columns, (cell + 0.2) * rows + 0.4), squeeze=False, layout="constrained"
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, label in zip(axes.flat, image_set.images[:n], image_set.labels[:n].tolist(), strict=False):
        ax.imshow(image.permute(1, 2, 0).cpu().numpy())
        ax.set_title(image_set.classes[label], fontsize=8.5, loc="center")
    figure.suptitle(image_set.name)
    return figure


def _check_images(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 3 or images.dtype != torch.uint8 or len(images) == 0:
        raise ValueError(
            f"images must be uint8 [N, 3, H, W] with N of at least 1; got {images.dtype} {list(images.shape)}"
        )


def _frame_only(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
