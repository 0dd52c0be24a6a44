"""Figures of one mask over its image, of what a network says when its masks are changed (chapter 10),
and of a picture file that a network has looked at.

Pure functions in the manner of :mod:`resattn.figures.plots`: each makes one figure with pyplot, and raises ValueError
for bad input before it makes one. :mod:`resattn.figures.widgets` moves them by sliders.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..analysis.looking import Look
from .plots import COLOURS, WIDTH

MOST_CLASSES = 10  # drawn at once


def mask_view(
    image: Tensor,
    mask: Tensor,
    *,
    blend: float = 0.5,
    channel: int | None = None,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """An image, its mask, and the mask laid over the image, side by side.

    ``image`` is uint8 [3, H, W], ``mask`` [C, h, w] of one module. Drawn is the mask's mean over the channels, or one
    ``channel``, one square for each of its own positions; its smallest and largest value stand above. ``blend`` is the
    weight of the mask in the third picture, from 0 (only the image) to 1. The colours span ``limits``: 0 to 1 if left
    out, or a wider range where a mask (such as f2's) leaves 0 to 1. Chapter 10 uses it.

    Raises ValueError if a shape does not fit, or for a blend, channel or limits out of range.

    >>> figure = mask_view(torch.zeros(3, 8, 8, dtype=torch.uint8), torch.rand(4, 2, 2), channel=3)
    >>> [axes.get_title().split("\\n")[0] for axes in figure.axes[:3]]
    ['image', 'mask, channel 3 of 0…3', 'mask over image']
    >>> plt.close(figure)
    """
    _check_image(image)
    if mask.dim() != 3 or 0 in mask.shape:
        raise ValueError(f"the mask of one image must be [C, h, w]; got shape {list(mask.shape)}")
    if channel is not None and not 0 <= channel < len(mask):
        raise ValueError(f"the mask has the channels 0 to {len(mask) - 1}; got {channel}")
    if not 0 <= blend <= 1:
        raise ValueError(f"blend must be between 0 and 1; got {blend}")
    if limits is not None and not limits[0] < limits[1]:
        raise ValueError(f"limits must be a smaller and a larger number; got {limits}")
    mask = mask.detach().float().cpu()  # [C, h, w]
    drawn = mask.mean(dim=0) if channel is None else mask[channel]  # [h, w]
    low, high = float(drawn.min()), float(drawn.max())
    span = limits or (min(0.0, low), max(1.0, high))
    what = f"mean of {len(mask)} channels" if channel is None else f"channel {channel} of 0…{len(mask) - 1}"
    height, width = image.shape[1:]
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)  # the mask covers the image, whatever its own resolution
    over: dict[str, Any] = {"vmin": span[0], "vmax": span[1], "extent": frame, "interpolation": "nearest"}
    # Fixed places, in inches: whatever is written, an image stays where it was in the figure before.
    side, gap, foot = 2.0, 0.1, 0.1
    tall = side * height / width
    size = (7.2, foot + tall + (0.4 if title is None else 0.7))
    figure = plt.figure(figsize=size)

    def place(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / size[0], bottom / size[1], wide / size[0], high / size[1]))

    left, middle, right = (place(gap + i * (side + gap), foot, side, tall) for i in range(3))
    for ax in (left, middle, right):
        ax.set_axis_off()
    for ax in (left, right):
        ax.imshow(image.permute(1, 2, 0).cpu().numpy())
    squares = middle.imshow(drawn.numpy(), **over)
    right.imshow(drawn.numpy(), alpha=blend, **over)
    figure.colorbar(squares, cax=place(3 * (side + gap) + 2 * gap, foot + 0.1 * tall, 0.12, 0.8 * tall))
    for ax, words in (
        (left, "image\n"),
        (middle, f"mask, {what}\n{low:.2f} to {high:.2f}"),
        (right, f"mask over image\nweight {blend:.0%}"),
    ):
        ax.set_title(words, fontsize=9, loc="center")
    if title is not None:
        figure.text(gap / size[0], 1 - 0.06 / size[1], title, fontsize=11, va="top")
    return figure


def score_bars(
    scores_by_setting: Mapping[str, Tensor],
    classes: Sequence[str],
    truth: int | None,
    *,
    image: Tensor | None = None,
    title: str | None = None,
) -> Figure:
    """Class probabilities of one image under several settings, one panel a setting, one bar a class.

    ``scores_by_setting`` maps the name of a setting, such as "masks as they are" or "M = 0", to probabilities [K], one
    for each of ``classes``; ``truth`` is the index of the true class, marked in words, whose bar is filled, or None
    where it is not known. Of more than ten classes the true one is drawn and those that reach most under any setting.
    ``image``, uint8 [3, H, W], is shown at the left. Chapter 10 uses it.

    Raises ValueError if there is no setting, a shape does not fit, or scores are not probabilities.

    >>> figure = score_bars({"M = 0": torch.tensor([0.25, 0.75])}, ("cat", "dog"), truth=1)
    >>> [float(bar.get_width()) for bar in figure.axes[0].patches]
    [0.25, 0.75]
    >>> plt.close(figure)
    """
    if image is not None:
        _check_image(image)
    if not scores_by_setting:
        raise ValueError("there are no scores to draw")
    if truth is not None and not 0 <= truth < len(classes):
        raise ValueError(f"truth must be the index of one of {len(classes)} classes; got {truth}")
    scores = {name: values.detach().float().cpu() for name, values in scores_by_setting.items()}
    for name, values in scores.items():
        if values.shape != (len(classes),):
            raise ValueError(f"the scores of {name!r} must be [{len(classes)}], one a class; got {list(values.shape)}")
        if not (values.min() >= 0 and abs(float(values.sum()) - 1) < 0.02):
            raise ValueError(f"the scores of {name!r} must be probabilities that sum to 1: take the softmax first")
    best = torch.stack(list(scores.values())).amax(dim=0)  # [K]
    if truth is not None:
        best[truth] = 2  # always drawn
    shown = sorted(best.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist())
    pictures = int(image is not None)
    figure, axes = plt.subplots(
        1,
        pictures + len(scores),
        figsize=(min(1.2 + 1.55 * (pictures + len(scores)), WIDTH), 0.9 + 0.2 * len(shown)),
        squeeze=False,
        layout="constrained",
    )
    if image is not None:
        axes[0, 0].imshow(image.permute(1, 2, 0).cpu().numpy())
        axes[0, 0].set_axis_off()
    for column, (name, values) in enumerate(scores.items()):
        ax = axes[0, pictures + column]
        colours = [COLOURS["trunk"] if k == truth else "white" for k in shown]
        ax.barh(range(len(shown)), values[shown].tolist(), color=colours, edgecolor=COLOURS["trunk"], height=0.7)
        for row, k in enumerate(shown):
            if values[k] == values.max() or k == truth:
                inside = float(values[k]) > 0.6
                ax.annotate(
                    f"{values[k]:.0%}",
                    (float(values[k]), row),
                    (-4 if inside else 4, 0),
                    textcoords="offset points",
                    ha="right" if inside else "left",
                    va="center",
                    fontsize=8.5,
                    color="white" if inside and k == truth else COLOURS["ink"],
                )
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("probability", fontsize=9)
        ax.set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(len(shown) - 0.4, -0.6), yticks=[])
        if column == 0:
            ax.set_yticks(range(len(shown)), [f"true: {classes[k]}" if k == truth else classes[k] for k in shown])
            if truth is not None:
                ax.get_yticklabels()[shown.index(truth)].set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
    if title is not None:
        figure.suptitle(title)
    return figure


def look_view(look: Look) -> Figure:
    """A picture and what a network made of it: in the upper row the picture, with a frame around the part that the
    network was shown, and the picture under each mask; in the lower row that part as the network was shown it, and each
    mask, the mean over its channels, in its own squares.

    The colours of a mask run from its smallest to its largest value, which stand above it; beside each other masks can
    be compared in their places only. Raises ValueError if there are no masks.
    """
    if not look.masks:
        raise ValueError("there are no masks to draw; a network with fusion='none' has none")
    image = look.picture.image
    columns, frame = 1 + len(look.masks), look.picture.square
    cell = min(2.4, 24 / columns)
    tall = cell * image.height / image.width
    figure, axes = plt.subplots(
        2,
        columns,
        figsize=(cell * columns, tall + cell + 0.9),
        height_ratios=(tall, cell),
        squeeze=False,
        layout="constrained",
    )
    axes[0, 0].imshow(image)
    left, top, right, bottom = frame
    axes[0, 0].add_patch(
        Rectangle(
            (left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=COLOURS["mask"], linewidth=2
        )
    )
    axes[0, 0].set_title("picture\n", fontsize=9, loc="center")
    axes[1, 0].imshow(look.shown.permute(1, 2, 0).numpy(), interpolation="nearest")
    axes[1, 0].set_title(f"shown at {look.shown.shape[1]}×{look.shown.shape[2]}", fontsize=9, loc="center")
    for column, (name, mask) in enumerate(look.channels.items(), start=1):
        mean = mask.mean(axis=0)  # [h, w]
        axes[0, column].imshow(look.overlay(name))
        axes[0, column].set_title(name.replace(".", "\n"), fontsize=9, loc="center")
        axes[1, column].imshow(mean, interpolation="nearest")
        axes[1, column].set_title(f"{mean.min():.2f} to {mean.max():.2f}", fontsize=9, loc="center")
    for ax in axes.flat:
        ax.set_axis_off()
    says = ", ".join(f"{name} {probability:.0%}" for name, probability in look.top())
    figure.suptitle(f"{look.picture.path.name}: {says}", fontsize=11)
    return figure


def _check_image(image: Tensor) -> None:
    if image.dim() != 3 or image.shape[0] != 3 or image.dtype != torch.uint8 or 0 in image.shape:
        raise ValueError(f"the image must be uint8 [3, H, W]; got {image.dtype} {list(image.shape)}")
