"""Diagrams drawn from a model, not about one: every block, number and shape is read from the modules (chapters 2, 5).

What is drawn carries its kind as its matplotlib group id ("unit", "pool", "module" …), so that a test, or you, can
count what the picture shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from string import ascii_lowercase

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle
from torch import nn
from torch.func import functional_call

from ..attention import AttentionModule
from ..mask import Bilinear, SoftMaskBranch
from ..networks import ResidualAttentionNetwork
from .drawing import GREY, INK, PALE, arrow, bars, box, finish, line, text
from .plots import COLOURS

FORMULAS = {"arl": "H = (1 + M) · T", "nal": "H = M · T", "none": "H = T"}
ACTIVATION_NAMES = {"mixed": "f1: sigmoid", "channel": "f2: L2 norm", "spatial": "f3: spatial"}
PITCH, STEP = 1.7, 0.5  # of a module: between the levels of its mask, and before a path turns
GAP = 0.45  # between the blocks of a network
SHORT = {"preact": "pre-activation", "resnext": "ResNeXt", "inception": "Inception"}


def draw_attention_module(module: AttentionModule) -> Figure:
    """The wiring of one Attention Module, as in Fig. 2 of the paper, read from the module itself.

    A bar is a residual unit; the bars get shorter with the resolution. Trunk above, mask below, one row for each level
    of the mask. Chapter 5 explains the picture.

    >>> from resattn.units import PreActBottleneck
    >>> figure = draw_attention_module(AttentionModule(PreActBottleneck, channels=16, depth=2))
    >>> sum(patch.get_gid() == "pool" for patch in figure.axes[0].patches)
    2
    >>> plt.close(figure)
    """
    figure, ax = plt.subplots()
    mask = module.mask
    p, t = len(module.pre), len(module.trunk)
    levels = mask.depth if isinstance(mask, SoftMaskBranch) else 0
    top, row = (
        2.5 if mask is not None else 0.0,
        [-PITCH * level for level in range(levels + 1)],
    )  # heights of the trunk and of each mask level

    text(ax, -0.65, top, "x", size=12)
    x = bars(ax, 0, top, p, GREY, f"p = {p}") + STEP
    arrow(ax, (-0.5, top), (0, top))
    line(ax, (x - STEP, top), (x, top))
    split = x
    if mask is not None:
        ax.add_patch(Circle((split, top), 0.07, color=INK, zorder=3))
    end = split
    if isinstance(mask, SoftMaskBranch):
        end = _encoder_decoder(ax, mask, split, top, row)
    elif mask is not None:
        arrow(ax, (split, top), (split, 0), (split + 0.7, 0))
        after = bars(ax, split + 0.7, 0, len(mask.units), COLOURS["mask"], f"{len(mask.units)} units, no pooling")
        end = after + 0.8
        line(ax, (after, 0), (end, 0))
    trunk_width = t * 0.44 - 0.12
    fusion, width = max(end, split + trunk_width + 1.9), 1.9  # the middle of the fusion, and its width
    start = (split + fusion - width / 2 - trunk_width) / 2
    arrow(ax, (split, top), (start, top))
    after = bars(ax, start, top, t, COLOURS["trunk"], f"trunk, t = {t}")
    arrow(ax, (after, top), (fusion - width / 2, top))
    text(ax, (after + fusion - width / 2) / 2, top + 0.22, "T", size=10, style="italic")
    box(ax, fusion - width / 2, top, width, 0.62, FORMULAS[module.fusion], "fusion", COLOURS["fusion"])
    if mask is not None:
        _tail(ax, mask.tail, mask.activation, end, fusion, top - 0.31)
    out = fusion + width / 2
    arrow(ax, (out, top), (out + 0.4, top))
    out = bars(ax, out + 0.4, top, p, GREY, f"p = {p}")
    arrow(ax, (out, top), (out + 0.95, top))
    text(ax, out + 0.08, top + 0.2, "output", size=10, ha="left")
    r = _mask_r(mask)
    parts = [f"p = {p}", f"t = {t}"] + ([f"r = {r}", f"d = {levels}"] if r else [])
    left, right, low = -0.9, out + 1.0, row[-1] - 0.8
    ax.set_title(f"Attention Module: {', '.join(parts)}", x=0.0)
    if isinstance(mask, SoftMaskBranch):
        for level, y in enumerate(row):
            ax.plot((left, right), (y, y), color="#DDE2E7", linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
            text(ax, left, y + 0.16, f"1/{2**level}" if level else "full size", size=9, colour=GREY, ha="left")
    if mask is None:
        low = top - 0.95
    finish(figure, ax, (left - 0.1, right), (low, top + 0.75), scale=0.61)
    return figure


def _encoder_decoder(ax: Axes, mask: SoftMaskBranch, split: float, top: float, row: list[float]) -> float:
    """Draw the bottom-up top-down part of the mask, from the split to full resolution; returns the x it ends at."""
    colour = COLOURS["mask"]
    x, y_before = split, top
    leaves: list[float] = []  # where the path leaves each level on its way down
    for level, units in enumerate(mask.down, start=1):
        y = row[level]
        turn = x if level == 1 else x + STEP
        arrow(ax, (x, y_before), (turn, y_before), (turn, y), (turn + 0.45, y))
        box(ax, turn - 0.54, (y + row[level - 1]) / 2, 1.08, 0.34, "max-pool", "pool", colour)
        leaves.append(x)
        lowest = level == mask.depth
        name = "2r" if lowest else "r"
        x = bars(ax, turn + 0.45, y, _length(units), colour, f"{name} = {_length(units)}", level)
        y_before = y
    for level in reversed(range(mask.depth)):
        y = row[level]
        turn = x + STEP
        target = (turn, y) if level == 0 else (turn, y - 0.14)
        arrow(ax, (x, y_before), (turn, y_before), target, head=level > 0)
        kind = "bilinear" if isinstance(mask.upsamplers[level], Bilinear) else "deconv"
        box(ax, turn - 0.54, (y + row[level + 1]) / 2, 1.08, 0.34, kind, "upsample", colour)
        x = turn
        if level > 0:
            left = leaves[level] + STEP  # beyond the elbow at which the path goes on down
            middle = (left + turn) / 2
            line(ax, (left, y), (middle - 0.16, y))
            arrow(ax, (middle + 0.16, y), (turn - 0.14, y))
            bars(ax, middle - 0.16, y, 1, COLOURS["skip"], "skip", level)
            ax.add_patch(Circle((turn, y), 0.14, facecolor="white", edgecolor=INK, linewidth=1.1, gid="sum", zorder=3))
            text(ax, turn, y - 0.01, "+", size=10)
            arrow(ax, (turn + 0.14, y), (turn + 0.6, y))
            units = mask.up[level - 1]
            x = bars(ax, turn + 0.6, y, _length(units), colour, f"r = {_length(units)}", level)
        y_before = y
    return x


def _tail(ax: Axes, tail: nn.Sequential, activation: str, x: float, turn: float, goal: float) -> None:
    """Draw the 1×1 convolutions and the activation on the way from full resolution up to the fusion."""
    arrow(ax, (x, 0), (turn, 0), (turn, goal))
    y = 0.42
    for layer in tail:
        if isinstance(layer, nn.Conv2d):
            box(ax, turn - 0.65, y, 1.3, 0.34, "1×1 conv", "conv", COLOURS["mask"])
            y += 0.46
    box(ax, turn - 0.65, y, 1.3, 0.34, ACTIVATION_NAMES[activation], "activation", COLOURS["mask"])
    text(ax, turn + 0.24, (y + 0.17 + goal) / 2 - 0.03, "M", size=10, style="italic")


def _length(chain: nn.Module) -> int:
    return sum(1 for _ in chain.children())


def _mask_r(mask: nn.Module | None) -> int:
    """r, by counting units: the lowest level holds 2r. 0 where there is no such mask."""
    return _length(mask.down[-1]) // 2 if isinstance(mask, SoftMaskBranch) else 0


@dataclass(frozen=True)
class Block:
    """One block of a network as it was met in a forward pass: what it is, and the shape that it put out."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]  # C, H, W


