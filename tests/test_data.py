"""Image sets, CIFAR on disk in both layouts (small stand-ins), Scenes, label noise."""

import hashlib
import io
import os
import pickle
import tarfile
import threading
import warnings
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from resattn import data
from resattn.data import DataError, ImageSet, at_hand, cifar, cifar10, cifar100, corrupt_labels, downloads, load, scenes

RNG = np.random.default_rng(0)
X = {"train": RNG.integers(0, 256, (50, 32, 32, 3), np.uint8), "test": RNG.integers(0, 256, (20, 32, 32, 3), np.uint8)}
Y = {"train": np.arange(50) % 10, "test": np.arange(20)[::-1] % 10}


def write_npz(folder: Path, name: str = "cifar10.npz", **changed: np.ndarray | None) -> Path:
    """A file with Keras' keys; a changed key replaces one or, as None, removes it."""
    arrays = {f"{axis}_{split}": part[split] for axis, part in (("x", X), ("y", Y)) for split in X} | changed
    np.savez(folder / name, **{key: value for key, value in arrays.items() if value is not None})
    return folder / name


class OldPickler(pickle.Pickler):
    """Writes NumPy dtypes with integers for align and copy, as the published CIFAR pickles do.

    Those have (0, 1), which NumPy 2.4.0 to 2.4.4 warn about; (0, 0) draws the same warning from every later one too.
    """

    def reducer_override(self, obj):
        if isinstance(obj, np.dtype):
            return (np.dtype, (obj.str.lstrip("|<>="), 0, 0), obj.__reduce__()[2])
        return NotImplemented


def write_batches(folder: Path, monkeypatch: pytest.MonkeyPatch, hundred: bool = False) -> Path:
    """The folder of torchvision, with torchvision's list of md5s set to those of the stand-ins."""
    reader = torchvision.datasets.CIFAR100 if hundred else torchvision.datasets.CIFAR10
    made = folder / reader.base_folder
    made.mkdir(parents=True)

    def write(name: str, content: dict) -> list[str]:
        packed = io.BytesIO()
        OldPickler(packed, protocol=2).dump(content)
        (made / name).write_bytes(packed.getvalue())
        return [name, hashlib.md5(packed.getvalue()).hexdigest()]

    def batch(split: str, part: slice) -> dict:
        rows = X[split][part].transpose(0, 3, 1, 2).reshape(-1, 3072)
        return {"data": rows, "fine_labels" if hundred else "labels": Y[split][part].tolist()}

    parts = {"train": slice(None)} if hundred else {f"data_batch_{i + 1}": slice(10 * i, 10 * i + 10) for i in range(5)}
    monkeypatch.setattr(reader, "train_list", [write(name, batch("train", part)) for name, part in parts.items()])
    monkeypatch.setattr(reader, "test_list", [write(reader.test_list[0][0], batch("test", slice(None)))])
    meta = write(reader.meta["filename"], {reader.meta["key"]: ["a"]})
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": meta[1]})
    return made


