"""Augmentation against per-image references; batches as functions of (seed, epoch, rank); image folders."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from resattn.data import (
    Batches,
    DataError,
    ImageSet,
    channel_statistics,
    cutout,
    generator_for,
    mixup,
    random_crop,
    random_flip,
)
from resattn.data.folder import IMAGENET_MEAN, IMAGENET_STD, FolderBatches

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
CPU = torch.device("cpu")


def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def within(count: int, n: int, p: float) -> bool:
    """Whether a count out of n is what probability p gives, to 5 standard deviations."""
    return abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p))


# ---- augment


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
@pytest.mark.parametrize(("h", "w", "pad"), [(6, 6, 2), (5, 8, 1), (4, 4, 0), (3, 3, 5)])
def test_a_crop_is_one_of_the_windows_of_the_padded_image(h, w, pad, dtype, layout):
    n = 200
    x = torch.randint(1, 200, (n, 3, h, w), generator=seeded()).to(dtype).contiguous(memory_format=layout)
    out = random_crop(x, pad, seeded(1))
    assert out.shape == x.shape and out.dtype == dtype
    for image, crop in zip(x, out, strict=True):
        padded = F.pad(image, (pad,) * 4)
        windows = [padded[:, i : i + h, j : j + w] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
        assert any(torch.equal(crop, window) for window in windows)


def test_every_offset_of_the_crop_is_equally_likely():
    h, pad, n = 9, 4, 81 * 400
    image = torch.arange(1.0, h * h + 1).view(1, 1, h, h)
    out = random_crop(image.expand(n, 1, h, h), pad, seeded())
    padded, seen = F.pad(image, (pad,) * 4), 0
    for i in range(9):
        for j in range(9):
            hits = int((out == padded[:, :, i : i + h, j : j + h]).flatten(1).all(1).sum())
            assert within(hits, n, 1 / 81), (i, j, hits)
            seen += hits
    assert seen == n


def test_a_flip_is_exact_and_fair_and_per_image():
    x = torch.rand(10_000, 3, 2, 5, generator=seeded())
    out = random_flip(x, seeded(1))
    kept = (out == x).flatten(1).all(1)
    mirrored = (out == torch.from_numpy(x.numpy()[..., ::-1].copy())).flatten(1).all(1)
    assert (kept ^ mirrored).all() and within(int(mirrored.sum()), 10_000, 0.5)
    pairs = (mirrored[1:] == mirrored[:-1]).sum()
    assert within(int(pairs), 9_999, 0.5)  # one image says nothing of the next


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_clears_one_square_around_a_uniform_centre(size):
    h, w, n = 7, 9, 6_300
    x = torch.rand(n, 2, h, w, generator=seeded()) + 1
    out = cutout(x, size, seeded(1))
    squares = {}
    for cy in range(h):
        for cx in range(w):
            hole = torch.zeros(h, w, dtype=torch.bool)
            top, left = cy - size // 2, cx - size // 2
            hole[max(top, 0) : top + size, max(left, 0) : left + size] = True
            squares.setdefault(tuple(hole.flatten().tolist()), []).append((cy, cx))
    holes = (out == 0).all(1)
    assert torch.equal(out, torch.where(holes.unsqueeze(1), 0, x))  # all else is as it was
    counts = dict.fromkeys(squares, 0)
    for hole in holes.flatten(1).tolist():
        counts[tuple(hole)] += 1  # a KeyError would be a hole that is no such square
    assert all(within(counts[k], n, len(centres) / (h * w)) for k, centres in squares.items())


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_blends_images_and_labels_alike(alpha):
    b = 1_500
    x = torch.rand(b, 1, 2, 2, generator=seeded(), dtype=torch.float64)
    y = torch.arange(b)  # a class per image, so that the targets tell the partner and λ
    mixed, targets = mixup(x, y, alpha, b, seeded(1))
    lams, partners = [], []
    for i in range(b):
        parts = targets[i].nonzero().flatten().tolist()
        other = next((j for j in parts if j != i), i)
        lam = float(targets[i, i])
        assert len(parts) <= 2 and targets[i].sum() == pytest.approx(1)
        assert torch.allclose(mixed[i], lam * x[i] + (1 - lam) * x[other])
        if other != i:
            lams.append(lam)
            partners.append(other)
    assert len(set(partners)) == len(partners) > 0.99 * b * (0.9 if alpha < 1 else 1)  # a permutation, λ = 1 hides few
    lam = torch.tensor(lams)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(lam.mean() - 0.5) < 5 * math.sqrt(variance / b) and abs(lam.var() - variance) < 0.02


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_augmentation_depends_on_its_generator_alone(device, dtype):
    x, y = torch.rand(32, 3, 8, 8).to(device, dtype), torch.arange(32, device=device) % 4
    state = torch.get_rng_state()
    for f in (
        lambda g: random_crop(x, 2, g),
        lambda g: random_flip(x, g),
        lambda g: cutout(x, 3, g),
        lambda g: torch.cat([t.flatten() for t in mixup(x, y, 1.0, 4, g)]),
    ):
        again, other = f(seeded(1, device)), f(seeded(2, device))
        assert torch.equal(f(seeded(1, device)), again) and not torch.equal(again, other)
        assert again.dtype == dtype and again.device.type == device
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: random_crop(x, -1, seeded()), "pad must be 0 or more pixels, not -1"),
        (lambda x, y: random_crop(x[0], 1, seeded()), r"\[B, C, H, W\]; this one has \[3, 4, 4\]"),
        (lambda x, y: random_flip(x[0], seeded()), r"\[B, C, H, W\]"),
        (lambda x, y: cutout(x, -2, seeded()), "cutout size must be 0 or more pixels, not -2"),
        (lambda x, y: mixup(x, y, 0.0, 2, seeded()), "alpha must be greater than 0, not 0.0"),
        (lambda x, y: mixup(x, y, float("nan"), 2, seeded()), "greater than 0, not nan"),
        (lambda x, y: mixup(x.byte(), y, 1.0, 2, seeded()), "float images, not torch.uint8"),
        (lambda x, y: mixup(x, y[:1], 1.0, 2, seeded()), r"one label per image, \[2\], not \[1\]"),
    ],
)
def test_bad_input_to_an_augmentation_says_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(2, 3, 4, 4), torch.tensor([0, 1]))


# ---- Batches


def numbered(n: int = 50, h: int = 8) -> ImageSet:
    """n random images; the first pixel's colour and the label both tell which one it is."""
    images = torch.randint(0, 256, (n, 3, h, h), generator=seeded(7), dtype=torch.uint8)
    labels = torch.arange(n)
    images[:, 0, 0, 0] = labels.to(torch.uint8)
    return ImageSet(images, labels, tuple(map(str, range(n))), "Numbered")


