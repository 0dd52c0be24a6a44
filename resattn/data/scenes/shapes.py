"""The shapes that Scenes is painted with: signed distances on the pixel grid, and random numbers for a batch.

A `Frame` places a shape in each picture of a batch. Its methods return *signed distances in pixels*, negative inside; a
distance d covers a pixel by about clamp(1/2 − d, 0, 1), which is what makes the edges smooth. `resattn.objects` makes
the ten objects of them, `resattn.landscape` what stands around.

Only additions, products, quotients and square roots are used, each exactly rounded, so that a scene does not depend on
the number of threads or on its place in a batch.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

Scalar = float | Tensor  # a number, or one number per image: [B]
Point = tuple[Scalar, Scalar]


def root(x: Tensor) -> Tensor:
    """The square root of x >= 0, in place, exactly rounded: torch's is off by a last bit on some processors."""
    values = x.numpy()
    np.sqrt(values, out=values)
    return x


def rows(values: list) -> Tensor:
    """A table of colours, 0 to 255: [..., 3]."""
    return torch.tensor(values, dtype=torch.float32, device="cpu")


INK, WOOD, PAPER, LAMP, GLASS = rows([[48, 46, 58], [116, 78, 52], [246, 242, 230], [255, 222, 120], [176, 214, 232]])


class Draws:
    """Random numbers handed out row after row: each question gets one independent answer per image.

    Shapes: `table` is [K, B] in [0, 1).  Every method returns [B], or [B, C] for a choice among rows of C numbers.
    """

    def __init__(self, table: Tensor):
        self.table = table
        self.used = 0

    def take(self, count: int) -> Tensor:
        self.used += count
        if self.used > len(self.table):
            raise IndexError(f"A scene asks for more than its {len(self.table)} random numbers.")
        return self.table[self.used - count : self.used]  # [count, B]

    def several(self, copies: int, questions: int) -> "Draws":
        """Random numbers for `copies` of each image, one batch after the other, good for so many questions."""
        return Draws(self.take(copies * questions).reshape(questions, -1))

    def unit(self) -> Tensor:
        return self.take(1)[0]  # [B]

    def uniform(self, low: Scalar, high: Scalar) -> Tensor:
        return self.take(1)[0] * (high - low) + low  # [B]

    def chance(self, p: float) -> Tensor:
        return (self.take(1)[0] < p).float()  # [B] of 0 and 1

    def index(self, n: int) -> Tensor:
        return (self.take(1)[0] * n).long()  # [B]; the numbers have 24 bits, so that x · n stays below n

    def choice(self, rows: Tensor) -> Tensor:
        return rows[self.index(len(rows))]  # [B, C]

    def shade(self, colour: Tensor) -> Tensor:
        """The colour [B, 3], each channel a little off."""
        return colour + (self.take(3).T - 0.5) * 28  # [B, 3]