def measured_blocks(model: ResidualAttentionNetwork, height: int, width: int) -> Iterator[Block]:
    """The stem, every unit and every Attention Module, with the output shapes for an image of height × width pixels.

    The shapes come from a forward pass on the "meta" device: no memory, no arithmetic, and the model stays untouched.
    Raises ValueError, as the model does, for a size that it cannot take.
    """
    x = torch.empty(2, 3, height, width, device="meta")  # [2, 3, H, W]: BN in training mode needs more than one value
    model.check_input(x)
    for name, block in [("stem", model.stem), *model.blocks()]:
        state = {key: value.to("meta") for key, value in block.state_dict().items()}
        x = functional_call(block, state, (x,))  # [2, C, h, w]
        yield Block(name, block, tuple(x.shape[1:]))


def draw_network(model: ResidualAttentionNetwork, height: int, width: int) -> Figure:
    """The network from stem to classifier for images of height × width pixels, one row a stage (chapter 2).

    Equal blocks that follow one another are folded from three on, and say how many they are. The shapes, channels ×
    height × width, are measured, see :func:`measured_blocks`.

    >>> import resattn
    >>> figure = draw_network(resattn.create("attention56", width=0.25), 32, 32)
    >>> sum(patch.get_gid() == "module" for patch in figure.axes[0].patches)
    3
    >>> plt.close(figure)
    """
    stem, *blocks = measured_blocks(model, height, width)
    figure, ax = plt.subplots()
    stages = [(name, list(group)) for name, group in groupby(blocks, key=lambda block: block.name.split(".")[0])]
    folded = [(name, list(_fold(group))) for name, group in stages]
    span = max(sum(_width(run[0]) + GAP for run in group) for _, group in folded) - GAP + 0.6
    pitch, left = 2.45, 0.0
    lane = max(span, 6.9)

    convolution = next(layer for layer in stem.module.modules() if isinstance(layer, nn.Conv2d))
    pooled = any(isinstance(layer, nn.MaxPool2d) for layer in stem.module.modules())
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    words = f"{kernel}×{kernel} conv" + (f", stride {stride}" if stride > 1 else "") + (", max-pool" if pooled else "")
    y = 0.0
    box(ax, left, y, 1.75, 0.62, f"image\n{_shape((3, height, width))}", "image", GREY, size=9)
    arrow(ax, (left + 1.75, y), (left + 2.2, y))
    box(ax, left + 2.2, y, 3.7, 0.62, f"stem: {words}\n{_shape(stem.shape)}", "stem", GREY, size=9)
    exit_x, exit_y = left + 4.05, y - 0.31
    y -= 2.05
    for name, group in folded:
        entry = left + 0.3
        ax.add_patch(FancyBboxPatch((left, y - 0.8), lane, 2.0, "round,pad=0,rounding_size=0.12", fc=PALE, ec="none"))
        middle = y + 1.42
        x = entry + _width(group[0][0]) / 2
        arrow(ax, (exit_x, exit_y), (exit_x, middle), (x, middle), (x, y + _height(group[0][0]) / 2))
        x = entry
        for i, run in enumerate(group):
            if i:
                arrow(ax, (x - GAP, y), (x, y))
            _draw_run(ax, run, x, y)
            x += _width(run[0]) + GAP
        exit_x = x - GAP - _width(group[-1][0]) / 2
        exit_y = y - _height(group[-1][0]) / 2
        parameters = sum(p.numel() for p in model.get_submodule(name).parameters())
        note = f"{name.replace('stage', 'stage ')}: {_shape(group[-1][0].shape)}, {parameters / 1e6:.2f} M parameters"
        text(ax, left + lane - 0.2, y + 0.95, note, size=9, ha="right")
        y -= pitch
    y += 0.65
    norm = "" if isinstance(model.norm, nn.Identity) else "BN-ReLU, "
    channels = model.classifier.in_features
    turn = y + 0.95
    arrow(ax, (exit_x, exit_y), (exit_x, turn), (left + 1.7, turn), (left + 1.7, y + 0.31))
    box(ax, left, y, 3.4, 0.62, f"{norm}average over positions\n{channels}", "pooling", GREY, size=9)
    arrow(ax, (left + 3.4, y), (left + 3.85, y))
    classes = model.classifier.out_features
    box(ax, left + 3.85, y, 2.2, 0.62, f"linear classifier\n{classes} logits", "classifier", GREY, size=9)
    config = model.config
    ax.set_title(f"{config.name} ({SHORT[config.unit]} units)", x=0.0)
    finish(figure, ax, (left - 0.1, left + lane + 0.1), (y - 0.45, 0.6), scale=0.72)
    return figure


