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
counters, and the arithmetic is exactly rounded (see `resattn.shapes`): neither threads nor batches change a pixel.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import shapes
from .shapes import INK, LAMP, PAPER, WOOD, Draws, Frame, Painter, rows, union, where


class Kind(NamedTuple):
    paint: Painter
    area: float  # of the silhouette in local units, so that all classes get the same area in the picture
    foot: float | None = None  # the local v that touches the ground; None flies
    floats: bool = False
    leafy: bool = False  # its colour is one of LEAVES


KINDS: dict[str, Kind] = {
    "balloon": Kind(shapes.balloon, 1.75),
    "aeroplane": Kind(shapes.aeroplane, 0.93),
    "bird": Kind(shapes.bird, 0.8),
    "kite": Kind(shapes.kite, 1.12),
    "sailboat": Kind(shapes.sailboat, 1.3, 0.78, floats=True),
    "house": Kind(shapes.house, 2.15, 0.84),
    "tree": Kind(shapes.tree, 1.4, 0.93, leafy=True),
    "car": Kind(shapes.car, 1.75, 0.8),
    "lighthouse": Kind(shapes.lighthouse, 1.02, 0.93),
    "mushroom": Kind(shapes.mushroom, 2.0, 0.9),
}
CLASSES: tuple[str, ...] = tuple(KINDS)
SPLITS = ("train", "test")
FULL = 4096  # the weight of a pixel, which the layers share out in whole numbers
DRAWS = 236  # random numbers per image, a multiple of 4; the last 28 are the object's own
OWN = 28
SMALLEST = 32
BATCH = 96  # scenes of one class painted together at the smallest size

# the top of the sky, the sky at the horizon, the lit side of a cloud
SKIES = rows(
    [
        [[58, 128, 214], [186, 222, 246], [255, 255, 255]],  # fair day
        [[30, 98, 190], [142, 200, 240], [250, 252, 255]],  # deep blue
        [[86, 176, 214], [226, 240, 232], [255, 255, 250]],  # summer haze
        [[144, 156, 172], [210, 216, 222], [236, 238, 242]],  # overcast
        [[84, 98, 122], [168, 180, 190], [204, 210, 218]],  # rain on its way
        [[68, 66, 134], [250, 172, 124], [255, 206, 170]],  # dusk
        [[118, 84, 150], [255, 192, 116], [255, 220, 180]],  # sunset
        [[132, 156, 214], [250, 208, 206], [255, 236, 232]],  # pink dawn
        [[206, 170, 112], [255, 230, 170], [255, 246, 214]],  # golden hour
        [[34, 42, 96], [120, 124, 184], [150, 150, 200]],  # twilight
        [[112, 188, 190], [240, 240, 208], [255, 252, 238]],  # mint morning
    ]
)
# fmt: off
GROUNDS = rows([
    [112, 160, 74], [86, 138, 72], [150, 172, 82], [98, 128, 104], [128, 116, 84],  # meadows and moors
    [214, 188, 104], [190, 148, 84], [226, 208, 164], [232, 236, 242], [150, 124, 168],  # wheat to heather
])
WATERS = rows([[44, 104, 152], [56, 138, 160], [70, 120, 176], [60, 96, 116]])
PAINTS = rows([
    [216, 52, 50], [240, 134, 44], [250, 206, 72], [76, 160, 84], [42, 156, 162],
    [48, 98, 194], [126, 82, 172], [238, 124, 156], [244, 242, 236], [66, 68, 80],
])
# fmt: on
LEAVES = rows([[66, 122, 62], [98, 148, 66], [44, 100, 84], [214, 138, 52], [196, 84, 50], [236, 164, 182]])
THINGS = rows([[0.03, 1, -1], [0.8, 0.8, -0.7], [0.3, 0.3, -2.4]])  # tent, crate, post: half widths of top, foot; top
ROCK, SAND = rows([[128, 124, 122], [222, 202, 150]])


class RenderedScenes(NamedTuple):
    """Pictures and their truth; see the head of `resattn.scenes` for what the masks hold."""

    images: Tensor  # uint8 [N, 3, S, S]
    labels: Tensor  # int64 [N], positions in CLASSES
    object_masks: Tensor  # bool [N, S, S]
    sky_masks: Tensor  # bool [N, S, S]


