"""The laboratory: a record is stored as soon as its run is finished, and a grid goes on from where it was."""

import importlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from conftest import ROOT
from torch._subclasses.fake_tensor import FakeTensorMode

import resattn
from experiments import (
    additions,
    cifar,
    cued,
    cued56,
    depth,
    followed,
    labels,
    noise,
    noise_control,
    one_module,
    runner,
    stacking,
    steps,
    supervision,
    three_objects,
    told,
    told56,
    tuning,
    turned,
    units,
    unseen,
)
from experiments.__main__ import main
from resattn import zoo
from resattn.analysis import block_outputs, count_parameters, module_parts, swap_features, swap_masks
from resattn.data import ImageSet, cued_scenes, scenes
from resattn.training import Recipe

QUESTIONS = sorted(path.stem for path in ROOT.glob("experiments/[!_]*.py") if "\nRUNS" in path.read_text())
TINY = '''"""A question that trains nothing."""
import os
from dataclasses import dataclass

@dataclass(frozen=True)
class Tiny:
    key: str

RUNS = [Tiny("a"), Tiny("b"), Tiny("c")]

def train(run, folder, device):
    if run.key == "b" and os.environ.get("BREAK"):
        raise ValueError("b is broken")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "made", "a") as file:
        file.write(device)
    return {"value": ord(run.key), "seconds": 1.0}
'''


@dataclass(frozen=True)
class Fake:
    key: str


class Question:
    """Three runs; the second can be made to fail."""

    RUNS = (Fake("x-1"), Fake("x-2"), Fake("y-1"))

    def __init__(self) -> None:
        self.made: list[str] = []
        self.fails: str | None = None

    def train(self, run: Fake, folder: Path, device: str) -> dict[str, object]:
        if run.key == self.fails:
            raise KeyboardInterrupt
        self.made.append(run.key)
        return {"device": device, "seconds": 0.0}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Question:
    made = Question()
    monkeypatch.setattr(runner, "question", lambda name: made)
    return made


@pytest.fixture
def place(tmp_path: Path) -> runner.Place:
    return runner.Place("fake", tmp_path / "work", tmp_path / "out")


def test_a_record_is_stored_as_soon_as_its_run_is_finished(fake: Question, place: runner.Place) -> None:
    fake.fails = "x-2"
    with pytest.raises(KeyboardInterrupt):
        runner.run_grid(place)
    assert list(place.stored()) == ["x-1"]
    fake.fails = None
    runner.run_grid(place)
    assert fake.made == ["x-1", "x-2", "y-1"], "what was finished is not made again"
    assert list(place.stored()) == ["x-1", "x-2", "y-1"]
    assert place.stored()["x-1"] == {"key": "x-1", "device": "cpu", "seconds": 0.0}


def test_records_stand_in_the_order_of_the_grid(fake: Question, place: runner.Place) -> None:
    runner.run_grid(place, only="y")
    runner.run_grid(place, device="cuda")
    assert list(place.stored()) == ["x-1", "x-2", "y-1"]
    assert [record["device"] for record in place.stored().values()] == ["cuda", "cuda", "cpu"]


def test_runs_side_by_side_lose_no_record(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "experiments" / "tiny.py").write_text(TINY)
    command = [sys.executable, "-m", "experiments", "tiny", "--jobs", "2", "--work", "work", "--out", "out"]
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin", "BREAK": "1"}
    broken = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert broken.returncode == 1 and "b is broken" in broken.stderr and "Traceback" not in broken.stderr
    del environment["BREAK"]
    whole = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    runs = json.loads((tmp_path / "out" / "tiny.json").read_text())["runs"]
    assert [(run["key"], run["value"]) for run in runs] == [("a", 97), ("b", 98), ("c", 99)]
    assert all((tmp_path / "work" / "tiny" / key / "made").read_text() == "cpu" for key in "abc"), "each once"