def _fold(blocks: list[Block]) -> Iterator[list[Block]]:
    """Runs of equal neighbours where they are three or more, else the blocks one by one."""

    def structure(block: Block) -> tuple[str, tuple[int, ...]]:
        return str(block.module), block.shape

    for _, run in groupby(blocks, key=structure):
        equal = list(run)
        yield from [equal] if len(equal) >= 3 else ([block] for block in equal)


def _width(block: Block) -> float:
    return 2.35 if isinstance(block.module, AttentionModule) else 1.45


def _height(block: Block) -> float:
    return 1.5 if isinstance(block.module, AttentionModule) else 0.9


def _draw_run(ax: Axes, run: list[Block], x: float, y: float) -> None:
    """Draw one block, or a pile that stands for a run of equal ones."""
    block, count = run[0], len(run)
    width, height = _width(block), _height(block)
    module = block.module
    for shift in (0.1, 0.05) if count > 1 else ():  # a pile of cards behind a folded block
        box(ax, x + shift, y - shift, width, height, "", "pile", GREY)
    name = block.name.split(".")[1]
    if count > 1:
        name = f"{name} to {run[-1].name.split('.')[1].lstrip(ascii_lowercase)}"
    if not isinstance(module, AttentionModule):
        box(ax, x, y, width, height, f"{name}\n{_shape(block.shape)}", "unit", COLOURS["trunk"], size=9, count=count)
        return
    box(ax, x, y, width, height, "", "module", COLOURS["fusion"], count=count)
    text(ax, x + width / 2, y + 0.58, name, size=9)
    text(ax, x + width / 2, y + 0.33, FORMULAS[module.fusion], size=9, colour=COLOURS["mask"])
    t = len(module.trunk)
    ax.add_patch(Rectangle((x + 0.15, y - 0.02), 0.9, 0.18, color=COLOURS["trunk"], zorder=3))
    text(ax, x + 1.2, y + 0.07, f"trunk, t={t}", size=9, ha="left")
    mask = module.mask
    if mask is not None:
        depth = mask.depth if isinstance(mask, SoftMaskBranch) else 0
        waist = 0.12 * 0.6**depth if depth else 0.12  # an hourglass: narrow where the resolution is low
        xs, half = (x + 0.15, x + 0.6, x + 1.05), (0.12, waist, 0.12)
        upper = [(a, y - 0.22 + h) for a, h in zip(xs, half, strict=True)]
        lower = [(a, y - 0.22 - h) for a, h in zip(xs, half, strict=True)]
        ax.add_patch(Polygon(upper + lower[::-1], closed=True, color=COLOURS["mask"], zorder=3))
        text(ax, x + 1.2, y - 0.22, f"mask, d={depth}", size=9, ha="left")
    text(ax, x + width / 2, y - 0.57, _shape(block.shape), size=9, colour=GREY)


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
