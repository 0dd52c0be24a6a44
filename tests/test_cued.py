"""Cued Scenes: two objects, a cue that is all that changes, and truth that follows the cue."""

import hashlib
from itertools import permutations

import pytest
import torch

from resattn.data import CuedSet, cued_scenes, load, recue, scenes
from resattn.data.scenes.cued import EDGE, LAYOUTS, frame_mask, render_groups

PICTURES = cued_scenes("test", 180)


def test_pictures_depend_on_seed_split_and_place_alone() -> None:
    again = render_groups("test", 97)
    assert torch.equal(again.images, PICTURES.images[:97])
    assert torch.equal(again.masks, PICTURES.pair_masks[:97])
    for other in (render_groups("train", 90), render_groups("test", 90, seed=1)):
        assert not torch.equal(other.images, PICTURES.images[:90])


def test_the_pictures_are_these() -> None:
    """Another picture would make every trained network and record a record of something else."""
    assert hashlib.sha256(PICTURES.images.numpy().tobytes()).hexdigest()[:16] == "7e01c7bc10b0ecda"
    three = cued_scenes("test", 90, objects=3)
    assert hashlib.sha256(three.images.numpy().tobytes()).hexdigest()[:16] == "6809cef99475b0c0"


def test_no_landscape_is_one_of_scenes() -> None:
    lone = scenes("test", 50, size=48).images[:, :, 3:-3, 3:-3].flatten(1)
    ours = PICTURES.images[:50, :, 3:-3, 3:-3].flatten(1)
    assert (lone.float() - ours.float()).abs().mean(1).min() > 5


def test_pairs_are_balanced_and_never_of_one_class() -> None:
    pairs = {tuple(pair) for pair in PICTURES.pair_labels.tolist()}
    assert len(pairs) == 90
    assert (PICTURES.pair_labels[:, 0] != PICTURES.pair_labels[:, 1]).all()
    assert 0.35 < PICTURES.cues.float().mean() < 0.65


def test_labels_and_masks_are_those_of_the_object_that_counts() -> None:
    rows = torch.arange(len(PICTURES))
    assert torch.equal(PICTURES.labels, PICTURES.pair_labels[rows, PICTURES.cues])
    assert torch.equal(PICTURES.object_masks, PICTURES.pair_masks[rows, PICTURES.cues])
    assert torch.equal(PICTURES.other_labels, PICTURES.pair_labels[rows, 1 - PICTURES.cues])
    assert not (PICTURES.object_masks & PICTURES.other_masks).any()


def test_each_object_is_in_its_half_and_seen() -> None:
    columns = (torch.arange(48) + 0.5) / 48
    for side, (low, high) in enumerate(LAYOUTS[2].columns):
        mask = PICTURES.pair_masks[:, side].float()  # [N, S, S]
        area = mask.sum((1, 2))
        centre = (mask.sum(1) * columns).sum(1) / area
        assert area.min() >= 4, "no object is hidden"
        assert ((centre > low) & (centre < high)).all()


def test_recue_changes_the_frame_alone() -> None:
    flipped = recue(PICTURES.images, 1 - PICTURES.cues)
    changed = (flipped != PICTURES.images).any(dim=1)  # [N, S, S]
    assert torch.equal(changed, frame_mask(48).expand_as(changed))
    assert torch.equal(recue(flipped, PICTURES.cues), PICTURES.images)
    assert torch.equal(flipped[:, :, 0, 0], LAYOUTS[2].colours[1 - PICTURES.cues])
    assert frame_mask(48).sum() == 48**2 - 44**2 and EDGE * 48 == 2


def test_recued_moves_the_truth_with_the_cue() -> None:
    flipped = PICTURES.recued()
    assert isinstance(flipped, CuedSet)
    assert torch.equal(flipped.labels, PICTURES.other_labels)
    assert torch.equal(flipped.object_masks, PICTURES.other_masks)
    assert torch.equal(flipped.recued().images, PICTURES.images)
    left = PICTURES.recued(torch.zeros(180, dtype=torch.int64))
    assert torch.equal(left.labels, PICTURES.pair_labels[:, 0])