@lru_cache(maxsize=1)
def noise_tile(side: int = 512) -> Tensor:
    """Fractal noise that repeats in both directions, its values spread evenly over [0, 1): [side, side]."""
    random = np.random.Generator(np.random.Philox(key=1))
    at, total = np.arange(side), np.zeros((side, side))
    for cells in (4, 8, 16, 32, 64):
        lattice = random.random((cells, cells))
        low, t = at * cells // side, at * cells % side / side
        high, t = (low + 1) % cells, t * t * (3 - 2 * t)
        lines = lattice[low] * (1 - t)[:, None] + lattice[high] * t[:, None]
        total += (lines[:, low] * (1 - t) + lines[:, high] * t) / cells
    ranks = np.empty(side * side, dtype=np.float32)
    ranks[total.ravel().argsort(kind="stable")] = np.arange(side * side) / side**2
    return torch.from_numpy(ranks).view(side, side)


def noise(across: Tensor, down: Tensor) -> Tensor:
    """The noise at columns `across` [B, S] and rows `down` [B, S], in tiles: [B, S, S]."""
    side = len(noise_tile())
    column, row = ((at * side).floor().long() % side for at in (across, down))
    return torch.take(noise_tile(), row[:, :, None] * side + column[:, None, :])


def profile(across: Tensor, down: Tensor) -> Tensor:
    """The noise along one row per image, smoothly: `across` [B, S] and `down` [B, 1] in tiles -> [B, S]."""
    side = len(noise_tile())
    low, row = (across * side).floor(), (down * side).floor().long() % side * side
    left, right = (torch.take(noise_tile(), row + (low.long() + step) % side) for step in (0, 1))
    return left + (right - left) * (across * side - low)


def mix(a: Tensor, b: Tensor, share: Tensor | float) -> Tensor:
    """Colours a and b [B, 3] with a share of b, a number or [B, 1]: [B, 3]."""
    return a + (b - a) * share


class Canvas:
    """Layers painted from the front to the back; each takes its share of what is still uncovered.

    The shares are whole numbers, so that they add up to FULL and colours times shares add up without rounding.
    """

    def __init__(self, batch: int, size: int, layers: int = 44):
        self.left = torch.full((batch, size, size), float(FULL), dtype=torch.float32, device="cpu")
        self.shares = torch.empty(batch, layers, size, size, dtype=torch.float32, device="cpu")
        self.colours: list[Tensor] = []

    def wash(self, opacity: Tensor, colour: Tensor) -> None:
        """Paint colour [B, 3] with opacities in [0, 1] that broadcast to [B, S, S]."""
        share = self.shares[:, len(self.colours)]
        torch.mul(self.left, opacity, out=share).round_()
        self.left -= share
        self.colours.append(colour.expand(len(share), 3))

    def fill(self, distance: Tensor, colour: Tensor, opacity: Tensor | float | None = None) -> None:
        """Paint the inside of a shape given by its signed distance in pixels [B, S, S]."""
        cover = (0.5 - distance).clamp_(0, 1)
        self.wash(cover if opacity is None else cover.mul_(opacity), colour)

    def develop(self, light: Tensor, fog: Tensor, amount: Tensor, lit: int) -> Tensor:
        """The picture, its first `lit` layers under coloured light [B, 3] and behind fog: uint8 [B, 3, S, S]."""
        colours = torch.stack(self.colours, 2)  # [B, 3, L]
        solid = colours[:, :, :lit] * light[:, :, None]
        colours[:, :, :lit] = solid + (fog[:, :, None] - solid) * amount[:, :, None]
        colours = colours.clamp(0, 255).round()
        shares = self.shares[:, : colours.shape[2]].flatten(2)  # [B, L, S·S]
        # NumPy, because torch may be told to multiply float32 matrices in lower precision, which would not be exact
        total = torch.from_numpy(np.matmul(colours.numpy(), shares.numpy()))  # [B, 3, S·S]
        return total.div_(FULL).round_().to(torch.uint8).view(len(colours), 3, *self.left.shape[1:])


