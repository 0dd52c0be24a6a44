"""The landscapes of Scenes: sky, land and water, clutter, and the canvas on which all layers are painted.

Everything here is drawn from one distribution for all classes, so that it says nothing about the class.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import shapes
from .shapes import INK, LAMP, PAPER, WOOD, Draws, Frame, root, rows, union, where

FULL = 4096  # the weight of a pixel, which the layers share out in whole numbers

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


class Spot(NamedTuple):
    """Where an object stands, each [B]: its foot at (x, y), whether the land must change there, its half width."""

    x: Tensor
    y: Tensor
    needed: Tensor
    width: Tensor


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

    def paint_land(self, canvas: Canvas, spot: Spot, *others: Spot) -> None:
        """Field or sea, with a pond or an islet: under the object of a spot where it is needed, else at random. Every
        other object gets one of its own where it needs it."""
        d, horizon, wet = self.d, self.horizon[:, None], self.wet
        x, y, needed, width = spot
        px, py, size = d.unit(), d.uniform(self.horizon + 0.05, 0.95), d.uniform(0.12, 0.35)
        px, py, size = px + (x - px) * needed, py + (y - py) * needed, torch.maximum(size, 1.6 * width * needed)
        flat = d.uniform(0.24, 0.36)
        f = self.frame(px, py, size, size * flat)
        below = self.grid - horizon  # [B, S]
        shore = (below * self.size + 0.5).clamp(0, 1)[:, :, None]  # [B, S, 1]
        below = below.clamp(min=0)
        far = self.one(0.1, 0.2) / (below + 0.12)  # rows crowd towards the horizon
        grain = noise(self.grid * self.one(0.4, 0.9) + self.one(0, 1), far * (1 + 1.2 * wet) + self.one(0, 1))
        canvas.wash(shore * ((grain - 0.62) * 3).clamp(0, 0.4), mix(self.ground, PAPER, 0.6))
        canvas.wash(shore * ((0.4 - grain) * 2).clamp(0, 0.35), mix(self.ground, INK, 0.45))
        patch = where(torch.maximum(needed, d.chance(0.45)), f.ellipse(0, 0, 1, 1))
        for other in others:
            under = self.frame(other.x, other.y, 1.6 * other.width, 1.6 * other.width * flat)
            patch = union(patch, where(other.needed, under.ellipse(0, 0, 1, 1)))
        patch = torch.maximum(patch, -(shore - 0.5) * 2)
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
        thick = ((cloud - clear[:, :, None]) * 5).clamp(0, 0.92) * root((1 - fall).clamp(min=0.15))[:, :, None]
        canvas.wash(thick * ((above - cloud) * 2.5 + 0.25).clamp(0, 0.6), mix(self.top, self.low, 0.5))
        canvas.wash(thick, self.white)
        radius = d.uniform(0.04, 0.075)
        disc = where(self.sunny, self.frame(*self.sun, radius, radius).ellipse(0, 0, 1, 1))
        canvas.fill(disc, mix(self.white, LAMP, self.one(0.0, 0.6)))
        canvas.wash((1 - disc / (0.45 * self.size)).clamp(0, 1).square() * 0.6, mix(self.white, LAMP, 0.2))
        canvas.wash((1 - fall * fall * (1.8 - 1.2 * fall) - 0.4 * fall)[:, :, None], self.top)
        canvas.wash(torch.ones(1, 1, 1, device="cpu"), self.low)
