"""The statistics of the book, against textbook numbers and simulation."""

import numpy as np
import pytest

from resattn.analysis.statistics import Difference, holm, one_sample, paired, wilson


def test_paired_is_students_interval() -> None:
    # Student (1908), the sleep data: mean difference 1.58, t = 4.0621 with 9 degrees of freedom, p = 0.00283
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired(second, first)
    assert found.mean == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert found.resolved and found.n == 10 and str(found) == "+1.6 ± 0.9"


def test_the_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    found = [one_sample(random.normal(1, 3, 5).tolist()) for _ in range(4000)]
    share = np.mean([abs(d.mean - 1) <= d.half for d in found])
    assert share == pytest.approx(0.95, abs=0.011)


def test_holm_stops_at_the_first_that_fails() -> None:
    made = {name: Difference(1, 0.5, p, 5) for name, p in [("a", 0.013), ("b", 0.001), ("c", 0.03), ("d", 0.02)]}
    # 0.001 < 0.05/4, 0.013 < 0.05/3, 0.02 < 0.05/2, 0.03 < 0.05/1: all stand
    assert all(holm(made).values())
    made["d"] = Difference(1, 0.5, 0.026, 5)  # 0.026 > 0.05/2, so c falls with it
    assert holm(made) == {"a": True, "b": True, "c": False, "d": False}


def test_no_difference_needs_the_whole_interval_inside_the_bound() -> None:
    assert Difference(0.5, 1.0, 0.3, 8).within(2.0)
    assert not Difference(0.5, 1.6, 0.5, 8).within(2.0)
    assert not Difference(0.5, 1.6, 0.5, 8).resolved


def test_wilson_near_the_ends() -> None:
    assert wilson(0, 10)[0] == 0 and wilson(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table 1
    low, high = wilson(10, 10)
    assert high == 1 and low == pytest.approx(1 - 0.2775, abs=1e-4)


def test_equal_values_are_no_accident() -> None:
    assert one_sample([2.0, 2.0, 2.0]) == Difference(2.0, 0.0, 0.0, 3)
    assert one_sample([0.0, 0.0]) == Difference(0.0, 0.0, 1.0, 2)
    assert not one_sample([0.0, 0.0]).resolved


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: paired([1.0], [2.0]), "two or more pairs"),
        (lambda: paired([1.0, 2.0], [2.0]), "two or more pairs"),
        (lambda: one_sample([1.0]), "two or more values"),
        (lambda: wilson(5, 4), "0 ≤ hits ≤ n"),
        (lambda: wilson(0, 0), "0 ≤ hits ≤ n"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()