@pytest.fixture(autouse=True)
def no_other_data(monkeypatch, tmp_path):
    """No test reads this machine's data or reaches a mirror."""
    monkeypatch.delenv("RESATTN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    for name, source in (("CIFAR10", cifar.CIFAR10), ("CIFAR100", cifar.CIFAR100)):
        nowhere = replace(source.archive, mirrors=("http://127.0.0.1:9/nothing",))
        monkeypatch.setattr(cifar, name, replace(source, archive=nowhere))


def same_as(found: ImageSet, split: str) -> bool:
    images = torch.from_numpy(X[split]).permute(0, 3, 1, 2)
    return torch.equal(found.images, images) and found.labels.tolist() == Y[split].tolist()


# ---- CIFAR on disk


@pytest.mark.parametrize("split", ["train", "test"])
def test_cifar10_from_npz(tmp_path, split):
    write_npz(tmp_path, extra=np.zeros(3))
    found = cifar10(split, tmp_path)
    assert same_as(found, split) and found.classes[:2] == ("airplane", "automobile") and len(found.classes) == 10
    assert found.name == f"CIFAR-10 {split} ({len(X[split])} images)"


def test_a_whole_file_is_named_without_a_count(tmp_path):
    write_npz(tmp_path, x_test=np.zeros((10000, 32, 32, 3), np.uint8), y_test=np.zeros((10000, 1), np.int32))
    found = cifar10("test", tmp_path)
    assert found.name == "CIFAR-10 test" and found.labels.shape == (10000,)


def test_restored_images_are_owned_up_to_in_the_name(tmp_path):
    exact = np.arange(20) > 0  # one image of twenty is not the original
    write_npz(tmp_path, exact_test=exact, exact_train=np.ones(50, dtype=bool))
    assert cifar10("test", tmp_path).name == "CIFAR-10 test (20 images, 95.0 % of the images exact)"
    assert cifar10("train", tmp_path).name == "CIFAR-10 train (50 images)"


@pytest.mark.parametrize("split", ["train", "test"])
def test_cifar10_from_torchvisions_folder_without_a_warning(tmp_path, monkeypatch, split):
    write_batches(tmp_path, monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_as(cifar10(split, tmp_path), split)


def test_cifar100_from_both_layouts(tmp_path, monkeypatch):
    (tmp_path / "npz").mkdir()
    write_npz(tmp_path / "npz", "cifar100.npz", y_test=np.arange(20) + 80)
    found = cifar100("test", tmp_path / "npz")
    assert found.labels.tolist() == list(range(80, 100)) and len(set(found.classes)) == 100
    assert (found.classes[0], found.classes[99]) == ("apple", "worm")
    write_batches(tmp_path / "folder", monkeypatch, hundred=True)
    assert same_as(cifar100("train", tmp_path / "folder"), "train")


def test_the_folder_is_root_then_the_variable_then_the_cache(tmp_path, monkeypatch):
    assert data.data_folder() == tmp_path / "cache" / "resattn"
    monkeypatch.setenv("RESATTN_DATA", str(tmp_path / "variable"))
    assert data.data_folder() == tmp_path / "variable"
    assert data.data_folder(tmp_path / "root") == tmp_path / "root"
    monkeypatch.delenv("RESATTN_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.data_folder() == tmp_path / ".cache" / "resattn"
    for place, label in (("root", 1), ("variable", 2)):
        (tmp_path / place).mkdir()
        write_npz(tmp_path / place, y_test=np.full(20, label))
    monkeypatch.setenv("RESATTN_DATA", str(tmp_path / "variable"))
    assert cifar10("test").labels[0] == 2 and cifar10("test", tmp_path / "root").labels[0] == 1


def damaged(name: str) -> bytes:
    packed = io.BytesIO()
    (np.savez_compressed if name.startswith("packed") else np.savez)(packed, x_test=X["test"], y_test=Y["test"])
    whole = packed.getvalue()
    if name.endswith("flipped"):
        return whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:]
    npy = io.BytesIO()
    np.save(npy, X["test"])
    return {"cut": whole[:-100], "empty": b"", "text": b"<html>", "npy": npy.getvalue()}[name]


@pytest.mark.parametrize("how", ["cut", "empty", "text", "npy", "flipped", "packed, flipped"])
def test_a_damaged_npz_is_named(tmp_path, how):
    (tmp_path / "cifar10.npz").write_bytes(damaged(how))
    with pytest.raises(DataError, match=r"cifar10\.npz is (damaged|no npz file).*replace it or delete it") as caught:
        cifar10("test", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": None}, "has no x_test; the file must hold"),
        ({"x_test": None, "y_test": None}, "has no x_test and no y_test"),
        ({"x_test": X["test"].astype(np.float32)}, r"x_test must be uint8 \[N, 32, 32, 3\].*not float32"),
        ({"x_test": X["test"].transpose(0, 3, 1, 2)}, r"x_test must be .*not uint8 \[20, 3, 32, 32\]"),
        ({"x_test": X["test"][:0], "y_test": Y["test"][:0]}, "N ≥ 1"),
        ({"y_test": Y["test"][:-1]}, r"y_test must be whole numbers \[20\], not int64 \[19\]"),
        ({"y_test": Y["test"].astype(float)}, "y_test must be whole numbers"),
        ({"y_test": Y["test"] + 1}, r"labels must be in 0\.\.9.*not 1\.\.10"),
        ({"y_test": Y["test"] - 1}, r"labels must be in 0\.\.9.*not -1\.\.8"),
        ({"y_test": np.array([{}] * 20)}, "is damaged.*pickle"),
        ({"exact_test": np.ones(19, dtype=bool)}, r"exact_test must be bool \[20\], not bool \[19\]"),
        ({"exact_test": np.ones(20)}, r"exact_test must be bool \[20\], not float64"),
    ],
)
def test_an_npz_with_the_wrong_content_is_named(tmp_path, changed, message):
    write_npz(tmp_path, **changed)
    with pytest.raises(DataError, match=rf"cifar10\.npz.*{message}"):
        cifar10("test", tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_damaged_or_incomplete_folder_is_named(tmp_path, monkeypatch, split):
    made = write_batches(tmp_path, monkeypatch)
    whole = (made / "data_batch_3").read_bytes()
    (made / "data_batch_3").write_bytes(whole[:-1] + b"!")
    with pytest.raises(DataError, match="cifar-10-batches-py is incomplete or damaged"):
        cifar10(split, tmp_path)
    (made / "data_batch_3").unlink()
    with pytest.raises(DataError, match="delete the folder"):
        cifar10(split, tmp_path)


def test_a_damaged_npz_is_not_passed_over_for_the_folder_beside_it(tmp_path, monkeypatch):
    write_batches(tmp_path, monkeypatch)
    (tmp_path / "cifar10.npz").write_bytes(b"")
    with pytest.raises(DataError):
        cifar10("test", tmp_path)


@pytest.mark.parametrize("loader", [cifar10, cifar100, scenes])
@pytest.mark.parametrize("split", ["val", "Train", ""])
def test_a_wrong_split_lists_the_choices(loader, split):
    with pytest.raises(ValueError, match='"train" or "test"'):
        loader(split)


def test_a_folder_that_is_none_or_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file is a file"):
        cifar10("test", tmp_path / "file")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read all, so ask the system in its place
    with pytest.raises(PermissionError, match="cannot be read"):
        at_hand(tmp_path)


def test_without_data_and_mirrors_the_error_says_what_to_do(tmp_path):
    with pytest.raises(downloads.DownloadError, match=r"CIFAR-10 could not.*RESATTN_DATA.*cifar10\.npz.*Scenes"):
        cifar10("train", tmp_path)
    with pytest.raises(downloads.DownloadError, match=r"cifar100\.npz or cifar-100-python"):
        cifar100("train", tmp_path)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def test_cifar10_is_downloaded_once_and_then_read_from_disk(tmp_path, monkeypatch):
    made = write_batches(tmp_path / "served", monkeypatch)
    with tarfile.open(tmp_path / "served" / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(made, arcname=made.name)
    packed = (tmp_path / "served" / "cifar-10-python.tar.gz").read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "served")) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}).start()
        archive = replace(
            cifar.CIFAR10.archive,
            size=len(packed),
            md5=hashlib.md5(packed).hexdigest(),
            mirrors=(f"http://127.0.0.1:{http.server_port}/cifar-10-python.tar.gz",),
        )
        monkeypatch.setattr(cifar, "CIFAR10", replace(cifar.CIFAR10, archive=archive))
        assert at_hand() == "scenes" and not (tmp_path / "cache").exists()  # looking does not download
        assert same_as(cifar10("train"), "train")
        http.shutdown()
    assert same_as(cifar10("test"), "test") and at_hand() == "cifar10"
    assert (tmp_path / "cache" / "resattn" / "cifar-10-batches-py" / "data_batch_1").exists()


