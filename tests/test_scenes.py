"""Scenes: the pictures are reproducible, the masks are true, and the background does not name the class."""

import hashlib
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resattn.data.scenes import landscape, shapes
from resattn.data.scenes.landscape import Canvas, Landscape
from resattn.data.scenes.render import BATCH, CLASSES, KINDS, RenderedScenes, paint, random_table, render


@pytest.fixture(scope="module")
def train() -> RenderedScenes:
    return render("train", 1500)


def digest(rendered: RenderedScenes) -> str:
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in rendered)).hexdigest()


def numbers(count: int) -> Tensor:
    """What `paint` draws from: as in `render`, without the column that shuffles the labels."""
    return random_table("train", 0, 0, count)[:, 1:].T.contiguous()


@pytest.mark.parametrize("size", [32, 48, 96])
def test_shapes_types_and_masks_at_every_size(size):
    got = render("test", 40, size=size)
    assert got.images.shape == (40, 3, size, size) and got.images.dtype == torch.uint8
    assert got.labels.shape == (40,) and got.labels.dtype == torch.int64
    for masks in (got.object_masks, got.sky_masks):
        assert masks.shape == (40, size, size) and masks.dtype == torch.bool
        assert masks.flatten(1).any(1).all()
    assert not (got.object_masks & got.sky_masks).any()


def test_there_are_ten_classes_and_every_block_of_ten_scenes_has_each(train):
    assert len(CLASSES) == len(set(CLASSES)) == 10 and "balloon" in CLASSES
    blocks = train.labels.view(-1, 10)
    assert (blocks.sort(1).values == torch.arange(10)).all()
    assert len({tuple(b.tolist()) for b in blocks}) > 100  # the order inside a block is shuffled
    assert render("train", 7).labels.tolist() == train.labels[:7].tolist()


def test_another_process_with_other_threads_renders_the_same_bytes():
    code = (
        "import sys, torch; torch.set_num_threads(int(sys.argv[1])); from tests.test_scenes import *;"
        "print(digest(render('train', 230, 40, seed=3)))"
    )
    here = digest(render("train", 230, 40, seed=3))
    for threads in ("1", "3"):
        run = subprocess.run([sys.executable, "-c", code, threads], capture_output=True, text=True, env=os.environ)
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == here


def test_the_root_is_exactly_rounded_on_every_processor():
    x = torch.rand(100_000, generator=torch.manual_seed(0)) * 1000
    assert torch.equal(shapes.root(x.clone()), x.double().sqrt().float())
    part = torch.arange(12.0).view(3, 4)
    shapes.root(part[:, ::2])
    assert torch.equal(part, torch.tensor([[0, 1, 2**0.5, 3], [2, 5, 6**0.5, 7], [8**0.5, 9, 10**0.5, 11]]))


def test_fewer_scenes_are_the_start_of_more_across_batches(train):
    assert len(train.labels) > BATCH * len(CLASSES)  # so that more than one batch of each class was painted
    for n in (1, 33, BATCH * len(CLASSES) + 5):
        for few, many in zip(render("train", n), train, strict=True):
            assert torch.equal(few, many[:n])


def test_splits_and_seeds_share_no_scene(train):
    streams = [train.images, render("test", 500).images, render("train", 500, seed=1).images]
    pictures = [image.numpy().tobytes() for stream in streams for image in stream]
    assert len(set(pictures)) == len(pictures)
    assert not torch.equal(train.labels[:500], render("test", 500).labels)


def test_the_settings_of_torch_are_left_alone_and_do_not_matter():
    before = digest(render("train", 30))
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        for made_once in (landscape.noise_tile, shapes.grid, shapes.constants):
            made_once.cache_clear()
        assert digest(render("train", 30)) == before
        assert torch.get_num_threads() == 2
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)


def test_the_object_is_a_tenth_of_the_picture_alike_for_all_classes(train):
    area = train.object_masks.float().mean((1, 2))
    assert area.min() > 0.008 and area.max() < 0.25
    for label, name in enumerate(CLASSES):
        assert 0.06 < area[train.labels == label].mean() < 0.11, name
    assert train.sky_masks.float().mean((1, 2)).min() > 0.2


@pytest.mark.parametrize("name", CLASSES)
def test_the_object_mask_is_where_the_picture_changes_without_the_object(name):
    kind, table, size = KINDS[name], numbers(60), 64
    image, mask, _ = paint(kind, table, size)

    def nothing(*arguments):
        return [(distance * 0 + 1e4, colour) for distance, colour in kind.paint(*arguments)]

    bare, none, _ = paint(kind._replace(paint=nothing), table, size)
    assert not none.any()
    change = (image.int() - bare.int()).abs().amax(1)  # [B, S, S]
    near = F.max_pool2d(mask[:, None].float(), 3, 1, 1)[:, 0] > 0
    assert (change[mask] > 4).float().mean() > 0.9  # an object may have the colour of what is behind it
    thin = (change > 0) & ~near  # ropes and spars cover no pixel by half
    assert thin.sum() < 0.12 * mask.sum()
    assert (change[~mask].float().sum() / change.sum()) < 0.25


