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


def test_work_is_given_only_where_every_record_names_its_network() -> None:
    runs = load_records("cued")
    assert 0.1 < float(experiment_log.work(runs)) < 1
    assert experiment_log.work([*runs, {"key": "x", "seed": 0}]) == experiment_log.work([]) == "–"


def test_runs_without_a_rule_are_in_the_log_too() -> None:
    page = experiment_log.PAGE.read_text(encoding="utf-8")
    for name in ("label_noise", "cifar_tables", "finetune", "zoo"):
        assert f"| [{name}](#log-others) | complete |" in page