class Landscape:
    """The setting of every picture of a batch, drawn alike for all classes, and the layers it is painted with."""

    def __init__(self, d: Draws, size: int):
        self.d, self.size = d, size
        self.grid = shapes.grid(size)[None] / size  # [1, S]
        share, sky, other = self.one(0.0, 0.35)[:, :, None], d.choice(SKIES), d.choice(SKIES)
        sky = sky + (other - sky) * share  # [B, 3, 3]
        self.top, self.low, self.white = d.shade(sky[:, 0]), d.shade(sky[:, 1]), sky[:, 2]
        grey = (self.low[:, :1] + self.low[:, 1:2] + self.low[:, 2:]) * (1 / 3)
        self.light = (0.65 + 0.35 * self.low / grey) * self.one(0.8, 1.06)
        self.fog = self.one(-0.4, 0.4).clamp(min=0)
        self.horizon = d.uniform(0.56, 0.8)
        self.sunny, self.wet = d.chance(0.45), d.chance(0.4)[:, None]
        self.sun = d.uniform(0.08, 0.92), d.uniform(0.08, 0.6)
        self.water = mix(d.shade(d.choice(WATERS)), self.low, 0.25)
        self.ground = mix(d.shade(d.choice(GROUNDS)), self.water, self.wet)

    def one(self, low: float, high: float) -> Tensor:
        return self.d.uniform(low, high)[:, None]  # [B, 1]

    def frame(self, x: Tensor, y: Tensor, w: Tensor, h: Tensor, lean: Tensor | None = None) -> Frame:
        return Frame(self.size, (x, y), (w, h), torch.zeros_like(x) if lean is None else lean)

    @staticmethod
    def some(d: Draws, share: float) -> Tensor:
        """Places across the picture: [B]; all but a share of them far outside."""
        return d.unit() + 9 * (1 - d.chance(share))

    @staticmethod
    def scatter(canvas: Canvas, copies: int, distance: Tensor, colour: Tensor) -> None:
        """Paint shapes [copies · B, S, S] in colours [copies · B, 3], one batch before the other."""
        for shape, paint in zip(distance.chunk(copies), colour.chunk(copies), strict=True):
            canvas.fill(shape, paint)

    def paint_front(self, canvas: Canvas) -> None:
        """Leaves on the wind, a bush or a rock at the lower edge, a fence: what may hide a part of the object."""
        d = self.d.several(4, 10)
        w, h = d.uniform(0.02, 0.05), d.uniform(0.014, 0.03)
        f = self.frame(self.some(d, 0.55), d.uniform(0.0, 0.9), w, h, d.uniform(-0.8, 0.8))
        self.scatter(canvas, 4, f.ellipse(0, 0, 1, 1), d.shade(d.choice(PAINTS)))
        d = self.d
        r = d.uniform(0.07, 0.13)
        f = self.frame(self.some(d, 0.5), d.uniform(0.94, 1.04), 1.3 * r, r)
        bush = union(f.ellipse(0, 0, 1, 1), f.ellipse(-0.7, 0.3, 0.7, 0.7), f.ellipse(0.75, 0.25, 0.7, 0.75))
        canvas.fill(bush, mix(d.shade(d.choice(LEAVES)), ROCK, self.wet))
        x, y = ((self.grid - at[:, None]).abs() for at in (self.some(d, 0.3), d.uniform(0.82, 0.95)))  # [B, S]
        w, h = self.one(0.16, 0.24), self.one(0.065, 0.085)
        posts = torch.maximum((torch.minimum(x, (x - 0.8 * w).abs()) - 0.013)[:, None, :], (y - h)[:, :, None])
        rails = torch.maximum((x - w)[:, None, :], ((y - 0.5 * h).abs() - 0.009)[:, :, None])
        wood = mix(d.shade(WOOD), PAPER, 0.8 * d.chance(0.4)[:, None])
        canvas.fill(torch.minimum(posts, rails).mul_(self.size), wood)

    def paint_clutter(self, canvas: Canvas) -> None:
        """Bushes and rocks; tents, crates and posts; a toy balloon and a pennant in the air; a string of bunting."""
        d, horizon, wet = self.d.several(3, 11), self.horizon.repeat(3), self.wet.repeat(3, 1)
        r = d.uniform(0.04, 0.1)
        y = d.uniform(horizon + 0.02, 0.95)
        f = self.frame(self.some(d, 0.65), y, r * d.uniform(0.8, 1.6), r)
        ground = (self.grid - (y + 0.3 * r)[:, None])[:, :, None] * self.size  # [B, S, 1]
        bump = torch.maximum(union(f.ellipse(0, 0, 1, 1), f.ellipse(0.7, 0.1, 0.6, 0.6)), ground)
        plant = mix(mix(d.shade(d.choice(LEAVES)), ROCK, wet), d.choice(PAINTS), 0.8 * d.chance(0.35)[:, None])
        self.scatter(canvas, 3, bump, plant)

        d, horizon = self.d.several(2, 11), self.horizon.repeat(2)
        w, h = d.uniform(0.04, 0.1), d.uniform(0.04, 0.09)
        f = self.frame(self.some(d, 0.7), d.uniform(horizon, 0.93), w, h, d.uniform(-0.06, 0.06))
        roof, floor, top = d.choice(THINGS).T  # [B]
        self.scatter(
            canvas, 2, f.polygon((-roof, top), (roof, top), (floor, 0.8), (-floor, 0.8)), d.shade(d.choice(PAINTS))
        )

        d, horizon = self.d.several(2, 11), self.horizon.repeat(2)
        r = d.uniform(0.03, 0.06)
        y, h = d.uniform(0.04, horizon - 0.1), r * d.uniform(0.9, 1.3)
        f = self.frame(self.some(d, 0.45), y, r, h, d.uniform(-0.1, 0.1))
        toy = torch.where(
            d.chance(0.5)[:, None, None] > 0, f.ellipse(0, 0, 1, 1), f.polygon((-1, -0.9), (1, -0.9), (0, 1.2))
        )
        self.scatter(canvas, 2, toy, d.shade(d.choice(PAINTS)))

        d = self.d
        left, right, sag, flags = self.one(-0.1, 0.5), self.one(-0.1, 0.5), self.one(0.05, 0.25), self.one(4, 8)
        hang = left + (right - left) * self.grid + 4 * sag * self.grid * (1 - self.grid)  # [B, S]
        beat = self.grid * flags
        across = (beat - beat.floor() - 0.5).abs()  # [B, S], 0 at the middle of a flag
        below = (self.grid[:, :, None] - hang[:, None, :]) * self.size  # [B, S, S], pixels below the string
        below = where(d.chance(0.2), below)
        flag = torch.maximum(-below, below + ((0.28 * across - 0.075) * self.size)[:, None, :])
        odd = (beat.floor().long() % 2)[:, None, :].float()
        canvas.fill(flag, d.shade(d.choice(PAINTS)), odd)
        canvas.fill(flag, d.shade(d.choice(PAINTS)), 1 - odd)
        canvas.fill(below.abs() - 0.008 * self.size, PAPER)

    def paint_land(self, canvas: Canvas, x: Tensor, y: Tensor, needed: Tensor, width: Tensor) -> None:
        """Field or sea, with a pond or an islet: under the object at (x, y) [B] where `needed`, else at random."""
        d, horizon, wet = self.d, self.horizon[:, None], self.wet
        px, py, size = d.unit(), d.uniform(self.horizon + 0.05, 0.95), d.uniform(0.12, 0.35)
        px, py, size = px + (x - px) * needed, py + (y - py) * needed, torch.maximum(size, 1.6 * width * needed)
        f = self.frame(px, py, size, size * d.uniform(0.24, 0.36))
        below = self.grid - horizon  # [B, S]
        shore = (below * self.size + 0.5).clamp(0, 1)[:, :, None]  # [B, S, 1]
        below = below.clamp(min=0)
        far = self.one(0.1, 0.2) / (below + 0.12)  # rows crowd towards the horizon
        grain = noise(self.grid * self.one(0.4, 0.9) + self.one(0, 1), far * (1 + 1.2 * wet) + self.one(0, 1))
        canvas.wash(shore * ((grain - 0.62) * 3).clamp(0, 0.4), mix(self.ground, PAPER, 0.6))
        canvas.wash(shore * ((0.4 - grain) * 2).clamp(0, 0.35), mix(self.ground, INK, 0.45))
        patch = torch.maximum(where(torch.maximum(needed, d.chance(0.45)), f.ellipse(0, 0, 1, 1)), -(shore - 0.5) * 2)
        canvas.fill(patch, d.shade(mix(self.water, SAND, wet)))
        path = (1 - (self.grid - self.sun[0][:, None]).abs() * 10).clamp(0, 1) * wet * self.sunny[:, None]  # [B, S]
        canvas.wash(shore * path[:, None, :] * (grain - 0.3).clamp(0, 0.7), self.white)
        canvas.wash(shore * (1 - below / 0.3).clamp(0, 0.5)[:, :, None], mix(self.ground, self.low, 0.4))
        canvas.wash(shore, self.ground)
        hill = mix(d.choice(LEAVES[:3]), d.choice(GROUNDS), self.one(0, 1))
        for haze, height in ((0.35, 0.08), (0.65, 0.16)):
            tall = self.one(0.02, height) * d.chance(0.7)[:, None]
            outline = profile(self.grid * self.one(0.1, 0.45) + self.one(0, 1), self.one(0, 1))
            crest = horizon - tall * (0.15 + outline)  # [B, S]
            hills = (crest[:, None, :] - self.grid[:, :, None]) * self.size
            canvas.fill(hills, mix(hill, mix(self.low, self.top, 0.35), haze))

    def paint_sky(self, canvas: Canvas) -> None:
        """Clouds before the sun before the blue."""
        d, fall = self.d, (self.grid / self.horizon[:, None]).clamp(0, 1)  # [B, S]
        across, down = self.grid * self.one(0.25, 0.5) + self.one(0, 1), self.grid * self.one(0.7, 1.5) + self.one(0, 1)
        cloud, above = noise(across, down), noise(across, down - 0.05)
        clear = 1 - self.one(0.0, 0.55) * d.chance(0.8)[:, None]
        thick = ((cloud - clear[:, :, None]) * 5).clamp(0, 0.92) * (1 - fall).clamp(min=0.15).sqrt()[:, :, None]
        canvas.wash(thick * ((above - cloud) * 2.5 + 0.25).clamp(0, 0.6), mix(self.top, self.low, 0.5))
        canvas.wash(thick, self.white)
        radius = d.uniform(0.04, 0.075)
        disc = where(self.sunny, self.frame(*self.sun, radius, radius).ellipse(0, 0, 1, 1))
        canvas.fill(disc, mix(self.white, LAMP, self.one(0.0, 0.6)))
        canvas.wash((1 - disc / (0.45 * self.size)).clamp(0, 1).square() * 0.6, mix(self.white, LAMP, 0.2))
        canvas.wash((1 - fall * fall * (1.8 - 1.2 * fall) - 0.4 * fall)[:, :, None], self.top)
        canvas.wash(torch.ones(1, 1, 1, device="cpu"), self.low)


