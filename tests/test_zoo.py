"""The weights that come with the package: what their records say, and that they do what the records say; and how they
are trained."""

import json
from dataclasses import asdict, replace

import pytest
import torch

import resattn
from experiments import cifar, cued, cued56, three_objects, train_zoo, unseen
from resattn import data, zoo
from resattn.training import Recipe, evaluate

KEPT = {name: (grid, key) for grid in (cifar, cued, cued56, three_objects, unseen) for key, name in grid.KEPT.items()}
OF_GRIDS = [name for name in zoo.list_pretrained() if name in KEPT]
NAMES = [name for name in zoo.list_pretrained() if name not in KEPT]
TINY = train_zoo.Entry(
    "tiny",
    Recipe("tiny", epochs=2, batch_size=20, lr=0.05, pad=0),
    {"stem": "conv3_stride2", "widths": (8,), "units": (1,), "modules": (1,), "poolings": (1,), "t": 1},
    seed=3,
)


def test_the_networks_that_the_chapters_load_are_there():
    assert {"attention56_scenes", "attention56_scenes_nal", "attention56_scenes_trunk"} <= set(NAMES)


def test_what_others_rely_on_is_in_the_top_level():
    assert set(resattn.__all__) == {"create", "data", "list_models", "load_pretrained", "look"}
    assert resattn.load_pretrained is zoo.load_pretrained and resattn.data is data


@pytest.mark.parametrize("name", NAMES)
def test_a_record_tells_how_the_weights_came_about(name):
    entry, record = train_zoo.ENTRIES[name], zoo.load_pretrained(name).record
    assert record["recipe"] == json.loads(json.dumps(asdict(entry.recipe))) and record["seed"] == entry.seed
    assert {key: record["config"][key] for key in entry.settings} == entry.settings
    assert len(record["history"]) == entry.recipe.epochs
    assert record["test_error"] == 1 - record["history"][-1]["test_accuracy"]  # of the last epoch, not of the best
    assert all(record[key] for key in ("hardware", "seconds", "date", "commit", "torch"))
    names = record["data"]
    if entry.data == "cifar10":
        assert names["train"].startswith("CIFAR-10 train") and names["test"].startswith("CIFAR-10 test")
    else:
        assert (names["train"], names["test"]) == ("Scenes train", "Scenes test")


@pytest.mark.parametrize("name", OF_GRIDS)
def test_networks_of_a_grid_are_its_runs(name):
    grid, key = KEPT[name]
    record, run = zoo.load_pretrained(name).record, next(run for run in grid.RUNS if run.key == key)
    settings = json.loads(json.dumps(grid.NETWORKS[run.network]))
    assert record["recipe"] == json.loads(json.dumps(asdict(grid.RECIPE))) and record["seed"] == run.seed
    assert {k: record["config"][k] for k in settings} == settings
    stored = next(entry for entry in zoo.load_records(grid.__name__.rpartition(".")[2]) if entry["key"] == key)
    assert stored["test_error"] == record["test_error"] == 1 - record["history"][-1]["test_accuracy"]


@pytest.mark.parametrize("name", [name for name in OF_GRIDS if name.startswith("cued")])
def test_networks_follow_the_cue_as_their_record_says(name):
    grid, key = KEPT[name]
    model = zoo.load_pretrained(name)
    stored = next(entry for entry in zoo.load_records(grid.__name__.rpartition(".")[2]) if entry["key"] == key)
    looking = three_objects if grid is three_objects else cued
    size = model.record["data"]["size"]
    pictures = data.cued_scenes("test", 360 if size == 48 else 90, size, objects=3 if grid is three_objects else 2)
    named, other = looking.answers(model, looking.Views(pictures, model.record["mean"], model.record["std"]))
    assert named == pytest.approx(stored["answers"][0], abs=0.04)
    assert other == pytest.approx(stored["answers"][1], abs=0.03)


def test_twins_differ_in_nothing_but_the_fusion():
    twins = [zoo.load_pretrained(f"attention56_scenes{twin}").record for twin in ("", "_nal", "_trunk")]
    assert [twin["config"].pop("fusion") for twin in twins] == ["arl", "nal", "none"]
    for key in ("config", "recipe", "seed", "data", "precision", "steps_per_epoch"):
        assert twins[0][key] == twins[1][key] == twins[2][key]


@pytest.mark.parametrize("name", [name for name in NAMES if "scenes" in name])
def test_weights_err_as_often_as_their_record_says(name):
    model, images = zoo.load_pretrained(name), data.scenes("test", 400)
    scores = evaluate(model, images, mean=model.record["mean"], std=model.record["std"])
    assert 1 - scores["accuracy"] == pytest.approx(model.record["test_error"], abs=0.02)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(train_zoo.ENTRIES, "tiny", TINY)
    monkeypatch.setattr(data, "load", lambda name, split: data.scenes(split, 40))
    threads = torch.get_num_threads()
    yield ["tiny", "--threads", "1"]
    torch.set_num_threads(threads)


def test_training_puts_weights_and_record_where_they_are_loaded_from(tiny, tmp_path, monkeypatch, capsys):
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "weights")]
    assert train_zoo.main(tiny + folders) == 0
    assert "tiny: test error" in capsys.readouterr().out
    monkeypatch.setattr(zoo.pretrained, "WEIGHTS", tmp_path / "weights")
    first = zoo.load_pretrained("tiny")
    assert first.record["seed"] == 3 and len(first.record["history"]) == 2

    (tmp_path / "weights" / "tiny.json").unlink()
    assert train_zoo.main(tiny + folders) == 0  # not trained again: the finished run is there
    assert zoo.load_pretrained("tiny").record == first.record


def test_a_run_of_another_recipe_in_the_work_folder_is_refused(tiny, tmp_path, monkeypatch, capsys):
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "weights")]
    assert train_zoo.main(tiny + folders) == 0
    changed = replace(TINY, recipe=replace(TINY.recipe, lr=0.1))
    monkeypatch.setitem(train_zoo.ENTRIES, "tiny", changed)
    assert train_zoo.main(tiny + folders) == 1
    assert "another recipe" in capsys.readouterr().err


def test_an_unknown_name_lists_the_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        train_zoo.main(["attention57"])
    assert stop.value.code == 2 and "attention56_scenes" in capsys.readouterr().err
