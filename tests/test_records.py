"""The records that come with the package: whole, readable, and behind the tables of the chapters."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup

import resattn
from experiments import cifar_tables
from resattn import data, zoo
from resattn.analysis import count_parameters
from resattn.analysis.statistics import holm, one_sample, paired
from resattn.figures.prose import typeset
from resattn.zoo import CheckpointError

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"no records 'nois'; there are: .*noise"):
        zoo.load_records("nois")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"runs": []}', '{"runs": [3]}', '{"runs": [{"test_error": 0.5, "history": []}]}']
)
def test_a_damaged_file_is_named(text, tmp_path, monkeypatch):
    (tmp_path / "broken.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(zoo.grids, "RECORDS", tmp_path)
    with pytest.raises(CheckpointError, match=r"broken\.json is damaged"):
        zoo.load_records("broken")


def test_the_stored_runs_of_the_small_cifar_grid_are_those_of_its_module():
    records = zoo.load_records("cifar_tables")
    assert [record["key"] for record in records] == [run.key for run in cifar_tables.RUNS]
    for run, record in zip(cifar_tables.RUNS, records, strict=True):
        config = resattn.create("attention56", **cifar_tables.NETWORKS[run.network]).config
        assert json.loads(json.dumps(asdict(config))) == record["config"]
        assert json.loads(json.dumps(asdict(cifar_tables.RECIPE))) == record["recipe"]
        assert (record["network"], record["seed"], record["precision"]) == (run.network, run.seed, "float32")
        assert (record["train_images"], record["test_images"]) == (cifar_tables.TRAIN, cifar_tables.TEST)
        assert re.match(rf"CIFAR-10 train.*, {cifar_tables.TRAIN} images", record["data"]["train"])
        history = record["history"]
        assert [entry["epoch"] for entry in history] == list(range(1, cifar_tables.RECIPE.epochs + 1))
        assert record["test_error"] == 1 - history[-1]["test_accuracy"]


def test_a_run_of_the_small_cifar_grid_sees_the_first_pictures(monkeypatch, tmp_path):
    whole = {"train": data.scenes("train", 96), "test": data.scenes("test", 40)}
    monkeypatch.setattr(cifar_tables.data, "cifar10", whole.__getitem__)
    for name, value in (("TRAIN", 64), ("TEST", 30), ("RECIPE", replace(cifar_tables.RECIPE, epochs=1))):
        monkeypatch.setattr(cifar_tables, name, value)
    assert torch.equal(cifar_tables.first("train", 64).images, whole["train"].images[:64])
    record = cifar_tables.train(cifar_tables.TablesRun("nal-m3", 1), tmp_path, "cpu")
    assert record["data"]["train"].endswith(", 64 images") and record["train_images"] == 64
    assert (record["network"], record["seed"], len(record["history"])) == ("nal-m3", 1, 1)
    assert record.keys() | {"key"} >= zoo.load_records("cifar_tables")[0].keys()


def test_the_networks_of_the_cifar_grid_differ_in_one_thing():
    networks = {name: resattn.create("attention56", **kw) for name, kw in cifar_tables.NETWORKS.items()}
    configs = {name: network.config for name, network in networks.items()}
    sizes = {name: count_parameters(network) for name, network in networks.items()}
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
        return [value(of[network, noise, seed]) for seed in range(8)]

    rows, _ = table_in("09_noisy_labels.ipynb", "grid-load")
    assert len(rows) == 9
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
    assert len(rows) == 6
    for n, row in enumerate(rows):
        d = differences[str(n)]
        word = "no difference" if d.within(1.0) else "not resolved"
        if stands[str(n)]:
            word = "shown" if d.mean > 0 else "refuted"
        word = word if row["noise"] == "50 %" else "–"  # the claim is decided there
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
