"""Cued Scenes: two objects in one landscape, and a cue that says which of them counts.

One object stands in the left half of the picture and one in the right, of two different classes. A frame around the
picture is the cue: red, the left object counts; blue, the right one. The label is the class of the object that counts,
so who ignores the cue can be right on about one picture in two. Everything else, light, land and clutter, is drawn as
in Scenes (`resattn.data.scenes.render`) and says nothing about cue or class.

On Scenes a network without masks does as well as one with them. Here a mask has work to do, and one can see whether it
does it: change only the frame (:func:`recue`), and everything that the network then does differently comes from the
cue. The true masks of both objects are known.

Ordered pairs of classes come in shuffled blocks of 90, one of each, so that labels are balanced whenever n is a
multiple of 90. Picture i of a split depends on (seed, split, i) alone.
"""

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from .landscape import FULL, PAINTS, Canvas, Landscape
from .render import (
    BATCH,
    CLASSES,
    DRAWS,
    KINDS,
    OWN,
    SMALLEST,
    Kind,
    check_request,
    paint_object,
    paint_rest,
    place,
    random_table,
    side_by_side,
)
from .shapes import INK, Draws

PAIRS: tuple[tuple[int, int], ...] = tuple(permutations(range(len(CLASSES)), 2))  # the classes left and right
CUES = ("left", "right")
CUE_COLOURS = PAINTS[[0, 5]].to(torch.uint8)  # [2, 3]: red, the left object counts; blue, the right one
NUMBERS = DRAWS + OWN + 4  # random numbers per picture, a multiple of 4: a second object, and a cue
AREA = (0.018, 0.055)  # of each object, as a share of the picture: at 48 pixels about as large as a Scene's at 32
EDGE = 1 / 24  # the width of the frame, as a share of the side
HALVES = ((EDGE, 0.5), (0.5, 1 - EDGE))  # the columns that each object may take
STREAM = 1  # keeps the random numbers apart from those of Scenes


class RenderedPairs(NamedTuple):
    """Pictures with the truth of both objects, left and right; see the head of `resattn.data.scenes.cued`."""

    images: Tensor  # uint8 [N, 3, S, S]
    cues: Tensor  # int64 [N], positions in CUES
    pair_labels: Tensor  # int64 [N, 2], positions in CLASSES, of the left and of the right object
    pair_masks: Tensor  # bool [N, 2, S, S]
    sky_masks: Tensor  # bool [N, S, S]


def frame_mask(size: int) -> Tensor:
    """The pixels of the frame: bool [S, S]."""
    width = round(EDGE * size)
    mask = torch.ones(size, size, dtype=torch.bool, device="cpu")
    mask[width:-width, width:-width] = False
    return mask


def recue(images: Tensor, cues: Tensor) -> Tensor:
    """The same pictures with other cues: only the frame is painted anew.

    Shapes: images uint8 [N, 3, S, S], cues int64 [N] of 0 (left) and 1 (right) -> a new uint8 [N, 3, S, S]. Raises
    ValueError for shapes, types or values that do not fit.

    >>> pictures = torch.zeros(2, 3, 48, 48, dtype=torch.uint8)
    >>> recue(pictures, torch.tensor([0, 1]))[:, :, 0, 0].tolist()
    [[216, 52, 50], [48, 98, 194]]
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be uint8 [N, 3, S, S]; got {images.dtype} {list(images.shape)}")
    if cues.dtype != torch.int64 or cues.shape != (len(images),) or bool(((cues < 0) | (cues > 1)).any()):
        raise ValueError(f"cues must be int64 [{len(images)}] of 0 and 1; got {cues.dtype} {list(cues.shape)}")
    frame = frame_mask(images.shape[2]).to(images.device)  # [S, S]
    colours = CUE_COLOURS.to(images.device)[cues]  # [N, 3]
    return torch.where(frame, colours[:, :, None, None], images)  # [N, 3, S, S]


def paint_pair(kinds: tuple[Kind, Kind], table: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images without a frame, masks [B, 2, S, S] and sky masks of one pair, from [NUMBERS − 2, B] numbers in [0, 1)."""
    land = Landscape(Draws(table[: -2 * OWN]), size)
    canvas = Canvas(table.shape[1], size, layers=60)
    sides = [
        place(kind, land, Draws(draws), AREA, *half, EDGE)
        for kind, draws, half in zip(kinds, table[-2 * OWN :].split(OWN), HALVES, strict=True)
    ]
    land.paint_front(canvas)
    covered = [paint_object(canvas, placed) for placed in sides]
    for placed in sides:
        if placed.shadow is not None:
            canvas.fill(placed.shadow, INK, 0.3)
    image, sky = paint_rest(canvas, land, [placed.spot for placed in sides])
    return image, torch.stack(covered, 1) >= FULL / 2, sky


def render_pairs(split: str, n: int, size: int = 48, seed: int = 0) -> RenderedPairs:
    """The first n cued scenes of a split, rendered on the CPU. Arguments and errors as of `resattn.data.scenes.render`.

    >>> pairs = render_pairs("train", 90)
    >>> pairs.images.shape, pairs.pair_labels[:, 0].bincount().tolist()
    (torch.Size([90, 3, 48, 48]), [9, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    """
    check_request(split, n, size, seed)
    images = torch.empty(n, 3, size, size, dtype=torch.uint8, device="cpu")
    masks = torch.empty(n, 2, size, size, dtype=torch.bool, device="cpu")
    skies = torch.empty(n, size, size, dtype=torch.bool, device="cpu")
    table = random_table(split, seed, 0, -(-n // len(PAIRS)) * len(PAIRS), NUMBERS, STREAM)
    blocks = table[:, 0].reshape(-1, len(PAIRS)).argsort(dim=1, stable=True)  # each a shuffle of the pairs
    pair = blocks.flatten()[:n]  # [N]
    cues = (table[:n, 1] < 0.5).long()  # [N]
    chunk = max(1, BATCH * SMALLEST**2 // size**2)

    def jobs() -> Iterator[tuple[Tensor, int]]:
        for number in range(len(PAIRS)):
            mine = (pair == number).nonzero()[:, 0]
            if len(mine):
                # in equal parts: a small rest would take half the time of a whole chunk
                for part in mine.chunk(-(-len(mine) // chunk)):
                    yield part, number

    kinds = tuple(KINDS.values())

    def fill_in(job: tuple[Tensor, int]) -> None:
        mine, number = job
        left, right = PAIRS[number]
        parts = paint_pair((kinds[left], kinds[right]), table[mine, 2:].T.contiguous(), size)
        for whole, part in zip((images, masks, skies), parts, strict=True):
            whole[mine] = part

    side_by_side(fill_in, jobs())
    inside = ~frame_mask(size)
    return RenderedPairs(recue(images, cues), cues, torch.tensor(PAIRS)[pair], masks & inside, skies & inside)
