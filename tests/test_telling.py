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