def test_a_subset_keeps_what_belongs_together() -> None:
    some = PICTURES.subset([5, 3])
    assert isinstance(some, CuedSet) and some.pair_masks.shape == (2, 2, 48, 48)
    assert torch.equal(some.labels, PICTURES.labels[[5, 3]]) and torch.equal(some.cues, PICTURES.cues[[5, 3]])


def test_the_frame_is_no_object_and_no_sky() -> None:
    frame = frame_mask(48)
    assert not (PICTURES.pair_masks & frame).any() and not (PICTURES.sky_masks & frame).any()


def test_the_cue_says_nothing_of_the_pictures() -> None:
    """Without the frame, and with the pair known, the cue is a coin: it was drawn apart from everything else."""
    table = render_groups("train", 900)
    by_left = [table.cues[table.labels[:, 0] == label].float().mean() for label in range(10)]
    assert all(0.3 < share < 0.7 for share in by_left)


def test_larger_is_the_same_scene_finer() -> None:
    large = render_groups("test", 90, size=96)
    assert torch.equal(large.labels, PICTURES.pair_labels[:90]) and torch.equal(large.cues, PICTURES.cues[:90])
    smaller = torch.nn.functional.avg_pool2d(large.images.float(), 2)
    assert (smaller - PICTURES.images[:90].float()).abs().mean() < 8


def test_three_objects_each_centred_in_its_third_and_a_cue_for_each() -> None:
    pictures = cued_scenes("test", 720, objects=3)
    assert {tuple(triple) for triple in pictures.pair_labels.tolist()} == set(permutations(range(10), 3))
    columns = (torch.arange(48) + 0.5) / 48
    for i, (low, high) in enumerate(LAYOUTS[3].columns):
        mask = pictures.pair_masks[:, i].float()  # [N, S, S]
        centre = (mask.sum(1) * columns).sum(1) / mask.sum((1, 2))
        assert mask.sum((1, 2)).min() >= 1 and ((centre > low) & (centre < high)).all()
        shown = pictures.recued(torch.full((720,), i))
        assert torch.equal(shown.images[:, :, 0, 0], LAYOUTS[3].colours[i].expand(720, 3))
        assert torch.equal(shown.labels, pictures.pair_labels[:, i])
        assert torch.equal(shown.object_masks, pictures.pair_masks[:, i])
        changed = (shown.images != pictures.images).any(dim=1)  # [N, S, S]
        assert not (changed & ~frame_mask(48)).any()
    assert torch.equal(pictures.labels, pictures.pair_labels[torch.arange(720), pictures.cues])
    assert pictures.pair_masks.sum(1).max() == 1, "no two objects cover one pixel"
    assert pictures.cues.bincount().min() > 200
    inside = [part.images[:90, :, 3:-3, 3:-3].float() for part in (pictures, PICTURES)]
    assert (inside[0] - inside[1]).abs().mean((1, 2, 3)).min() > 5, "no landscape of two objects"


def test_by_name() -> None:
    assert torch.equal(load("cued_scenes", "test", n=90).images, PICTURES.images[:90])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cued_scenes("val"), "train"),
        (lambda: cued_scenes("train", 0), "1 or more"),
        (lambda: cued_scenes("train", 10, size=8), "32 or more"),
        (lambda: recue(PICTURES.images, PICTURES.cues[:5]), "cues must be int64"),
        (lambda: recue(PICTURES.images, PICTURES.cues + 1), "from 0 to 1"),
        (lambda: recue(PICTURES.images.float(), PICTURES.cues), "images must be uint8"),
        (lambda: cued_scenes("test", 10, objects=4), "must be 2 or 3, not 4"),
        (lambda: cued_scenes("test", 10, objects=3).recued(), "no one other"),
    ],
)
def test_one_sentence(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()
