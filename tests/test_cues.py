"""Verdicts on Cued Scenes beyond two modules and two objects follow the rules of their experiments."""

import pytest

from resattn import zoo
from resattn.analysis import cues


def runs(network: str, mean: float, spread: float = 0.001, seeds: int = 5) -> list[dict]:
    """Runs with this mean accuracy, the last seed first."""
    return [
        {"network": network, "seed": seed, "test_error": 1 - mean - spread * ((seed + len(network)) % 3 - 1)}
        for seed in reversed(range(seeds))
    ]


def test_a_module_alone_against_both_and_three_against_a_large_one() -> None:
    both = runs("arl", 0.9, seeds=8) + runs("nal", 0.9, seeds=8)
    alone = runs("first-arl", 0.905) + runs("second-arl", 0.8) + runs("first-nal", 0.95)
    alone += runs("second-nal", 0.86, spread=0.05) + runs("three", 0.905) + runs("large", 0.9)
    found = cues.modules_alone(both, alone)
    words = {a: word for (a, _), (_, word) in found.items()}
    assert words == {
        "first-arl": "as well",
        "second-arl": "worse",
        "first-nal": "better",
        "second-nal": "not resolved",
        "three": "better",
    }
    assert found["second-arl", "arl"][0].mean == pytest.approx(-10, abs=0.1)
    with pytest.raises(ValueError, match="nothing to pair seed 4 with"):
        cues.modules_alone(runs("arl", 0.9, seeds=4) + runs("nal", 0.9, seeds=8), alone)


def test_pairs_are_of_one_seed() -> None:
    """Networks whose accuracies rise and fall together over seeds, stored in another order."""
    ours, theirs = runs("three", 0.9, spread=0.05), runs("large", 0.9, spread=0.05)[::-1]
    other = runs("x", 0.9)
    alone = ours + theirs + [run | {"network": n} for n in ("first-arl", "second-arl") for run in other]
    alone += [run | {"network": n} for n in ("first-nal", "second-nal") for run in other]
    both = [run | {"network": n} for n in ("arl", "nal") for run in other]
    assert cues.modules_alone(both, alone)["three", "large"][0].half == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("swap", "holds"),
    [
        ([0.02, 0.77, 0.05], True),  # nine tenths of 0.84, and less than 0.8
        ([0.05, 0.8, 0.05], True),
        ([0.06, 0.8, 0.05], False),
        ([0.02, 0.75, 0.05], False),
    ],
)
def test_the_rule_of_three_objects_is_relative_to_the_answers_without_a_swap(swap, holds) -> None:
    run = {"answers": [0.84, 0.04], "swaps": {"one": [0.6, 0.1, 0.1], "two": swap, "all": [0.0, 0.84, 0.0]}}
    assert cues.one_mask_of_three(run) is holds and cues.carrier(run) == "two"


@pytest.mark.parametrize(("carrying", "holds"), [(4, True), (3, False)])
def test_the_claim_of_three_objects_asks_for_four_runs_of_five(carrying, holds) -> None:
    runs = [{"answers": [0.84, 0.04], "swaps": {"one": [0.02, 0.8 if i < carrying else 0.1, 0.05]}} for i in range(5)]
    assert cues.among_three(runs) == (carrying, holds)


@pytest.mark.parametrize(
    ("swap", "mask", "trunk", "found"),
    [
        ([0.02, 0.9], 0.2, 0.01, ("two", True)),
        ([0.02, 0.9], 0.2, -0.06, ("two", False)),
        ([0.02, 0.9], 0.04, 0.01, ("two", False)),
        ([0.02, 0.7], 0.2, 0.01, (None, False)),
    ],
)
def test_figure_1_is_told_of_the_module_that_carries_the_choice(swap, mask, trunk, found) -> None:
    run = {
        "swaps": {"one": [0.6, 0.1], "two": swap, "all": [0.0, 0.95]},
        "shifts": {"one": {"mask": 0.0, "trunk": 0.5}, "two": {"mask": mask, "trunk": trunk}},
    }
    assert cues.figure_1(run) == found


def unseen(network: str, known: float, new: float, spread: float = 0.0) -> list[dict]:
    return [
        {
            "network": network,
            "seed": seed,
            "known": [known, 1 - known],
            "new": [new + spread * (seed % 3 - 1), 1 - new - spread * (seed % 3 - 1)],
        }
        for seed in range(5)
    ]


def test_what_carries_over() -> None:
    found = unseen("arl", 0.9, 0.85, 0.01) + unseen("nal", 0.9, 0.5, 0.01) + unseen("twin", 0.9, 0.7)
    assert [word for _, word in cues.attention_carries_over(found).values()] == ["better", "worse"]
    assert cues.change(found[1]) == pytest.approx(-5) and cues.carries_over(found[1])
    assert not cues.carries_over(found[6])
    assert cues.follows([0.6, 0.2]) == pytest.approx(75)
    with pytest.raises(ValueError, match="the same seeds"):
        cues.attention_carries_over(found[1:])


def test_masks_may_carry_over_what_the_answer_does_not() -> None:
    masks = {"known": [0.9, 0.1], "new": [0.85, 0.15]}
    run = {"known": [0.9, 0.1], "new": [0.1, 0.1], "by_masks": masks}
    assert cues.masks_carry_over([run] * 3) == (3, True)
    carried = run | {"new": [0.85, 0.15]}  # the answer does so too
    stuck = run | {"by_masks": masks | {"new": [0.6, 0.4]}}  # the masks do not
    assert cues.masks_carry_over([run, carried, stuck]) == (1, False)
    assert cues.masks_carry_over([]) == (0, False)


def test_the_sum_over_three_tasks_is_that_of_their_records() -> None:
    turned, stays = {"stage1.attention1": [0.01, 0.9]}, {"stage1.attention1": [0.9, 0.01]}
    two = [{"network": "arl", "seed": k, "swaps": swaps} for k, swaps in enumerate((turned, stays, turned))]
    two.append({"network": "nal", "seed": 0, "swaps": turned})
    assert cues.over_three_tasks(two, [], two[:1], "arl") == (3, 4)
    assert cues.over_three_tasks(two, [], two[:1], "nal") == (1, 1)
    three = zoo.load_records("three_objects")
    for network in ("arl", "nal"):
        own = cues.of(three, network)
        assert cues.over_three_tasks([], three, [], network) == (cues.among_three(own)[0], len(own))
