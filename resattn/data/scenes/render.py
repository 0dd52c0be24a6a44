"""Scenes: a procedural data set of small colour pictures, each with the true masks of its object and of its sky.

One object of ten classes stands in a landscape: four fly, five stand on the ground, one floats. Because the picture
is painted, the pixels of the object and of the open sky are known, and an attention mask can be scored against them
(chapters 1 and 10) or trained on them (chapter 12).

*What the masks hold.* The object's mask is the pixels it covers by at least one half, after whatever stands in front
of it. The sky's mask is the pixels of which more than one half is open sky: no object, land, water or clutter. Clouds
and the sun belong to the sky. The two masks never meet.

*What gives the class away.* The shape of the object, and little else. Light, land, clutter and the area of the object
are drawn alike for every class. The exceptions follow from the classes: flyers are in the sky, the others on the
ground with a soft shadow; a boat always has water under it (a pond, in a field) and the others never do (an islet, in
a sea); trees have the colours of leaves, all other objects share one paint box, and the clutter uses both.

*Reproducibility.* Scene i of a split depends on (seed, split, i) alone: render(split, 100) is the start of
render(split, 1000), and a larger size is the same scene rendered finer. Labels come in shuffled blocks of ten, one of
each class, so that classes are balanced exactly whenever n is a multiple of ten. All randomness comes from Philox
counters, and the arithmetic is exactly rounded (see `resattn.shapes`): neither threads, batches nor processors change
a pixel.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from . import objects
from .landscape import FULL, LEAVES, PAINTS, Canvas, Landscape, Spot
from .objects import Painter, Part
from .shapes import INK, Draws, root, union

Job = TypeVar("Job")


class Kind(NamedTuple):
    paint: Painter
    area: float  # of the silhouette in local units, so that all classes get the same area in the picture
    foot: float | None = None  # the local v that touches the ground; None flies
    floats: bool = False
    leafy: bool = False  # its colour is one of LEAVES


KINDS: dict[str, Kind] = {
    "balloon": Kind(objects.balloon, 1.75),
    "aeroplane": Kind(objects.aeroplane, 0.93),
    "bird": Kind(objects.bird, 0.8),
    "kite": Kind(objects.kite, 1.12),
    "sailboat": Kind(objects.sailboat, 1.3, 0.78, floats=True),
    "house": Kind(objects.house, 2.15, 0.84),
    "tree": Kind(objects.tree, 1.4, 0.93, leafy=True),
    "car": Kind(objects.car, 1.75, 0.8),
    "lighthouse": Kind(objects.lighthouse, 1.02, 0.93),
    "mushroom": Kind(objects.mushroom, 2.0, 0.9),
}
CLASSES: tuple[str, ...] = tuple(KINDS)
SPLITS = ("train", "test")
DRAWS = 236  # random numbers per image, a multiple of 4; the last 28 are the object's own
OWN = 28
SMALLEST = 32
AREA = (0.035, 0.13)  # of an object, as a share of the picture
BATCH = 128  # scenes of one class painted together at the smallest size


class RenderedScenes(NamedTuple):
    """Pictures and their truth; see the head of `resattn.scenes` for what the masks hold."""

    images: Tensor  # uint8 [N, 3, S, S]
    labels: Tensor  # int64 [N], positions in CLASSES
    object_masks: Tensor  # bool [N, S, S]
    sky_masks: Tensor  # bool [N, S, S]


class Placed(NamedTuple):
    """An object in its place: the colours and distances of its parts, front first, and where it stands."""

    parts: list[Part]
    shade: Tensor  # [B, S, S], how much darker it is where the sun does not reach
    shadow: Tensor | None  # signed distance [B, S, S] of the shadow on the ground; None flies
    spot: Spot


def place(
    kind: Kind,
    land: Landscape,
    own: Draws,
    area: tuple[float, float],
    left: float = 0.0,
    right: float = 1.0,
    top: float = 0.0,
) -> Placed:
    """An object of this kind between the columns left and right and below the row top (0 to 1), of an area in shares
    of the picture."""
    half = root(own.uniform(*area) / kind.area)
    stretch, mirror = own.uniform(0.85, 1.18), 1 - 2 * own.chance(0.5)
    hx, hy = half * stretch, half / stretch
    x = left + 0.9 * hx + (right - left - 1.8 * hx) * own.unit()
    if kind.foot is None:
        y = top + 0.95 * hy + (land.horizon - top - 1.6 * hy).clamp(min=0) * own.unit()
        foot, needed = y, torch.zeros_like(y)
    else:
        y = torch.maximum(land.horizon + 0.05 + (0.91 - land.horizon) * own.unit() - kind.foot * hy, 0.9 * hy)
        foot = y + kind.foot * hy
        needed = (land.wet[:, 0] == float(not kind.floats)).float()
    tilt = 0.22 if kind.foot is None else 0.05
    frame = land.frame(x, y, hx * mirror, hy, own.uniform(-tilt, tilt))
    first = own.index(len(PAINTS))
    second = PAINTS[(first + 1 + own.index(len(PAINTS) - 1)) % len(PAINTS)]  # never the first again
    main = own.choice(LEAVES) if kind.leafy else PAINTS[first]
    parts = kind.paint(frame, own, own.shade(main), own.shade(second))
    u, v = frame.local()
    shade = (((x > land.sun[0]).float() - 0.5) * mirror)[:, None, None] * u + 0.35 * v  # grows away from the sun
    shadow = None if kind.foot is None else land.frame(x, foot, hx, 0.16 * hx).ellipse(0, 0, 1, 1)
    return Placed(parts, shade.mul_(0.45).clamp_(0, 0.35), shadow, Spot(x, foot, needed, hx))


def paint_object(canvas: Canvas, placed: Placed) -> Tensor:
    """Paint an object behind what is on the canvas, and return the weight that it covers of every pixel: [B, S, S]."""
    uncovered = canvas.left.clone()
    canvas.fill(union(*(distance for distance, _ in placed.parts)), INK, placed.shade)
    for distance, colour in placed.parts:
        canvas.fill(distance, colour)
    return uncovered - canvas.left


def paint_rest(canvas: Canvas, land: Landscape, spots: Sequence[Spot]) -> tuple[Tensor, Tensor]:
    """What stands behind the objects, to the sky; the picture [B, 3, S, S] and the sky's mask [B, S, S]."""
    land.paint_clutter(canvas)
    land.paint_land(canvas, *spots)
    sky, lit = canvas.left.clone(), len(canvas.colours)
    land.paint_sky(canvas)
    return canvas.develop(land.light, land.low, land.fog, lit), sky > FULL / 2


