"""What a told mask is worth: the words by the rule of the experiment, and masks in labels."""

import math
import re

import pytest

from resattn.analysis import exchange
from resattn.analysis.statistics import Difference


def runs(gain: dict[str, float], spread: float = 0.002, seeds: int = 10) -> list[dict]:
    """Runs whose accuracy grows with log n; an arm differs from "arl" by its gain, up to a little noise."""
    found = [{"key": "arl-all-n300-weight5", "arm": "arl-all", "labels": 300, "seed": 100, "scores": {"accuracy": 0.9}}]
    for arm in ("arl", "twin", "added", "arl-all"):
        for labels in (100, 300, 1000, 3000):
            for seed in range(seeds):
                noise = spread * ((7 * seed + 3 * len(arm) + labels) % 5 - 2)
                accuracy = 0.1 + 0.2 * math.log10(labels / 10) + gain.get(arm, 0.0) + noise
                run = {"key": f"{arm}-n{labels}-seed{seed}", "arm": arm, "labels": labels, "seed": seed}
                found.append(run | {"scores": {"accuracy": accuracy}})
    return found[::-1]


def test_runs_stand_in_the_order_of_the_seeds_and_those_that_choose_count_not():
    curve = exchange.accuracies(runs({}, spread=0.01), "arl-all")
    assert list(curve) == [100, 300, 1000, 3000] and all(len(values) == 10 for values in curve.values())
    noise = [(7 * seed + 21 + 300) % 5 - 2 for seed in range(10)]
    assert curve[300] == pytest.approx([100 * (0.1 + 0.2 * math.log10(30)) + n for n in noise])


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ({"twin": -0.1, "added": -0.1, "arl-all": 0.1}, ["more", "more", "limited"]),
        ({"twin": 0.1, "added": 0.1, "arl-all": -0.1}, ["less", "less", "worse when told"]),
        ({}, ["not resolved", "not resolved", "not limited"]),
        ({"arl-all": 0.005}, ["not resolved", "not resolved", "not limited"]),  # resolved, and within a point
    ],
)
def test_words_follow_the_rule_of_the_experiment(gain, words):
    found = exchange.decisions(runs(gain))
    assert [(d.labels, d.arm, d.against) for d in found] == [(n, *pair) for n in (300, 3000) for pair in exchange.ASKED]
    assert [d.word for d in found] == 2 * words


def test_a_wide_interval_decides_nothing():
    wide = exchange.Decision(300, "arl-all", "arl", Difference(1.0, 3.0, 0.5, 10), False)
    assert wide.word == "not resolved"


def test_labels_are_read_off_straight_lines_over_the_logarithm():
    curve = {100: 30.0, 1000: 50.0, 10_000: 80.0}
    assert exchange.labels_for(curve, 30.0) == 100 and exchange.labels_for(curve, 50.0) == 1000
    assert exchange.labels_for(curve, 80.0) == 10_000
    assert exchange.labels_for(curve, 65.0) == pytest.approx(10**3.5)
    assert exchange.labels_for(curve, 29.9) == -math.inf and exchange.labels_for(curve, 80.1) == math.inf
    dip = {100: 30.0, 1000: 50.0, 10_000: 40.0, 100_000: 60.0}
    assert exchange.labels_for(dip, 45.0) == pytest.approx(10**2.75), "where it is reached first"
    assert exchange.labels_for(dip, 55.0) == pytest.approx(10**4.75)


def test_a_mask_is_worth_what_replaces_it():
    untold = exchange.accuracies(runs({}, spread=0.0), "arl")
    told = [value + 20 * math.log10(2.5) for value in untold[300]]  # as far as two and a half times the labels
    rate = exchange.exchange_rate(untold, told, 300)
    assert rate.reached == pytest.approx((750.0, 750.0, 750.0)) and str(rate) == "+1.5"
    assert str(exchange.exchange_rate(untold, told, 300, masks=30)) == "+15.0"
    over = exchange.exchange_rate(untold, [99.0] * 10, 300)
    assert str(over) == "> +9.0" and over.amount(over.reached[0]) == "> 3,000"
    under = exchange.exchange_rate(untold, [1.0] * 10, 300)
    assert str(under) == "< -0.7" and under.amount(under.reached[0]) == "< 100"


def test_resampled_seeds_surround_the_means_and_are_always_the_same():
    noisy = runs({"arl-all": 0.1}, spread=0.02)
    untold, told = (exchange.accuracies(noisy, arm) for arm in ("arl", "arl-all"))
    rate = exchange.exchange_rate(untold, told[300], 300)
    value, least, most = rate.reached
    assert 300 < least < value < most < 3000 and re.fullmatch(r"\+\d\.\d \(\+\d\.\d to \+\d\.\d\)", str(rate))
    assert rate.worth(299.9) == "+0.0", "no minus before nothing"
    assert exchange.exchange_rate(untold, told[300], 300) == rate
    with pytest.raises(ValueError, match=r"the same seeds everywhere; got \[9, 10\] values"):
        exchange.exchange_rate(untold, told[300][:9], 300)
