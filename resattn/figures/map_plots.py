"""Pictures beside maps of several kinds: a trunk's output, its mask, what the two give (chapter 2)."""

from collections.abc import Mapping, Sequence
from itertools import groupby, product

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from .plots import MASK_COLOURS, WIDTH, _check_images, _frame_only

KINDS = {"mask": MASK_COLOURS, "activity": "magma"}
COLUMNS = 7  # beside one another, their titles can be read


def map_rows(
    images: Tensor,
    maps: Mapping[str, tuple[str, Tensor]],
    *,
    labels: Sequence[str],
    answers: Sequence[str] = (),
    image_title: str = "image",
) -> Figure:
    """One row a picture: the picture, then its maps, one column each, and what the network answers.

    More than ``COLUMNS`` columns stand in bands, one below the other, one for each last line of the titles; every band
    begins with the pictures, and the answers stand at the last.

    ``images`` is uint8 [N, 3, H, W]; ``maps`` gives for every title its kind, "mask" or "activity", and values
    [N, h, w], drawn over the whole picture. Masks are drawn from 0 to 1. Columns of activity whose titles end in the
    same line share one scale, from 0 to their largest value, so that what a module's mask does to its trunk's output
    can be compared. ``labels`` stand at the left of the rows, ``answers`` at the right.

    Raises ValueError if a shape does not fit, or for another kind.

    >>> import torch
    >>> T, M = torch.rand(2, 4, 4), torch.rand(2, 8, 8)
    >>> picture = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    >>> figure = map_rows(picture, {"T": ("activity", T), "M": ("mask", M)}, labels=["red", "blue"])
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['image', 'T', 'M']
    >>> plt.close(figure)
    """
    _check_images(images)
    for title, (kind, values) in maps.items():
        if kind not in KINDS:
            raise ValueError(f"the kind of {title!r} must be one of {', '.join(KINDS)}; got {kind!r}")
        if values.dim() != 3 or len(values) != len(images):
            raise ValueError(f"the map {title!r} must be [{len(images)}, h, w]; got shape {list(values.shape)}")
    if len(labels) != len(images) or (answers and len(answers) != len(images)):
        raise ValueError(f"labels and answers must have one entry for each of the {len(images)} images")
    largest: dict[str, float] = {}
    for title, (kind, values) in maps.items():
        if kind == "activity":
            largest[_group(title)] = max(largest.get(_group(title), 0.0), float(values.max()))
    bands = [list(maps)]
    if 1 + len(maps) > COLUMNS:
        bands = [list(band) for _, band in groupby(maps, key=_group)]
    rows, columns = len(images), 1 + max(map(len, bands))
    height, width = images.shape[2:]
    cell = min(1.3, (WIDTH - 1.9) / columns)
    size = (cell * columns + 1.9, len(bands) * (cell * height / width * rows + 0.75))
    figure, axes = plt.subplots(rows * len(bands), columns, figsize=size, squeeze=False, layout="constrained")
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)  # a map covers the picture, whatever its own resolution
    for ax in axes.flat:
        _frame_only(ax)
    for line, (band, row) in zip(axes, product(bands, range(rows)), strict=True):
        line[0].imshow(images[row].permute(1, 2, 0).cpu().numpy())
        line[0].set_ylabel(labels[row], rotation=0, ha="right", va="center")
        for ax, title in zip(line[1:], band, strict=False):
            kind, values = maps[title]
            top = 1.0 if kind == "mask" else largest[_group(title)]
            shown = values[row].detach().float().cpu().numpy()
            ax.imshow(shown, vmin=0, vmax=top, cmap=KINDS[kind], extent=frame, interpolation="nearest")
        if row == 0:
            for ax, title in zip(line, [image_title, *band], strict=False):
                ax.set_title(title, fontsize=9, loc="center")
        if answers and band is bands[-1]:
            place = {"xy": (1.06, 0.5), "xycoords": "axes fraction", "ha": "left", "va": "center"}
            line[len(band)].annotate(answers[row], **place, fontsize=10)
    return figure


def _group(title: str) -> str:
    return title.split("\n")[-1]
