"""What the page on own pictures says that trained weights are worth is what the record says."""

import pytest
from conftest import ROOT

from experiments import finetune
from resattn import zoo
from resattn.zoo import checkpoints

PAGE = (ROOT / "book" / "own_pictures.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs():
    return zoo.load_records("finetune")


def test_every_arm_and_seed_is_there(runs):
    assert [(run["network"], run["seed"]) for run in runs] == [
        (arm, seed) for seed in range(finetune.SEEDS) for arm in finetune.ARMS
    ]
    for run in runs:
        assert (run["train_images"], run["test_images"]) == (finetune.PICTURES, finetune.TESTS)
        assert run["data"]["classes"] == list(finetune.KINDS)
        assert run["recipe"]["epochs"] == finetune.RECIPE.epochs * (10 if run["network"] == "longer" else 1)
        source = zoo.load_pretrained(finetune.WEIGHTS).record["sha256"]
        started = None if run["network"] in ("scratch", "longer") else source
        assert (run["started_from"] or {}).get("sha256") == started
        assert bool(run["frozen"]) == (run["network"] == "classifier")


def test_the_longer_training_has_the_best_of_the_rates(runs):
    tried = checkpoints.read_json(zoo.grids.RECORDS / "finetune.json")["tried"]
    assert [run["recipe"]["lr"] for run in tried] == list(finetune.RATES)
    assert {run["seed"] for run in tried} == {finetune.CHOOSING}
    best = finetune.chosen_rate(tried)
    assert best == min(tried, key=lambda run: run["test_error"])["recipe"]["lr"]
    rates = {run["network"]: run["recipe"]["lr"] for run in runs}
    assert rates == dict.fromkeys(("all", "classifier", "scratch"), finetune.RECIPE.lr) | {"longer": best}


def test_the_page_shows_the_table_of_the_record(runs):
    assert finetune.table(runs) in PAGE


def test_what_the_page_concludes_holds_for_every_seed(runs):
    """Trained weights, all of them trained on, err less than any other arm; random weights trained as long err most."""
    errors = {(run["network"], run["seed"]): run["test_error"] for run in runs}
    for seed in range(finetune.SEEDS):
        assert errors["all", seed] < errors["classifier", seed] < errors["scratch", seed]
        assert errors["all", seed] < errors["longer", seed] < errors["scratch", seed]
    assert max(run["processor_seconds"] for run in runs if run["network"] != "longer") < 60
