"""Verdicts by one table of paired differences follow the rules of their experiments."""

from typing import Any

import pytest

from resattn import zoo
from resattn.analysis import verdicts
from resattn.analysis.statistics import Difference, holm, paired

WIGGLE = (0.0, 0.01, -0.01, 0.005, -0.005)  # by seed, shared by the arms of a pair


def runs(value: float, key: str, seeds: int = 5, noise: float = 0.1, **fields: Any) -> list[dict[str, Any]]:
    """The last seed first; the values differ by seed, and a little by the arm."""
    own = sum(map(ord, "".join(map(str, fields.values()))))
    made = [value + WIGGLE[s] + noise * WIGGLE[(s + own) % 5] for s in range(seeds)]
    return [{**fields, "seed": s, key: made[s]} for s in reversed(range(seeds))]


def test_chains_are_compared_at_a_depth_and_over_depths() -> None:
    chains = [
        *runs(0.8, "test_accuracy", 3, arm="with", depth=4),
        *runs(0.9, "test_accuracy", 3, arm="with", depth=16),
        *runs(0.7, "test_accuracy", 3, arm="without", depth=4),
        *runs(0.2, "test_accuracy", 3, arm="without", depth=16),
        {"arm": "with", "depth": 4, "seed": 0, "validation_accuracy": 0.1},  # has chosen a rate
    ]
    found = verdicts.units(chains)
    assert [(round(d.mean), word) for d, word in found.values()] == [
        (10, "better"),
        (70, "better"),
        (10, "better"),
        (-50, "worse"),
    ]
    assert [pair[1] for pair in found] == [("without", 4), ("without", 16), ("with", 4), ("without", 4)]


def test_each_addition_is_compared_with_the_recipe_before_it() -> None:
    values = {"plain": 0.5, "momentum": 0.5, "schedule": 0.7, "crops": 0.6, "decay": 0.65}
    made = [run for arm, value in values.items() for run in runs(value, "test_accuracy", arm=arm)]
    found = verdicts.additions(made)
    assert [word for _, word in found.values()] == ["not resolved", "better", "worse", "better"]
    assert found["momentum", "plain"][0].mean == pytest.approx(0)
    with pytest.raises(ValueError, match="the same seeds"):
        verdicts.additions(made[:-1])


def test_masks_that_turn_are_compared_with_runs_of_the_same_length_and_depth() -> None:
    depth = [
        *runs(0.5, "test_error", arm="half", modules=3, steps=1000),
        *runs(0.2, "test_error", arm="plain", modules=3, steps=1000),
        *runs(0.9, "test_error", arm="half", modules=3, steps=4000),
        *runs(0.9, "test_error", arm="plain", modules=1, steps=1000),
        *runs(0.9, "test_error", arm="nal", modules=3, steps=1000),
    ]
    turning = runs(0.499, "test_error", arm="rising") + runs(0.3, "test_error", arm="falling")
    found = verdicts.turned(turning, depth)
    assert {pair: word for pair, (_, word) in found.items()} == {
        ("rising", "half"): "not resolved",
        ("falling", "half"): "fewer",
        ("falling", "plain"): "more",
    }


@pytest.mark.parametrize(
    ("mean", "half", "word"),
    [
        (-5, 2, "filters"),
        (-3, 2, "leans"),
        (-1, 0.5, "does not filter"),
        (3, 2, "not resolved"),
        (-3, 4, "not resolved"),
    ],
)
def test_a_mask_filters_only_beyond_the_band(mean: float, half: float, word: str) -> None:
    assert verdicts.filtering(Difference(mean, half, 0.01, 5)) == word


def test_the_control_of_noise_is_read_at_the_last_module() -> None:
    """A gain that the mark lowers by a tenth at the last module; at the first it says the opposite."""
    made = []
    for network in ("arl", "nal", "twin"):
        for kind in ("free", "mark", "other"):
            for run in runs(0.3 if network == "twin" else 0.2, "test_error", network=network, kind=kind):
                last = {"between": (-0.1 if kind == "mark" else 0.0) + run["test_error"] / 10}
                last |= {"other_H": 0.3 + run["test_error"], "other_T": 0.25 + run["test_error"]}
                run["passing"] = {"stage1": {"between": 9.0, "other_H": 0.0, "other_T": 1.0}, "stage2": last}
                made.append(run)
    found = verdicts.noise_control(made)
    assert [word for _, word in found.values()] == [*["filters"] * 2, *["less lies there"] * 2, *["more accurate"] * 4]
    assert found["mark", "nal"][0].mean == pytest.approx(-10, abs=0.1)
    assert found["named", "arl"][0].mean == pytest.approx(-5)
    assert found["lead, other", "arl"][0].mean == pytest.approx(10, abs=0.2)


def test_help_under_noise_is_more_only_than_help_without() -> None:
    """Attention a tenth ahead of its twin under noise; without it ARL level and NAL as far ahead."""
    made = []
    for level, errors in ((0.5, (0.2, 0.2, 0.3)), (0.0, (0.1, 0.1, 0.2)), (0.3, (0.0, 0.0, 0.0))):
        for network, error in zip(("arl", "nal", "twin"), errors, strict=True):
            level_there = (network, level) == ("arl", 0.0)
            for run in runs(0.2 if level_there else error, "test_error", network=network):
                run["noise"] = level
                last = {"within": run["test_error"] - 0.25}
                run["history"] = [{"filter": {"stage1": last}}, {"filter": {"stage1": {"within": 9.0}, "stage2": last}}]
                made.append(run)
    found = verdicts.noise(made)
    assert [word for _, word in found.values()] == ["it helps more", "not resolved", *["the others pass"] * 2]
    assert found["more", "arl"][0].mean == pytest.approx(10, abs=0.2)
    assert found["within", "nal"][0].mean == pytest.approx(-5, abs=0.5)


def test_the_stored_runs_are_judged_with_one_correction_a_table() -> None:
    found = verdicts.turned(zoo.load_records("turned"), zoo.load_records("depth"))
    errors: dict[str, list[float]] = {}
    whole = [run for run in zoo.load_records("depth") if (run["modules"], run["steps"]) == (3, 1000)]
    for run in sorted([*whole, *zoo.load_records("turned")], key=lambda run: run["seed"]):
        if "test_error" in run:
            errors.setdefault(run["arm"], []).append(100 * run["test_error"])
    expected = {" ".join(pair): paired(errors[pair[0]], errors[pair[1]]) for pair in verdicts.TURNS}
    stands = holm(expected)
    for pair, (difference, word) in found.items():
        assert difference == expected[" ".join(pair)] and (word != "not resolved") == stands[" ".join(pair)]