def test_a_run_reads_what_earlier_ones_have_chosen_where_its_grid_stores_records(tmp_path, monkeypatch):
    asked = []

    class Asking:
        RUNS = (Fake("first"), Fake("second"))

        @staticmethod
        def train(run, folder, device):
            asked.append(list(tuning.stored_runs("asking")))
            return {"seconds": 1.0}

    monkeypatch.setattr(tuning, "FOLDER", None)
    monkeypatch.setattr(runner, "question", lambda name: Asking)
    runner.run_grid(runner.Place("asking", tmp_path / "work", tmp_path / "elsewhere"))
    assert asked == [[], ["first"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "there is no experiment 'nothing'; there are additions, cifar, cifar_tables, cued"),
        (["cued", "--jobs", "0"], "jobs must be at least 1"),
        (["cued", "--only", "seed99"], "no run of cued has 'seed99'"),
    ],
)
def test_one_sentence_and_a_non_zero_exit(arguments, words, tmp_path, capsys) -> None:
    assert main([*arguments, "--work", str(tmp_path), "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_says_before_the_run_what_will_decide(name: str) -> None:
    module = importlib.import_module(f"experiments.{name}")
    keys = [run.key for run in module.RUNS]
    assert len(set(keys)) == len(keys) > 1
    for word in ("Written down before the run", "*Arms.*", "*Seeds.*", "*What decides.*", "Expected cost"):
        assert word in module.__doc__, f"the docstring of experiments/{name}.py has no {word!r}"


def test_the_twin_is_equal() -> None:
    sizes = {name: count_parameters(resattn.create("attention56", **kw)) for name, kw in cued.NETWORKS.items()}
    assert sizes["arl"] == sizes["nal"] and abs(sizes["twin"] / sizes["arl"] - 1) < 0.03
    assert sizes["trunk"] < 0.8 * sizes["arl"]
    work = {
        name: resattn.analysis.count_multiply_adds(resattn.create("attention56", **kw), 48)
        for name, kw in cued.NETWORKS.items()
    }
    assert 1 <= work["twin"] / work["arl"] < 1.15, "the twin gets no less arithmetic"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cued, noise):
        recipe: Recipe = replace(module.RECIPE, epochs=1)
        monkeypatch.setattr(module, "RECIPE", recipe)
    monkeypatch.setattr(cued, "TRAIN", 180)
    monkeypatch.setattr(cued, "TEST", 90)
    monkeypatch.setattr(cued, "WATCHED", 90)
    monkeypatch.setattr(noise, "TRAIN", 200)
    monkeypatch.setattr(noise, "TEST", 100)
    monkeypatch.setattr(noise, "LOOKED_AT", 40)
    monkeypatch.setattr(noise, "WATCHED_EPOCHS", (1,))


def test_a_cued_run_from_end_to_end(short: None, tmp_path: Path) -> None:
    record = cued.train(cued.CuedRun("nal", 0), tmp_path, "cpu")
    assert set(record["swaps"]) == {"stage1.attention1", "stage2.attention1", "all"}
    assert set(record["history"][0]) >= {"answers", "swaps", "shifts"}
    assert set(record["replacements"]["stage1.attention1"]) == set(cued.REPLACEMENTS)
    assert list(record["features"]) == ["stage1.unit1", "stage1.attention1", "stage2.unit1", "stage2.attention1"]
    assert "draw" not in record["data"]["train"], "draw 0 is the set itself"
    json.dumps(record)


def test_networks_of_the_questions_about_modules() -> None:
    made = {name: resattn.create("attention56", **kw) for name, kw in one_module.NETWORKS.items()}
    assert list(made["first-nal"].attention_modules()) == ["stage1.attention1"]
    assert list(made["second-arl"].attention_modules()) == ["stage2.attention1"]
    assert len(made["three"].attention_modules()) == 3
    assert abs(count_parameters(made["large"]) / count_parameters(made["three"]) - 1) < 0.03


def test_a_run_on_photographs_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny = {"train": scenes("train", 128), "test": scenes("test", 64)}
    monkeypatch.setattr(cifar.data, "cifar10", tiny.__getitem__)
    monkeypatch.setattr(cifar, "RECIPE", replace(cifar.RECIPE, epochs=1))
    record = cifar.train(cifar.CifarRun("nal", 1), tmp_path, "cpu")
    assert (record["network"], record["seed"], record["precision"]) == ("nal", 1, "float32")
    assert len(record["history"]) == 1 and 0 <= record["test_error"] <= 1
    json.dumps(record)


def test_the_stored_runs_on_photographs_are_those_of_their_module() -> None:
    runs = {run.key: run for run in cifar.RUNS}
    records = zoo.load_records("cifar")
    assert records
    for record in records:
        run = runs[record["key"]]
        assert (record["network"], record["seed"], record["precision"]) == (run.network, run.seed, run.precision)
        assert record["recipe"] == json.loads(json.dumps(asdict(cifar.RECIPE)))
        config = resattn.create("attention56", num_classes=10, **cifar.NETWORKS[run.network]).config
        assert record["config"] == json.loads(json.dumps(asdict(config)))


def test_the_run_on_photographs_that_the_zoo_has_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = cifar.CifarRun("arl", 0)
    record = cifar.train(run, tmp_path / "unused", "cpu")
    stored = zoo.load_pretrained("attention56_cifar10").record
    assert record["history"] == stored["history"] and record["test_error"] == stored["test_error"]
    assert record["network"] == "arl" and not (tmp_path / "unused").exists()
    monkeypatch.setattr(cifar, "RECIPE", replace(cifar.RECIPE, lr=0.05))
    with pytest.raises(ValueError, match="attention56_cifar10 was not trained as arl-seed0 would be"):
        cifar.train(run, tmp_path, "cpu")


def test_a_run_with_one_module_from_end_to_end(short: None, tmp_path: Path) -> None:
    record = one_module.train(cued.CuedRun("second-nal", 0), tmp_path, "cpu")
    assert record["network"] == "second-nal" and set(record["swaps"]) == {"stage2.attention1", "all"}
    json.dumps(record)


def test_pictures_left_out_are_not_shown(short: None, tmp_path: Path) -> None:
    shown = unseen.training_set(seed=1)
    right = torch.isin(shown.pair_labels[:, 1], torch.tensor(unseen.LEFT_OUT))
    assert len(shown) == cued.TRAIN and not (right & (shown.cues == 1)).any()
    assert (right & (shown.cues == 0)).any() and (~right & (shown.cues == 1)).any()
    record = unseen.train(cued.CuedRun("trunk", 1), tmp_path, "cpu")
    assert all(0 <= share <= 1 for key in ("new", "known") for share in record[key])
    assert record["by_masks"] == record["red_masks"] == record["under_red"] == {}
    assert record["moves"] == {"new": {}, "known": {}}
    json.dumps(record)


def test_what_masks_of_the_other_cue_do_to_classes_left_out(short: None, tmp_path: Path) -> None:
    record = unseen.train(cued.CuedRun("nal", 1), tmp_path, "cpu")
    model, test = zoo.load_pretrained(tmp_path), cued.test_set(cued.TEST)
    views = cued.Views(test, record["mean"], record["std"])
    new = unseen.left_out(test)
    named = unseen.with_masks(model, views.x[0], views.x[1])
    assert torch.equal(unseen.with_masks(model, views.x[1], views.x[1]), cued.batched(model, views.x[1]).argmax(1))
    assert record["by_masks"] == unseen.by_group(named, views.labels, new)
    red, blue = views.x
    left = unseen.left_out(test, side=0)
    back = swap_masks(model, blue, red, names=list(model.attention_modules())).argmax(1)
    hit = (back == test.pair_labels[:, 0]).float()
    assert record["red_masks"]["known"][0] == pytest.approx(hit[~left].mean().item(), abs=2e-5)
    assert record["red_masks"]["new"][0] == pytest.approx(hit[left].mean().item(), abs=2e-5)
    assert record["under_red"] == unseen.by_group(model(red).argmax(1), views.labels, left, side=0)
    assert set(record["moves"]["new"]) == set(model.attention_modules())
    whole = cued.shifts(model, views)["stage2.attention1"]["mask"]
    parts = [record["moves"][key]["stage2.attention1"] for key in ("new", "known")]
    share = new.float().mean().item()
    assert whole == pytest.approx(share * parts[0] + (1 - share) * parts[1], abs=2e-5)
    assert 0 <= record["names_left_out"] <= 1 and record["names_left_out"] >= record["new"][0] - 1e-5


def test_answers_by_group_count_the_object_of_the_side_asked_for_first() -> None:
    labels = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
    named, new = torch.tensor([2, 3, 6, 0]), torch.tensor([True, True, False, False])
    assert unseen.by_group(named, labels, new) == {"new": [0.5, 0.5], "known": [0.5, 0.0]}
    assert unseen.by_group(named, labels, new, side=0) == {"new": [0.5, 0.5], "known": [0.0, 0.5]}


def test_whether_the_left_object_has_a_part_in_a_wrong_name() -> None:
    """Right objects of class 0, which was left out; left ones of class 1 or 3, which were not."""
    labels = torch.tensor([[1, 0]] * 4 + [[3, 0]] * 4 + [[1, 3], [2, 0]])
    by_right = torch.tensor([1, 1, 3, 3, 1, 1, 3, 3, 1, 2])  # whatever is on the left
    assert unseen.left_named(by_right, labels) == [0.5, pytest.approx((2 / 5 + 2 / 5) / 2)]
    by_left = torch.tensor([1, 1, 1, 1, 3, 3, 3, 3, 1, 2])
    assert unseen.left_named(by_left, labels) == [1, 0]
    both = torch.tensor([True, False, True, False, False, False, False, False, False, True])
    assert unseen.shares_named(torch.tensor([0, 1, 1, 1, 1, 1, 1, 1, 1, 5]), labels, both) == [0.33333, 0.33333]


def test_the_ranks_of_labels_are_of_every_network_with_masks() -> None:
    masked = {name for name in zoo.list_pretrained() if zoo.load_pretrained(name).config.fusion != "none"}
    assert {run.network for run in labels.RUNS} == masked


def test_a_run_with_three_objects_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TRAIN", "TEST", "WATCHED"):
        monkeypatch.setattr(three_objects, name, 72)
    monkeypatch.setattr(three_objects, "RECIPE", replace(three_objects.RECIPE, epochs=1))
    record = three_objects.train(cued.CuedRun("nal", 1), tmp_path, "cpu")
    assert set(record["swaps"]) == {"stage1.attention1", "stage2.attention1", "all"}
    assert set(record["by_pair"]["all"]) == {"01", "02", "10", "12", "20", "21"}
    mean = torch.tensor(list(record["by_pair"]["all"].values())).mean(0)
    assert torch.allclose(mean, torch.tensor(record["swaps"]["all"]), atol=1e-4)
    assert torch.tensor(record["levels"]["stage1.attention1"]["mask"]).shape == (3, 3)
    assert record["history"][0]["answers"][0] <= 1 and "draw 1" in record["data"]["train"]
    json.dumps(record)


def test_who_obeys_the_mask_names_the_object_of_its_cue(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = cued_scenes("test", 72, objects=3)
    views = three_objects.Views(pictures, (0.5,) * 3, (0.25,) * 3)
    obeys = {id(x): torch.nn.functional.one_hot(views.labels[:, cue], 10).float() for cue, x in enumerate(views.x)}
    monkeypatch.setattr(cued, "batched", lambda run, *inputs: run(*inputs))
    monkeypatch.setattr(three_objects, "swap_masks", lambda model, x, other, names: obeys[id(other)])
    monkeypatch.setattr(cued, "masked", lambda model: ["one"])
    model = cast(Any, None)  # all that would read it is replaced
    found = three_objects.by_pair(model, views)
    assert three_objects.over_pairs(found) == {"one": [0.0, 1.0, 0.0], "all": [0.0, 1.0, 0.0]}
    monkeypatch.setattr(three_objects, "swap_masks", lambda model, x, other, names: obeys[id(x)])
    assert three_objects.by_pair(model, views)["one"]["20"] == [1.0, 0.0, 0.0]
    neither = torch.nn.functional.one_hot(views.labels[:, 1], 10).float()
    monkeypatch.setattr(three_objects, "swap_masks", lambda model, x, other, names: neither)
    assert three_objects.by_pair(model, views)["one"]["02"] == [0.0, 0.0, 1.0]
    assert three_objects.by_pair(model, views)["one"]["12"] == [1.0, 0.0, 0.0]


def test_levels_have_a_row_for_each_cue_and_a_column_for_each_object(monkeypatch: pytest.MonkeyPatch) -> None:
    views = three_objects.Views(cued_scenes("test", 72, objects=3), (0.5,) * 3, (0.25,) * 3)
    cue_of = {id(x): cue for cue, x in enumerate(views.x)}

    def inside(model: Any, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        cue = cue_of[id(x)]
        mask = (cue + 1) * views.masks[:, cue - 1 : cue or None].float()  # on the object before the one that counts
        return {"one": [mask, -torch.ones_like(mask)]}

    monkeypatch.setattr(cued, "insides", inside)
    found = three_objects.levels(cast(Any, None), views)["one"]
    expected = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    assert torch.allclose(torch.tensor(found["mask"]), expected, atol=1e-3)
    assert torch.allclose(torch.tensor(found["trunk"]), torch.ones(3, 3), atol=1e-3)


def test_attention56_looks_at_cued_scenes_of_64_pixels(short: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(cued56, "TRAIN", 90)
    monkeypatch.setattr(cued56, "RECIPE", replace(cued56.RECIPE, epochs=1))
    monkeypatch.setattr(cued56, "NETWORKS", {"nal": cued56.NETWORKS["nal"] | {"width": 0.125}})
    record = cued56.train(cued.CuedRun("nal", 0), tmp_path, "cpu")
    assert list(record["shifts"]) == ["stage1.attention1", "stage2.attention1", "stage3.attention1"]
    assert record["recipe"]["name"] == "cued56"


def test_every_picture_gets_the_mask_of_another_class() -> None:
    labels = torch.randint(5, (200,), generator=torch.manual_seed(0))
    partner = stacking.another_class(labels)
    assert partner.sort().values.tolist() == list(range(200)) and (labels[partner] != labels).all()
    with pytest.raises(ValueError, match="more than half"):
        stacking.another_class(torch.tensor([0, 0, 1]))


def test_what_later_masks_win_back() -> None:
    """Free later masks see the disturbance, held ones are those of the undisturbed pass."""
    torch.manual_seed(0)
    model = resattn.create("attention56", **cued.NETWORKS["nal"]).eval()
    x, wrong = torch.randn(2, 40, 3, 48, 48)
    with torch.no_grad():
        logits, masks = model(x, return_masks=True)
    own = logits.argmax(1)
    first, second = masks
    found = stacking.repaired(model, x, wrong, own)
    free = resattn.analysis.swap_masks(model, x, wrong, [first])
    held = resattn.analysis.swap_masks(resattn.analysis.forced(model, {second: masks[second]}), x, wrong, [first])
    for key, z in (("own", logits), ("free 1", free), ("held 1", held)):
        assert found["accuracy"][key] == pytest.approx((z.argmax(1) == own).float().mean().item(), abs=1e-5)
    assert found["distance"]["free 1"] != found["distance"]["held 1"]
    assert found["won 1"][0] == pytest.approx(
        100 * (found["accuracy"]["free 1"] - found["accuracy"]["held 1"]), abs=0.01
    )
    same = stacking.repaired(model, x, x, own)
    assert same["accuracy"]["held 1"] == 1 and same["distance"]["held 1"] < 1e-5 and same["won 1"] == [0, 0]
    assert same["won 1, blind"] == [0, 0]


def test_blind_masks_do_not_look_at_the_picture() -> None:
    """Later masks are their mean over pictures, and the cost of a wrong first mask is the change beside them."""
    model = resattn.load_pretrained("cued_arl_seed2")
    views = cued.Views(cued.test_set(70), model.record["mean"], model.record["std"])  # more than one batch
    x, wrong = views.x
    with torch.no_grad():
        logits, masks = model(x, return_masks=True)
        _, other = model(wrong, return_masks=True)
    first, second = masks
    mean = masks[second].mean(0, keepdim=True).expand_as(masks[second])
    truth, free = logits.argmax(1), resattn.analysis.swap_masks(model, x, wrong, [first]).argmax(1)
    blind = [resattn.analysis.forced(model, {first: mask[first], second: mean})(x).argmax(1) for mask in (masks, other)]
    found = stacking.repaired(model, x, wrong, truth)
    share = [(answer == truth).float().mean().item() for answer in (*blind, free)]
    assert 0 < share[1] < share[0] < 1, "or the numbers below say nothing"
    assert found["accuracy"]["blind, own first"] == pytest.approx(share[0], abs=1e-5)
    assert found["accuracy"]["blind 1"] == pytest.approx(share[1], abs=1e-5)
    assert found["won 1, blind"][0] == pytest.approx(100 * ((share[0] - share[1]) - (1 - share[2])), abs=1e-2)


def test_what_is_followed_by_a_map_of_the_truth_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module whose mask is high on the object, and holds back where the trunk is large, is reported so."""
    pictures = scenes("test", 60)
    there = pictures.object_masks[:, None].float()  # [N, 1, 32, 32]
    T = (1 + there) * torch.tensor([1.0, -1.0])[:, None, None]  # large on the object, one channel of each sign
    M = (0.2 + 0.5 * there).expand_as(T)
    found = followed.followed(resattn.analysis.Parts(T, M, (1 + M) * T), pictures, there[:, 0])
    assert found["mean"]["object"] > 0.999 and found["channel"]["object"] > 0.999 and found["gain"] > 0.999
    assert found["on_object"] == {"positive": 0.7, "negative": 0.7, "elsewhere": 0.2}
    assert found["shares"]["mask"]["object"] > 0.95 and found["grad_cam"]["trunk"] > 0.999
    bare = followed.followed(resattn.analysis.Parts(T, None, T), pictures, there[:, 0])
    assert "gain" not in bare and set(bare["shares"]) == {"trunk"}


def test_a_noise_run_from_end_to_end(short: None, tmp_path: Path) -> None:
    record = noise.train(noise.NoiseRun("arl", 0.5, 1), tmp_path, "cpu")
    looked = record["history"][0]["filter"]["stage2.attention1"]
    assert 1 <= looked["level"] <= 2, "under ARL a gain lies in [1, 2]"
    assert "noise 0.5, draw 1" in record["data"]["train"]
    json.dumps(record)


def test_a_mask_that_turns_down_mislabelled_pictures_is_seen() -> None:
    """The counterexample to "no mask can": closed on mislabelled pictures, open on the others."""
    torch.manual_seed(0)
    model = resattn.create("attention56", **cued.NETWORKS["nal"]).eval()
    clean: ImageSet = scenes("train", 40)
    given = torch.where(torch.arange(40) % 2 == 0, clean.labels, (clean.labels + 1) % 10)
    module = model.attention_modules()["stage2.attention1"]

    class Closed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            open_for = torch.where(torch.arange(len(x)) % 2 == 0, 0.9, 0.09)
            return open_for[:, None, None, None].expand_as(x)

    module.mask = Closed()  # type: ignore[assignment]
    found = noise.filtering(model, clean, given, (0.5,) * 3, (0.25,) * 3)["stage2.attention1"]
    assert found["between"] == pytest.approx(-2.302585, abs=1e-4)  # log 0.1
    assert found["within"] == pytest.approx(0, abs=1e-4)


def test_floor_is_the_entropy_of_a_row_of_q() -> None:
    assert noise.floor(0) == 0
    assert noise.floor(0.3) == pytest.approx(1.270, abs=1e-3) and noise.floor(0.9) == pytest.approx(2.302585, abs=1e-5)


def test_replacements_do_what_they_say() -> None:
    own, other = torch.rand(2, 2, 3, 4, 4)
    made = {name: f(own, other) for name, f in cued.REPLACEMENTS.items()}
    assert torch.allclose(cued.level(made["own pattern, other means"]), cued.level(other), atol=1e-6)
    pattern = made["other pattern, own means"] - cued.level(own)
    assert torch.allclose(pattern, other - cued.level(other), atol=1e-6)
    assert torch.equal(made["mirror image"].flip(3), own)
    assert torch.allclose(made["mean over places"].std((2, 3)), torch.zeros(2, 3), atol=1e-6)


def test_answers_are_counted_over_both_cues() -> None:
    pictures = cued_scenes("test", 90)
    views = cued.Views(pictures, (0.5,) * 3, (0.25,) * 3)
    right = [torch.nn.functional.one_hot(pictures.pair_labels[:, cue], 10).float() for cue in (0, 1)]
    assert views.count(right) == [1.0, 0.0] and views.count(right[::-1]) == [0.0, 1.0]
    assert not torch.equal(views.x[0], views.x[1])


def test_interventions_a_few_pictures_at_a_time_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = resattn.create("attention56", **cued.NETWORKS["arl"]).eval()
    views = cued.Views(cued_scenes("test", 90), (0.5,) * 3, (0.25,) * 3)
    x, other, objects = views.x[0], views.x[1], views.masks.any(dim=1, keepdim=True).float()
    monkeypatch.setattr(cued, "AT_ONCE", 40)  # two pieces of 40 and one of 10
    logits = cued.batched(partial(cued.exchanged, model), x, other, objects)
    for i, (name, output) in enumerate(block_outputs(model, x).items()):
        where = torch.nn.functional.adaptive_max_pool2d(objects, output.shape[2:])[:, 0] > 0
        assert torch.allclose(logits[:, i], swap_features(model, x, other, name, where), atol=1e-5)
    for name, (T, M, _) in module_parts(model, x).items():
        assert M is not None
        mask, trunk = cued.insides(model, x)[name]
        assert torch.allclose(mask, M, atol=1e-5) and torch.allclose(trunk, T, atol=1e-5)
        swapped = cued.batched(partial(swap_masks, model, names=[name]), x, other)
        assert torch.allclose(swapped, swap_masks(model, x, other, [name]), atol=1e-5)


def test_wrong_labels_of_the_positive_control() -> None:
    clean = cued_scenes("train", 900)
    free, mark, other = (noise_control.spoil(clean, kind, seed=3) for kind in noise_control.KINDS)
    wrong = mark.labels != clean.labels
    assert torch.equal(free.labels, mark.labels) and torch.equal(free.images, clean.images)
    assert 0.25 < wrong.float().mean() < 0.35
    assert torch.equal((mark.images != clean.images).flatten(1).any(1) | ~wrong, torch.ones(900, dtype=torch.bool))
    assert torch.equal(mark.images[~wrong], clean.images[~wrong])
    swapped = other.labels != clean.labels
    assert 0.25 < swapped.float().mean() < 0.35
    assert torch.equal(other.labels[swapped], clean.other_labels[swapped])


def test_what_a_module_lets_through_is_measured() -> None:
    """A mask that is 0.1 on the object that does not count takes its energy away there, and tells labels apart."""
    torch.manual_seed(0)
    model = resattn.create("attention56", **cued.NETWORKS["nal"]).eval()
    clean = cued_scenes("train", 90)
    spoiled = noise_control.spoil(clean, "other", seed=0)
    place = torch.nn.functional.adaptive_avg_pool2d(clean.other_masks[:, None].float(), 12)  # [N, 1, 12, 12]

    class Away(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (0.9 - 0.8 * (place > 0).float()).expand_as(x)

    model.attention_modules()["stage2.attention1"].mask = Away()  # type: ignore[assignment]
    found = noise_control.passing(model, clean, spoiled, (0.5,) * 3, (0.25,) * 3)
    assert found["stage2.attention1"]["other_T"] < 0.2 * found["stage2.attention1"]["other_H"]
    assert found["stage1.attention1"]["other_T"] > 0.5 * found["stage1.attention1"]["other_H"]


def test_each_addition_adds_to_the_one_before() -> None:
    recipes = [additions.recipe_for(arm) for arm in additions.ADDITIONS]
    assert [recipe.momentum for recipe in recipes] == [0, 0.9, 0.9, 0.9, 0.9]
    assert [recipe.lr_at(1499, 1500) < 1e-4 * recipe.lr for recipe in recipes] == [False, False, True, True, True]
    assert [(recipe.pad, recipe.flip) for recipe in recipes] == [(0, False)] * 3 + [(4, True)] * 2
    assert [recipe.label_smoothing for recipe in recipes] == [0, 0, 0, 0, 0.1]
    with pytest.raises(ValueError, match="no arm 'luck'; there are plain, momentum"):
        additions.recipe_for("luck")


def test_an_addition_needs_its_rate_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"plain needs its rate: make plain-rate0\.3, "):
        additions.chosen_rate("plain", {})
    stored = {f"plain-rate{rate:g}": {"validation_accuracy": 1 - abs(rate - 3)} for rate in additions.rates("plain")}
    assert additions.chosen_rate("plain", stored) == 3
    for name, value in (("TRAIN", 64), ("VALIDATION", 20), ("TEST", 30), ("PLAIN", replace(additions.PLAIN, steps=2))):
        monkeypatch.setattr(additions, name, value)
    record = additions.train(additions.Addition("decay", 100, 0.1), tmp_path, "cpu")
    assert 0 <= record["validation_accuracy"] <= 1 and "test_accuracy" not in record and record["rate"] == 0.1
    monkeypatch.setattr(additions, "chosen_rate", lambda arm, stored: 0.2)
    record = additions.train(additions.Addition("decay", 1), tmp_path, "cpu")
    assert 0 <= record["test_accuracy"] <= 1 and "validation_accuracy" not in record and record["rate"] == 0.2


def test_arms_of_the_supervision_question() -> None:
    sizes = {arm: count_parameters(supervision.Network(arm)) for arm in ("trunk", "twin", "arl", "nal", "added")}
    assert sizes["arl"] == sizes["nal"] == sizes["added"] and abs(sizes["twin"] / sizes["arl"] - 1) < 0.03
    T, M, y = torch.randn(2, 16, 16, 16), torch.rand(2, 16, 16, 16), torch.rand(2, 1, 16, 16)
    joined = {arm: supervision.Network(arm).attention for arm in ("arl", "nal", "added", "perfect", "trunk", "beside")}
    joined["perfect"].coverage = y
    assert torch.allclose(joined["added"].fuse(M, T), T + (M / (1 - M)).log(), atol=1e-4)
    assert torch.equal(joined["perfect"].fuse(None, T), (1 + y) * T)
    assert torch.equal(joined["nal"].fuse(M, T), M * T) and torch.equal(joined["trunk"].fuse(None, T), T)
    assert torch.equal(joined["beside"].fuse(M, T), T) and joined["beside"].mask is not None


def test_a_box_is_the_smallest_around_its_object() -> None:
    masks = torch.rand(20, 12, 12) < 0.02
    masks[0] = False
    for mask, box in zip(masks, supervision.boxes(masks), strict=True):
        if not mask.any():
            assert not box.any()
            continue
        rows, columns = mask.nonzero().T
        expected = torch.zeros_like(mask)
        expected[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert torch.equal(box, expected)


def test_the_mask_loss_counts_pictures_with_a_mask_alone() -> None:
    M = torch.tensor([[[0.2, 0.7]], [[0.8, 0.9]]])[None].repeat(2, 1, 1, 1)  # [2, 2, 1, 2]: means 0.5 and 0.8
    y = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    loss = supervision.mask_loss(M, y, torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)
    assert supervision.mask_loss(M, y, torch.zeros(2)) == 0


def test_a_supervision_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nal needs its weight: make nal-all-n300-weight1, "):
        supervision.chosen_weight("nal", {})
    for name, value in (("TEST", 60), ("VALIDATION", 40), ("STEPS", 3)):
        monkeypatch.setattr(supervision, name, value)
    supervision.test_set.cache_clear()
    tuning = supervision.train(supervision.Supervision("arl-all", 100, 100, 5.0), tmp_path, "cpu")
    assert tuning["weight"] == 5 and 0 <= tuning["scores"]["best_iou"] <= 1
    monkeypatch.setattr(supervision, "chosen_weight", lambda fusion, stored: 1.0)
    scores = {
        arm: supervision.train(supervision.Supervision(arm, 100, 0), tmp_path, "cpu")["scores"]
        for arm in ("nal-tenth", "arl-boxes", "added", "beside", "perfect", "twin")
    }
    assert scores["beside"]["accuracy"] == scores["beside"]["mean"] == scores["beside"]["another"]
    supervision.test_set.cache_clear()
    assert {arm: len(found) for arm, found in scores.items()} == {
        "nal-tenth": 6,
        "arl-boxes": 6,
        "added": 1,
        "beside": 6,
        "perfect": 1,
        "twin": 1,
    }


@pytest.fixture
def pair() -> resattn.networks.ResidualAttentionNetwork:
    torch.manual_seed(0)
    return resattn.create("attention56", **cued.NETWORKS["nal"])


def test_what_the_masks_of_cued_scenes_are_told(pair: resattn.networks.ResidualAttentionNetwork) -> None:
    """A network is asked for its loss; by hand it is λ times the mean over the modules."""
    pictures = cued_scenes("train", 90)
    i = torch.tensor([3, 60, 7, 21])
    x = pictures.images[i] / 255
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, masks = pair(x, return_masks=True)  # training mode: the statistics of the batch
    both = pictures.pair_masks.any(1)
    for arm, target in (("told", pictures.object_masks), ("objects", both)):
        loss, added = told.telling(pictures, arm)(pair, x, i)
        assert loss.item() == pytest.approx(
            torch.nn.functional.cross_entropy(logits.float(), pictures.labels[i]).item(), abs=1e-5
        )
        parts = []
        for M in masks.values():
            y = torch.nn.functional.adaptive_avg_pool2d(target[i, None].float(), M.shape[2:])[:, 0]
            m = M.float().mean(1)
            parts.append(-(y * m.log() + (1 - y) * (1 - m).log()).mean().item())
        assert len(parts) == 2 and added.item() == pytest.approx(5 * sum(parts) / 2, rel=1e-3)
    assert told.telling(pictures, "untold")(pair, x, i)[1] == 0


def test_a_told_network_of_cued_scenes_from_end_to_end(
    short: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(told, "OFTEN", 1)
    cued.test_set.cache_clear()
    record = told.train(told.Told("arl", "objects", 1), tmp_path, "cpu")
    assert [step for step, _, _ in record["looks"]] == [1, 2]
    assert set(record["swaps"]) == {"stage1.attention1", "stage2.attention1", "all"}
    cued.test_set.cache_clear()
    json.dumps(record)


def test_attention56_is_told_at_its_last_module_or_at_all() -> None:
    torch.manual_seed(0)
    model = resattn.create("attention56", width=0.125)
    pictures = told56.mirrored(scenes("train", 20, seed=3))
    assert (pictures.images[20:] == pictures.images[:20].flip(-1)).all()
    assert pictures.object_masks is not None and (pictures.object_masks[25] == pictures.object_masks[5].flip(-1)).all()
    x, i = pictures.images[:8] / 255, torch.arange(8)
    added = {
        arm: told.Telling(pictures.labels, pictures.object_masks, modules)(model, x, i)[1].item()
        for arm, modules in told56.ARMS.items()
    }
    each = [told.Telling(pictures.labels, pictures.object_masks, slice(k, k + 1))(model, x, i)[1] for k in range(3)]
    assert added["untold"] == 0 and len({round(value.item(), 4) for value in each}) == 3
    assert added["last"] == each[2].item() and added["all"] == pytest.approx(sum(each).item() / 3, rel=1e-5)


def test_a_told_attention56_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(told56, "LABELS", 64)
    monkeypatch.setattr(told56, "NETWORK", {"width": 0.125, "fusion": "arl"})
    monkeypatch.setattr(told56, "RECIPE", replace(told56.RECIPE, steps=2))
    monkeypatch.setattr(told56, "test_set", lambda: scenes("test", 60))
    record = told56.train(told56.Told56("last", 1), tmp_path, "cpu")
    names = ["stage1.attention1", "stage2.attention1", "stage3.attention1"]
    assert list(record["scores"]) == names and list(record["flat"]) == list(record["another"]) == [*names, "all"]
    assert record["data"]["train"].endswith("draw 1")
    json.dumps(record)


def test_when_a_told_network_is_looked_at() -> None:
    looks = [step for step in range(1, 2001) if told.watched(step)]
    assert looks == [*range(25, 501, 25), *range(625, 2001, 125)]


def test_arms_of_the_depth_question() -> None:
    x = torch.randn(8, 3, 32, 32)
    masks = {}
    for arm in ("nal", "half", "open"):
        model = depth.build(depth.DepthRun(arm, 1, 60, 0))  # training mode: the statistics of the batch
        masks[arm] = model(x, return_masks=True)[1]["stage1.attention1"]
    assert torch.equal(masks["half"], torch.full_like(masks["half"], 0.5))
    inner = (masks["nal"] > 0.01) & (masks["nal"] < 0.99)  # where float32 still knows the logit
    shift = torch.logit(masks["open"][inner].double()) - torch.logit(masks["nal"][inner].double())
    assert inner.float().mean() > 0.5
    assert torch.allclose(shift, torch.full_like(shift, depth.OPEN), atol=1e-3)
    assert depth.build(depth.DepthRun("plain", 3, 60, 0)).config.modules == (3, 3, 3)
    bare = depth.DepthRun("plain-adam", 3, 1000, 0)
    without = depth.build(bare)
    assert without.config.fusion == "none" and without.config.modules == (3, 3, 3)
    assert isinstance(depth.optimizer_for(without, bare, Recipe("x", steps=2, lr=3e-3)), torch.optim.Adam)
    assert isinstance(depth.optimizer_for(without, replace(bare, arm="plain"), Recipe("x", steps=2)), torch.optim.SGD)


def test_a_depth_run_needs_its_rate_first() -> None:
    run = depth.DepthRun("nal", 3, 1000, 2)
    with pytest.raises(ValueError, match=r"needs its rate: make nal-m3-steps1000-rate0\.05"):
        depth.chosen_rate(run, {})
    stored = {
        f"nal-m3-steps1000-rate{rate:g}": {"validation_accuracy": accuracy}
        for rate, accuracy in ((0.05, 0.5), (0.1, 0.7), (0.2, 0.6), (0.4, 0.3), (0.8, 0.1))
    }
    assert depth.chosen_rate(run, stored) == 0.1
    with pytest.raises(ValueError, match=r"make nal-m3-steps4000-rate0\.2"):
        depth.chosen_rate(replace(run, steps=4000), stored)


def test_a_depth_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("TRAIN", 260), ("VALIDATION", 60), ("TEST", 50)):
        monkeypatch.setattr(depth, name, value)
    record = depth.train(depth.DepthRun("adam", 1, 3, 1, 0.003), tmp_path, "cpu")
    assert len(record["train_loss"]) == 3 and "test_error" not in record, "rates are chosen without the test set"
    monkeypatch.setattr(depth, "chosen_rate", lambda run, stored: 0.1)
    record = depth.train(depth.DepthRun("open", 1, 4, 1), tmp_path, "cpu")
    assert 0 <= record["test_error"] <= 1 and list(record["response"]) == ["stage1", "stage2", "stage3"]
    json.dumps(record)


def test_masks_turn_while_a_network_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = replace(turned.RUNS[-1], steps=4)
    assert (run.arm, run.seed, run.rate) == ("falling", 4, None)
    rising, falling = ([turned.mask_at(arm, step) for step in (0, 200, 300, 400, 1000)] for arm in turned.FROM_TO)
    assert rising == [0.5, 0.5, 0.75, 1, 1] and falling == [1, 1, 0.75, 0.5, 0.5]
    half = depth.build(replace(run, arm="half"))
    model = depth.build(run)
    turn = turned.turning(model, "rising")
    x = torch.randn(8, 3, 32, 32)
    assert torch.equal(model(x), half(x)), "rising starts as half does, with its weights"
    turn(400)
    assert all((mask == 1).all() for mask in model(x, return_masks=True)[1].values())

    for name, value in (("TRAIN", 260), ("VALIDATION", 60), ("TEST", 50)):
        monkeypatch.setattr(depth, name, value)
    monkeypatch.setattr(turned, "TURN", 1)
    monkeypatch.setattr(turned, "TURNED", 3)
    seen = []
    monkeypatch.setattr(turned, "mask_at", lambda arm, step, of=turned.mask_at: seen.append(step) or of(arm, step))
    tried = {replace(run, seed=0, rate=rate).key: {"validation_accuracy": rate} for rate in depth.DEFAULT_RATES}
    monkeypatch.setattr(tuning, "stored_runs", {"turned": tried}.__getitem__)
    record = turned.train(run, tmp_path, "cpu")
    assert record["rate"] == 0.8 and 0 <= record["test_error"] <= 1 and set(seen) == {0, 1, 2, 3, 4}


def test_the_right_label_is_ranked_among_the_ten() -> None:
    gains = torch.rand(40, 10) + 1
    right, other = torch.arange(40) % 10, (torch.arange(40) + 3) % 10
    gains[torch.arange(40), right] = 2.5
    found = labels.preference(gains.log(), right, other)
    assert found["rank"][:2] == [-4.5, 0] and found["lead"][0] > 20 and found["over_other_object"][0] > 20
    gains[torch.arange(40), right] = 0.5
    found = labels.preference(gains.log(), right)
    assert found["rank"][:2] == [4.5, 0] and found["lead"][0] < -20 and "over_other_object" not in found


def test_labels_are_measured_on_pictures_that_the_first_look_had_not_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert len(labels.test_pictures("cued_arl")) == labels.LAST - labels.FIRST
    assert torch.equal(labels.test_pictures("attention56_scenes").images[0], scenes("test", 201).images[200])
    monkeypatch.setattr(labels, "LAST", labels.FIRST + 20)
    record = labels.train(labels.LabelRun("cued_nal"), tmp_path, "cpu")
    assert record["pictures"] == 20 and list(record["modules"]) == ["stage1.attention1", "stage2.attention1"]
    assert all(0 < module["gain"] < 1 for module in record["modules"].values())


def test_the_log_is_up_to_date() -> None:
    from tools import experiment_log

    assert experiment_log.PAGE.read_text(encoding="utf-8") == experiment_log.page()
    assert set(experiment_log.questions()) == set(QUESTIONS)


def test_the_arms_of_a_chain_differ_by_the_addition_alone() -> None:
    torch.manual_seed(0)
    with_it = units.network("with", 2, 10).eval()
    without = units.network("without", 2, 10).eval()
    without.load_state_dict(with_it.state_dict())
    first = next(i for i, part in enumerate(with_it) if isinstance(part, units.PreActBottleneck))
    x = torch.randn(4, units.WIDTH, 8, 8)
    assert torch.allclose(with_it[first](x), x + without[first](x), atol=1e-6)
    assert with_it(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert sum(isinstance(part, units.NoAddition) for part in without) == 2
    with pytest.raises(ValueError, match="no arm 'half'; there are with, without"):
        units.network("half", 2, 10)


def test_a_unit_left_out_hands_on_its_input() -> None:
    model = units.network("with", 3, 10).eval()
    first = next(i for i, part in enumerate(model) if isinstance(part, units.PreActBottleneck))
    images = torch.randn(40, 3, 32, 32)
    shorter = torch.nn.Sequential(*model[: first + 1], *model[first + 2 :])
    own = shorter(images).argmax(dim=1)  # labels that the network without its second unit finds right
    before = model(images)
    found = units.left_out(model, images, own)
    assert len(found) == 3 and found[1] == 1 > found[0]
    assert torch.equal(model(images), before), "every unit is back in its place"


def test_a_chain_needs_its_rate_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"with, 4 units needs its rate: make with-4-rate0\.001, "):
        units.chosen_rate("with", 4, {})
    stored = {f"with-4-rate{rate:g}": {"validation_accuracy": 1 - abs(rate - 3e-3)} for rate in units.RATES}
    assert units.chosen_rate("with", 4, stored) == 3e-3
    for name, value in (("TRAIN", 64), ("VALIDATION", 20), ("TEST", 30), ("EPOCHS", 1)):
        monkeypatch.setattr(units, name, value)
    record = units.train(units.ChainRun("with", 4, 100, 1e-2), tmp_path, "cpu")
    assert 0 <= record["validation_accuracy"] <= 1 and "test_accuracy" not in record and record["rate"] == 1e-2
    monkeypatch.setattr(units, "chosen_rate", lambda arm, depth, stored: 3e-3)
    record = units.train(units.ChainRun("without", 4, 1), tmp_path, "cpu")
    assert 0 <= record["test_accuracy"] <= 1 and len(record["left_out"]) == 4 and record["rate"] == 3e-3


def on(device: str, name: str, **kw: Any) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A network on a device that need not be there, four pictures, their labels or numbers."""
    with torch.device(device):
        model = resattn.create(name, num_classes=10, **kw)
        return model, torch.zeros(4, 3, 32, 32), torch.arange(4)


@pytest.mark.parametrize("arm", ["untold", "last"])
def test_losses_stay_on_the_device_of_the_pictures(arm: str) -> None:
    """Tensors that have a device and no numbers: an operation over two devices is refused, as on a GPU."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        model, x, y = on("cuda", "attention56", **told56.NETWORK)
        labels, masks = torch.zeros(8, dtype=torch.int64), torch.zeros(8, 32, 32, dtype=torch.bool)
        telling = told.Telling(labels.to("cuda"), masks.to("cuda"), told56.ARMS[arm])
        for loss_of in (steps.class_loss, telling):
            assert [part.device.type for part in loss_of(model, x, y)] == ["cuda", "cuda"]
        with pytest.raises(RuntimeError, match="device"):
            told.Telling(labels, masks)(model, x, y)


def test_a_network_is_looked_at_on_the_cpu_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model, moved = torch.nn.Linear(2, 2).double(), []
    move = torch.nn.Module.to
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *where, **how: moved.append(where) or move(self, *where))
    assert steps.on_cpu(lambda model, word: word)(model, "seen") == "seen"
    with pytest.raises(KeyError):
        steps.on_cpu(lambda model: {}["x"])(model)
    assert moved == [("cpu",), (torch.device("cpu"),)] * 2


def test_training_and_looking_are_told_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where these questions put their network and their batches: on the device that they are given."""
    asked: list[str] = []
    batches = depth.Batches

    def recorded(*sets: Any, device: str = "cpu", **more: Any) -> Any:
        asked.append(device)
        return batches(*sets, **more)

    for module in (depth, told, told56):
        monkeypatch.setattr(module, "Batches", recorded)
        monkeypatch.setattr(module, "fit_steps", lambda *what, **more: (_ for _ in ()).throw(KeyboardInterrupt))
    for name, value in (("TRAIN", 260), ("VALIDATION", 60)):
        monkeypatch.setattr(depth, name, value)
    monkeypatch.setattr(cued, "TRAIN", 90)
    monkeypatch.setattr(told56, "LABELS", 20)
    for module, run in ((depth, depth.RUNS[0]), (told, told.RUNS[0]), (told56, told56.RUNS[0])):
        with pytest.raises(KeyboardInterrupt):
            module.train(run, tmp_path, "cpu:0")
    assert asked == ["cpu:0"] * 3