@pytest.mark.parametrize("name", ["balloon", "tree"])
def test_the_sky_mask_is_the_pixels_that_show_mostly_sky(name, monkeypatch):
    table = numbers(60)
    _, objects, sky = paint(KINDS[name], table, 48)
    monkeypatch.setattr(Canvas, "develop", share_of_red)
    monkeypatch.setattr(Landscape, "paint_sky", lambda self, canvas: canvas.wash(torch.ones(1, 1, 1), RED))
    share, _, _ = paint(KINDS[name], table, 48)
    assert torch.equal(share > 0.5, sky)
    assert (share[objects] <= 0.5).all()


RED = torch.tensor([[999.0, 0.0, 0.0]])


def share_of_red(canvas: Canvas, *_) -> Tensor:
    red = [(colour == RED).all() for colour in canvas.colours]
    return sum(canvas.shares[:, k] for k, is_red in enumerate(red) if is_red) / landscape.FULL


def test_a_balloon_stands_out_from_the_sky(train):
    rows = train.labels == CLASSES.index("balloon")
    image, inside, sky = train.images[rows].float(), train.object_masks[rows, None], train.sky_masks[rows, None]
    sky_colour = (image * sky).sum((2, 3)) / sky.sum((2, 3))
    apart = (image - sky_colour[:, :, None, None]).abs().amax(1, keepdim=True)  # [B, 1, S, S], 0 … 255
    of_object = (apart * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3))
    of_sky = (apart * sky).sum((1, 2, 3)) / sky.sum((1, 2, 3))
    assert (of_object > of_sky).float().mean() > 0.95
    assert of_object.mean() > 2 * of_sky.mean()


def test_the_background_does_not_name_the_class(train):
    """Nearest class mean on the mean colours of the sky, of the rest, and their area: chance is 0.1."""

    def features(data: RenderedScenes) -> Tensor:
        near = F.max_pool2d(data.object_masks[:, None].float(), 3, 1, 1) > 0
        image, sky = data.images.float(), data.sky_masks[:, None] & ~near
        regions = [sky, ~near & ~sky]
        means = [(image * r).sum((2, 3)) / r.sum((2, 3)).clamp(min=1) for r in regions]  # [N, 3]
        return torch.cat([*means, image[:, :, -4:].mean((2, 3))], 1)

    test = render("test", 1000)
    x, y = features(train), features(test)
    mean, std = x.mean(0), x.std(0)
    centres = torch.stack([((x - mean) / std)[train.labels == k].mean(0) for k in range(10)])
    guess = torch.cdist((y - mean) / std, centres).argmin(1)
    assert (guess == test.labels).float().mean() < 0.18


def test_a_larger_size_is_the_same_scene():
    small, large = render("train", 100), render("train", 100, size=64)
    assert torch.equal(small.labels, large.labels)
    for few, many in ((small.object_masks, large.object_masks), (small.sky_masks, large.sky_masks)):
        halved = F.avg_pool2d(many[:, None].float(), 2)[:, 0] >= 0.5
        overlap = (few & halved).flatten(1).sum(1) / (few | halved).flatten(1).sum(1)
        assert overlap.mean() > 0.9 and overlap.min() > 0.75
    difference = (F.avg_pool2d(large.images.float(), 2) - small.images.float()).abs()  # of 255
    assert difference.mean() < 2  # texture is sampled, not averaged
    assert (difference.amax(1) > 40).float().mean() < 0.002


def test_layers_share_out_a_pixel_without_rounding():
    canvas = Canvas(1, 32)
    colours = [
        torch.tensor([[17.0, 130.0, 255.0]]),
        torch.tensor([[3.0, 200.0, 91.0]]),
        torch.tensor([[250.0, 1.0, 77.0]]),
    ]
    for opacity, colour in zip(
        (torch.rand(1, 32, 32), torch.rand(1, 32, 32), torch.ones(1, 1, 1)), colours, strict=True
    ):
        canvas.wash(opacity, colour)
    shares = canvas.shares[:, :3].double()
    assert (shares == shares.round()).all() and (shares.sum(1) == landscape.FULL).all()
    exact = (torch.stack(colours, 2).double() @ shares.flatten(2) / landscape.FULL).round()  # [1, 3, S·S]
    white = torch.ones(1, 3)
    assert torch.equal(canvas.develop(white, white, torch.zeros(1, 1), 3).flatten(2).double(), exact)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("valid", 10), 'must be "train" or "test", not \'valid\''),
        (("train", 0), "number of scenes must be a whole number, 1 or more, not 0"),
        (("train", 2.5), "number of scenes must be a whole number"),
        (("train", True), "number of scenes must be a whole number"),
        (("train", 10, 31), "size of a scene must be a whole number, 32 or more, not 31"),
        (("train", 10, 32, -1), "seed must be a whole number, 0 or more, not -1"),
        (("train", 10, 32, 2**64), "seed must be below"),
    ],
)
def test_bad_arguments_get_one_clear_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        render(*arguments)