def made(data: ImageSet, size: int = 8, epoch: int = 0, **kw) -> tuple[Tensor, Tensor]:
    xs, ys = zip(*Batches(data, size, **kw).epoch(epoch), strict=True)
    return torch.cat(xs), torch.cat(ys)


def test_test_batches_are_all_images_in_order_normalised():
    data = numbered()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    batches = Batches(data, 16, train=False, mean=mean, std=std, cutout=4)
    sizes = [len(y) for _, y in batches.epoch(3)]
    assert sizes == [16, 16, 16, 2] and len(batches) == 4
    x, y = made(data, 16, train=False, mean=mean, std=std, cutout=4)
    reference = (data.images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(x, reference)
    assert torch.equal(y, data.labels)


def test_a_training_epoch_is_a_shuffle_less_the_last_short_batch():
    data = numbered()
    batches = Batches(data, 16, train=True)
    ys = [y for _, y in batches.epoch(0)]
    assert [len(y) for y in ys] == [16, 16, 16] and len(batches) == 3
    seen = torch.cat(ys).tolist()
    assert len(set(seen)) == 48 and seen != sorted(seen)
    assert len(Batches(data, 64, train=True)) == 1  # the only batch is kept, short as it is
    assert sorted(made(data, 64, train=True)[1].tolist()) == list(range(50))


def test_a_training_batch_is_flip_then_crop_with_the_mean_as_padding():
    data, pad = numbered(), 2
    x, y = made(data, train=True, pad=pad)
    shifted = flipped = 0
    plain, _ = made(data, train=False)
    for image, label in zip(x, y, strict=True):
        source, found = plain[label], []
        for mirror in (False, True):
            padded = F.pad(source.flip(-1) if mirror else source, (pad,) * 4)  # 0 is the mean after normalisation
            found += [
                (mirror, i, j)
                for i in range(5)
                for j in range(5)
                if torch.equal(image, padded[:, i : i + 8, j : j + 8])
            ]
        assert len(found) == 1
        flipped += found[0][0]
        shifted += found[0][1:] != (2, 2)
    assert 10 < flipped < 38 and shifted > 40


def test_augmentation_can_be_switched_off_and_cutout_on():
    data = numbered()
    plain, _ = made(data, train=False)
    x, y = made(data, train=True, pad=0, flip=False)
    assert torch.equal(x, plain[y])
    x, y = made(data, train=True, pad=0, flip=False, cutout=3)
    holes = (x != plain[y]).any(1)
    assert ((x == 0).all(1) | ~holes).all() and holes.flatten(1).any(1).all() and holes.flatten(1).sum(1).max() == 9


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("train", [True, False])
def test_batches_have_the_asked_type_and_are_channels_last(train, dtype):
    data = numbered()
    before = data.images.clone()
    x, y = next(Batches(data, 8, train=train, dtype=dtype).epoch(0))
    assert x.dtype == dtype and x.is_contiguous(memory_format=torch.channels_last) and x.shape == (8, 3, 8, 8)
    assert y.dtype == torch.int64
    assert torch.equal(data.images, before) and Batches(data, 8, train=train).images.dtype == torch.uint8


def test_statistics_are_those_of_the_data_unless_given():
    data = numbered()
    batches = Batches(data, 50, train=False)
    values = data.images.double() / 255
    assert batches.mean == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert batches.std == pytest.approx(values.std((0, 2, 3), correction=0).tolist())
    assert (batches.mean, batches.std) == channel_statistics(data.images)
    x, _ = next(batches.epoch(0))
    assert x.mean((0, 2, 3)).abs().max() < 1e-6 and (x.std((0, 2, 3)) - 1).abs().max() < 1e-3
    half = Batches(data, 50, train=False, mean=(0.5, 0.5, 0.5))
    assert half.mean == (0.5, 0.5, 0.5) and half.std == batches.std
    assert (half.name, half.classes) == ("Numbered", data.classes)


def test_an_epoch_depends_on_seed_and_epoch_alone():
    data = numbered()
    torch.manual_seed(1)
    x, y = made(data, train=True, seed=3, epoch=5)
    state = torch.get_rng_state()
    again = Batches(data, 8, train=True, seed=3)
    for e in (0, 1):  # a run that was interrupted in epoch 1, and one that never saw epochs 2 to 4
        next(again.epoch(e))
    resumed = list(again.epoch(5))
    assert torch.equal(torch.cat([b[0] for b in resumed]), x) and torch.equal(torch.cat([b[1] for b in resumed]), y)
    assert torch.equal(torch.get_rng_state(), state)
    for other in (made(data, train=True, seed=3, epoch=6), made(data, train=True, seed=4, epoch=5)):
        assert not torch.equal(other[1], y) and not torch.equal(other[0], x)


def test_two_epochs_can_be_read_in_turns():
    batches = Batches(numbered(), 8, train=True)
    alone = [x for x, _ in batches.epoch(0)]
    for (x, _), (_, _), reference in zip(batches.epoch(0), batches.epoch(1), alone, strict=True):
        assert torch.equal(x, reference)


def test_neighbouring_seeds_epochs_and_streams_are_unrelated():
    draws = {
        torch.rand(4, generator=generator_for(CPU, *key), dtype=torch.float64)
        for key in [(s, e, t) for s in range(4) for e in range(4) for t in range(4)]
    }
    assert len({tuple(d.tolist()) for d in draws}) == 64
    assert torch.rand(1, generator=generator_for(CPU, 1, 2, 3)) == torch.rand(1, generator=generator_for(CPU, 1, 2, 3))


@pytest.mark.parametrize(("n", "world"), [(48, 3), (50, 3), (50, 4), (5, 5)])
def test_the_shards_of_an_epoch_partition_the_permutation(n, world):
    data = numbered(n)
    whole = made(data, 1, train=True, epoch=2)[1].tolist()
    shards = [made(data, 1, train=True, epoch=2, rank=r, world=world)[1].tolist() for r in range(world)]
    assert {len(shard) for shard in shards} == {n // world}
    joined = [label for column in zip(*shards, strict=True) for label in column]
    assert joined == whole[: n // world * world]  # disjoint, in the order of the one permutation
    lengths = {len(Batches(data, 4, train=True, rank=r, world=world)) for r in range(world)}
    assert lengths == {max(1, n // world // 4)}


@pytest.mark.parametrize("world", [2, 3, 4])
def test_the_shards_of_a_test_set_are_all_images_once(world):
    data = numbered()
    shards = [Batches(data, 8, train=False, rank=r, world=world) for r in range(world)]
    seen = [[int(label) for _, y in shard.epoch(0) for label in y] for shard in shards]
    assert sorted(label for labels in seen for label in labels) == list(range(50)) and all(
        labels == sorted(labels) for labels in seen
    )
    assert [len(shard) for shard in shards] == [math.ceil(len(labels) / 8) for labels in seen]


def test_ranks_augment_differently():
    data = ImageSet(numbered(1).images.expand(64, 3, 8, 8).contiguous(), torch.zeros(64).long(), ("a",), "Copies")
    one, two = (made(data, 32, train=True, rank=r, world=2)[0] for r in range(2))
    assert not torch.equal(one, two)


@pytest.mark.parametrize("device", DEVICES)
def test_an_epoch_runs_on_the_device_and_never_waits_for_it(device):
    batches = Batches(numbered(), 8, train=True, device=device, cutout=2)
    list(batches.epoch(0))
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")  # any wait raises
    try:
        out = list(batches.epoch(1))
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    assert len(out) == 6 and all(x.device.type == y.device.type == device for x, y in out)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "batch size must be 1 or more, not 0"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
        ({"pad": -1}, "pad and cutout must be 0 or more pixels, not -1 and 0"),
        ({"cutout": -1}, "pad and cutout"),
        ({"mean": (0.5,)}, "3 floats each"),
        ({"std": (0.2, 0.0, 0.2)}, "std above 0"),
        ({"rank": 2, "world": 2}, r"rank must be in 0\.\.world - 1, not 2 of 2"),
        ({"rank": 0, "world": 51}, "50 images cannot be shared by 51"),
    ],
)
def test_batches_that_cannot_be_say_what_is_allowed(changed, message):
    with pytest.raises(ValueError, match=message):
        Batches(numbered(), **{"batch_size": 8, "train": True} | changed)


def test_a_negative_epoch_is_refused():
    with pytest.raises(ValueError, match="epoch must be 0 or more, not -1"):
        next(Batches(numbered(), 8, train=True).epoch(-1))


# ---- FolderBatches


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """train/ and val/ with two classes: noise pictures of several sizes and modes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, n in (("train", 5), ("val", 3)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (40 + 7 * i, 60 - 5 * i, 3), np.uint8)
                picture = Image.fromarray(pixels).convert("L" if i == 1 else "RGB")
                picture.save(root / split / name / f"{i}.{'jpg' if i == 2 else 'png'}")
    return root


def copied(folder: Path, to: Path) -> Path:
    for file in folder.rglob("*.*"):
        (to / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (to / file.relative_to(folder)).write_bytes(file.read_bytes())
    return to


def read(folder: Path, split: str, epoch: int = 0, **kw) -> tuple[Tensor, Tensor]:
    xs, ys = zip(*FolderBatches(folder, split, 24, **{"batch_size": 4, "workers": 0} | kw).epoch(epoch), strict=True)
    return torch.cat(xs), torch.cat(ys)


def test_folder_test_batches_are_resized_centre_crops_in_order(folder):
    batches = FolderBatches(folder, "test", 24, 4, 0)
    assert batches.classes == ("cat", "dog") and len(batches) == 2 and batches.name == f"{folder.name} test"
    assert (batches.mean, batches.std) == (IMAGENET_MEAN, IMAGENET_STD)
    x, y = read(folder, "test")
    assert y.tolist() == [0, 0, 0, 1, 1, 1] and x.is_contiguous(memory_format=torch.channels_last)
    for image, file in zip(x, sorted((folder / "val").rglob("*.*")), strict=True):
        picture = Image.open(file).convert("RGB")
        w, h = picture.size
        short = round(24 * 256 / 224)
        size = (short, int(short * h / w)) if w < h else (int(short * w / h), short)
        small = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = round((size[0] - 24) / 2), round((size[1] - 24) / 2)
        pixels = torch.from_numpy(np.array(small.crop((left, top, left + 24, top + 24)))).permute(2, 0, 1) / 255
        reference = (pixels - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
        torch.testing.assert_close(image, reference)


def test_folder_epochs_depend_on_seed_and_epoch_and_not_on_workers(folder):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    x, y = read(folder, "train", epoch=3)
    assert x.shape == (8, 3, 24, 24) and len(y) == 8  # 10 images, the last 2 make no batch
    with_workers = read(folder, "train", epoch=3, workers=2)
    assert torch.equal(with_workers[0], x) and torch.equal(with_workers[1], y)
    assert torch.equal(torch.get_rng_state(), state)
    for other in (read(folder, "train", epoch=4), read(folder, "train", epoch=3, seed=1)):
        assert not torch.equal(other[0], x)


def test_folder_training_images_are_cropped_mirrored_and_jittered(tmp_path):
    for split, name in ((split, name) for split in ("train", "val") for name in ("grey", "half")):
        (tmp_path / split / name).mkdir(parents=True)
        pixels = np.full((40, 40, 3), 100, np.uint8)
        if name == "half":
            pixels[:, 20:] = 200
        for i in range(2):
            Image.fromarray(pixels).save(tmp_path / split / name / f"{i}.png")
    views = {}
    for jitter in (0.0, 0.4):
        batches = FolderBatches(tmp_path, "train", 16, 4, 0, jitter=jitter, mean=(0, 0, 0), std=(1 / 255,) * 3)
        found = [next(batches.epoch(e)) for e in range(60)]
        same = [torch.equal(*x[y == 1]) for x, y in found]
        assert sum(same) < 20  # two copies of a picture get a crop each, though a small one may lie in one half
        views[jitter] = [torch.stack([x[y == label][0] for x, y in found]) for label in (0, 1)]  # 2 × [60, 3, 16, 16]
    grey, half = views[0.0]
    torch.testing.assert_close(grey, torch.full_like(grey, 100))
    edge = half.mean((1, 2, 3)).round(decimals=3)
    assert len(edge.unique()) > 10  # the edge between dark and bright is in another place in each crop
    rising = (half[..., -1] > half[..., 0]).flatten(1).all(1).sum()
    falling = (half[..., -1] < half[..., 0]).flatten(1).all(1).sum()
    assert rising > 10 and falling > 10
    flat = views[0.4][0]
    assert len(flat.flatten(1).unique(dim=0)) > 20 and flat.std((2, 3)).max() < 1e-3  # another even grey each time


def test_folder_shards_partition_the_epoch(folder):
    whole = read(folder, "train", batch_size=1, epoch=1)[0]
    shards = [read(folder, "train", batch_size=1, epoch=1, rank=r, world=3)[0] for r in range(3)]
    assert [len(shard) for shard in shards] == [3, 3, 3]
    assert torch.equal(torch.stack(shards, 1).flatten(0, 1), whole[:9])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("how", ["cut", "text", "empty"])
def test_a_damaged_image_file_is_named(folder, tmp_path, how, workers):
    broken = copied(folder, tmp_path) / "val" / "dog" / "2.jpg"
    whole = broken.read_bytes()
    broken.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no image", "empty": b""}[how])
    with pytest.raises(
        DataError, match=r"picture .*val/dog/2\.jpg (is damaged, or not|cannot be read.*truncated)"
    ) as caught:
        read(tmp_path, "test", workers=workers)
    assert "\n" not in str(caught.value) and caught.value.__cause__ is None


def test_a_folder_without_the_parts_of_imagenet_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere has no folder train/; it must hold train/ and val/"):
        FolderBatches(tmp_path / "nowhere", "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(FileNotFoundError, match="has no folder val/"):
        FolderBatches(tmp_path, "train")
    (tmp_path / "val").mkdir()
    with pytest.raises(FileNotFoundError, match=r"train needs one folder of images per class"):
        FolderBatches(tmp_path, "train")
    for split in ("train", "val"):
        (tmp_path / split / "cat").mkdir()
    with pytest.raises(FileNotFoundError, match=r"train needs one folder .*cat") as caught:
        FolderBatches(tmp_path, "train")
    assert "\n" not in str(caught.value)
    (copied(folder, tmp_path) / "val" / "eel").mkdir()
    with pytest.raises(DataError, match="only one of them has eel"):
        FolderBatches(tmp_path, "train")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("val",), 'must be "train" or "test"'),
        (("train", 0), "size must be 1 or more"),
        (("train", 24, 0), "batch size must be 1 or more"),
        (("train", 24, 4, -1), "workers 0 or more, not 24 and -1"),
    ],
)
def test_folder_batches_that_cannot_be_say_what_is_allowed(folder, args, message):
    with pytest.raises(ValueError, match=message):
        FolderBatches(folder, *args)
