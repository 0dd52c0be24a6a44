"""``python -m resattn train --from``: own classes from a folder of pictures, as a person meets it."""

import re

import numpy as np
import pytest
from PIL import Image

import resattn
from experiments import finetune
from resattn.__main__ import main

DEVICE = ["--device", "cpu", "--precision", "float32"]


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The folder of the experiment, with fewer pictures."""
    folder = tmp_path_factory.mktemp("own") / "objects"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "PICTURES", 90)
        patch.setattr(finetune, "TESTS", 60)
        assert finetune.main(["--draw", str(folder)]) == 0
    return folder


def test_the_pictures_are_of_three_new_classes(pictures):
    assert sorted(path.name for path in (pictures / "val").iterdir()) == sorted(finetune.KINDS)
    assert not set(finetune.KINDS) & set(resattn.data.scenes("test", 1).classes)
    files = sorted(pictures.rglob("*.png"))
    assert len(files) == 150 and Image.open(files[0]).size == (96, 96)
    assert len({np.asarray(Image.open(file)).tobytes() for file in files}) == 150


@pytest.mark.parametrize("freeze", [[], ["--freeze"]], ids=["all", "classifier"])
def test_from_weights_to_own_classes_and_back(pictures, freeze, capsys, tmp_path):
    out = tmp_path / "run"
    start = ["train", "--from", "attention56_scenes", *freeze, "--data", "folder", "--root", pictures, "--out", out]
    status, text, error = run(capsys, *start, "--epochs", 5, *DEVICE)
    assert status == 0, error
    assert "from attention56_scenes, with a new classifier of 3 classes" in text
    wrong = float(re.search(r"test error (\d+\.\d\d) %", text)[1])
    assert wrong < 60  # chance is 66.7 %
    record = resattn.load_pretrained(out).record
    assert record["recipe"]["name"] == "finetune" and record["started_from"]["weights"] == "attention56_scenes"
    assert record["data"]["classes"] == ["parasol", "snowman", "windmill"]
    assert bool(record["frozen"]) == bool(freeze)
    status, text, _ = run(capsys, "evaluate", out, "--data", "folder", "--root", pictures, *DEVICE)
    assert status == 0 and f"error {wrong / 100:.4f}" in text
    photo = next((pictures / "val" / "windmill").iterdir())
    status, text, _ = run(capsys, "look", photo, "--weights", out, "--out", tmp_path / "looks")
    assert status == 0 and {line.split("  ")[-1] for line in text.splitlines()[1:4]} == set(finetune.KINDS)


REFUSED = {
    "neither": ([], "name either a network to train from scratch, or with --from the weights to start from"),
    "both": (["attention56", "--from", "attention56_scenes"], "name either a network"),
    "freeze nothing": (["attention56", "--freeze"], "--freeze keeps trained weights: say with --from which"),
    "settings": (["--from", "attention56_scenes", "--set", "width=1"], "--set changes a network"),
    "no such weights": (["--from", "nowhere"], "there are no weights 'nowhere'"),
    "no folder": (["--from", "attention56_scenes", "--data", "folder"], "--data folder needs --root"),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_in_one_sentence(arguments, words, capsys, tmp_path):
    status, _, error = run(capsys, "train", *arguments, "--out", tmp_path / "run")
    assert status == 1 and words in error and len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_broken_picture_is_named_before_anything_is_trained(pictures, capsys, tmp_path):
    for file in pictures.rglob("*.png"):
        copy = tmp_path / "own" / file.relative_to(pictures)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    bad = tmp_path / "own" / "val" / "snowman" / "003.png"
    bad.write_bytes(b"no picture")
    start = ["train", "--from", "attention56_scenes", "--data", "folder", "--root", tmp_path / "own"]
    status, _, error = run(capsys, *start, "--out", tmp_path / "run")
    assert status == 1 and f"The picture {bad} is damaged" in error and not (tmp_path / "run").exists()
