"""What `make colab` runs: the set-up cell twice, the package from here, every control of an explorer."""

from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import pytest
from conftest import PAGES, ROOT
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook

from resattn.figures.widgets import Explorer
from tools import run_colab
from tools.chapter_rules import REPOSITORY


@pytest.mark.parametrize("chapter", PAGES, ids=lambda path: path.stem)
def test_the_setup_cell_stands_twice_and_installs_from_here(chapter: Path) -> None:
    stored = nbformat.read(chapter.parent / "colab" / chapter.name, as_version=4)
    before = [cell.source for cell in stored.cells if cell.cell_type == "code"]
    code = [cell.source for cell in run_colab.prepared(stored, ROOT).cells if cell.cell_type == "code"]
    assert code[0] == code[2] == before[0].replace(f"git+{REPOSITORY}", str(ROOT)) != before[0]
    assert [code[1], *code[3:]] == [run_colab.INSTALLED, *before[1:], run_colab.EXPLORED]


def test_a_notebook_that_installs_nothing_is_refused() -> None:
    nb = new_notebook(cells=[new_code_cell("import resattn", metadata={"tags": ["setup"]})])
    with pytest.raises(ValueError, match="does not install the package"):
        run_colab.prepared(nb, ROOT)


def test_without_the_right_python_one_sentence_says_so(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(run_colab, "VENV", tmp_path / "venv")
    fake = tmp_path / "python3.13"
    fake.write_text("#!/bin/sh\nexit 1\n")  # as the shims of version managers do
    fake.chmod(0o755)
    for command in ("no-such-python", str(fake)):
        assert run_colab.main(["--python", command]) == 1
        assert capsys.readouterr().err == f"{command} is not a Python 3.13 that runs here; name one with --python\n"
    assert not (tmp_path / "venv").exists()


def test_a_notebook_that_is_not_there_is_named_before_anything_is_set_up(monkeypatch, capsys) -> None:
    monkeypatch.setattr(run_colab, "set_up", lambda command: pytest.fail("set up for nothing"))
    assert run_colab.main(["03_trunk_branch"]) == 1
    assert capsys.readouterr().err == "there is no notebook 03_trunk_branch\n"


def test_every_control_of_an_explorer_moves() -> None:
    drawn = []

    def draw(**values: object) -> Figure:
        drawn.append(values)
        if values == {"a": 3, "b": "y", "c": False}:
            raise RuntimeError("the corner that nobody tried")
        figure = plt.figure(figsize=(1, 1))
        return figure

    controls = {
        "a": ipywidgets.IntSlider(1, min=0, max=2),
        "b": ipywidgets.Dropdown(options=["x", "y"]),
        "c": ipywidgets.Checkbox(value=True),
    }
    explorer = Explorer(draw, controls)
    exec(run_colab.EXPLORED, {"Out": {3: explorer}})
    seen = {name: {values[name] for values in drawn} for name in controls}
    assert seen == {"a": {0, 1, 2}, "b": {"x", "y"}, "c": {True, False}}
    controls["a"].max = 3
    with pytest.raises(RuntimeError, match="nobody tried"):
        exec(run_colab.EXPLORED, {"explorer": explorer, "Out": {}})
