"""Trained weights with a new classifier: what is kept, what is frozen, what the record says, what is refused before."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import resattn
from resattn import data, zoo
from resattn.data import ImageSet
from resattn.training import RECIPES, Recipe, fit
from resattn.zoo import checkpoints

NAME = "attention56_scenes"
BRIEF = Recipe("brief", epochs=2, batch_size=10, lr=0.01, pad=0)
QUIET = {"device": "cpu", "precision": "float32", "progress": False}


def three(split: str, n: int = 30) -> ImageSet:
    """Scenes of three of the ten classes, under names of their own."""
    scenes = data.scenes(split, 4 * n)
    chosen = scenes.subset((scenes.labels < 3).nonzero()[:, 0][:n])
    return replace(chosen, classes=("one", "two", "three"), name=f"Three {split}")


@pytest.fixture(scope="module", params=[False, True], ids=["all", "classifier"])
def tuned(request, tmp_path_factory):
    torch.manual_seed(3)
    model = resattn.load_pretrained(NAME, num_classes=3, freeze=request.param)
    out = tmp_path_factory.mktemp("tuned")
    fit(model, three("train"), three("test"), BRIEF, out=out, **QUIET)
    return request.param, model, out


def test_a_new_classifier_on_old_weights():
    source, model = resattn.load_pretrained(NAME), resattn.load_pretrained(NAME, num_classes=3)
    assert model.config == replace(source.config, num_classes=3) and not model.training
    assert model.classifier.weight.shape == (3, 128) and all(p.requires_grad for p in model.parameters())
    for key, value in source.state_dict().items():
        assert key.startswith("classifier") or torch.equal(model.state_dict()[key], value)
    assert not hasattr(model, "record")
    assert model.started_from == {
        "weights": NAME, "sha256": source.record["sha256"], "mean": source.record["mean"], "std": source.record["std"],
    }  # fmt: skip


def test_frozen_parts_stay_to_the_last_bit_and_the_others_move(tuned):
    frozen, model, _ = tuned
    source = resattn.load_pretrained(NAME).state_dict()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, source[key])}
    if frozen:
        assert moved == {"classifier.weight", "classifier.bias"}  # not even the running statistics
    else:
        assert {key for key in source if key not in moved} == set()
    assert model.record["frozen"] == (["stem", "stage1", "stage2", "stage3", "norm"] if frozen else [])


def test_the_record_says_what_it_started_from_and_the_run_can_be_loaded(tuned):
    _, model, out = tuned
    loaded = zoo.load_pretrained(out)
    source = resattn.load_pretrained(NAME)
    assert loaded.record["started_from"]["weights"] == NAME
    assert loaded.record["started_from"]["sha256"] == source.record["sha256"] != loaded.record["sha256"]
    assert loaded.record["mean"] == pytest.approx(source.record["mean"])  # what the weights are used to
    assert loaded.record["data"]["classes"] == ["one", "two", "three"] and loaded.config.num_classes == 3
    assert model.record["history"] == loaded.record["history"]
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert loaded.started_from["weights"] == out.name  # and on from there
    assert resattn.load_pretrained(out, num_classes=5).classifier.out_features == 5


def test_a_run_from_other_weights_is_another_run(tuned):
    frozen, _, out = tuned
    other = resattn.load_pretrained("attention56_scenes_seed1", num_classes=3, freeze=frozen)
    with pytest.raises(checkpoints.CheckpointError, match="another started_from"):
        fit(other, three("train"), three("test"), BRIEF, out=out, **QUIET)
    switched = resattn.load_pretrained(NAME, num_classes=3, freeze=not frozen)
    with pytest.raises(checkpoints.CheckpointError, match="another frozen"):
        fit(switched, three("train"), three("test"), BRIEF, out=out, **QUIET)
    fresh = resattn.create("attention56", num_classes=3, width=0.5)
    with pytest.raises(checkpoints.CheckpointError, match="another started_from"):
        fit(fresh, three("train"), three("test"), BRIEF, out=out, **QUIET)


def test_an_interrupted_fine_tuning_ends_in_the_same_bits(tuned, tmp_path, monkeypatch):
    frozen, model, _ = tuned
    saved = checkpoints.save

    def stop_after_one(path, state):
        saved(path, state)
        if len(state["history"]) == 1:
            raise KeyboardInterrupt

    def again():
        torch.manual_seed(3)
        start = resattn.load_pretrained(NAME, num_classes=3, freeze=frozen)
        fit(start, three("train"), three("test"), BRIEF, out=tmp_path, **QUIET)
        return start

    monkeypatch.setattr(checkpoints, "save", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        again()
    monkeypatch.setattr(checkpoints, "save", saved)
    resumed = again()
    assert all(
        torch.equal(a, b) for a, b in zip(resumed.state_dict().values(), model.state_dict().values(), strict=True)
    )


def changed(what: str) -> resattn.networks.ResidualAttentionNetwork:
    model = resattn.load_pretrained(NAME)
    if what == "head":
        model.classifier = nn.Linear(128, 3)
    elif what == "two layers":
        model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(128, 10))
    elif what == "stem":
        model.stem[0] = nn.Conv2d(3, 8, 5, padding=2, bias=False)
    elif what == "same shapes":
        model.norm[1] = nn.GELU()
    elif what == "mask":
        model.stage1.attention1.mask = None
    return model


REFUSED = {
    "head": r"classifier\.weight is \[3, 128\] where .* builds \[10, 128\]: create or load .* num_classes=3$",
    "two layers": r"classifier\.weight is missing where the network's config builds \[10, 128\]",
    "stem": r"stem\.0\.weight is \[8, 3, 5, 5\] where the network's config builds \[8, 3, 3, 3\]",
    "same shapes": r"norm\.1 is a GELU where the network's config builds a ReLU: only what a config can say",
    "mask": r"stage1\.attention1\.mask\.\S+ is missing where",
}


@pytest.mark.parametrize(("what", "words"), REFUSED.items(), ids=REFUSED)
def test_layers_that_could_not_be_loaded_again_are_refused_before_training(what, words, tmp_path):
    with pytest.raises(ValueError, match=words) as caught:
        fit(changed(what), three("train"), three("test"), BRIEF, out=tmp_path / "run", **QUIET)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_without_a_folder_any_layers_train():
    history = fit(changed("head"), three("train"), three("test"), replace(BRIEF, epochs=1), **QUIET)
    assert len(history) == 1
    with pytest.raises(ValueError, match=r"Three train has 3 classes and the network 2 outputs"):
        model = changed("head")
        model.classifier = nn.Linear(128, 2)
        fit(model, three("train"), three("test"), BRIEF, **QUIET)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1; got 0"):
        resattn.load_pretrained(NAME, num_classes=0)
    with pytest.raises(ValueError, match="say with num_classes how many outputs it has"):
        resattn.load_pretrained(NAME, freeze=True)
    model = resattn.load_pretrained(NAME)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter of the network is frozen"):
        fit(model, three("train"), three("test"), BRIEF, **QUIET)


def test_a_part_frozen_by_hand_rests_too():
    model = resattn.load_pretrained(NAME, num_classes=3)
    model.stage1.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, three("train"), three("test"), replace(BRIEF, epochs=1), **QUIET)
    same = {key.split(".")[0] for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    assert same == {"stage1"} and model.record["frozen"] == ["stage1"]


def test_the_recipe_is_there():
    assert RECIPES["finetune"].name == "finetune"
