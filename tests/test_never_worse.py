"""The comparisons that gather what masks were worth, and the plot that shows them."""

import matplotlib.pyplot as plt
import pytest

from resattn import zoo
from resattn.analysis import never_worse
from resattn.analysis.statistics import Difference, paired
from resattn.figures import forest


def runs(errors, **more):
    return [{"network": name, "seed": s, "test_error": e, **more} for name, es in errors.items() for s, e in es.items()]


def scored(errors, **more):
    """Runs that have no test error and an accuracy among the scores of their masks."""
    made = runs(errors, **more)
    return [{**run, "arm": run.pop("network"), "scores": {"accuracy": 1 - run.pop("test_error")}} for run in made]


@pytest.fixture
def grids(monkeypatch):
    """Records of my own instead of those of the package."""
    stored = {
        "cued": runs({"arl": {0: 0.1, 1: 0.2, 2: 0.1}, "twin": {2: 0.3, 0: 0.2, 1: 0.2}, "trunk": {0: 0.5, 1: 0.5}}),
        "supervision": scored({"arl": {0: 0.3, 1: 0.3, 2: 0.2}, "trunk": {0: 0.1, 1: 0.2, 2: 0.2}}, labels=300)
        + scored({"arl": {0: 0.9, 1: 0.9, 2: 0.9}}, labels=3000)
        + scored({"twin": {0: 0.1, 1: 0.1, 2: 0.1}}, labels=1000),
        "depth": [{"arm": "arl", "seed": 0, "modules": 3, "steps": 4000, "validation_accuracy": 0.9}],
    }
    monkeypatch.setattr(zoo, "list_records", lambda: sorted(stored))
    monkeypatch.setattr(zoo, "load_records", stored.__getitem__)


def test_runs_are_paired_by_seed_and_a_gain_of_attention_is_positive(grids):
    twin, trunk = never_worse.comparisons()
    assert (twin.task, twin.counterpart) == ("Cued Scenes", "equal twin")
    assert twin.difference == paired([20.0, 20.0, 30.0], [10.0, 20.0, 10.0]) and twin.difference.mean > 0
    assert twin.accuracy == pytest.approx(100 * (1 - 0.7 / 3))
    assert trunk.counterpart == "its trunk" and trunk.difference.mean == pytest.approx(-10.0)


def test_two_seeds_and_runs_without_a_test_are_no_comparison(grids):
    assert (
        len(never_worse.comparisons()) == 2
    )  # not the trunk of Cued Scenes, not 3,000 labels, not the runs for the rate


def test_the_grids_that_have_run_are_all_there():
    found = never_worse.comparisons()
    assert {grid.record for grid in never_worse.GRIDS if grid.record in zoo.list_records()} >= {"cued", "cifar_tables"}
    assert len({(c.task, c.counterpart) for c in found}) == len(found) >= 4
    assert all(20 < c.accuracy < 100 and c.difference.n >= 3 for c in found)


def test_the_plot_has_a_line_a_difference_and_fills_what_stands():
    differences = {"clear": Difference(3.0, 0.5, 1e-6, 8), "not": Difference(1.0, 4.0, 0.5, 3)}
    fig = forest(differences, "points")
    (ax,) = fig.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(differences)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [3.0, 1.0]
    filled = [line.get_markerfacecolor() != "white" for line in points]
    assert filled == [True, False]
    assert [text.get_text() for text in ax.texts] == ["n = 8", "n = 3"]
    plt.close(fig)
    with pytest.raises(ValueError, match="at least one"):
        forest({}, "points")
