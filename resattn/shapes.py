"""The shapes that Scenes is painted with: signed distances on the pixel grid, and the ten objects made of them.

A `Frame` places a shape in each picture of a batch. Its methods return *signed distances in pixels*, negative inside; a
distance d covers a pixel by about clamp(1/2 − d, 0, 1), which is what makes the edges smooth. An object is a function
`(frame, draws, main, second) -> parts` of two colours [B, 3]: distances with their colours, the nearest part first.

Only additions, products, quotients and square roots are used, each exactly rounded, so that a scene does not depend on
the number of threads or on its place in a batch.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

Scalar = float | Tensor  # a number, or one number per image: [B]
Point = tuple[Scalar, Scalar]
Part = tuple[Tensor, Tensor]  # signed distance in pixels [B, S, S], colour [B, 3] or [3]
Painter = Callable[["Frame", "Draws", Tensor, Tensor], list[Part]]


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
        scale = turn / (dx * dx + dy * dy).sqrt().clamp(min=1e-6)
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
        return s.mul_(s).add_(t.mul_(t)).sqrt_().sub_(1).mul_(radius)  # [B, S, S]

    def line(self, p: Point, q: Point, radius: float) -> Tensor:
        """A round-ended stroke from p to q; the radius is in units of the half height: [B, S, S]."""
        x, y = self.pixels([p, q])  # [B, 2]
        dx, dy = x[:, 1:] - x[:, :1], y[:, 1:] - y[:, :1]
        length = (dx * dx + dy * dy).sqrt().clamp(min=1e-6)  # [B, 1]
        along = self.plane(x[:, :1], y[:, :1], dx / length, dy / length)  # [B, S, S]
        beside = self.plane(x[:, :1], y[:, :1], dy / length, -dx / length)  # [B, S, S]
        along = along - torch.minimum(along.clamp(min=0), length[:, :, None])
        return (along.mul_(along) + beside.mul_(beside)).sqrt_() - (radius * self.hy)[:, :, None]


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


def balloon(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A hot-air balloon: envelope with gores, a belt or plain, ropes, basket."""
    envelope = union(f.ellipse(0, -0.3, 0.7, 0.7), f.polygon((-0.63, 0.0), (0.63, 0.0), (0.16, 0.6), (-0.16, 0.6)))
    style = d.unit()
    gores, band = (style < 0.6).float(), ((style >= 0.6) & (style < 0.9)).float()
    inner = where(gores, torch.maximum(envelope, f.ellipse(0, -0.3, 0.14, 1.0)))
    middle = where(gores, torch.maximum(envelope, f.ellipse(0, -0.3, 0.43, 1.0)))
    belt = where(band, torch.maximum(envelope, f.band(-0.42, -0.1)))
    ropes = union(f.line((-0.14, 0.55), (-0.11, 0.85), 0.025), f.line((0.14, 0.55), (0.11, 0.85), 0.025))
    basket = f.polygon((-0.17, 0.78), (0.17, 0.78), (0.13, 1.0), (-0.13, 1.0))
    return [(basket, WOOD), (inner, main), (middle, second), (belt, second), (envelope, main), (ropes, INK)]


