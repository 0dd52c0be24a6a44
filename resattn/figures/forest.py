"""The forest plot: many paired differences with their intervals, one a line."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..analysis.statistics import Difference, holm
from .plots import COLOURS, WIDTH


def forest(families: Mapping[str, Mapping[str, Difference]], xlabel: str) -> Figure:
    """One line a difference, in the order given, under the name of its family: its mean, its interval, how many pairs.

    A filled point stands after Holm's correction over its family, an open one does not. Raises ValueError for none.
    """
    if not families or not all(families.values()):
        raise ValueError("a forest plot needs at least one difference in each family")
    rows = sum(map(len, families.values())) + len(families)  # a line for each name
    fig, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.32 * rows), layout="constrained")
    ax.axvline(0, color=COLOURS["grey"], linewidth=1)
    places: list[tuple[int, str]] = []
    for block, (family, differences) in enumerate(families.items()):
        top = len(places) + block
        ax.text(0, top, family, transform=ax.get_yaxis_transform(), va="center", fontweight="bold")
        stands = holm(differences)
        for row, (name, d) in enumerate(differences.items(), top + 1):
            places.append((row, name))
            ax.errorbar(
                d.mean,
                row,
                xerr=d.half,
                fmt="o",
                color=COLOURS["ink"],
                markerfacecolor=COLOURS["ink"] if stands[name] else "white",
                capsize=3,
            )
            ax.text(1.01, row, f"n = {d.n}", transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set_yticks(*zip(*places, strict=True))
    ax.set(ylim=(rows - 0.5, -0.5), xlabel=xlabel)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig
