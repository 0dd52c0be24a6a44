"""The comparisons that gather what masks were worth, and the plot that shows them."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from experiments.runner import question
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
def stored(monkeypatch):
    """Records of my own instead of those of the package."""
    made = {
        "cued": runs({"arl": {0: 0.1, 1: 0.2, 2: 0.1}, "twin": {2: 0.3, 0: 0.2, 1: 0.2}, "trunk": {0: 0.5, 1: 0.5}}),
        "supervision": scored({"arl": {0: 0.3, 1: 0.3, 2: 0.2}, "trunk": {0: 0.1, 1: 0.2, 2: 0.2}}, labels=300)
        + scored({"arl": {0: 0.9, 1: 0.9, 2: 0.9}}, labels=3000)
        + scored({"twin": {0: 0.1, 1: 0.1, 2: 0.1}}, labels=1000),
        "depth": [{"arm": "arl", "seed": 0, "modules": 3, "steps": 4000, "validation_accuracy": 0.9}],
    }
    monkeypatch.setattr(zoo, "list_records", lambda: sorted(made))
    monkeypatch.setattr(zoo, "load_records", made.__getitem__)
    grids = [replace(grid, planned=len(made.get(grid.record, [1]))) for grid in never_worse.GRIDS]
    monkeypatch.setattr(never_worse, "GRIDS", grids)
    return made


def test_runs_are_paired_by_seed_and_a_gain_of_attention_is_positive(stored):
    twin, trunk = never_worse.comparisons()
    assert (twin.task, twin.counterpart) == ("Cued Scenes", "equal twin")
    assert twin.difference == paired([20.0, 20.0, 30.0], [10.0, 20.0, 10.0]) and twin.difference.mean > 0
    assert twin.accuracy == pytest.approx(100 * (1 - 0.7 / 3))
    assert trunk.counterpart == "its trunk" and trunk.difference.mean == pytest.approx(-10.0)


def test_two_seeds_and_runs_without_a_test_are_no_comparison(stored):
    assert (
        len(never_worse.comparisons()) == 2
    )  # not the trunk of Cued Scenes, not 3,000 labels, not the runs for the rate


def test_nal_is_compared_in_the_same_way(stored):
    assert never_worse.comparisons("nal") == []
    stored["cued"] += runs({"nal": {0: 0.4, 1: 0.4, 2: 0.4}})
    (twin,) = never_worse.comparisons("nal")
    assert twin.counterpart == "equal twin" and twin.difference.mean == pytest.approx(-50 / 3)


def test_a_grid_waits_for_its_last_run(stored):
    """Three seeds of both networks are there, and the fourth is under way."""
    assert [c.task for c in never_worse.comparisons()] == ["Cued Scenes", "Scenes, 300 pictures"]
    stored["cued"].pop()  # of the trunk, which has too few seeds anyway
    assert [c.task for c in never_worse.comparisons()] == ["Scenes, 300 pictures"]


def test_planned_are_the_runs_that_the_experiments_list():
    for grid in never_worse.GRIDS:
        assert grid.planned == len(question(grid.record).RUNS), grid.record


def test_no_record_is_forgotten():
    """Every record of ARL and of a network without masks is compared, or named as left out."""
    for name in zoo.list_records():
        arms = {run.get("network") or run.get("arm") for run in zoo.load_records(name) if "test_error" in run}
        if "arl" in arms and arms & set(never_worse.ARMS):
            assert name in {grid.record for grid in never_worse.GRIDS} or f'"{name}"' in never_worse.__doc__


def test_every_setting_of_an_admitted_grid_is_shown():
    """No label count, noise or length of training is left out where ARL and a network without masks have 3 seeds."""
    for name in {grid.record for grid in never_worse.GRIDS} & set(zoo.list_records()):
        fields = ("labels", "kind", "noise", "modules", "steps")
        seeds: dict[tuple, dict[str, set]] = {}
        for run in zoo.load_records(name):
            if "test_error" in run or "scores" in run:
                setting = tuple((field, run[field]) for field in fields if field in run)
                arms = seeds.setdefault(setting, {})
                arms.setdefault(run.get("network") or run["arm"], set()).add(run["seed"])
        wanted = {
            setting
            for setting, arms in seeds.items()
            if any(len(arms.get("arl", set()) & arms.get(other, set())) >= 3 for other in never_worse.ARMS)
        }
        shown = [grid.where for grid in never_worse.GRIDS if grid.record == name]
        for setting in wanted:
            assert any(where.items() <= dict(setting).items() for where in shown), (name, setting)


def test_the_grids_that_have_run_are_all_there():
    found = never_worse.comparisons()
    assert {"Cued Scenes", "Scenes, 300 pictures", "Scenes, 20,000 pictures"} <= {c.task for c in found}
    assert len({(c.task, c.counterpart) for c in found}) == len(found)
    assert all(10 < c.accuracy < 100 and c.difference.n >= 3 for c in found)


def test_the_plot_has_a_line_a_difference_and_fills_what_stands():
    alone = Difference(1.0, 0.9, 0.03, 5)  # stands by itself, and not in a family with two others
    both = {"clear": Difference(3.0, 0.5, 1e-6, 8), "not": Difference(1.0, 4.0, 0.5, 3), "nearly": alone}
    fig = forest({"both": both, "alone": {"the same": alone}}, "points")
    (ax,) = fig.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [*both, "the same"]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [3.0, 1.0, 1.0, 1.0]
    filled = [line.get_markerfacecolor() != "white" for line in points]
    assert filled == [True, False, False, True]
    texts = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert [texts[name] for name in ("both", "n = 8", "n = 3", "alone")] == [0, 1, 2, 4]
    plt.close(fig)
    with pytest.raises(ValueError, match="at least one"):
        forest({"both": both, "none": {}}, "points")