# ---- by name, and what is at hand


def test_at_hand_counts_only_what_reads_well(tmp_path, monkeypatch):
    assert at_hand(tmp_path) == "scenes"
    made = write_batches(tmp_path, monkeypatch)
    assert at_hand(tmp_path) == "cifar10"
    (made / "test_batch").unlink()
    with pytest.warns(UserWarning, match="cifar-10-batches-py is incomplete"):
        assert at_hand(tmp_path) == "scenes"
    path = write_npz(tmp_path)
    assert at_hand(tmp_path) == "cifar10"
    write_npz(tmp_path, y_test=None)  # one split is not enough
    with pytest.warns(UserWarning, match="has no y_test"):
        assert at_hand(tmp_path) == "scenes"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(UserWarning, match=r"cifar10\.npz is no npz file"):
        assert at_hand(tmp_path) == "scenes"


def test_load_by_name(tmp_path):
    write_npz(tmp_path)
    assert same_as(load("cifar10", "test", tmp_path), "test")
    assert len(load("scenes", "test", tmp_path, n=7)) == 7
    with pytest.raises(ValueError, match="no data set 'mnist'; choose one of cifar10, cifar100, scenes"):
        load("mnist", "test")


def test_scenes_come_with_their_masks():
    from resattn.data.scenes import CLASSES, render

    found = scenes("train", 12, size=32, seed=3)
    drawn = render("train", 12, 32, 3)
    assert found.classes == tuple(CLASSES) and found.name == "Scenes train" and len(found) == 12
    assert torch.equal(found.images, drawn.images) and torch.equal(found.labels, drawn.labels)
    assert torch.equal(found.object_masks, drawn.object_masks) and torch.equal(found.sky_masks, drawn.sky_masks)
    with pytest.raises(ValueError, match="1 or more, not 0"):
        scenes("train", 0)


# ---- ImageSet


def a_set(**changed) -> ImageSet:
    n = 6
    fields = {
        "images": torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 4, 5).contiguous(),
        "labels": torch.arange(n) % 3,
        "classes": ("a", "b", "c"),
        "name": "Toy",
        "object_masks": torch.arange(n).view(n, 1, 1).expand(n, 4, 5) == 2,
    }
    return ImageSet(**fields | changed)


