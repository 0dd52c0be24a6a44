"""The training loop: learning, schedules, exact resumption, interruption, and what it says when something is wrong."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import resattn
from resattn import training, zoo
from resattn.data import Batches, ImageSet
from resattn.training import RECIPES, Recipe
from resattn.zoo import CheckpointError, checkpoints

TINY = {"width": 0.25, "stem": "conv3_stride2", "poolings": (2, 1, 1)}
RECIPE = Recipe("tiny", epochs=3, batch_size=16, lr=0.05, warmup=0.2, mixup=0.2, cutout=4, label_smoothing=0.1, pad=2)


def coloured_squares(n, seed=0):
    """Three classes told apart by the colour of a square at a random place."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=g)
    images = torch.randint(0, 100, (n, 3, 16, 16), generator=g, dtype=torch.uint8)
    rows, columns = torch.randint(0, 9, (2, n), generator=g)
    for i in range(n):
        images[i, labels[i], rows[i] : rows[i] + 8, columns[i] : columns[i] + 8] += 150
    return ImageSet(images, labels, ("red", "green", "blue"), f"Squares {seed}")


TRAIN, TEST = coloured_squares(128), coloured_squares(48, seed=1)


def network(seed=0, **settings):
    torch.manual_seed(seed)
    return resattn.create("attention56", num_classes=3, **TINY, **settings)


def fit(model, recipe=RECIPE, train=TRAIN, test=TEST, **options):
    settings = {"precision": "float32", "device": "cpu", "progress": False} | options
    return training.fit(model, train, test, recipe, **settings)


def without_times(history):
    return [{k: v for k, v in entry.items() if k not in ("seconds", "images_per_second")} for entry in history]


def assert_same_weights(a, b):
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    assert all(key == other and torch.equal(x, y) for (key, x), (other, y) in pairs)


def test_learns():
    recipe = Recipe("plain", epochs=10, batch_size=16, lr=0.02, warmup=0.2, pad=0)
    history = fit(network(), recipe)
    assert history[-1]["test_accuracy"] > 0.9
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert [entry["step"] for entry in history] == [8 * epoch for epoch in range(1, 11)]


def test_a_step_is_sgd_on_the_batch():
    """One step of fit against the textbook's: forward, cross-entropy, backward, Nesterov's update."""
    recipe = Recipe("one", steps=1, batch_size=32, lr=0.1, weight_decay=1e-3, pad=0, flip=False)
    model, reference = network(), network()
    fit(model, recipe)
    x, y = next(Batches(TRAIN, 32, train=True, pad=0, flip=False).epoch(0))
    reference.to(memory_format=torch.channels_last)
    loss = F.cross_entropy(reference(x), y)
    parameters = list(reference.parameters())
    for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        d = gradient + 1e-3 * p.data
        p.data -= 0.1 * (d + 0.9 * d)
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_resumed_run_is_bit_identical(tmp_path):
    whole, half = network(), network()
    history = fit(whole, out=tmp_path / "whole")
    checkpoint = tmp_path / "half" / "checkpoint.pt"

    class Interrupted(Batches):
        def epoch(self, e):
            for i, batch in enumerate(super().epoch(e)):
                if e == 1 and i == 3:
                    raise KeyboardInterrupt
                yield batch

    augmentation = {"pad": RECIPE.pad, "cutout": RECIPE.cutout}
    interrupted = Interrupted(TRAIN, 16, train=True, **augmentation)
    with pytest.raises(KeyboardInterrupt):
        fit(half, train=interrupted, out=checkpoint.parent)
    assert [entry["epoch"] for entry in checkpoints.load(checkpoint)["history"]] == [1]

    resumed = network(seed=5)  # its weights are to come from the checkpoint
    continued = fit(resumed, out=checkpoint.parent)
    assert_same_weights(whole, resumed)
    assert without_times(continued) == without_times(history)
    assert without_times(fit(network(), out=checkpoint.parent)) == without_times(history)  # finished: nothing to do


def test_interrupted_in_the_first_epoch_leaves_a_checkpoint(tmp_path):
    class Interrupted(Batches):
        def epoch(self, e):
            raise KeyboardInterrupt
            yield

    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, train=Interrupted(TRAIN, 16, train=True, pad=2, cutout=4), out=tmp_path)
    assert_same_weights(fit_and_return(network(seed=9), out=tmp_path), fit_and_return(network()))


