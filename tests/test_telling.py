"""Whether telling a mask brings the cue sooner: the words by the rule of the experiment."""

import random

import pytest

from resattn.analysis import telling


def runs(steps: dict[str, int], right: dict[str, float], spread: int = 25, seeds: int = 5) -> list[dict]:
    """Runs that find the cue near a step, by arm, and give so many right answers in the end; shuffled."""
    made = []
    for fusion in telling.FUSIONS:
        for arm in ("untold", "told", "objects"):
            for seed in range(seeds):
                at = steps.get(arm, 400) + spread * ((seed + len(arm)) % 3 - 1)
                looks = [[step, 0.7 if step >= at else 0.4, 0.2 if step >= at else 0.3] for step in range(25, 2001, 25)]
                answers = [right.get(arm, 0.9) + 0.001 * ((seed + len(arm)) % 3), 0.02]
                key = {"key": f"{fusion}-{arm}-seed{seed}", "fusion": fusion, "arm": arm, "seed": seed}
                made.append(key | {"looks": looks, "answers": answers})
    random.Random(0).shuffle(made)
    return made


@pytest.mark.parametrize(
    ("steps", "right", "words"),
    [
        ({"told": 150}, {"told": 0.96}, ("sooner", "more")),
        ({"told": 150, "objects": 150}, {}, ("sooner by objects", "no difference")),
        ({"told": 700}, {"told": 0.8}, ("later", "fewer")),
        ({}, {}, ("not resolved", "no difference")),
        ({"told": 375}, {"told": 0.905}, ("not resolved", "no difference")),
    ],
)
def test_words_follow_the_rule_of_the_experiment(steps, right, words):
    found = telling.decisions(runs(steps, right))
    assert [(t.sooner, t.better) for t in found.values()] == 2 * [words] and list(found) == ["arl", "nal"]


def test_a_network_that_never_finds_the_cue_counts_with_one_look_more():
    never = {"looks": [[25, 0.5, 0.4], [2000, 0.6, 0.3]]}
    assert telling.found_at(never) == telling.NEVER == 2125


def test_the_same_seeds_everywhere():
    some = [run for run in runs({}, {}) if run["key"] != "nal-objects-seed3"]
    with pytest.raises(ValueError, match="the arms of nal must have the same seeds"):
        telling.decisions(some)
    assert [run["seed"] for run in telling.arm(some, "arl", "told")] == [0, 1, 2, 3, 4]


def told56(last: float, all_: float, spread: float = 0.001) -> list[dict]:
    """Runs with these means, by arm, and untold ones at 0.95; shuffled."""
    means = {"untold": 0.95, "last": last, "all": all_}
    made = [
        {"arm": arm, "seed": seed, "accuracy": mean + spread * ((seed + len(arm)) % 3 - 1)}
        for arm, mean in means.items()
        for seed in range(5)
    ]
    random.Random(0).shuffle(made)
    return made


@pytest.mark.parametrize(
    ("last", "all_", "words"),
    [
        (0.97, 0.98, ("limited", "limited", "more")),
        (0.951, 0.97, ("not limited", "limited", "more")),
        (0.92, 0.951, ("worse when told", "not limited", "more")),
        (0.96, 0.96, ("limited", "limited", "not resolved")),
    ],
)
def test_which_masks_should_be_told(last, all_, words):
    found = telling.which_masks(told56(last, all_))
    assert [word for _, word in found.values()] == list(words)
    assert found["last", "untold"][0].mean == pytest.approx(100 * (last - 0.95), abs=0.05)


def test_an_interval_without_zero_may_not_stand_after_holm():
    (last, word), (_both, more), _ = telling.which_masks(told56(0.963, 0.963, 0.008)).values()
    assert last.resolved and word == "not resolved" and more == "limited"


def test_all_arms_of_told56_have_the_same_seeds():
    some = [run for run in told56(0.97, 0.97) if (run["arm"], run["seed"]) != ("all", 2)]
    with pytest.raises(ValueError, match="the arms must have the same seeds"):
        telling.which_masks(some)
