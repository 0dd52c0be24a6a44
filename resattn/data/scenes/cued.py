"""Cued Scenes: two objects in one landscape, or three, and a cue that says which of them counts.

Of two, one object stands in the left half of the picture and one in the right, of two different classes. A frame
around the picture is the cue: red, the left object counts; blue, the right one. The label is the class of the object
that counts, so who ignores the cue can be right on about one picture in two. With three objects, one in each third,
there is a third cue: yellow, the middle object counts. Everything else, light, land and clutter, is drawn as in Scenes
(`resattn.data.scenes.render`) and says nothing about cue or class.

On Scenes a network without masks does as well as one with them. Here a mask has work to do, and one can see whether it
does it: change only the frame (:func:`recue`), and everything that the network then does differently comes from the
cue. The true masks of both objects are known.

Ordered pairs of classes come in shuffled blocks of 90, one of each, so that labels are balanced whenever n is a
multiple of 90; triples in blocks of 720. Picture i of a split depends on (seed, split, i) and on how many objects there
are.
"""

from collections.abc import Iterator, Sequence
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

EDGE = 1 / 24  # the width of the frame, as a share of the side


class Layout(NamedTuple):
    """Where the objects of a picture stand, from left to right, and the colour of the frame for which each counts."""

    columns: tuple[tuple[float, float], ...]  # that each object may take
    area: tuple[float, float]  # of each object, as a share of the picture
    colours: Tensor  # uint8 [K, 3]


LAYOUTS = {  # by the number K of objects; at 48 pixels two are about as large as a Scene's object at 32
    2: Layout(((EDGE, 0.5), (0.5, 1 - EDGE)), (0.018, 0.055), PAINTS[[0, 5]].to(torch.uint8)),  # red, blue
    3: Layout(  # red, yellow, blue
        ((EDGE, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1 - EDGE)), (0.012, 0.03), PAINTS[[0, 2, 5]].to(torch.uint8)
    ),
}
LAYERS = 30  # of a canvas, for each object


class RenderedGroups(NamedTuple):
    """Pictures with the truth of all K objects, from left to right; see the head of `resattn.data.scenes.cued`."""

    images: Tensor  # uint8 [N, 3, S, S]
    cues: Tensor  # int64 [N], from 0: which object counts
    labels: Tensor  # int64 [N, K], positions in CLASSES
    masks: Tensor  # bool [N, K, S, S]
    sky_masks: Tensor  # bool [N, S, S]


def frame_mask(size: int) -> Tensor:
    """The pixels of the frame: bool [S, S]."""
    width = round(EDGE * size)
    mask = torch.ones(size, size, dtype=torch.bool, device="cpu")
    mask[width:-width, width:-width] = False
    return mask


def recue(images: Tensor, cues: Tensor, objects: int = 2) -> Tensor:
    """The same pictures with other cues: only the frame is painted anew.

    Shapes: images uint8 [N, 3, S, S], cues int64 [N] from 0, the left object, to objects − 1 -> a new uint8
    [N, 3, S, S]. Raises ValueError for shapes, types or values that do not fit.

    >>> pictures = torch.zeros(2, 3, 48, 48, dtype=torch.uint8)
    >>> recue(pictures, torch.tensor([0, 1]))[:, :, 0, 0].tolist()
    [[216, 52, 50], [48, 98, 194]]
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be uint8 [N, 3, S, S]; got {images.dtype} {list(images.shape)}")
    colours = layout(objects).colours.to(images.device)  # [K, 3]
    if cues.dtype != torch.int64 or cues.shape != (len(images),) or bool(((cues < 0) | (cues >= objects)).any()):
        raise ValueError(
            f"cues must be int64 [{len(images)}] from 0 to {objects - 1}; got {cues.dtype} {list(cues.shape)}"
        )
    frame = frame_mask(images.shape[2]).to(images.device)  # [S, S]
    return torch.where(frame, colours[cues][:, :, None, None], images)  # [N, 3, S, S]


def layout(objects: int) -> Layout:
    """The layout for this number of objects. Raises ValueError where there is none."""
    if objects not in LAYOUTS:
        raise ValueError(f"The number of objects must be {' or '.join(map(str, LAYOUTS))}, not {objects!r}.")
    return LAYOUTS[objects]


def paint_group(kinds: Sequence[Kind], table: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images without a frame, masks [B, K, S, S] and sky masks of objects of K kinds, from random numbers in [0, 1):
    [DRAWS + 2 + (K − 1) · OWN, B]."""
    count, (columns, area, _) = len(kinds), layout(len(kinds))
    land = Landscape(Draws(table[: -count * OWN]), size)
    canvas = Canvas(table.shape[1], size, layers=LAYERS * count)
    sides = [
        place(kind, land, Draws(draws), area, *between, EDGE)
        for kind, draws, between in zip(kinds, table[-count * OWN :].split(OWN), columns, strict=True)
    ]
    land.paint_front(canvas)
    covered = [paint_object(canvas, placed) for placed in sides]
    for placed in sides:
        if placed.shadow is not None:
            canvas.fill(placed.shadow, INK, 0.3)
    image, sky = paint_rest(canvas, land, [placed.spot for placed in sides])
    return image, torch.stack(covered, 1) >= FULL / 2, sky


def render_groups(split: str, n: int, size: int = 48, seed: int = 0, objects: int = 2) -> RenderedGroups:
    """The first n cued scenes of a split, of two or three objects, rendered on the CPU. Other arguments and errors as
    of `resattn.data.scenes.render`.

    >>> pairs = render_groups("train", 90)
    >>> pairs.images.shape, pairs.labels[:, 0].bincount().tolist()
    (torch.Size([90, 3, 48, 48]), [9, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    """
    check_request(split, n, size, seed)
    layout(objects)
    images = torch.empty(n, 3, size, size, dtype=torch.uint8, device="cpu")
    masks = torch.empty(n, objects, size, size, dtype=torch.bool, device="cpu")
    skies = torch.empty(n, size, size, dtype=torch.bool, device="cpu")
    groups = tuple(permutations(range(len(CLASSES)), objects))
    numbers = DRAWS + (objects - 1) * OWN + 4  # per picture, a multiple of 4: the other objects, and a cue
    # the stream keeps the random numbers apart from those of Scenes, and two objects from three
    table = random_table(split, seed, 0, -(-n // len(groups)) * len(groups), numbers, stream=objects - 1)
    blocks = table[:, 0].reshape(-1, len(groups)).argsort(dim=1, stable=True)  # each a shuffle of the groups
    group = blocks.flatten()[:n]  # [N]
    cues = objects - 1 - (objects * table[:n, 1]).long()  # [N]
    chunk = max(1, BATCH * SMALLEST**2 // size**2)

    def jobs() -> Iterator[tuple[Tensor, int]]:
        for number in range(len(groups)):
            mine = (group == number).nonzero()[:, 0]
            if len(mine):
                # in equal parts: a small rest would take half the time of a whole chunk
                for part in mine.chunk(-(-len(mine) // chunk)):
                    yield part, number

    kinds = tuple(KINDS.values())

    def fill_in(job: tuple[Tensor, int]) -> None:
        mine, number = job
        parts = paint_group([kinds[label] for label in groups[number]], table[mine, 2:].T.contiguous(), size)
        for whole, part in zip((images, masks, skies), parts, strict=True):
            whole[mine] = part

    side_by_side(fill_in, jobs())
    inside = ~frame_mask(size)
    labels = torch.tensor(groups)[group]  # [N, K]
    return RenderedGroups(recue(images, cues, objects), cues, labels, masks & inside, skies & inside)