def fit_and_return(model, **options):
    fit(model, **options)
    return model


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_training import RECIPE, fit, network, replace
fit(network(), replace(RECIPE, epochs=6), out=sys.argv[1])
"""


def test_killed_process_loses_at_most_an_epoch(tmp_path):
    """SIGKILL in mid-epoch: the checkpoint is whole, and the rest of the run ends as if uninterrupted."""
    out = tmp_path / "run"
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", script, str(out)])
    path = out / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not (path.exists() and len(checkpoints.load(path)["history"]) >= 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(checkpoints.load(path)["history"])
    assert 2 <= done < 6

    recipe = replace(RECIPE, epochs=6)
    model = network(seed=3)
    training_left = []
    loader = Batches(TRAIN, 16, train=True, pad=2, cutout=4)
    original = loader.epoch
    loader.epoch = lambda e: training_left.append(e) or original(e)
    fit(model, recipe, train=loader, out=out)
    assert training_left == list(range(done, 6))
    assert_same_weights(model, fit_and_return(network(), recipe=recipe))


def test_full_disk_keeps_the_old_checkpoint(tmp_path):
    """A file-size limit, which the system reports like a full disk, strikes in the middle of writing."""
    path = tmp_path / "checkpoint.pt"
    checkpoints.save(path, {"model": {"w": torch.ones(10)}})
    code = (
        "import resource, signal, sys, pathlib, torch\n"
        "from resattn.zoo import checkpoints\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    checkpoints.save(pathlib.Path(sys.argv[1]), {'model': {'w': torch.ones(1_000_000)}})\n"
        "except checkpoints.CheckpointError as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert result.stdout.startswith(f"cannot write {path}: ")
    assert "what was there before is kept" in result.stdout
    assert len(result.stdout.strip().splitlines()) == 1
    assert torch.equal(checkpoints.load(path)["model"]["w"], torch.ones(10))
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write .*checkpoint\.pt"):
        fit(network(), out=tmp_path / "file" / "run")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "another dict"])
def test_damaged_checkpoint(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    fit(network(), replace(RECIPE, epochs=1), out=tmp_path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "another dict":
        torch.save({"weights": 1}, path)
    else:
        path.write_bytes(b"garbage" if damage == "garbage" else b"")
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"checkpoint.pt is (damaged or )?no checkpoint"):
        fit(network(), out=tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipe": replace(RECIPE, lr=0.1)}, "recipe"),
        ({"seed": 1}, "seed"),
        ({"train": coloured_squares(128, seed=2)}, "data"),
        ({"model": {"fusion": "nal"}}, "config"),
    ],
)
def test_another_run_is_not_continued(tmp_path, change, named):
    fit(network(), replace(RECIPE, epochs=1), out=tmp_path)
    settings = change.pop("model", {}) if "model" in change else {}
    options = {"recipe": replace(RECIPE, epochs=1)} | {k: v for k, v in change.items() if k != "model"}
    with pytest.raises(CheckpointError, match=f"a run with another .*{named}"):
        fit(network(**settings), out=tmp_path, **options)


def test_fresh_start_over_a_finished_run(tmp_path):
    fit(network(), replace(RECIPE, epochs=1), out=tmp_path)
    old = (tmp_path / "model.json").read_text()
    history = fit(network(), replace(RECIPE, epochs=2), out=tmp_path, resume=False)
    assert len(history) == 2
    assert (tmp_path / "model.json").read_text() != old
    assert len(checkpoints.load(tmp_path / "checkpoint.pt")["history"]) == 2


def test_loss_that_is_no_longer_finite_says_where(tmp_path):
    model = network()
    recipe = Recipe("plain", epochs=2, batch_size=16, lr=0.01, pad=0)
    fit(model, replace(recipe, epochs=1), out=tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    class Poisoned(Batches):
        def epoch(self, e):
            for i, (x, y) in enumerate(super().epoch(e)):
                yield (x * math.nan if i == 5 else x), y

    with pytest.raises(training.TrainingError, match="loss became nan in epoch 1 at step 6"):
        fit(network(), recipe, train=Poisoned(TRAIN, 16, train=True), out=tmp_path / "other")
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_an_epoch_prints_a_line_and_the_bar_stays_off_a_file(capsys):
    recipe = Recipe("two", epochs=2, batch_size=32, lr=0.05, evaluate_every=2, pad=0)
    history = fit(network(), recipe, progress=True)
    printed = capsys.readouterr()
    first, second = printed.out.splitlines()
    assert first.startswith(f"epoch 1, step 4 of 8: training loss {history[0]['train_loss']:.3f}, ")
    assert "test error" not in first
    assert f"test error {1 - history[1]['test_accuracy']:.2%}, " in second
    assert printed.err == ""
    fit(network(), recipe)
    assert capsys.readouterr() == ("", "")


def test_labels_outside_the_classes():
    with pytest.raises(ValueError, match="Squares 0 has 3 classes and the network 2 outputs"):
        training.fit(resattn.create("attention56", num_classes=2, **TINY), TRAIN, TEST, RECIPE, progress=False)


def test_unknown_recipe_and_precision():
    with pytest.raises(ValueError, match="unknown recipe 'fast'; there are quick, paper, strong"):
        fit(network(), "fast")
    with pytest.raises(ValueError, match="precision must be auto, float32 or bfloat16; got 'half'"):
        fit(network(), precision="half")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"epochs": 1, "steps": 1},
        {"epochs": 0},
        {"epochs": 1, "lr": -1.0},
        {"epochs": 1, "lr": math.nan},
        {"epochs": 1, "schedule": "linear"},
        {"epochs": 1, "milestones": (2.0,)},
        {"epochs": 1, "warmup": 1.0},
    ],
    ids=str,
)
def test_recipes_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=r"."):
        Recipe("bad", **settings)


def test_papers_schedule():
    recipe = RECIPES["paper"]
    assert (recipe.batch_size, recipe.total_steps(781)) == (64, 160_000)
    rates = [recipe.lr_at(step, 160_000) for step in (0, 63_999, 64_000, 95_999, 96_000, 159_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_cosine_schedule():
    recipe = Recipe("c", epochs=1, lr=0.4, warmup=0.1)
    rates = [recipe.lr_at(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.004)
    assert max(rates) == rates[99] == rates[100] == 0.4
    assert rates[550] == pytest.approx(0.2)
    assert 0 < rates[-1] < 1e-5
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_a_run_in_steps_ends_in_mid_epoch():
    history = fit(network(), Recipe("steps", steps=11, batch_size=16, lr=0.01))
    assert [(entry["epoch"], entry["step"]) for entry in history] == [(1, 8), (2, 11)]
    assert "test_accuracy" in history[-1]


def test_undecayed_vectors():
    model = network()
    groups = training.make_optimizer(model, replace(RECIPE, decay_norm=False), torch.device("cpu")).param_groups
    assert [group["weight_decay"] for group in groups] == [RECIPE.weight_decay, 0.0]
    assert all(p.ndim == 1 for p in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_evaluate_counts_every_image():
    model = network().eval()
    scores = training.evaluate(model, TEST, batch_size=7, precision="float32", device="cpu")
    mean, std = Batches(TEST, 1, train=False).mean, Batches(TEST, 1, train=False).std
    x = (TEST.images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.no_grad():
        logits = model(x.float())
    assert scores["images"] == 48
    assert scores["accuracy"] == pytest.approx((logits.argmax(1) == TEST.labels).float().mean().item())
    assert scores["error"] == pytest.approx(1 - scores["accuracy"])
    assert scores["loss"] == pytest.approx(F.cross_entropy(logits, TEST.labels).item(), rel=1e-4)


def test_evaluate_puts_the_mode_back():
    model = network().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    training.evaluate(model, TEST, device="cpu")
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_top5_error_for_many_classes():
    data = ImageSet(TEST.images, TEST.labels, tuple(map(str, range(100))), "Hundred")
    torch.manual_seed(0)
    model = resattn.create("attention56", num_classes=100, **TINY)
    scores = training.evaluate(model, data, device="cpu")
    assert 0 <= scores["top5_error"] <= scores["error"] <= 1


def test_bfloat16_trains_close_to_float32():
    recipe = Recipe("plain", epochs=2, batch_size=16, lr=0.02, pad=0)
    full, half = fit(network(), recipe), fit(network(), recipe, precision="bfloat16")
    assert half[0]["train_loss"] == pytest.approx(full[0]["train_loss"], rel=0.1)


def test_compiled_training_is_the_same_training(monkeypatch):
    # The tracing that torch.compile adds, without minutes of compilation.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    recipe = Recipe("plain", steps=2, batch_size=16, lr=0.02, pad=0)
    plain, compiled = network(), network()
    a, b = fit(plain, recipe), fit(compiled, recipe, compile=True)
    assert b[0]["train_loss"] == pytest.approx(a[0]["train_loss"], rel=1e-3)
    assert list(compiled.state_dict()) == list(plain.state_dict())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run: its folder and the network that was trained."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    model = network()
    fit(model, replace(RECIPE, epochs=1), out=out)
    return out, model.eval()


class TestZoo:
    """Weights, their records, and what is said when they do not fit."""

    def test_round_trip(self, run):
        out, model = run
        loaded = zoo.load_pretrained(out)
        assert not loaded.training
        assert_same_weights(loaded, model)
        assert loaded.config == model.config

    def test_record_says_how_it_came_about(self, run):
        record = zoo.load_pretrained(run[0]).record
        assert record["data"] == {
            "train": "Squares 0",
            "test": "Squares 1",
            "classes": ["red", "green", "blue"],
            "size": 16,
            "train_images": 128,
            "test_images": 48,
        }
        assert record["recipe"]["name"] == "tiny"
        assert record["seed"] == 0
        assert len(record["history"]) == 1
        assert record["test_error"] == 1 - record["history"][-1]["test_accuracy"]
        assert {"hardware", "seconds", "date", "commit", "torch", "sha256", "mean", "std", "precision"} <= set(record)

    def test_error_can_be_measured_again(self, run):
        model = zoo.load_pretrained(run[0])
        scores = training.evaluate(
            model, TEST, mean=model.record["mean"], std=model.record["std"], device="cpu", precision="float32"
        )
        assert scores["error"] == pytest.approx(model.record["test_error"])

    @pytest.mark.parametrize("file", ["model.safetensors", "model.json"])
    def test_damage_is_found(self, run, tmp_path, file):
        for name in ("model.safetensors", "model.json"):
            data = (run[0] / name).read_bytes()
            (tmp_path / name).write_bytes(data[: len(data) // 2] if name == file else data)
        with pytest.raises(CheckpointError, match=f"{file} is (missing or )?damaged"):
            zoo.load_pretrained(tmp_path)

    def test_unknown_name(self):
        with pytest.raises(CheckpointError, match="there are no weights 'attention57'; with the package come: "):
            zoo.load_pretrained("attention57")
