"""Grids of trainings: run, interrupted, resumed, stored, and read again; and the records that come with the package."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup

import resattn
from experiments import grids as experiments
from resattn import data, zoo
from resattn.analysis import count_parameters
from resattn.analysis.statistics import holm, one_sample, paired
from resattn.figures.prose import typeset
from resattn.training import Recipe
from resattn.zoo import CheckpointError, checkpoints

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TITLES = {"scenes": "Scenes", "cifar10": "CIFAR-10"}
TINY = experiments.Run(
    "tiny",
    Recipe("tiny", epochs=2, batch_size=20, lr=0.05, pad=0),
    seed=0,
    noise=0.5,
    train_images=40,
    test_images=20,
    settings={"stem": "conv3_stride2", "widths": (8,), "units": (1,), "modules": (1,), "poolings": (1,), "t": 1},
)
GRID = [TINY, replace(TINY, noise=0.0), replace(TINY, seed=1)]
PASSING = ("seconds", "images_per_second", "date", "commit")


def lasting(record):
    """A record without what differs from one run of the same training to the next."""
    history = [{k: v for k, v in entry.items() if k not in PASSING} for entry in record["history"]]
    return {k: v for k, v in record.items() if k not in PASSING} | {"history": history}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    threads = torch.get_num_threads()
    yield experiments.run_grid(GRID, tmp_path_factory.mktemp("work"))
    torch.set_num_threads(threads)


@pytest.fixture
def tiny_grid(monkeypatch):
    monkeypatch.setitem(experiments.GRIDS, "tiny", lambda: GRID)


def test_a_grid_records_every_run_in_order(finished):
    assert [(r["seed"], r["noise"]) for r in finished] == [(run.seed, run.noise) for run in GRID]
    for record in finished:
        assert record["network"] == "tiny" and record["noise_seed"] == record["seed"]
        assert record["precision"] == "float32" and len(record["history"]) == 2 and "sha256" not in record
        assert record["test_error"] == 1 - record["history"][-1]["test_accuracy"]
    assert finished[0]["history"] != finished[1]["history"]  # the noise reaches the training labels


def test_an_interrupted_grid_resumes_to_the_same_records(finished, tiny_grid, tmp_path, monkeypatch, capsys):
    calls = 0
    save = checkpoints.save

    def save_and_stop(path, state):
        nonlocal calls
        save(path, state)
        calls += 1
        if calls == 5:  # three for the first run; then the start and the first epoch of the second
            raise KeyboardInterrupt

    arguments = ["tiny", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "records")]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_and_stop)
        assert experiments.main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()
    finished_run = tmp_path / "work" / "tiny" / GRID[0].key / "model.json"
    before = finished_run.stat().st_mtime_ns
    assert experiments.main(arguments) == 0
    assert finished_run.stat().st_mtime_ns == before  # not trained again
    monkeypatch.setattr(zoo.grids, "RECORDS", tmp_path / "records")
    assert [lasting(r) for r in zoo.load_records("tiny")] == [lasting(json.loads(json.dumps(r))) for r in finished]


def test_processes_side_by_side_give_the_same_records(finished, tmp_path):
    parallel = experiments.run_grid(GRID[:2], tmp_path, jobs=2)
    assert [lasting(r) for r in parallel] == [lasting(r) for r in finished[:2]]


def test_another_grid_in_the_same_folder_is_refused(finished, tiny_grid, tmp_path, monkeypatch, capsys):
    experiments.run_grid(GRID[:1], tmp_path / "tiny")
    changed = replace(TINY, recipe=replace(TINY.recipe, lr=0.1))
    monkeypatch.setitem(experiments.GRIDS, "tiny", lambda: [changed])
    assert experiments.main(["tiny", "--work", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert re.fullmatch(r"error: .*another recipe.*\n", capsys.readouterr().err)


def test_bad_input_gets_one_sentence(tiny_grid, tmp_path, capsys):
    assert experiments.main(["tiny", "--jobs", "0", "--work", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: jobs must be at least 1; got 0\n"
    with pytest.raises(SystemExit) as stop:
        experiments.main(["unknown"])
    assert stop.value.code == 2 and "choose from" in capsys.readouterr().err
    with pytest.raises(ValueError, match="same network, noise and seed"):
        experiments.run_grid([TINY, TINY], tmp_path)


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"no records 'lable_noise'; there are: .*label_noise"):
        zoo.load_records("lable_noise")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"runs": []}', '{"runs": [3]}', '{"runs": [{"test_error": 0.5, "history": []}]}']
)
def test_a_damaged_file_is_named(text, tmp_path, monkeypatch):
    (tmp_path / "broken.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(zoo.grids, "RECORDS", tmp_path)
    with pytest.raises(CheckpointError, match=r"broken\.json is damaged"):
        zoo.load_records("broken")


def test_every_stored_record_is_whole_and_of_its_grid():
    modules = {path.stem for path in Path(experiments.__file__).parent.glob("*.py")}
    assert {*experiments.GRIDS} <= {*zoo.list_records()} <= {*experiments.GRIDS, *modules}
    for name in experiments.GRIDS:
        grid, records = experiments.GRIDS[name](), zoo.load_records(name)
        assert len(records) == len(grid)
        for run, record in zip(grid, records, strict=True):
            wanted = json.loads(json.dumps(asdict(run)))
            title = TITLES[wanted.pop("data")]
            assert re.match(rf"{title} train.*, {run.train_images} images, noise", record["data"]["train"])
            assert record["data"]["test"].startswith(f"{title} test")
            assert record["config"].items() >= wanted.pop("settings").items()
            assert record.items() >= wanted.items()
            assert record["noise_seed"] == run.seed and f"noise {run.noise}" in record["data"]["train"]
            history = record["history"]
            assert [entry["epoch"] for entry in history] == list(range(1, run.recipe.epochs + 1))
            assert record["test_error"] == 1 - history[-1]["test_accuracy"]
            assert record["seconds"] == sum(entry["seconds"] for entry in history) > 0
            assert record["hardware"] and record["torch"] and re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
            assert re.fullmatch(r"[0-9a-f]{40}\+?", record["commit"])


def test_the_networks_of_the_label_noise_grid_have_one_size():
    runs = {run.network: run for run in experiments.label_noise()}
    sizes = {name: count_parameters(resattn.create("attention56", **run.settings)) for name, run in runs.items()}
    assert sizes["arl"] == sizes["nal"] and abs(sizes["twin"] / sizes["arl"] - 1) < 0.02


def test_a_run_on_another_data_set_trains_on_its_first_images(tmp_path, monkeypatch):
    sets = {split: replace(data.scenes(split, n), name=f"Other {split}") for split, n in (("train", 50), ("test", 20))}
    asked = []
    monkeypatch.setattr(data, "load", lambda name, split: asked.append((name, split)) or sets[split])
    run = replace(TINY, noise=0.0, data="cifar100")
    seen = []

    def stop(model, train, test, *settings, **more):
        seen.extend((train, test))
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        experiments.train(run, tmp_path)
    assert asked == [("cifar100", "train"), ("cifar100", "test")]
    assert torch.equal(seen[0].images, sets["train"].images[:40]) and len(seen[1]) == 20
    assert torch.equal(seen[0].labels, sets["train"].labels[:40]) and seen[0].name.startswith("Other train, 40 images")
    with pytest.raises(ValueError, match="has 50 images; the grid needs 51"):
        experiments.train(replace(run, train_images=51), tmp_path)


def test_the_networks_of_the_cifar_grid_differ_in_one_thing():
    runs = {run.network: run for run in experiments.cifar_tables()}
    configs = {name: resattn.create("attention56", **run.settings).config for name, run in runs.items()}
    sizes = {name: count_parameters(resattn.create("attention56", **run.settings)) for name, run in runs.items()}
    base = asdict(configs["arl"])
    differing = {
        name: {k for k, v in asdict(c).items() if v != base[k]} for name, c in configs.items() if name != "arl"
    }
    assert differing == {
        "channel": {"mask_activation"},
        "spatial": {"mask_activation"},
        "nal": {"fusion"},
        "local": {"mask_branch"},
        "twin": {"fusion", "units"},
        "arl-m3": {"modules"},
        "nal-m3": {"modules", "fusion"},
    }
    assert abs(sizes["twin"] / sizes["arl"] - 1) < 0.01 and abs(sizes["local"] / sizes["arl"] - 1) < 0.01
    assert len({(run.recipe, run.train_images, run.test_images, run.data, run.noise) for run in runs.values()}) == 1


def table_in(chapter, cell_id):
    """The table that a cell shows, as rows of texts by their headings, and the numbers of the rows that it marks."""
    (cell,) = (c for c in nbformat.read(NOTEBOOKS / chapter, as_version=4).cells if c["id"] == cell_id)
    (page,) = (output["data"]["text/html"] for output in cell["outputs"] if "text/html" in output.get("data", {}))
    heads, *rows = BeautifulSoup(page, "html.parser").find_all("tr")
    names = [head.get_text() for head in heads.find_all("th")]
    cells = [[found.get_text() for found in row.find_all(["th", "td"])] for row in rows]
    marked = [number for number, row in enumerate(rows) if "marked" in row.get("class", [])]
    return [dict(zip(names, row, strict=True)) for row in cells], marked


def test_the_tables_in_chapter_11_follow_from_the_records():
    rows, _ = table_in("11_results.ipynb", "grid-table")
    errors: dict[tuple[str, str], list[float]] = {}
    for name in dict.fromkeys(row["record"] for row in rows):
        for run in sorted(zoo.load_records(name), key=lambda run: run["seed"]):
            errors.setdefault((name, run["network"]), []).append(100 * run["test_error"])
    assert {(row["record"], row["arm"]) for row in rows} == errors.keys()
    for row in rows:
        values = torch.tensor(errors[row["record"], row["arm"]], dtype=torch.float64)
        assert row["mean ± std"] == f"{values.mean():.1f} ± {values.std():.1f}"
        assert row["error by seed, %"] == ", ".join(f"{value:.1f}" for value in values)
    rows, marked = table_in("11_results.ipynb", "grid-pairs")
    rivals = ("channel", "spatial", "nal", "nal-m3", "arl-m3", "local", "twin")  # in the order of the table
    found = {}
    for row, rival in zip(rows, rivals, strict=True):
        pair = {"nal-m3": ("nal-m3", "arl-m3"), "arl-m3": ("arl", "arl-m3")}.get(rival, (rival, "arl"))
        found[row["difference, points"]] = paired(*(errors[row["record"], arm] for arm in pair))
    stands = holm(found)
    for number, (row, difference) in enumerate(zip(rows, found.values(), strict=True)):
        assert row["ours, 95 % interval"] == typeset(str(difference))
        assert row["resolved"] == ("yes" if difference.resolved else "no")
        assert (row["stands"] == "yes") == stands[row["difference, points"]] == (number in marked)


def test_the_tables_of_chapter_9_follow_from_the_records():
    of = {(run["network"], run["noise"], run["seed"]): run for run in zoo.load_records("noise")}
    titles = {"ARL": "arl", "NAL": "nal", "equal twin": "twin"}

    def values(network, noise, value):
        return [value(of[network, noise, seed]) for seed in range(5)]

    rows, _ = table_in("09_noisy_labels.ipynb", "grid-load")
    assert len(rows) == 6
    for row in rows:
        found = one_sample(
            values(titles[row["network"]], float(row["noise"][:-1]) / 100, lambda run: 100 * run["test_error"])
        )
        assert row["test error, %"] == f"{found.mean:.1f} ± {found.half:.1f}"

    rows, marked = table_in("09_noisy_labels.ipynb", "grid-pairs")
    differences = {}
    for n, row in enumerate(rows):
        network, noise = titles[row["accuracy less the twin's"]], float(row["noise"][:-1]) / 100
        right = [values(name, noise, lambda run: 100 * (1 - run["test_error"])) for name in (network, "twin")]
        differences[str(n)] = paired(*right)
        assert row["points"] == typeset(str(differences[str(n)]))
        assert (n in marked) == (noise == 0.5)
    stands = holm(differences)
    assert len(rows) == 4
    for n, row in enumerate(rows):
        d = differences[str(n)]
        word = "no difference" if d.within(1.0) else "not resolved"
        if stands[str(n)]:
            word = "shown" if d.mean > 0 else "refuted"
        word = word if row["noise"] == "50 %" else "–"  # the claim is about noise
        assert (row["that attention helps"], row["stands"]) == (word, "yes" if stands[str(n)] else "no")

    rows, marked = table_in("09_noisy_labels.ipynb", "mechanism-table")
    deciding = [rows[n] for n in sorted(marked)]
    assert [(row["network"], row["stage"], row["epoch"]) for row in deciding] == [
        ("ARL", "2", "12"),
        ("NAL", "2", "12"),
    ]
    for row in deciding:
        last = values(titles[row["network"]], 0.5, lambda run: run["history"][-1]["filter"]["stage2.attention1"])
        assert row["between, half wrong"] == typeset(str(one_sample([100 * entry["between"] for entry in last])))


@pytest.mark.parametrize("name", zoo.list_records())
def test_a_record_names_no_folder_of_the_machine_that_it_was_made_on(name):
    text = (zoo.grids.RECORDS / f"{name}.json").read_text(encoding="utf-8")
    assert re.findall(r'": "(/[^"]*|[A-Za-z]:\\\\[^"]*)"', text) == []
