"""The command line as a person meets it: what works, and one sentence and a non-zero exit for what does not."""

import json
import re
import subprocess
import sys

import pytest
import torch
from PIL import Image

from resattn.__main__ import main, parser
from resattn.zoo import checkpoints

SMALL = ["--set", "width=0.25", "--set", "stem=conv3_stride2", "--precision", "float32", "--device", "cpu"]


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on Scenes, trained through the command line in a process of its own, as a user starts it."""
    out = tmp_path_factory.mktemp("cli") / "a56"
    command = [sys.executable, "-m", "resattn", "train", "attention56", "--data", "scenes", "--epochs", "1"]
    command += ["--batch-size", "500", "--out", str(out), "--seed", "3", *SMALL]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def test_train_says_what_it_did(finished):
    out, text = finished
    assert re.search(r"attention56: [\d,]+ parameters, on ", text)
    assert re.search(r"test error \d+\.\d\d % after 1 epochs?, \d+ s of training", text)
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", "model.safetensors", "model.json"}
    record = json.loads((out / "model.json").read_text())
    assert record["data"]["train"] == "Scenes train"
    assert (record["seed"], record["recipe"]["batch_size"], record["config"]["width"]) == (3, 500, 0.25)


def test_evaluate_repeats_the_record(finished, capsys):
    out, _ = finished
    status, text, _ = run(capsys, "evaluate", out, "--data", "scenes", "--precision", "float32", "--device", "cpu")
    error = json.loads((out / "model.json").read_text())["test_error"]
    assert status == 0
    assert text.startswith("Scenes test: loss ")
    assert float(re.search(r"error (\d\.\d+)", text)[1]) == pytest.approx(error, abs=1e-3)


def test_masks_of_test_images(finished, capsys, tmp_path):
    status, text, _ = run(capsys, "masks", finished[0], "--data", "scenes", "--count", 2, "--out", tmp_path / "m.png")
    assert status == 0
    assert "2 images, 3 masks each" in text
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width > picture.height
    assert [path.name for path in tmp_path.iterdir()] == ["m.png"]


def test_masks_of_ones_own_images(finished, capsys, tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (80, 60), (90, 140, 220)).save(path)
    status, _, _ = run(capsys, "masks", finished[0], "--images", path, path, "--out", tmp_path / "m.pdf")
    assert status == 0
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF")


def test_models_lists_every_network(capsys):
    status, text, _ = run(capsys, "models")
    assert status == 0
    assert re.search(r"attention56_imagenet +31,810,728 +6,270,836,736 +224", text)
    assert len(text.splitlines()) == 13


def test_data_describes_scenes(capsys):
    status, text, _ = run(capsys, "data", "scenes")
    assert status == 0
    assert "Scenes train: 20,000 images of 32×32 pixels" in text
    assert "balloon" in text


@pytest.mark.parametrize("command", ["train", "evaluate", "look", "masks", "models", "data"])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([command, "--help"])
    assert stop.value.code == 0
    assert command in capsys.readouterr().out


TRAIN = ["train", "attention56", "--data", "scenes", "--out", "unused"]
WRONG = {
    "unknown network": (["train", "resnet", "--out", "unused"], "unknown network 'resnet'; there are attention56"),
    "unknown setting": ([*TRAIN, "--set", "depth=3"], "unknown setting 'depth'; there are stem"),
    "setting without a value": ([*TRAIN, "--set", "fusion"], "--set takes KEY=VALUE"),
    "wrong value": ([*TRAIN, "--set", "fusion=add"], "fusion must be one of arl, nal, none; got 'add'"),
    "no epochs": ([*TRAIN, "--epochs", "0"], "epochs must be a whole number of at least 1; got 0"),
    "noise above one": ([*TRAIN, "--noise", "1.5"], "between 0 and 1"),
    "unknown device": ([*TRAIN, "--device", "toaster"], "there is no device 'toaster' here"),
    "absent device": ([*TRAIN, "--device", "cuda:99"], "there is no device 'cuda:99' here"),
    "precision": ([*TRAIN, "--precision", "half"], "precision must be auto, float32 or bfloat16; got 'half'"),
    "no weights": (["evaluate", "nowhere", "--data", "scenes"], "there are no weights 'nowhere'"),
    "imagenet without root": (["train", "attention56_imagenet", "--data", "imagenet", "--out", "x"], "needs --root"),
    "imagenet nowhere": (
        ["train", "attention56_imagenet", "--data", "imagenet", "--root", "nowhere", "--out", "x"],
        "nowhere",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_one_sentence_and_a_non_zero_exit(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = run(capsys, *arguments)
    assert status == 1
    assert error.startswith("resattn: ")
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_unreadable_picture(finished, capsys, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no picture")
    status, _, error = run(capsys, "masks", finished[0], "--images", path, "--out", tmp_path / "m.png")
    assert status == 1 and error.startswith(f"resattn: The picture {path} is damaged, or not of a kind")
    assert not (tmp_path / "m.png").exists()


def test_trunk_only_network_has_no_masks_to_draw(capsys, tmp_path):
    out = tmp_path / "trunk"
    status, _, error = run(
        capsys, "train", "attention56", "--data", "scenes", "--epochs", 1, "--batch-size", 2000,
        "--set", "fusion=none", *SMALL, "--out", out,
    )  # fmt: skip
    assert status == 0, error
    status, _, error = run(capsys, "masks", out, "--data", "scenes", "--out", tmp_path / "m.png")
    assert status == 1
    assert "has no masks to draw" in error


def test_damaged_checkpoint(finished, capsys, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    status, _, error = run(capsys, "train", "attention56", "--data", "scenes", "--out", tmp_path, "--epochs", 1, *SMALL)
    assert status == 1
    assert "is damaged or no checkpoint" in error
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"no checkpoint"


def test_same_command_on_a_finished_run_changes_nothing(finished, capsys):
    out, _ = finished
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    status, text, error = run(
        capsys, "train", "attention56", "--data", "scenes", "--epochs", 1, "--batch-size", 500, "--seed", 3,
        "--out", out, *SMALL,
    )  # fmt: skip
    assert status == 0, error
    assert "test error" in text
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_two_processes_train_one_network(tmp_path):
    """torchrun with two processes: both see their half of every batch, one writes, and the run can be used."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "resattn"]
    command += ["train", "attention56", "--data", "scenes", "--epochs", "1", "--batch-size", "500"]
    result = subprocess.run([*command, "--out", tmp_path / "run", *SMALL], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("epoch 1, step 20 of 20") == 1
    assert result.stdout.count("after 1 epochs") == 1
    state = checkpoints.load(tmp_path / "run" / "checkpoint.pt")
    assert state["run"]["world"] == 2
    assert state["history"][0]["step"] == 20  # 20,000 scenes, two processes, 500 images each a step
    assert all(torch.isfinite(value).all() for value in state["model"].values())