def paint(kind: Kind, table: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, object masks and sky masks of one class, from random numbers [DRAWS, B] in [0, 1)."""
    land, own = Landscape(Draws(table[:-OWN]), size), Draws(table[-OWN:])
    canvas = Canvas(table.shape[1], size)
    placed = place(kind, land, own, AREA)
    land.paint_front(canvas)
    covered = paint_object(canvas, placed)
    if placed.shadow is not None:
        canvas.fill(placed.shadow, INK, 0.3)
    image, sky = paint_rest(canvas, land, [placed.spot])
    return image, covered >= FULL / 2, sky


def render(split: str, n: int, size: int = 32, seed: int = 0) -> RenderedScenes:
    """The first n scenes of a split, rendered on the CPU.

    split is "train" or "test", two streams that share no scene; size is the side in pixels, 32 or more; seed is a whole
    number, 0 or more. Raises ValueError for anything else.

    >>> scenes = render("train", 20)
    >>> scenes.images.shape, scenes.object_masks.shape
    (torch.Size([20, 3, 32, 32]), torch.Size([20, 32, 32]))
    >>> scenes.labels.bincount().tolist()
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    check_request(split, n, size, seed)
    images = torch.empty(n, 3, size, size, dtype=torch.uint8, device="cpu")
    labels = torch.empty(n, dtype=torch.int64, device="cpu")
    objects, skies = (torch.empty(n, size, size, dtype=torch.bool, device="cpu") for _ in range(2))
    chunk = max(1, BATCH * SMALLEST**2 // size**2) * len(CLASSES)

    def fill_in(job: tuple[Tensor, Kind, Tensor]) -> None:
        where_to, kind, table = job
        for whole, part in zip((images, objects, skies), paint(kind, table, size), strict=True):
            whole[where_to] = part

    def jobs() -> Iterator[tuple[Tensor, Kind, Tensor]]:
        for start in range(0, n, chunk):
            table = random_table(split, seed, start, -(-min(chunk, n - start) // len(CLASSES)) * len(CLASSES))
            blocks = table[:, 0].reshape(-1, len(CLASSES)).argsort(dim=1, stable=True)  # each a shuffle of the classes
            part = blocks.flatten()[: n - start]
            labels[start : start + chunk] = part
            for label, kind in enumerate(KINDS.values()):
                mine = (part == label).nonzero()[:, 0]
                if len(mine):
                    yield mine + start, kind, table[mine, 1:].T.contiguous()

    side_by_side(fill_in, jobs())
    return RenderedScenes(images, labels, objects, skies)


def check_request(split: str, n: int, size: int, seed: int) -> None:
    """Raise ValueError, in one sentence, for a set that cannot be rendered."""
    if split not in SPLITS:
        raise ValueError(f'The split of Scenes must be "train" or "test", not {split!r}.')
    for name, value, least in (("number of scenes", n, 1), ("size of a scene", size, SMALLEST), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"The {name} must be a whole number, {least} or more, not {value!r}.")
    if seed >= 2**64:
        raise ValueError(f"The seed must be below 2**64, not {seed}.")


def side_by_side(work: Callable[[Job], None], jobs: Iterator[Job]) -> None:
    """Do the jobs, one thread each: an operation on a small batch is over before a second thread could help with it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, jobs):
                pass
    finally:
        torch.set_num_threads(threads)


def random_table(split: str, seed: int, start: int, count: int, draws: int = DRAWS, stream: int = 0) -> Tensor:
    """The random numbers of scenes start … start + count − 1, in [0, 1): [count, draws]. Streams share none."""
    # Philox is a counter: it gives four numbers a step, and any step can be asked for first.
    key = np.array([seed, 2 * stream + SPLITS.index(split)], dtype=np.uint64)
    raw = np.random.Philox(key=key, counter=start * draws // 4).random_raw(count * draws) >> np.uint64(40)
    return torch.from_numpy(raw.astype(np.float32) / np.float32(2**24)).view(count, draws)
