"""The long experiment of chapter 12: it runs the chapter's own cells and resumes; the records are of these cells."""

import json
import re
from dataclasses import asdict

import nbformat
import pytest

from experiments import mask_supervision as experiment
from resattn import zoo

PASSING = ("seconds", "date", "commit")


@pytest.fixture(scope="module")
def short_chapter():
    chapter = experiment.namespace()
    chapter["STEPS"] = 60
    return chapter


@pytest.fixture
def short(monkeypatch, short_chapter):
    arms = {"few": {name: experiment.ARMS["few"][name] for name in ("trunk only", "NAL told", "perfect mask × 0.5")}}
    monkeypatch.setattr(experiment, "ARMS", arms)
    monkeypatch.setattr(experiment, "SEEDS", 1)
    monkeypatch.setattr(experiment, "namespace", lambda: dict(short_chapter))


def lasting(records):
    return [{key: value for key, value in record.items() if key not in PASSING} for record in records]


@pytest.fixture
def edited(tmp_path):
    """A function that writes the chapter with one replacement in the code of one cell."""

    def edit(cell_id, old, new):
        nb = nbformat.read(experiment.CHAPTER, as_version=4)
        (cell,) = [cell for cell in nb.cells if cell.id == cell_id]
        assert old in cell.source
        cell.source = cell.source.replace(old, new)
        path = tmp_path / "edited.ipynb"
        nbformat.write(nb, path)
        return path

    return edit


def test_an_interrupted_run_goes_on_after_the_last_finished_one(short, tmp_path, monkeypatch, capsys):
    whole = experiment.run_all(tmp_path / "whole")
    arguments = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "records")]
    asked = []
    run = experiment.run

    def second_time_interrupted(*args):
        asked.append(args)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return run(*args)

    monkeypatch.setattr(experiment, "run", second_time_interrupted)
    assert experiment.main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()
    assert experiment.main(arguments) == 0
    assert len(asked) == 4  # the first run was not repeated
    monkeypatch.setattr(zoo.grids, "RECORDS", tmp_path / "records")
    assert lasting(zoo.load_records("mask_supervision")) == lasting(json.loads(json.dumps(whole)))


def test_runs_of_other_cells_are_made_again(short, tmp_path, monkeypatch):
    first = experiment.run_all(tmp_path)
    monkeypatch.setattr(experiment, "digest", lambda: "another")
    second = experiment.run_all(tmp_path)
    assert [record["cells"] for record in second] == ["another"] * len(first)
    assert [record["scores"] for record in second] == [record["scores"] for record in first]


def test_what_a_mask_is_told_reaches_the_training(short_chapter):
    assert experiment.Arm("arl").weight == short_chapter["LAMBDA"]

    def losses(told, **settings):
        arm = experiment.Arm("arl", told, **settings)
        return experiment.run(short_chapter, arm, 300, seed=0)[1][0]

    untold = losses("nothing")
    assert untold["loss"] == untold["class_loss"]
    truth, another = losses(experiment.TRUTH), losses(experiment.ANOTHER)
    assert untold["loss"] < truth["loss"] < another["loss"]
    assert losses(experiment.TRUTH, weight=1.0)["loss"] < truth["loss"]
    assert losses(experiment.TRUTH, with_masks=30) != truth


def test_the_digest_follows_the_code_and_not_its_layout(edited):
    assert experiment.digest(edited("loop", "LAMBDA = 600, 64, 5.0", "LAMBDA = (600, 64, 5.0)  # a comment")) == (
        experiment.digest()
    )
    assert experiment.digest(
        edited("data", "the share of each position that\n", "the share of each\n    position that")
    ) == (experiment.digest())
    assert experiment.digest(edited("data", "the share of each", "a share of each")) != experiment.digest()
    assert experiment.digest(edited("loop", "600", "601")) != experiment.digest()


def test_a_chapter_without_one_of_the_cells_is_named(tmp_path):
    nb = nbformat.read(experiment.CHAPTER, as_version=4)
    nb.cells = [cell for cell in nb.cells if cell.id != "ceiling"]
    nbformat.write(nb, tmp_path / "12_x.ipynb")
    with pytest.raises(ValueError, match=r"^12_x\.ipynb has no cell ceiling$"):
        experiment.sources(tmp_path / "12_x.ipynb")


def test_the_stored_records_are_of_the_present_cells_and_complete():
    records = zoo.load_records("mask_supervision")
    wanted = [
        (seed, amount, name)
        for seed in range(experiment.SEEDS)
        for amount, arms in experiment.ARMS.items()
        for name in arms
    ]
    assert [(record["seed"], record["labels"], record["network"]) for record in records] == wanted
    assert {record["cells"] for record in records} == {experiment.digest()}, (
        "run python -m experiments.mask_supervision again"
    )
    for record in records:
        assert record["arm"] == asdict(experiment.ARMS[record["labels"]][record["network"]])
        assert record["train_images"] == experiment.AMOUNTS[record["labels"]]
        assert record["test_error"] == 1 - record["scores"]["accuracy"] / 100
        assert [entry["step"] for entry in record["history"]] == list(range(60, 601, 60))
        assert record["seconds"] > 0 and record["hardware"] and record["torch"]
        assert re.fullmatch(r"[0-9a-f]{40}\+?", record["commit"])