def aeroplane(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """An airliner from the side, its near wing towards you."""
    sweep = d.uniform(0.3, 0.5)
    body = union(f.ellipse(0.1, 0.0, 0.9, 0.19), f.polygon((-0.95, -0.1), (0.1, -0.19), (0.1, 0.19), (-0.6, 0.12)))
    fin = f.polygon((-1.0, -0.55), (-0.76, -0.55), (-0.42, -0.1), (-0.9, -0.05))
    near = f.polygon((0.28, 0.04), (-0.16, 0.04), (-0.1 - sweep, 0.68), (0.1 - sweep, 0.68))
    far = f.polygon((0.22, -0.1), (-0.1, -0.1), (-0.02 - sweep, -0.52), (0.12 - sweep, -0.52))
    tail = f.polygon((-0.62, 0.0), (-0.88, 0.0), (-1.06, 0.24), (-0.92, 0.24))
    windows = f.box(-0.42, -0.09, 0.58, -0.01)
    cockpit = f.polygon((0.68, -0.12), (0.82, -0.1), (0.9, -0.02), (0.7, -0.02))
    return [(near, second), (windows, INK), (cockpit, INK), (tail, second), (body, main), (fin, second), (far, second)]


def bird(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A bird in flight, wings up or down."""
    up = d.uniform(0.75, 1.0) * (1 - 2 * d.chance(0.35))  # wings raised, or beating down
    body = union(
        f.ellipse(0, 0, 0.52, 0.21),
        f.ellipse(0.5, -0.12, 0.2, 0.19),
        f.polygon((-0.3, -0.1), (-0.3, 0.14), (-0.98, 0.16), (-0.9, -0.1)),
    )
    near = union(
        f.polygon((-0.3, 0.0), (0.26, 0.0), (0.08, -0.55 * up), (-0.32, -0.5 * up)),
        f.polygon((0.08, -0.52 * up), (-0.32, -0.46 * up), (-0.62, -0.98 * up)),
    )
    far = f.polygon((0.0, 0.0), (0.34, 0.0), (0.42, -0.66 * up), (0.2, -0.5 * up))
    beak = f.polygon((0.64, -0.2), (0.64, -0.04), (0.96, -0.08))
    eye = f.ellipse(0.55, -0.17, 0.05, 0.05)
    return [(eye, INK), (near, second), (body, main), (beak, LAMP), (far, second)]


def kite(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A diamond on two spars, in halves or quarters, with a tail of bows."""
    arm, wag = d.uniform(-0.42, -0.25), d.uniform(-0.25, 0.25)
    sail = f.polygon((0, -1.0), (0.6, arm), (0, 0.45), (-0.6, arm))
    halves = d.chance(0.5)
    u, v = f.right(0.0), f.below(arm)
    left = where(halves, torch.maximum(sail, u))
    quarters = torch.maximum(sail, union(torch.maximum(u, v), torch.minimum(u, v).neg_()))
    spars = union(f.line((0, -0.97), (0, 0.45), 0.025), f.line((-0.58, arm), (0.58, arm), 0.025))
    knots: list[Point] = [(0, 0.45), (wag, 0.68), (-0.6 * wag, 0.86), (0.8 * wag, 1.08)]
    string = union(*(f.line(p, q, 0.03) for p, q in pairwise(knots)))
    bows = [
        union(
            f.polygon((u - 0.17, v - 0.09), (u - 0.17, v + 0.09), (u, v)),
            f.polygon((u + 0.17, v - 0.09), (u + 0.17, v + 0.09), (u, v)),
        )
        for u, v in knots[1:]
    ]
    return [
        (union(*bows), second),
        (spars, INK),
        (left, second),
        (where(1 - halves, quarters), second),
        (sail, main),
        (string, INK),
    ]


def sailboat(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A hull with a mainsail and often a jib."""
    foot, rake = d.uniform(0.55, 0.8), d.uniform(-0.1, 0.1)
    hull = f.polygon((-0.85, 0.5), (0.9, 0.46), (0.62, 0.86), (-0.62, 0.86))
    stripe = torch.maximum(hull, f.below(0.6))
    mast = f.line((0, 0.5), (rake, -1.0), 0.03)
    big = f.polygon((0.06 + rake, -0.94), (0.06, 0.36), (foot, 0.34))
    jib = where(d.chance(0.7), f.polygon((rake - 0.06, -0.7), (-0.06, 0.36), (-0.66, 0.36)))
    white = d.chance(0.5)[:, None]
    cloth = white * PAPER + (1 - white) * second
    return [(stripe, PAPER), (hull, main), (big, cloth), (jib, 0.5 * (cloth + second)), (mast, WOOD)]


def house(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A cottage: roof from gable to hip, chimney, windows lit or dark."""
    ridge, door = d.uniform(0.05, 0.5), d.uniform(-0.35, 0.1)
    wall = f.box(-0.72, -0.1, 0.72, 0.86)
    roof = f.polygon((-0.95, 0.0), (0.95, 0.0), (ridge, -0.8), (-ridge, -0.8))
    chimney = f.box(0.3, -0.98, 0.52, -0.3)
    entry = f.box(door - 0.14, 0.34, door + 0.14, 0.86)
    panes = union(f.box(0.3, 0.2, 0.56, 0.5), f.box(-0.58, 0.2, -0.36, 0.5))
    lit = d.chance(0.4)[:, None]
    return [
        (entry, WOOD),
        (panes, lit * LAMP + (1 - lit) * INK),
        (roof, second),
        (wall, 0.65 * main + 0.35 * PAPER),
        (chimney, WOOD),
    ]


def tree(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A fir, or a broad-leaved tree that may bear fruit."""
    fir = d.chance(0.45)
    lean = d.uniform(-0.12, 0.12)
    trunk = f.polygon((-0.1, 0.1), (0.1, 0.1), (0.15, 0.95), (-0.15, 0.95))
    puffs = union(
        f.ellipse(lean, -0.5, 0.5, 0.42),
        f.ellipse(-0.38, -0.1, 0.42, 0.36),
        f.ellipse(0.4, -0.14, 0.4, 0.36),
        f.ellipse(0, 0.0, 0.5, 0.34),
    )
    fruit = union(*(f.ellipse(d.uniform(-0.5, 0.5), d.uniform(-0.6, 0.1), 0.09, 0.08) for _ in range(4)))
    tiers = union(
        f.polygon((0, -1.0), (0.4, -0.4), (-0.4, -0.4)),
        f.polygon((0, -0.7), (0.55, 0.1), (-0.55, 0.1)),
        f.polygon((0, -0.3), (0.7, 0.6), (-0.7, 0.6)),
    )
    orchard = (1 - fir) * d.chance(0.4)
    return [(where(orchard, fruit), second), (where(1 - fir, puffs), main), (where(fir, tiers), main), (trunk, WOOD)]


def car(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A small car, from hatchback to saloon."""
    back = d.uniform(0.35, 0.75)  # from hatchback to saloon
    body = union(f.box(-0.9, -0.05, 0.9, 0.5), f.ellipse(0.85, 0.22, 0.17, 0.28), f.ellipse(-0.85, 0.22, 0.15, 0.28))
    cabin = f.polygon((-back - 0.1, 0.0), (0.52, 0.0), (0.24, -0.6), (-back + 0.1, -0.6))
    front = f.polygon((0.06, -0.04), (0.38, -0.04), (0.18, -0.46), (0.06, -0.46))
    rear = f.polygon((-0.04, -0.04), (-back + 0.04, -0.04), (-back + 0.16, -0.46), (-0.04, -0.46))
    tyres = union(f.ellipse(-0.52, 0.5, 0.23, 0.36), f.ellipse(0.54, 0.5, 0.23, 0.36))
    hubs = union(f.ellipse(-0.52, 0.5, 0.09, 0.14), f.ellipse(0.54, 0.5, 0.09, 0.14))
    lamps = f.ellipse(0.92, 0.12, 0.08, 0.12)
    return [(hubs, PAPER), (tyres, INK), (lamps, LAMP), (front, GLASS), (rear, GLASS), (body, main), (cabin, main)]


def lighthouse(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A banded tower with its lantern."""
    tower = f.polygon((-0.36, 0.95), (0.36, 0.95), (0.22, -0.5), (-0.22, -0.5))
    shift = d.uniform(-0.08, 0.08)
    bands = union(f.band(shift - 0.3, shift), f.band(shift + 0.32, shift + 0.62))
    deck = f.box(-0.34, -0.56, 0.34, -0.45)
    lantern = f.box(-0.17, -0.8, 0.17, -0.5)
    dome = f.polygon((-0.26, -0.77), (0.26, -0.77), (0.08, -0.98), (-0.08, -0.98))
    door = f.box(-0.09, 0.7, 0.09, 0.95)
    return [
        (door, INK),
        (deck, INK),
        (dome, main),
        (lantern, LAMP),
        (torch.maximum(tower, bands), main),
        (tower, PAPER),
    ]


def mushroom(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A cap on a stem, mostly spotted."""
    brim = d.uniform(0.0, 0.15)
    cap = torch.maximum(f.ellipse(0, brim, 0.92, 0.95), f.below(brim + 0.05))
    dots = union(
        f.ellipse(-0.48, -0.22, 0.15, 0.15),
        f.ellipse(0.02, -0.5, 0.19, 0.17),
        f.ellipse(0.5, -0.2, 0.14, 0.15),
        f.ellipse(-0.02, -0.04, 0.11, 0.09),
    )
    gills = f.ellipse(0, brim, 0.78, 0.2)
    stem = f.polygon((-0.22, 0.0), (0.22, 0.0), (0.32, 0.92), (-0.32, 0.92))
    spotted = d.chance(0.75)
    return [(where(spotted, torch.maximum(dots, cap)), PAPER), (cap, main), (gills, 0.7 * PAPER), (stem, PAPER)]
