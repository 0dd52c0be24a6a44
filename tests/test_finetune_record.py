"""What the page on own pictures says that trained weights are worth is what the record says."""

import pytest
from conftest import ROOT

from experiments import finetune
from resattn import zoo

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
        assert run["data"]["classes"] == list(finetune.KINDS) and run["recipe"]["lr"] == finetune.RECIPE.lr
        source = zoo.load_pretrained(finetune.WEIGHTS).record["sha256"]
        assert (run["started_from"] or {}).get("sha256") == (None if run["network"] == "scratch" else source)
        assert bool(run["frozen"]) == (run["network"] == "classifier")


def test_the_page_shows_the_table_of_the_record(runs):
    assert finetune.table(runs) in PAGE


def test_what_the_page_concludes_holds_for_every_seed(runs):
    """Trained weights, all of them trained on, err less than the classifier alone, and that less than from scratch."""
    errors = {(run["network"], run["seed"]): run["test_error"] for run in runs}
    for seed in range(finetune.SEEDS):
        assert errors["all", seed] < errors["classifier", seed] < errors["scratch", seed]
    assert max(run["processor_seconds"] for run in runs) < 60