class Frame:
    """Local axes of one shape per image: (0, 0) its centre, u to the right, v down, ±1 about its edges.

    `centre` and `half` (half width, half height) are in units of the picture's side; a negative half width mirrors.
    `lean` is the tangent of half the angle of rotation: its cosine and sine are then plain fractions.
    """

    def __init__(self, size: int, centre: tuple[Tensor, Tensor], half: tuple[Tensor, Tensor], lean: Tensor):
        cx, cy, hx, hy, t = (v[:, None] for v in (*centre, *half, lean))  # [B, 1], as all that follows
        scale = size / (1 + t * t)
        cos, sin = (1 - t * t) * scale, 2 * t * scale
        self.cx, self.cy = cx * size, cy * size
        self.ux, self.uy = cos * hx, sin * hx  # one u in pixels
        self.vx, self.vy = -sin * hy, cos * hy  # one v in pixels
        self.hx, self.hy = hx.abs() * size, hy * size
        self.grid = grid(size)  # [S]

    def pixels(self, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
        """K local points in pixels of the picture: x and y, both [B, K]."""
        u, v = (columns(tuple(p[axis] for p in points)) for axis in (0, 1))  # [B or 1, K]
        return self.cx + u * self.ux + v * self.vx, self.cy + u * self.uy + v * self.vy

    def plane(self, x: Tensor, y: Tensor, nx: Tensor, ny: Tensor) -> Tensor:
        """nx · (column − x) + ny · (row − y) on the pixel grid; arguments [B, 1] -> [B, S, S]."""
        across, down = nx * (self.grid - x), ny * (self.grid - y)  # [B, S]
        return across[:, None, :] + down[:, :, None]  # [B, S, S]

    def local(self) -> tuple[Tensor, Tensor]:
        """The coordinates u and v of every pixel: two [B, S, S]."""
        u2, v2 = self.hx * self.hx, self.hy * self.hy
        return self.plane(self.cx, self.cy, self.ux / u2, self.uy / u2), self.plane(
            self.cx, self.cy, self.vx / v2, self.vy / v2
        )

    def polygon(self, *points: Point) -> Tensor:
        """A convex polygon, corners in either order round it: [B, S, S]."""
        x, y = self.pixels(points)  # [B, K]
        dx, dy = x.roll(-1, 1) - x, y.roll(-1, 1) - y
        turn = torch.sign((x * dy - y * dx).sum(1, keepdim=True))  # outward normals whichever way round
        scale = turn / root(dx * dx + dy * dy).clamp(min=1e-6)
        across = (dy * scale)[:, :, None] * (self.grid - x[:, :, None])  # [B, K, S]
        down = (dx * scale)[:, :, None] * (y[:, :, None] - self.grid)  # [B, K, S]
        distance = across[:, 0, None, :] + down[:, 0, :, None]  # [B, S, S]
        for k in range(1, len(points)):
            torch.maximum(distance, across[:, k, None, :] + down[:, k, :, None], out=distance)
        return distance

    def right(self, u: Scalar) -> Tensor:
        """How far to the right of the line u: [B, S, S]."""
        return self.plane(*self.pixels([(u, 0.0)]), self.ux / self.hx, self.uy / self.hx)

    def below(self, v: Scalar) -> Tensor:
        """How far below the line v: [B, S, S]."""
        return self.plane(*self.pixels([(0.0, v)]), self.vx / self.hy, self.vy / self.hy)

    def band(self, top: Scalar, bottom: Scalar) -> Tensor:
        """Everything between two levels: [B, S, S]."""
        half = self.hy * columns((0.5 * (bottom - top),))  # [B, 1]
        return self.below(0.5 * (top + bottom)).abs_().sub_(half[:, :, None])

    def box(self, left: Scalar, top: Scalar, right: Scalar, bottom: Scalar) -> Tensor:
        half = self.hx * columns((0.5 * (right - left),))  # [B, 1]
        beside = self.right(0.5 * (left + right)).abs_().sub_(half[:, :, None])
        return torch.maximum(beside, self.band(top, bottom), out=beside)  # [B, S, S]

    def ellipse(self, u: Scalar, v: Scalar, ru: float, rv: float) -> Tensor:
        """An ellipse about (u, v); its outline is exact, its distance is that of a circle of mean radius: [B, S, S]."""
        x, y = self.pixels([(u, v)])  # [B, 1]
        a, b = self.hx * ru, self.hy * rv
        s = self.plane(x, y, self.ux / (self.hx * a), self.uy / (self.hx * a))  # ±1 at the ends of the axis
        t = self.plane(x, y, self.vx / (self.hy * b), self.vy / (self.hy * b))
        radius = (2 * a * b / (a + b))[:, :, None]
        return root(s.mul_(s).add_(t.mul_(t))).sub_(1).mul_(radius)  # [B, S, S]

    def line(self, p: Point, q: Point, radius: float) -> Tensor:
        """A round-ended stroke from p to q; the radius is in units of the half height: [B, S, S]."""
        x, y = self.pixels([p, q])  # [B, 2]
        dx, dy = x[:, 1:] - x[:, :1], y[:, 1:] - y[:, :1]
        length = root(dx * dx + dy * dy).clamp(min=1e-6)  # [B, 1]
        along = self.plane(x[:, :1], y[:, :1], dx / length, dy / length)  # [B, S, S]
        beside = self.plane(x[:, :1], y[:, :1], dy / length, -dx / length)  # [B, S, S]
        along = along - torch.minimum(along.clamp(min=0), length[:, :, None])
        return root(along.mul_(along) + beside.mul_(beside)) - (radius * self.hy)[:, :, None]


@lru_cache(maxsize=8)
def grid(size: int) -> Tensor:
    """The middles of the pixels along one side: [S]."""
    return torch.arange(size, dtype=torch.float32, device="cpu") + 0.5


@lru_cache(maxsize=1024)
def constants(values: tuple[float, ...]) -> Tensor:
    return torch.tensor([values], dtype=torch.float32, device="cpu")  # [1, K]


def columns(values: tuple[Scalar, ...]) -> Tensor:
    """Numbers, some of them one per image, side by side: [B, K], or [1, K] if all are plain."""
    plain = constants(tuple(0.0 if isinstance(v, Tensor) else v for v in values))
    images = [(k, v) for k, v in enumerate(values) if isinstance(v, Tensor)]
    if not images:
        return plain
    out = plain.repeat(len(images[0][1]), 1)
    for k, v in images:
        out[:, k] = v
    return out


def union(*distances: Tensor) -> Tensor:
    """The nearest of several shapes: [B, S, S]."""
    out = distances[0]
    for d in distances[1:]:
        out = torch.minimum(out, d)
    return out


def where(flag: Tensor, distance: Tensor) -> Tensor:
    """The shape in the images where flag [B] is not 0, nothing in the others: [B, S, S]."""
    return torch.where(flag[:, None, None] > 0, distance, 1e4)
