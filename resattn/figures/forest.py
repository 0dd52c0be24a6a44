"""The forest plot: many paired differences with their intervals, one a line."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..analysis.statistics import Difference, holm
from .plots import COLOURS, WIDTH


def forest(differences: Mapping[str, Difference], xlabel: str) -> Figure:
    """One line a difference, in the order given: its mean, its interval, the number of pairs.

    A filled point stands after Holm's correction over all lines, an open one does not. Raises ValueError for none.
    """
    if not differences:
        raise ValueError("a forest plot needs at least one difference")
    stands = holm(differences)
    rows = len(differences)
    fig, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.32 * rows), layout="constrained")
    ax.axvline(0, color=COLOURS["grey"], linewidth=1)
    for row, (name, d) in enumerate(differences.items()):
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
    ax.set(yticks=range(rows), yticklabels=list(differences), ylim=(rows - 0.5, -0.5), xlabel=xlabel)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig
