"""The chapters keep the rules, the rules catch a chapter that does not, and the tool that stores chapters is sound.

That each cell still prints what is stored is nbval's part: see ``make check-notebooks``.
"""

import copy
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from conftest import CHAPTERS, PAGES, ROOT
from IPython.core.inputtransformer2 import TransformerManager
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import chapter_rules as rules
from tools import first_figures, notebooks

NAME = "05_good_chapter.ipynb"
TOP = """\
```{figure} ../book/_static/line.svg
:name: fig-top
:alt: A line that rises from one to three.
A line.
```

```{admonition} The finding
:class: finding
The line rises by {glue:text}`rise`, which is more than any line that we have seen, and all three seeds agree in this.
```
"""


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return new_output("stream", name=name, text=text)


def code(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = (), **metadata: object) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata={**({"tags": list(tags)} if tags else {}), **metadata})


@pytest.fixture
def good() -> NotebookNode:
    """A small chapter that keeps every rule."""
    figure = {
        "image": {"alt": "A straight line that rises from one to three."},
        "figure": {"caption": "A line.", "name": "fig-line"},
    }
    shown = new_output("display_data", data={"text/plain": "<Figure size 640x480 with 1 Axes>"})
    cells = [
        new_markdown_cell(
            f"# 5. A good chapter\n\n**Minutes:** 2 on two CPU cores, 1 on a GPU.\n[Open in Colab]({rules.COLAB}{NAME})"
        ),
        new_markdown_cell(TOP),
        new_markdown_cell("## Objectives\n\nKnow."),
        new_markdown_cell("## Setup"),
        code(rules.SETUP_START + "print('cpu')", stream("cpu\n"), tags=("setup", "hide-input", "nbval-ignore-output")),
        new_markdown_cell("## The idea\n\n$$\nH = (1 + M) F\n$$ (eq-arl)"),
        code("assert 1 + 1 == 2", tags=("checks:eq-arl",)),
        code("plt.plot([1, 2, 3]);", shown, mystnb=figure),
        *(code(f"print({i})", stream(f"{i}\n")) for i in range(3)),
        new_markdown_cell("## What would change our mind\n\nA counterexample."),
        new_markdown_cell("## Summary\n\nDone."),
        new_markdown_cell("## Exercises"),
    ]
    for key in "abc":
        cells += [
            new_markdown_cell(
                f"```{{exercise-start}} Count\n:label: ex-{key}\n```\n*Difficulty 2/5, 10 minutes.* How many?\n\n"
                "```{exercise-end}\n```"
            ),
            new_markdown_cell(f"```{{solution-start}} ex-{key}\n:label: sol-{key}\n:class: dropdown\n```\nIdea."),
            code("n = 3\nassert n == 3\nprint(n)", stream("3\n")),
            new_markdown_cell("```{solution-end}\n```"),
        ]
    cells.append(new_markdown_cell("## References\n\n- A book."))
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
    return notebooks.normalise(new_notebook(cells=cells))


def cell_with(nb: NotebookNode, text: str) -> NotebookNode:
    return next(cell for cell in nb.cells if text in cell.source)


# --- the chapters


def test_there_are_chapters() -> None:
    assert CHAPTERS


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_chapter_keeps_the_rules(path: Path) -> None:
    assert notebooks.check(path) == []


@pytest.mark.parametrize("labels", [rules.equation_labels, rules.figure_names, rules.exercise_labels])
def test_labels_are_unique_in_the_book(labels) -> None:
    counts = Counter(label for path in PAGES for label in labels(nbformat.read(path, as_version=4)))
    assert [label for label, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_setup_cell_runs_twice(path: Path) -> None:
    nb = nbformat.read(path, as_version=4)
    setup = rules.code_cells(nb)[0]
    before = new_code_cell("import os, sys; before = os.getcwd(), list(sys.path)")
    again = new_code_cell(setup.source)
    same = new_code_cell("assert (os.getcwd(), list(sys.path)) == before")
    notebooks.execute(new_notebook(cells=[copy.deepcopy(setup), before, again, same]), path.parent)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_code_fits_the_box_of_the_page(path: Path) -> None:
    """Not even a comment that silences a check reaches further."""
    cells = rules.code_cells(nbformat.read(path, as_version=4))
    assert [line for cell in cells for line in cell.source.splitlines() if len(line) > 80] == []


# --- the set-up lines, on Colab, Kaggle or a laptop


@pytest.mark.parametrize(("installed", "installs"), [(False, 1), (True, 0)])
def test_setup_installs_where_the_package_is_missing(monkeypatch, installed: bool, installs: int) -> None:
    ran = []

    class Shell:
        def run_line_magic(self, magic: str, line: str) -> None:
            ran.append((magic, line))

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    exec(TransformerManager().transform_cell(rules.SETUP_START), {"get_ipython": Shell})
    assert ran == [("pip", f"install --quiet --no-deps git+{rules.REPOSITORY}")] * installs


# --- the rules catch what they are for


def test_good_chapter_breaks_no_rule(good: NotebookNode) -> None:
    assert rules.breaches(good, NAME) == []


def replace(cell: str, old: str, new: str):
    def change(nb: NotebookNode) -> None:
        target = cell_with(nb, cell)
        assert old in target.source
        target.source = target.source.replace(old, new)

    return change


def output(cell: str, *outputs: NotebookNode):
    return lambda nb: cell_with(nb, cell).update(outputs=list(outputs))


def untag(cell: str, tag: str):
    return lambda nb: cell_with(nb, cell).metadata.tags.remove(tag)


def tag(cell: str, name: str):
    return lambda nb: cell_with(nb, cell).metadata.setdefault("tags", []).append(name)


def picture(kind: str, data: str = "x"):
    return new_output("display_data", data={kind: data})


BROKEN = {
    "wrong number": (replace("# 5. A", "# 5. A", "# 6. A"), "one H1"),
    "section missing": (replace("## Summary", "## Summary", "## End"), "sections"),
    "sections out of order": (lambda nb: nb.cells.append(nb.cells.pop(2)), "sections"),
    "no minutes": (replace("# 5. A", "**Minutes:** 2", "**Time:** 2"), "Minutes"),
    "too many minutes": (replace("# 5. A", "2 on two", "30 on two"), "30 CPU minutes"),
    "link to another chapter": (replace("# 5. A", NAME, "06_other.ipynb"), "must link to"),
    "no set-up tag": (untag("print('cpu')", "setup"), "tagged 'setup'"),
    "set-up not first": (lambda nb: nb.cells.insert(0, new_code_cell("1", execution_count=0)), "tagged 'setup'"),
    "install with dependencies": (replace("print('cpu')", "--no-deps ", ""), "fixed lines"),
    "set-up compared": (untag("print('cpu')", "nbval-ignore-output"), "set-up cell prints device"),
    "second set-up": (tag("print(0)", "setup"), "second cell tagged"),
    "changes folder": (replace("print(0)", "print(0)", "os.chdir('..')"), "chdir"),
    "widget progress bar": (replace("print(0)", "print(0)", "from tqdm.auto import tqdm"), "tqdm.auto"),
    "never executed": (lambda nb: cell_with(nb, "print(1)").update(execution_count=None), "numbered 1 to"),
    "executed out of order": (lambda nb: cell_with(nb, "print(1)").update(execution_count=99), "numbered 1 to"),
    "image stored": (output("print(0)", picture("image/png")), "stores image/png"),
    "vector image stored": (output("print(0)", picture("image/svg+xml")), "stores image/svg"),
    "widget stored": (output("print(0)", picture("application/vnd.jupyter.widget-view+json")), "stores application"),
    "image inside text stored": (
        output("print(0)", picture("text/html", "<img src='data:image/png;base64,x'>")),
        "inside its text",
    ),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "widget state"),
    "error stored": (output("print(0)", new_output("error", ename="ValueError", evalue="", traceback=[])), "raised"),
    "warning stored": (output("print(0)", stream("UserWarning", "stderr")), "stderr"),
    "path stored": (output("print(0)", stream("in /home/me/data\n")), "path of the machine: /home/me/data"),
    "compares too little": (
        lambda nb: [tag(f"print({i})", "nbval-ignore-output")(nb) for i in range(3)],
        "are compared",
    ),
    "figures are not text": (
        lambda nb: [
            output(f"print({i})", picture("text/plain", "<Figure size 1x1 with 1 Axes>"))(nb) for i in range(3)
        ],
        "are compared",
    ),
    "cell skipped": (tag("print(0)", "nbval-skip"), "unknown tags"),
    "equation unchecked": (untag("assert 1 + 1", "checks:eq-arl"), "needs a cell tagged"),
    "check without assert": (replace("assert 1 + 1", "assert ", "print"), "with an assert"),
    "assert in a comment": (replace("assert 1 + 1", "assert ", "# assert "), "with an assert"),
    "check without equation": (replace("(eq-arl)", " (eq-arl)", ""), "no equation has that label"),
    "fenced equation unchecked": (
        replace("A counterexample.", "A", "```{math}\n:label: eq-new\nx\n```\nA"),
        "'checks:eq-new'",
    ),
    "odd equation label": (replace("(eq-arl)", "(eq-arl)", "(arl)"), "must start with 'eq-'"),
    "no alt text": (lambda nb: cell_with(nb, "plt.plot").metadata.mystnb.pop("image"), "alt text"),
    "no caption": (lambda nb: cell_with(nb, "plt.plot").metadata.mystnb.figure.pop("caption"), "caption"),
    "no figure name": (lambda nb: cell_with(nb, "plt.plot").metadata.mystnb.figure.pop("name"), "name"),
    "no figure metadata": (lambda nb: cell_with(nb, "plt.plot").metadata.pop("mystnb"), "alt text"),
    "metadata without figure": (lambda nb: cell_with(nb, "plt.plot").update(outputs=[]), "shows no figure"),
    "figure twice": (
        lambda nb: cell_with(nb, "plt.plot").update(outputs=cell_with(nb, "plt.plot").outputs * 2),
        "twice",
    ),
    "a value beside the figure": (
        lambda nb: cell_with(nb, "plt.plot").outputs.append(new_output("execute_result", {"text/plain": "3"})),
        "beside its figure",
    ),
    "too few exercises": (replace("ex-a\n```\n*", "{exercise-start}", "{note}"), "2 exercises"),
    "exercise without minutes": (replace("ex-a\n```\n*", "10 minutes", "a while"), "Difficulty N/5"),
    "exercise without solution": (replace("sol-b", "ex-b", "ex-a"), "'ex-b' has no solution"),
    "solution in sight": (replace("sol-b", ":class: dropdown\n", ""), "must fold"),
    "solution unchecked": (replace("n = 3", "assert n == 3", "pass"), "code cell with an assert"),
    "set-up in sight": (untag("print('cpu')", "hide-input"), "must be folded"),
    "no figure on top": (lambda nb: nb.cells.pop(1), "one figure directly under the title, has 0"),
    "two figures on top": (
        replace("{figure}", "```{admon", TOP.split("\n\n")[0] + "\n\n```{admon"),
        "under the title, has 2",
    ),
    "no finding": (replace("{figure}", ":class: finding", ":class: note"), "one box with its finding"),
    "finding first": (
        lambda nb: cell_with(nb, "{figure}").update(source="\n\n".join(TOP.split("\n\n")[::-1])),
        "the figure comes first",
    ),
    "long finding": (replace("{figure}", "The line rises", "The line rises " * 40), "two to four lines are"),
    "short finding": (
        replace("{figure}", ", which is more than any line that we have seen, and all three seeds agree in this", ""),
        "two to four lines are",
    ),
    "prose before the figure": (replace("{figure}", "```{figure}", "Lines are old.\n\n```{figure}"), "not ['Lines'"),
    "code before the objectives": (lambda nb: nb.cells.insert(1, code("1")), "no code before the objectives"),
    "too many words": (replace("A counterexample.", "A", "word " * 3000), "words, at most 3,000"),
    "too much code": (replace("print(0)", "print(0)", "print(0)\n" * 351), "lines of code, at most 350"),
    "typed share": (replace("A counterexample.", "A", "About 37.2 % of a"), "says '37.2 %': glue it"),
    "typed points": (replace("A counterexample.", "A", "It loses nine or 9 points. A"), "says '9 points': glue it"),
    "typed deviation": (replace("A counterexample.", "A", "It is 0.36 ± 0.02. A"), "says '0.36 ± 0.02': glue it"),
    "typed time": (replace("A counterexample.", "A", "After 12 seconds. A"), "says '12 seconds': glue it"),
    "equality is no bound": (
        lambda nb: [
            replace("A counterexample.", "A", "It is 3 %. A")(nb),
            replace("print(0)", "print(0)", "assert len('abc') == 3")(nb),
        ],
        "says '3 %': glue it",
    ),
    "exercise by number": (replace("A counterexample.", "A c", "Exercise 2 has a c"), "link it with {ref}"),
    "odd exercise label": (
        lambda nb: [replace("label: ex-a", "ex-a", "task")(nb), replace("sol-a", "ex-a", "task")(nb)],
        "must start with 'ex-'",
    ),
}


def bounded(bound: str):
    return lambda nb: [
        replace("A counterexample.", "A", "Fewer than 20 % are. A")(nb),
        replace("assert 1 + 1", "assert 1 + 1 == 2", f"assert 1 + 1 == 2\n{bound}")(nb),
    ]


ALLOWED = {
    "bounded as a fraction": bounded("assert min([0]) < 0.20"),
    "bounded as it stands": bounded("assert 0 <= min([0]) < 20"),
    "bounded by closeness": bounded("import math\nassert math.isclose(0.2, 0.2)"),
    "a setting": bounded("noise = 0.2"),
    "quoted": replace("A counterexample.", "A", "The paper has 3.90 %. A"),
    "quoted by citation": replace("A counterexample.", "A", "{cite:t}`x` have 3.90 %. A"),
    "convention": replace("A counterexample.", "A", "With 95 % intervals. A"),
    "in code": replace("A counterexample.", "A", "`37.2 %` and\n```\n37.2 %\n```\nA"),
    "in a formula": replace("A counterexample.", "A", "$37.2 \\pm 3$ and $9$ s. A"),
    "in an exercise": replace("ex-a\n```\n*", "How many?", "Lose 9 points."),
    "folded code": lambda nb: [
        replace("print(0)", "print(0)", "print(0)\n" * 351)(nb),
        tag("print(0)", "hide-input")(nb),
    ],
    "words in exercises": replace("ex-a\n```\n*", "How many?", "word " * 3000),
    "a live figure around the still": lambda nb: cell_with(nb, "{figure}").update(
        source='```{raw} html\n<div class="live" data-figure="iou">\n```\n\n'
        + TOP.replace(
            "\n\n", '\n\n```{raw} html\n</div>\n<script defer src="../_static/live/live.js"></script>\n```\n\n', 1
        )
    ),
    "a picture": lambda nb: cell_with(nb, "{figure}").update(source="![A line.](line.png)\n\n" + TOP.split("\n\n")[1]),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_rules_let_pass(good: NotebookNode, name: str) -> None:
    ALLOWED[name](good)
    assert rules.breaches(good, NAME) == []


def test_a_deeper_page_needs_its_title_and_no_sections(good: NotebookNode) -> None:
    name = "05_deeper_page.ipynb"
    until = next(number for number, cell in enumerate(good.cells) if cell.source.startswith("## What would change"))
    good.cells = [cell for cell in good.cells[:until] if cell.source != TOP and not re.match("## (O|S)", cell.source)]
    head = good.cells[0]
    head.source = head.source.replace(NAME, name)
    assert any("must have one H1, '# 5. Deeper: …'" in breach for breach in rules.breaches(good, name))
    head.source = head.source.replace("A good chapter", "Deeper: a page")
    assert rules.breaches(good, name) == []
    good.cells.append(new_markdown_cell("It rises by 12.5 %."))
    assert any("12.5 %" in breach for breach in rules.breaches(good, name))


@pytest.mark.parametrize("name", BROKEN)
def test_rules_catch(good: NotebookNode, name: str) -> None:
    change, sentence = BROKEN[name]
    change(good)
    assert any(sentence in breach for breach in rules.breaches(good, NAME)), rules.breaches(good, NAME)


# --- the tool that runs and stores chapters


def test_normalise_keeps_text_and_drops_the_rest(good: NotebookNode) -> None:
    both = new_output(
        "execute_result",
        data={"text/plain": "<Figure size 1x1 with 1 Axes>", "image/png": "x"},
        execution_count=70,
        metadata={"image/png": {"width": 3}},
    )
    inside = new_output("display_data", data={"text/html": '<img src="data:image/png;base64,x">', "image/gif": "x"})
    table = new_output("display_data", data={"text/html": "<table></table>", "text/plain": "table"})
    messy = code("1", stream("a\n"), stream("b\n"), both, inside, table, tags=("hide-input",), collapsed=True)
    messy.execution_count = 70
    good.cells.append(messy)
    good.cells.append(new_code_cell(" ", execution_count=71))
    good.metadata["widgets"] = {}
    good.metadata.kernelspec["display_name"] = "mine"
    before = copy.deepcopy(good)

    stored = notebooks.normalise(good)

    assert good == before, "the argument stays as it was"
    assert [cell.id for cell in stored.cells] == [cell.id for cell in good.cells]
    assert [cell.source for cell in stored.cells] == [cell.source for cell in good.cells]
    assert stored.metadata == notebooks.NOTEBOOK_METADATA
    cell, blank = stored.cells[-2:]
    assert cell.metadata == {"tags": ["hide-input"]}
    assert cell.execution_count == len(rules.code_cells(good))
    assert blank.execution_count is None
    text, figure, html = cell.outputs
    assert text.text == "a\nb\n"
    assert figure.data == {"text/plain": "<Figure size 1x1 with 1 Axes>"} and figure.metadata == {}
    assert figure.execution_count == cell.execution_count
    assert set(html.data) == {"text/html", "text/plain"}
    assert notebooks.normalise(stored) == stored
    nbformat.validate(stored)


def test_run_stores_text_and_keeps_ids(tmp_path: Path, capsys) -> None:
    path = tmp_path / "07_x.ipynb"
    cells = [new_code_cell("import os\nprint('on', os.path.basename(os.getcwd()))"), new_code_cell("6 * 7")]
    path.write_text(nbformat.writes(new_notebook(cells=cells)))

    assert notebooks.main([str(path)]) == 1  # it ran; it is no chapter, and that is said

    stored = nbformat.read(path, as_version=4)
    assert stored.cells[0].outputs[0].text == f"on {tmp_path.name}\n"
    assert stored.cells[1].outputs[0].data == {"text/plain": "42"}
    assert [cell.id for cell in stored.cells] == [cell.id for cell in cells]
    assert "must have one H1" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [path]


def test_the_first_figure_is_what_its_cell_draws(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    path, kept = folder / "07_x.ipynb", tmp_path / "book" / "_static" / "first" / "07.png"
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    cells = [
        new_markdown_cell("```{figure} ../book/_static/first/07.png\n```"),
        code(draw, tags=(first_figures.TAG,)),
    ]
    nb = new_notebook(cells=cells)

    def found() -> str:
        return "; ".join(first_figures.breaches(nb, path))

    assert "is missing" in found()
    path.write_text(nbformat.writes(nb))
    notebooks.main([str(path)])
    assert kept.exists() and found() == ""
    nb.cells[1].source += "  # changed"
    assert "was drawn by another cell" in found()
    nb.cells[1].metadata.tags = []
    assert "1 first figures are named and 0 cells" in found()
    nb.cells = [
        new_markdown_cell("```{figure} ../book/_static/first/06.png\n```"),
        code(draw, tags=(first_figures.TAG,)),
    ]
    assert "must be 07.png" in found()
    before = kept.read_bytes()
    nb.cells[1].source = "1"
    path.write_text(nbformat.writes(nb))
    assert notebooks.main([str(path)]) == 1 and "must show one picture, shows 0" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_run_leaves_a_failing_chapter_as_it_was(tmp_path: Path, capsys) -> None:
    path = tmp_path / "07_x.ipynb"
    path.write_text(nbformat.writes(new_notebook(cells=[new_code_cell("1 / 0")])))
    before = path.read_bytes()

    assert notebooks.main([str(path)]) == 1

    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_hung_cell_fails_fast(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(notebooks, "CELL_SECONDS", 2)
    path = tmp_path / "07_x.ipynb"
    path.write_text(nbformat.writes(new_notebook(cells=[new_code_cell("import time\ntime.sleep(60)")])))

    assert notebooks.main([str(path)]) == 1

    assert "timed out" in capsys.readouterr().err.lower()


def test_chapters_are_stored_on_scenes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RESATTN_DATA", "/somewhere")
    nb = new_notebook(cells=[new_code_cell("import os; assert not os.listdir(os.environ['RESATTN_DATA'])")])
    notebooks.execute(nb, tmp_path)
    with pytest.raises(CellExecutionError):
        notebooks.execute(new_notebook(cells=[new_code_cell("assert False")]), tmp_path)


def test_check_wants_the_normal_form(good: NotebookNode, tmp_path: Path) -> None:
    path = tmp_path / NAME
    notebooks.write(good, path)
    assert notebooks.check(path) == []
    content = json.loads(path.read_text())
    content["cells"][3]["metadata"]["collapsed"] = False
    path.write_text(json.dumps(content))
    assert any("normal form" in breach for breach in notebooks.check(path))


# --- nbval, as `make check-notebooks` calls it, sees a difference


def nbval(path: Path) -> subprocess.CompletedProcess[str]:
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(ROOT / "tools/nbval_sanitize.cfg")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={path.parent}", *options]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=path.parent)


def test_nbval_compares_text_and_not_addresses(tmp_path: Path) -> None:
    path = tmp_path / "07_x.ipynb"
    sources = ["print(6 * 7)", "print(object())", "import random\nprint(random.random())"]
    nb = new_notebook(cells=[code(source) for source in sources])
    nb.cells[2].metadata.tags = ["nbval-ignore-output"]
    notebooks.execute(nb, tmp_path)
    notebooks.write(notebooks.normalise(nb), path)
    first = nbval(path)
    assert "3 passed" in first.stdout, first.stdout

    nb.cells[0].outputs[0].text = "43\n"
    notebooks.write(notebooks.normalise(nb), path)
    second = nbval(path)
    assert second.returncode == 1 and "1 failed, 2 passed" in second.stdout, second.stdout
