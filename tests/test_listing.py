"""Folders as systems leave them: hidden names, other suffixes, files that cannot be read; and what is said of them."""

import json
import shutil

import pytest
from PIL import Image

from resattn.__main__ import main
from resattn.commands import folders
from resattn.data import DataError, FolderBatches, find_bad, list_images

SMALL = ["--set", "width=0.25", "--set", "stem=conv3_stride2", "--precision", "float32", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path):
    for split, n in (("train", 5), ("val", 3)):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (30, 26), (9 * i, 80, 100)).save(tmp_path / "pets" / split / name / f"{i}.jpg")
    return tmp_path / "pets"


@pytest.fixture
def damaged(folder):
    """Two files in train/ and one in val/ that cannot be read; the last is cut off, so that its beginning is fine."""
    (folder / "train" / "cat" / "1.jpg").write_bytes(b"")
    (folder / "train" / "dog" / "0.jpg").write_bytes(b"no picture")
    cut = folder / "val" / "dog" / "2.jpg"
    Image.effect_noise((64, 64), 80).save(cut)
    cut.write_bytes(cut.read_bytes()[:1000])
    return folder


BAD = ("train/cat/1.jpg", "train/dog/0.jpg", "val/dog/2.jpg")


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    return status, *capsys.readouterr()


def test_hidden_names_do_not_count(folder):
    before = list_images(folder, "train")
    for hidden in ("train/.ipynb_checkpoints", "val/.ipynb_checkpoints", "train/cat/.ipynb_checkpoints"):
        (folder / hidden).mkdir()
        shutil.copy(folder / "val" / "cat" / "0.jpg", folder / hidden / "0-checkpoint.jpg")
    for hidden in ("train/.DS_Store", "train/dog/._1.jpg"):
        (folder / hidden).write_bytes(b"")
    assert list_images(folder, "train") == before
    assert before.classes == ("cat", "dog") and len(before.samples) == 10 and before.skipped == {}


def test_other_suffixes_are_used_or_counted(folder):
    for suffix in ("gif", "jfif", "JPEG"):
        Image.new("RGB", (8, 8)).save(folder / "train" / "cat" / f"more.{suffix}", "gif" if suffix == "gif" else "jpeg")
    for name in ("a.heic", "b.heic", "notes.txt", "README"):
        (folder / "train" / "dog" / name).write_bytes(b"")
    found = list_images(folder, "train")
    assert len(found.samples) == 13
    assert found.skipped == {".heic": 2, ".txt": 1, "": 1}
    assert str(found) == (f"{folder / 'train'}: 13 images of 2 classes; skipped: 1 without suffix, 2 .heic, 1 .txt")
    assert FolderBatches(folder, "train", 16, 4, 0).facts["skipped"] == found.skipped


def test_a_class_of_nothing_but_other_files(folder):
    for path in (folder / "val" / "dog").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(FileNotFoundError, match=r"val needs one folder of images per class, and there is none in dog"):
        list_images(folder, "test")


def test_the_digest_is_of_the_names(folder, tmp_path):
    digest = list_images(folder, "train").digest
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert list_images(moved, "train").digest == digest
    (moved / "train" / "cat" / "0.jpg").rename(moved / "train" / "cat" / "00.jpg")
    assert list_images(moved, "train").digest != digest


@pytest.mark.parametrize("workers", [0, 2])
def test_every_bad_file_is_found(damaged, workers):
    paths = [path for split in ("train", "test") for path, _ in list_images(damaged, split).samples]
    bad = find_bad(paths, workers)
    assert [path.removeprefix(f"{damaged}/") for path in bad] == list(BAD)
    assert all(path in sentence and "\n" not in sentence for path, sentence in bad.items())
    assert len(find_bad(paths, workers, whole=False)) == 2  # what is cut off begins well


def test_the_check_of_a_folder_names_all(damaged, capsys):
    status, text, error = run(capsys, "data", "imagenet", "--root", damaged, "--workers", 0)
    assert (status, error) == (1, f"resattn: 3 of 16 files in {damaged} cannot be read\n")
    lines = text.splitlines()
    assert lines[:2] == [f"{damaged / 'train'}: 10 images of 2 classes", f"{damaged / 'val'}: 6 images of 2 classes"]
    assert len(lines) == 5 and all(name in line for name, line in zip(BAD, lines[2:], strict=True))
    for name in BAD:
        shutil.copy(damaged / "val" / "cat" / "0.jpg", damaged / name)
    status, text, error = run(capsys, "data", "imagenet", "--root", damaged, "--workers", 0)
    assert (status, error) == (0, "")
    assert text.endswith("all 16 files can be read\n")


def train(damaged, out, *more):
    command = ["train", "attention56", "--data", "imagenet", "--root", damaged, "--size", 24, "--workers", 0]
    return [*command, "--epochs", 1, "--batch-size", 4, "--out", out, *SMALL, *more]


def test_training_names_what_is_bad_before_it_starts(damaged, tmp_path, capsys):
    status, text, error = run(capsys, *train(damaged, tmp_path / "run"))
    assert (status, text) == (1, "")
    assert error.startswith("resattn: 3 of 16 files cannot be read: ")
    assert len(error.splitlines()) == 1 and all(name in error for name in BAD)
    assert "--skip-bad goes on without them" in error
    assert not (tmp_path / "run").exists()


def test_skipped_files_are_counted_in_the_record(damaged, tmp_path, capsys):
    (damaged / "train" / "dog" / "x.heic").write_bytes(b"")
    status, text, error = run(capsys, *train(damaged, tmp_path / "run", "--skip-bad"))
    assert status == 0, error
    assert f"{damaged / 'train'}: 8 images of 2 classes; skipped: 1 .heic, 2 that cannot be read\n" in text
    data = json.loads((tmp_path / "run" / "model.json").read_text())["data"]
    assert (data["train_images"], data["train_bad"], data["test_images"], data["test_bad"]) == (8, 2, 5, 1)
    assert data["train_skipped"] == {".heic": 1}
    status, text, _ = run(
        capsys, "evaluate", tmp_path / "run", "--skip-bad", "--workers", 0, "--precision", "float32", "--device", "cpu"
    )
    assert status == 0 and "pets test: loss " in text and "of the record" not in text


def test_of_a_large_folder_val_is_read_whole_and_train_looked_at(damaged, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(folders, "READ_WHOLE", 10)
    shutil.copy(damaged / BAD[2], damaged / BAD[1])  # cut off
    status, text, error = run(capsys, *train(damaged, tmp_path / "run"))
    assert (status, text) == (1, "")
    assert BAD[0] in error and BAD[1] not in error and BAD[2] in error


def test_a_limit_takes_of_every_class(folder, tmp_path, capsys):
    assert [label for _, label in list_images(folder, "train").limited(4).samples] == [0, 0, 1, 1]
    status, _, error = run(capsys, *train(folder, tmp_path / "run", "--limit", 4))
    assert status == 0, error
    data = json.loads((tmp_path / "run" / "model.json").read_text())["data"]
    assert (data["train_images"], data["test_images"]) == (4, 4)
    status, _, error = run(capsys, *train(folder, tmp_path / "other", "--limit", 0))
    assert (status, error) == (1, "resattn: The number of images must be 1 or more, not 0.\n")


def test_nothing_left(folder):
    found = list_images(folder, "train")
    with pytest.raises(DataError, match="train has no image that can be read"):
        found.without({path for path, _ in found.samples})