@pytest.mark.parametrize("indices", [[4, 1], torch.tensor([4, 1]), range(4, 0, -3)])
def test_a_subset_takes_images_labels_and_masks_in_that_order(indices):
    part = a_set().subset(indices)
    assert part.images[:, 0, 0, 0].tolist() == [4, 1] and part.labels.tolist() == [1, 1] and len(part) == 2
    assert part.object_masks.shape == (2, 4, 5) and part.sky_masks is None and part.name == "Toy"


def test_a_subset_by_slice_and_by_mask():
    whole = a_set()
    assert whole.subset(slice(1, None, 2)).labels.tolist() == [1, 0, 2]
    assert whole.subset(whole.labels == 2).object_masks.flatten(1).all(1).tolist() == [True, False]
    for nothing in ([], slice(0, 0), whole.labels == 7):
        with pytest.raises(ValueError, match=r"Toy: (images must be .*N ≥ 1|.* at least one image)"):
            whole.subset(nothing)


def test_to_moves_every_tensor():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    moved = a_set().to(device)
    assert {t.device.type for t in (moved.images, moved.labels, moved.object_masks)} == {device}
    assert torch.equal(moved.images.cpu(), a_set().images)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": torch.zeros(6, 3, 4, 5)}, r"images must be uint8 \[N, 3, H, W\].*not float32 \[6, 3, 4, 5\]"),
        ({"images": torch.zeros(6, 4, 5, 3, dtype=torch.uint8)}, "images must be"),
        ({"images": torch.zeros(0, 3, 4, 5, dtype=torch.uint8)}, "N ≥ 1"),
        ({"labels": torch.zeros(6, dtype=torch.int32)}, r"labels must be int64 \[6\]"),
        ({"labels": torch.zeros(5, dtype=torch.int64)}, r"not int64 \[5\]"),
        ({"labels": torch.arange(6) - 1}, r"Toy: labels must be in 0\.\.2"),
        ({"labels": torch.full((6,), 3)}, r"0\.\.2"),
        ({"object_masks": torch.zeros(6, 4, 5)}, r"object_masks must be bool \[6, 4, 5\], not float32"),
        ({"sky_masks": torch.zeros(6, 5, 4, dtype=torch.bool)}, "sky_masks must be bool"),
        ({"object_masks": torch.zeros(6, 4, 5, dtype=torch.bool, device="meta")}, "one device"),
    ],
)
def test_an_image_set_that_does_not_fit_together_says_so(changed, message):
    with pytest.raises(ValueError, match=message):
        a_set(**changed)


# ---- label noise, equation 7


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_empirical_matrix_is_q(noise):
    k, n = 10, 200_000
    labels = torch.arange(n) % k
    noisy = corrupt_labels(labels, noise, k, seed=1)
    found = torch.bincount(labels * k + noisy, minlength=k * k).view(k, k).double() / (n / k)
    q = torch.full((k, k), noise / (k - 1), dtype=torch.float64).fill_diagonal_(1 - noise)
    spread = (q * (1 - q) / (n / k)).sqrt()
    assert ((found - q).abs() < 5 * spread).all()  # 100 cells, each beyond 5 σ less than once in a million draws
    assert torch.equal(labels, torch.arange(n) % k)  # the clean labels are not touched


def test_noise_0_keeps_and_noise_1_replaces_every_label():
    labels = torch.arange(5000) % 4
    assert torch.equal(corrupt_labels(labels, 0, 4, seed=0), labels)
    assert corrupt_labels(labels, 0, 4, seed=0) is not labels
    assert (corrupt_labels(labels, 1, 4, seed=0) != labels).all()
    assert torch.equal(corrupt_labels(labels % 2, 1, 2, seed=0), 1 - labels % 2)


def test_noise_depends_on_the_seed_alone_and_grows_by_adding():
    labels = torch.arange(5000) % 10
    low, high = corrupt_labels(labels, 0.2, 10, seed=5), corrupt_labels(labels, 0.6, 10, seed=5)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert torch.equal(low, corrupt_labels(labels, 0.2, 10, seed=5))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(low, corrupt_labels(labels, 0.2, 10, seed=6))
    assert torch.equal(low[low != labels], high[low != labels])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((torch.arange(3), -0.1, 10, 0), "between 0 and 1, not -0.1"),
        ((torch.arange(3), 1.1, 10, 0), "between 0 and 1"),
        ((torch.arange(3), float("nan"), 10, 0), "between 0 and 1, not nan"),
        ((torch.zeros(3).long(), 0.1, 1, 0), "2 classes or more, not 1"),
        ((torch.arange(3), 0.1, 2, 0), r"0\.\.1"),
        ((torch.zeros(3), 0.1, 2, 0), r"int64 \[N\], not float32"),
        ((torch.zeros(3, 1).long(), 0.1, 2, 0), r"not int64 \[3, 1\]"),
    ],
)
def test_label_noise_out_of_range_says_what_is_allowed(args, message):
    with pytest.raises(ValueError, match=message):
        corrupt_labels(*args)
