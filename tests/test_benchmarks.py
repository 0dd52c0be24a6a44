"""The benchmarks: rounds take turns, ratios are taken within rounds, and the page says what the results say."""

import pytest

from resattn.zoo import checkpoints
from tests.benchmarks import __main__ as bench
from tests.benchmarks.timing import take_turns


def test_a_ratio_is_taken_within_a_round() -> None:
    """A load that halves every rate of a round leaves the ratio as it was."""
    order: list[str] = []
    loads = iter([9, 9, 1, 1, 2, 2, 4, 4])  # the first round warms up

    def measure(name: str, rate: float):
        def once() -> float:
            order.append(name)
            return rate / next(loads)

        return once

    first, second = take_turns("g", {"a": measure("a", 100.0), "b": measure("b", 300.0)}, "images/s", rounds=3)
    assert order == ["a", "b"] * 4
    assert (first.value, first.lowest, first.highest, first.ratio) == (50, 25, 100, None)
    assert (second.value, second.ratio) == (150, 3)


def test_the_page_is_made_from_the_results() -> None:
    results = checkpoints.read_json(bench.RESULTS)
    assert list(results) == [name for name in bench.GROUPS if name in results]
    assert bench.PAGE.read_text(encoding="utf-8") == bench.page(results)
    assert all(row["lowest"] <= row["value"] <= row["highest"] for part in results.values() for row in part["rows"])


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23")])
def test_numbers(value: float, text: str) -> None:
    assert bench.number(value) == text


def test_a_wrong_name_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        bench.main(["nothing"])
    assert error.value.code == 2 and "no benchmark 'nothing'" in capsys.readouterr().err
