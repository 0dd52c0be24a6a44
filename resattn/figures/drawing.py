"""The pen of the diagrams: boxes, bars, arrows and words in one style, on axes with equal scales."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .plots import COLOURS

INK, GREY, PALE = COLOURS["ink"], COLOURS["grey"], COLOURS["pale"]


def bars(ax: Axes, x: float, y: float, n: int, colour: str, label: str, level: int = 0) -> float:
    """Draw n residual units from x on, joined by a line, with a label below; returns the right edge."""
    right = x + 0.44 * n - 0.12
    height = 0.86 - 0.12 * level
    line(ax, (x, y), (right, y))
    for i in range(n):
        ax.add_patch(
            FancyBboxPatch(
                (x + 0.44 * i, y - height / 2),
                0.32,
                height,
                "round,pad=0,rounding_size=0.06",
                facecolor=colour,
                edgecolor="white",
                linewidth=0.8,
                gid="unit",
                zorder=2,
            )
        )
    text(ax, (x + right) / 2, y - height / 2 - 0.15, label, size=9)
    return right


def box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    words: str,
    kind: str,
    colour: str,
    *,
    size: float = 9,
    count: int = 1,
) -> None:
    """A white box with a coloured edge; x is its left edge, y its middle. ``count`` blocks are folded into it."""
    ax.add_patch(
        FancyBboxPatch(
            (x, y - height / 2),
            width,
            height,
            "round,pad=0,rounding_size=0.08",
            facecolor="white",
            edgecolor=colour,
            linewidth=1.5,
            gid=kind,
            label=str(count),
            zorder=2,
        )
    )
    text(ax, x + width / 2, y, words, size=size)


def text(
    ax: Axes,
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    colour: str = INK,
    ha: str = "center",
    style: str = "normal",
) -> None:
    ax.text(x, y, words, fontsize=size, color=colour, ha=ha, va="center", style=style, linespacing=1.3, zorder=4)


def line(ax: Axes, *points: tuple[float, float]) -> None:
    ax.plot(*zip(*points, strict=True), color=INK, linewidth=1.1, solid_joinstyle="round", zorder=1)


def arrow(ax: Axes, *points: tuple[float, float], head: bool = True) -> None:
    """A line through the points, with a head at the last."""
    line(ax, *points)
    if head:
        style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
        ax.annotate("", points[-1], points[-2], arrowprops=style, zorder=2)


def finish(figure: Figure, ax: Axes, x: tuple[float, float], y: tuple[float, float], scale: float) -> None:
    """Equal scales, no axes, ``scale`` inches a unit of the drawing."""
    ax.set(xlim=x, ylim=y, aspect="equal")
    ax.set_axis_off()
    figure.set_size_inches(scale * (x[1] - x[0]), scale * (y[1] - y[0]) + 0.3)
    figure.subplots_adjust(0, 0, 1, 1 - 0.3 / figure.get_size_inches()[1])
