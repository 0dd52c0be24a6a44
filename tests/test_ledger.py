"""The ledger of chapter 11: its words follow from counts and records, and a complete larger record takes a row over."""

from collections import Counter
from dataclasses import asdict

import pytest
import torch

from experiments import cifar, cifar_tables, depth, noise
from resattn import zoo
from resattn.analysis import comparisons, count_parameters
from resattn.analysis.comparisons import COMPARISONS, Trial
from resattn.analysis.ledger import WORDS, ledger, published
from resattn.networks import create

CIFAR_10 = "CIFAR-10 train (99.8 % of the images exact)"


@pytest.fixture
def made_up(monkeypatch):
    """Put a record of made-up runs beside those of the package."""

    def put(name: str, runs: list[dict]) -> None:
        real, listed = zoo.load_records, zoo.list_records()
        monkeypatch.setattr(zoo, "list_records", lambda: sorted({*listed, name}))
        monkeypatch.setattr(zoo, "load_records", lambda asked: runs if asked == name else real(asked))
        comparisons.records.cache_clear()

    yield put
    monkeypatch.undo()
    comparisons.records.cache_clear()


def cifar_runs(error: float = 0.11, title: str = CIFAR_10) -> list[dict]:
    data = {"train": title, "test": "CIFAR-10 test"}
    worse = {"nal": 0.02, "twin": 0.01}
    return [
        {
            "network": run.network,
            "seed": run.seed,
            "data": data,
            "test_error": error + worse.get(run.network, 0.0) + 0.001 * run.seed,
        }
        for run in cifar.RUNS
    ]


def named(start: str) -> comparisons.Comparison:
    (found,) = (c for c in COMPARISONS if c.name.startswith(start))
    return found


def words(table: str) -> Counter:
    return Counter(entry.word for entry in ledger() if entry.table == table)


def test_every_entry_has_a_word_and_every_place_is_one_entry():
    entries = ledger()
    assert len({entry.place for entry in entries}) == len(entries) == 80
    assert {entry.word for entry in entries} <= set(WORDS)
    places = {entry.place for entry in entries}
    for found in COMPARISONS:
        assert {found.more, found.less} <= places


def test_a_comparison_prints_the_difference_of_its_two_entries():
    printed = {entry.place: entry.printed for entry in ledger()}
    for found in COMPARISONS:
        assert found.printed == pytest.approx(printed[found.more] - printed[found.less])


def test_counts_are_equal_to_the_print_or_to_the_file_or_they_are_not_called_so():
    for entry in ledger():
        if entry.ours is None:
            continue
        with torch.device("meta"):
            filed = published().get(entry.network or "") == count_parameters(create(entry.network or ""))
        rounds = round(entry.ours, 1) == entry.printed
        assert (entry.word == "equal") <= rounds and (entry.word == "differs") <= (not rounds and not filed)
        assert (entry.word == "as in the file") == (filed and not rounds)


@pytest.mark.parametrize("name", sorted({trial.record for found in COMPARISONS for trial in found.trials}))
def test_a_trial_waits_for_as_many_runs_as_its_experiment_lists(name):
    module = {"cifar": cifar, "cifar_tables": cifar_tables, "depth": depth, "noise": noise}[name]
    planned = [run for run in map(asdict, module.RUNS) if not run.get("rate")]
    for found in COMPARISONS:
        for trial in found.trials:
            if trial.record == name:
                fit = [run for run in planned if all(run[key] == value for key, value in trial.where.items())]
                assert len(fit) == trial.planned or not fit
                assert not fit or {trial.arm, trial.against} <= {run.get("network") or run["arm"] for run in fit}


def test_a_complete_record_of_the_larger_experiment_takes_its_rows(made_up):
    made_up("cifar", cifar_runs())
    nal, twin = named("NAL less ARL, one"), named("residual network less attention, of one size")
    assert nal.trial.record == twin.trial.record == "cifar"
    assert nal.trial.difference.mean == pytest.approx(2.0) and twin.trial.difference.mean == pytest.approx(1.0)
    assert named("NAL less ARL, three").trial.record == named("channel").trial.record == "cifar_tables"
    assert words("3")["same data, smaller"] == 4


def test_one_run_less_and_the_small_experiment_stays(made_up):
    made_up("cifar", cifar_runs()[:-1])
    assert named("NAL less ARL, one").trial.record == "cifar_tables"


def test_networks_that_guess_say_nothing(made_up):
    made_up("cifar", cifar_runs(error=0.85))
    assert named("NAL less ARL, one").trial.record == "cifar_tables"


def test_other_data_makes_an_analogue(made_up):
    runs = [
        {
            "arm": arm,
            "modules": 3,
            "steps": 4000,
            "seed": seed,
            "data": {"train": f"Scenes train, draw {seed}"},
            "test_error": 0.1,
            "response": {"stage1": 1.0},
        }
        for arm in ("arl", "nal", "plain", "half")
        for seed in range(5)
    ]
    made_up("depth", runs[:-1])
    assert words("Fig. 4") == {"not run": 6}
    made_up("depth", runs)
    comparisons.records.cache_clear()
    assert words("Fig. 4") == {"analogue": 6}
    for run in runs:
        run["data"] = {"train": CIFAR_10}
    comparisons.records.cache_clear()
    assert words("Fig. 4") == {"same data, smaller": 6}


def test_unequal_seeds_are_no_pairs(made_up):
    runs = cifar_runs()
    runs[-3]["seed"] = 7  # of NAL
    made_up("cifar", runs)
    trial = Trial("cifar", "nal", "arl", len(runs))
    assert not trial.complete
