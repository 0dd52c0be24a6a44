"""The ten objects of Scenes, painted with the shapes of `resattn.shapes`.

An object is a function `(frame, draws, main, second) -> parts` of two colours [B, 3]: signed distances with their
colours, the nearest part first.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from .shapes import GLASS, INK, LAMP, PAPER, WOOD, Draws, Frame, Point, union, where

Part = tuple[Tensor, Tensor]  # signed distance in pixels [B, S, S], colour [B, 3] or [3]
Painter = Callable[[Frame, Draws, Tensor, Tensor], list[Part]]


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