def paint(kind: Kind, table: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, object masks and sky masks of one class, from random numbers [DRAWS, B] in [0, 1)."""
    land, own = Landscape(Draws(table[:-OWN]), size), Draws(table[-OWN:])
    canvas = Canvas(table.shape[1], size)
    # place the object
    half = (own.uniform(0.035, 0.13) / kind.area).sqrt()
    stretch, mirror = own.uniform(0.85, 1.18), 1 - 2 * own.chance(0.5)
    hx, hy = half * stretch, half / stretch
    x = 0.9 * hx + (1 - 1.8 * hx) * own.unit()
    if kind.foot is None:
        y = 0.95 * hy + (land.horizon - 1.6 * hy).clamp(min=0) * own.unit()
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
    # paint, front to back
    land.paint_front(canvas)
    uncovered = canvas.left.clone()
    parts = kind.paint(frame, own, own.shade(main), own.shade(second))
    u, v = frame.local()
    shade = (((x > land.sun[0]).float() - 0.5) * mirror)[:, None, None] * u + 0.35 * v  # grows away from the sun
    canvas.fill(union(*(distance for distance, _ in parts)), INK, shade.mul_(0.45).clamp_(0, 0.35))
    for distance, colour in parts:
        canvas.fill(distance, colour)
    covered = uncovered - canvas.left
    if kind.foot is not None:
        canvas.fill(land.frame(x, foot, hx, 0.16 * hx).ellipse(0, 0, 1, 1), INK, 0.3)
    land.paint_clutter(canvas)
    land.paint_land(canvas, x, foot, needed, hx)
    sky, lit = canvas.left.clone(), len(canvas.colours)
    land.paint_sky(canvas)
    return canvas.develop(land.light, land.low, land.fog, lit), covered >= FULL / 2, sky > FULL / 2


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
    if split not in SPLITS:
        raise ValueError(f'The split of Scenes must be "train" or "test", not {split!r}.')
    for name, value, least in (("number of scenes", n, 1), ("size of a scene", size, SMALLEST), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"The {name} must be a whole number, {least} or more, not {value!r}.")
    if seed >= 2**64:
        raise ValueError(f"The seed must be below 2**64, not {seed}.")
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

    # One batch per thread: an operation on a small batch is over before a second thread could help with it.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(fill_in, jobs()):
                pass
    finally:
        torch.set_num_threads(threads)
    return RenderedScenes(images, labels, objects, skies)


def random_table(split: str, seed: int, start: int, count: int) -> Tensor:
    """The random numbers of scenes start … start + count − 1, in [0, 1): [count, DRAWS]."""
    # Philox is a counter: it gives four numbers a step, and any step can be asked for first.
    bits = np.random.Philox(key=np.array([seed, SPLITS.index(split)], dtype=np.uint64), counter=start * DRAWS // 4)
    raw = bits.random_raw(count * DRAWS) >> np.uint64(40)
    return torch.from_numpy(raw.astype(np.float32) / np.float32(2**24)).view(count, DRAWS)
