"""The experiment log: what came out stands there when all runs do, and what a training cost is counted."""

import pytest

from experiments.cued import NETWORKS
from resattn import create
from resattn.analysis import count_multiply_adds
from resattn.zoo import load_records
from tools import experiment_log


def test_half_a_grid_has_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    row, section = experiment_log.asked("cued")
    assert row.state == "complete" and row.outcome != "–" and "\n*Outcome*\n" in section
    monkeypatch.setattr(experiment_log, "records", lambda name: load_records(name)[:-1])
    row, section = experiment_log.asked("cued")
    assert (row.state, row.outcome) == ("under way", "–") and "*Outcome*" not in section
    monkeypatch.setattr(experiment_log, "records", lambda name: [])
    assert experiment_log.asked("cued")[0].state == "not run"


def test_words_are_counted() -> None:
    found = [("a", "holds", ""), ("b", "did not show", ""), ("c", "holds", "")]
    assert experiment_log.words(found) == "holds (2), did not show"
    assert experiment_log.words([]) == "–"


def test_operations_are_those_of_the_training() -> None:
    run = next(run for run in load_records("cued") if run["key"] == "twin-seed3")
    expected = 6 * 2000 * 64 * count_multiply_adds(create("attention56", num_classes=10, **NETWORKS["twin"]), 48)
    assert experiment_log.operations(run) == expected > 0
    assert experiment_log.operations(run | {"frozen": ["stem"]}) == expected / 3


def test_work_is_given_where_something_was_trained() -> None:
    runs = load_records("cued")
    assert 0.1 < float(experiment_log.work(runs)) < 1
    assert experiment_log.work([*runs, {"key": "x", "seed": 0}]) == experiment_log.work([]) == "–"
    assert experiment_log.work(load_records("followed"), "followed") == "–"


def test_operations_of_a_record_without_its_network_are_those_of_the_question() -> None:
    """Of networks that have other masks than their settings say, and of one whose length is in its run."""
    short, long = (
        experiment_log.operations({"key": f"plain-m3-steps{steps}-seed2"}, "depth") or 0 for steps in (250, 1000)
    )
    plain = create("attention56", stem="conv3_stride2", width=0.25, modules=(3, 3, 3), fusion="none", num_classes=10)
    assert long == 4 * short == 6 * 1000 * 64 * count_multiply_adds(plain, 32)
    assert experiment_log.operations({"key": "half-m3-steps1000-seed0"}, "depth") == long
    assert experiment_log.operations({"key": "falling-m3-steps1000-seed0"}, "turned") == long
    assert experiment_log.operations({"key": "nal-m3-steps1000-seed0"}, "depth") > long


def test_commits_are_counted_and_marked_where_files_had_changed() -> None:
    runs = [{"commit": "a" * 40}, {"commit": "a" * 40}, {"commit": "a" * 40 + "+"}]
    assert experiment_log.commits(runs) == "aaaaaaa (2), aaaaaaa+ (1)"


def test_runs_without_a_rule_are_in_the_log_too() -> None:
    page = experiment_log.PAGE.read_text(encoding="utf-8")
    for name, count in (("finetune", 12), ("zoo", 10)):
        assert f"| [{name}](#log-others) | {count}\u00a0of\u00a0{count} |" in page
