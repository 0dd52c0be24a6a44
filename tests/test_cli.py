"""The command line as a person meets it: what works, and one sentence and a non-zero exit for what does not."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from resattn.__main__ import main, parser
from resattn.zoo import checkpoints

FEW = ["--limit", "300", "--batch-size", "100"]
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
    command += ["--out", str(out), "--seed", "3", *FEW, *SMALL]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def test_train_says_what_it_did(finished):
    out, text = finished
    assert re.search(r"attention56: [\d,]+ parameters, on ", text)
    assert re.search(r"test error \d+\.\d\d % after 1 epoch, \d+ s of training", text)
    assert {path.name for path in out.iterdir()} == {"checkpoint.pt", "model.safetensors", "model.json"}
    record = json.loads((out / "model.json").read_text())
    assert record["data"]["train"] == "Scenes train, 300 images"
    assert (record["seed"], record["recipe"]["batch_size"], record["config"]["width"]) == (3, 100, 0.25)


def test_evaluate_repeats_the_record(finished, capsys):
    out, _ = finished
    status, text, _ = run(capsys, "evaluate", out, "--precision", "float32", "--device", "cpu")
    error = json.loads((out / "model.json").read_text())["test_error"]
    assert status == 0
    assert text.startswith("Scenes test, 300 images: loss ")
    assert float(re.search(r"error (\d\.\d+)", text)[1]) == pytest.approx(error, abs=1e-3)


def test_masks_of_test_images(finished, capsys, tmp_path):
    status, text, _ = run(capsys, "masks", finished[0], "--count", 2, "--out", tmp_path / "m.png")
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


TRAIN = ["train", "attention56", "--data", "scenes", "--limit", "10", "--out", "unused"]
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
        capsys, "train", "attention56", "--data", "scenes", "--epochs", 1, *FEW,
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
        capsys, "train", "attention56", "--data", "scenes", "--epochs", 1, *FEW, "--seed", 3,
        "--out", out, *SMALL,
    )  # fmt: skip
    assert status == 0, error
    assert "test error" in text
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_two_processes_train_one_network(tmp_path):
    """torchrun with two processes: both see their half of every batch, one writes, and the run can be used."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "resattn"]
    command += ["train", "attention56", "--data", "scenes", "--epochs", "1", *FEW, "--batch-statistics", "all"]
    result = subprocess.run([*command, "--out", tmp_path / "run", *SMALL], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("epoch 1, step 3 of 3") == 1
    assert result.stdout.count("after 1 epoch, ") == 1
    state = checkpoints.load(tmp_path / "run" / "checkpoint.pt")
    assert (state["run"]["world"], state["run"]["batch_statistics"]) == (2, "all")
    assert state["history"][0]["step"] == 3  # 300 scenes, 100 a step, of which each process has 50
    assert all(torch.isfinite(value).all() for value in state["model"].values())


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Folders of cats and dogs, of cats and ducks, and a run on the first of them at 24 pixels."""
    base = tmp_path_factory.mktemp("pets")
    for folder, classes in (("pets", ("cat", "dog")), ("birds", ("cat", "duck")), ("more", ("cat", "dog"))):
        for split, n in (("train", 6), ("val", 3 if folder == "pets" else 4)):
            for k, name in enumerate(classes):
                (base / folder / split / name).mkdir(parents=True)
                for i in range(n):
                    Image.new("RGB", (30, 26), (200 * k, 80, 9 * i)).save(base / folder / split / name / f"{i}.png")
    command = ["train", "attention56", "--data", "imagenet", "--root", base / "pets", "--size", 24, "--workers", 0]
    command = [str(a) for a in [*command, "--epochs", 1, "--batch-size", 4, "--out", base / "run", *SMALL]]
    assert main(command) == 0
    return base, command


ON_CPU = ["--precision", "float32", "--device", "cpu", "--workers", 0]


class TestDefaultsFromRecords:
    """Data and size are those of the record unless another one is named; what does not fit is refused."""

    def test_scenes_network_is_tested_on_scenes(self, finished, capsys, monkeypatch, tmp_path):
        monkeypatch.setenv("RESATTN_DATA", str(tmp_path))
        monkeypatch.setattr("resattn.data.at_hand", lambda root=None: "cifar10")
        status, text, error = run(capsys, "evaluate", finished[0], *ON_CPU)
        assert (status, error) == (0, "")
        assert text.startswith("Scenes test, 300 images: loss ")

    def test_cifar_network_without_cifar(self, capsys, monkeypatch, tmp_path):
        monkeypatch.setenv("RESATTN_DATA", str(tmp_path))
        status, text, error = run(capsys, "evaluate", "attention56_cifar10")
        assert (status, text) == (1, "")
        assert error == (
            "resattn: attention56_cifar10 was trained on CIFAR-10, which is not at hand: "
            "'python -m resattn data cifar10' downloads it, or --root names its folder\n"
        )

    def test_folder_and_size_of_the_run(self, pets, capsys):
        base, _ = pets
        record = json.loads((base / "run" / "model.json").read_text())
        assert record["data"].items() >= {"size": 24, "train_images": 12, "test_images": 6}.items()
        status, text, error = run(capsys, "evaluate", base / "run", *ON_CPU)
        assert status == 0, error
        assert float(re.search(r"error (\d\.\d+)", text)[1]) == pytest.approx(record["test_error"], abs=1e-4)
        assert text.count("\n") == 1

    def test_another_size_is_said(self, pets, capsys):
        status, text, _ = run(capsys, "evaluate", pets[0] / "run", "--size", 32, *ON_CPU)
        assert status == 0
        assert text.startswith(f"at 32 pixels; {pets[0] / 'run'} was trained at 24\n")

    def test_other_classes_are_refused(self, pets, capsys):
        base, _ = pets
        status, text, error = run(
            capsys, "evaluate", base / "run", "--data", "imagenet", "--root", base / "birds", *ON_CPU
        )
        assert (status, text) == (1, "")
        assert error == (f"resattn: birds test has the classes cat, duck, and {base / 'run'} was trained on cat, dog\n")
        status, _, error = run(capsys, "evaluate", "attention56_scenes", "--data", "imagenet", "--root", base / "birds")
        assert status == 1 and "was trained on balloon, aeroplane" in error

    def test_other_files_are_said(self, pets, capsys):
        base, _ = pets
        status, text, error = run(
            capsys, "evaluate", base / "run", "--data", "imagenet", "--root", base / "more", *ON_CPU
        )
        assert status == 0, error
        assert text.startswith("more test: 8 files, not the 6 of the record\n")

    def test_the_folder_has_gone(self, pets, capsys, tmp_path):
        base, command = pets
        gone = tmp_path / "gone"
        shutil.copytree(base / "pets", gone)
        out = tmp_path / "run"
        assert main([str(gone) if a == str(base / "pets") else str(out) if "run" in a else a for a in command]) == 0
        shutil.rmtree(gone)
        capsys.readouterr()
        status, _, error = run(capsys, "evaluate", out, *ON_CPU)
        assert status == 1
        assert error == (f"resattn: {out} was trained on the folder {gone}, which is gone: give a --root\n")

    def test_resumed_with_another_size_or_folder(self, pets, capsys):
        base, command = pets
        changed = [("32" if a == "24" else a) for a in command]
        assert main(changed) == 1
        assert "another data.size (24 there, 32 here)" in capsys.readouterr().err
        changed = [(str(base / "more") if a == str(base / "pets") else a) for a in command]
        assert main(changed) == 1
        error = capsys.readouterr().err
        assert "data.train (pets train there, more train here)" in error
        assert "data.test_images (6 there, 8 here)" in error
        before = (base / "run" / "model.json").read_bytes()
        without_data = [
            a for a in command if a not in ("--data", "imagenet", "--root", str(base / "pets"), "--size", "24")
        ]
        assert main(without_data) == 0  # all of it is taken from the run
        assert (base / "run" / "model.json").read_bytes() == before

    def test_a_size_that_cifar_does_not_have(self, capsys):
        status, _, error = run(capsys, "train", "attention56", "--data", "cifar10", "--size", 64, "--out", "unused")
        assert (status, error) == (1, "resattn: CIFAR-10 has 32 pixels a side; --size 64 is for other data\n")

    def test_an_unfinished_run(self, finished, capsys, tmp_path):
        shutil.copy(finished[0] / "checkpoint.pt", tmp_path)
        status, text, error = run(capsys, "evaluate", tmp_path, *ON_CPU)
        assert status == 0
        assert error == f"resattn: the run in {tmp_path} is not finished: these are its weights after 1 epoch\n"
        assert text.startswith("Scenes test, 300 images: loss ")
        assert run(capsys, "masks", tmp_path, "--count", 1, "--out", tmp_path / "m.png")[0] == 0
