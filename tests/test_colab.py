"""The edition for Colab: it is what the chapters give, no MyST is left in it, and its code is the chapters'."""

import re
from pathlib import Path

import nbformat
import pytest
from conftest import PAGES, ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import colab, repository
from tools.book_labels import Label, Labels, authors_and_year, labels
from tools.notebooks import normalise
from tools.plain_markdown import Page, convert

EDITIONS = [chapter.parent / "colab" / chapter.name for chapter in PAGES]


def test_the_stored_edition_is_what_the_chapters_give() -> None:
    assert colab.stale() == [], "run `python -m tools.colab`"


def test_a_changed_chapter_makes_its_edition_stale(tmp_path: Path) -> None:
    root = tmp_path
    for path in (
        "pyproject.toml",
        "book/references.bib",
        *(f"notebooks/{folder}05_attention_module.ipynb" for folder in ("", "colab/")),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text((ROOT / path).read_text())
    chapter = root / "notebooks" / "05_attention_module.ipynb"
    nb = nbformat.read(chapter, as_version=4)
    for cell in nb.cells:  # the other chapters are not here
        cell.source = re.sub(r"\{ref\}`[^`]*`", "another exercise", cell.source)
    nbformat.write(nb, chapter)
    for path, text in colab.editions(root).items():
        path.write_text(text)
    assert colab.stale(root) == []
    nb.cells[-1].source += "\n- One more."
    nbformat.write(nb, chapter)
    assert colab.stale(root) == [root / "notebooks" / "colab" / chapter.name]
    chapter.unlink()
    assert colab.stale(root) == [root / "notebooks" / "colab" / chapter.name], "it has no chapter"


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.stem)
def test_nothing_of_myst_is_left(path: Path) -> None:
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    assert colab.left_over(nb) == []
    assert "mystnb" not in path.read_text()


@pytest.mark.parametrize(
    "raw",
    [
        "{cite:t}`x`",
        "{py:func}`~a.b`",
        "```{note}\nx\n```",
        "(label)=\n# A",
        "$$\nx\n$$ (eq-a)",
        "see [a](b.ipynb)",
        "{ref}`x`",
    ],
)
def test_what_is_left_is_found(raw: str) -> None:
    assert colab.left_over(new_notebook(cells=[new_markdown_cell(f"Text.\n\n{raw}\n")]))
    quoted = f"````\n{raw}\n````\n\nand `` {{cite:t}}`x` `` in a span"
    assert colab.left_over(new_notebook(cells=[new_markdown_cell(quoted)])) == []


@pytest.mark.parametrize(
    ("chapter", "edition"), list(zip(PAGES, EDITIONS, strict=True)), ids=[path.stem for path in PAGES]
)
def test_the_code_is_the_chapters(chapter: Path, edition: Path) -> None:
    def sources(path: Path) -> list[str]:
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        return [re.sub(r"\A# @title .*\n", "", source) for source in code]

    assert sources(edition) == sources(chapter)


# --- what becomes of MyST

BIB = ROOT / "book" / "references.bib"


@pytest.fixture
def page() -> Page:
    of = Labels(
        {
            "fig-a": Label("fig", "5.1", "", "05_x.ipynb"),
            "eq-a": Label("equation", "5.2", "", "05_x.ipynb"),
            "ex-a": Label("exercise", "5.3", "Count", "05_x.ipynb"),
            "ex-b": Label("exercise", "6.1", "Other", "06_y.ipynb"),
            "head": Label("heading", "", "A heading", "05_x.ipynb"),
        },
        labels([], BIB).works,
    )
    return Page("05_x.ipynb", of, "some/one", {"share": "37.2 ± 0.4 %"})


EDITION = "https://colab.research.google.com/github/some/one/blob/main/notebooks/colab"
BECOMES = {
    "citation in the text": (
        "{cite:t}`wang2017residual` say",
        "[Wang et al. (2017)](https://arxiv.org/abs/1704.06904) say",
    ),
    "citation in brackets": (
        "so {cite:p}`wang2017residual,hochreiter1997lstm`.",
        "so ([Wang et al., 2017](https://arxiv.org/abs/1704.06904); "
        "[Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735)).",
    ),
    "two works of one name": (
        "{cite:t}`he2016preact,he2016resnet`",
        "[He et al. (2016b)](https://arxiv.org/abs/1603.05027), [He et al. (2016a)](https://arxiv.org/abs/1512.03385)",
    ),
    "page that needs the book": (
        "[*Try it*](../book/try_it.md)",
        "*Try it* (in the [built book](https://github.com/some/one#read-and-run))",
    ),
    "still of a live figure": (
        "```{figure} ../book/_static/live/a.png\n:name: fig-a\nA line. In the page: set its slope.\n```",
        "![](https://raw.githubusercontent.com/some/one/main/book/_static/live/a.png)\n\n"
        "*Fig. 5.1. A line. (Here a still; in the [built book](https://github.com/some/one#read-and-run) it answers "
        "to your hand.)*",
    ),
    "figure": ("see {numref}`fig-a` and {numref}`figure %s <fig-a>`", "see Fig. 5.1 and figure 5.1"),
    "equation": ("by {eq}`eq-a`", "by (5.2)"),
    "exercise here": ("{ref}`ex-a`, {ref}`that <ex-a>`", "Exercise 5.3, that"),
    "exercise of another chapter": ("{ref}`ex-b`", f"[Exercise 6.1]({EDITION}/06_y.ipynb)"),
    "heading": ("{ref}`head` and [](#head)", "A heading and A heading"),
    "function": ("{py:func}`resattn.create`, {py:class}`~a.b.C`, {py:mod}`it <a.b>`", "`resattn.create`, `C`, `it`"),
    "glued": ("It is {glue:text}`share` and {glue:}`share`.", "It is 37.2 ± 0.4 % and 37.2 ± 0.4 %."),
    "code span": ("`` {cite:t}`x` `` and `a[b](c.md)`", "`` {cite:t}`x` `` and `a[b](c.md)`"),
    "code in a link": ("[`M`](06_y.ipynb)", f"[`M`]({EDITION}/06_y.ipynb)"),
    "page": ("[run](../book/how_to.md#how-to-run)", "[run](https://github.com/some/one/blob/main/book/how_to.md)"),
    "another host": ("[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
    "numbered formula": ("a\n\n$$\nx = 1\n$$ (eq-a)\n\nb", "a\n\n$$\nx = 1 \\tag{5.2}\n$$\n\nb"),
    "fenced formula": ("```{math}\n:label: eq-a\n\nx\n```", "$$\nx \\tag{5.2}\n$$"),
    "target": ("(head)=\n## A heading", "## A heading"),
    "comment": ("a\n% not for readers\nb", "a\nb"),
    "box": (
        "```{admonition} The finding\n:class: finding\nIt is\n{eq}`eq-a`.\n```",
        "> **The finding**\n>\n> It is\n> (5.2).",
    ),
    "note": (":::{note}\nRead.\n:::", "> **Note**\n>\n> Read."),
    "folded box": (
        "```{admonition} More\n:class: dropdown\nRead.\n```",
        "<details>\n<summary>More</summary>\n\nRead.\n\n</details>",
    ),
    "picture": (
        "```{figure} ../book/_static/a.svg\n:name: fig-a\n:alt: A line.\nA line, {eq}`eq-a`.\n```",
        "![A line.](https://raw.githubusercontent.com/some/one/main/book/_static/a.svg?sanitize=true)\n\n"
        "*Fig. 5.1. A line, (5.2).*",
    ),
    "options between dashes": (
        "```{figure} ../book/a.png\n---\nname: fig-a\nalt: >-\n  A line\n  and more.\n---\nA line.\n```",
        "![A line and more.](https://raw.githubusercontent.com/some/one/main/book/a.png)\n\n*Fig. 5.1. A line.*",
    ),
    "live figure": (
        '```{raw} html\n<div class="live" data-figure="tour">\n```\n\nA still.\n\n```{raw} html\n</div>\n'
        '<script src="a.js"></script>\n```',
        "A still.",
    ),
    "live figure without a fence": (
        '<div class="live" data-figure="iou">\n\nA still.\n\n</div>\n'
        '<script defer src="../_static/live/live.js"></script>',
        "A still.",
    ),
    "plain code": ("```sh\nmake book  # {eq}`eq-a`\n```", "```sh\nmake book  # {eq}`eq-a`\n```"),
    "exercise": (
        "```{exercise-start} Count {eq}`eq-a`\n:label: ex-a\n```\n*Difficulty 1/5, 5 minutes.* How many?\n\n"
        "```{exercise-end}\n```",
        "### Exercise 5.3: Count (5.2)\n\n*Difficulty 1/5, 5 minutes.* How many?",
    ),
}


@pytest.mark.parametrize("name", BECOMES)
def test_myst_becomes_markdown(page: Page, name: str) -> None:
    myst, plain = BECOMES[name]
    assert convert(myst, page) == plain
    assert colab.left_over(new_notebook(cells=[new_markdown_cell(convert(myst, page))])) == []


@pytest.mark.parametrize(
    ("myst", "reason"),
    [
        ("{numref}`fig-no`", "'fig-no'"),
        ("{cite:t}`nobody1900`", "'nobody1900'"),
        ("{glue:text}`nothing`", "05_x.ipynb glues no 'nothing'; run the chapter"),
        ("{strange}`x`", "05_x.ipynb uses the role {strange}"),
        ("```{tab-set}\n```", "05_x.ipynb uses the directive {tab-set}"),
    ],
)
def test_what_has_no_plain_form_is_named(page: Page, myst: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        convert(myst, page)


def test_a_solution_is_folded_over_its_cells(page: Page) -> None:
    start = convert("```{solution-start} ex-a\n:label: sol-a\n:class: dropdown\n```\nIdea.", page)
    assert start == "<details>\n<summary>Solution to Exercise 5.3</summary>\n\nIdea.\n\n</details>"
    assert "<summary>Solution to Exercise 5.3, continued</summary>" in convert("And so.", page)
    assert convert("```{solution-end}\n```", page) == ""
    assert convert("Open.", page) == "Open."


def chapter_of(tmp_path: Path) -> Path:
    figure = {"image": {"alt": "A line."}, "figure": {"caption": "A line, {eq}`eq-one`.", "name": "fig-one"}}
    kept = new_output(
        "display_data",
        data={colab.GLUED: "'3.1 %'"},
        metadata={"scrapbook": {"name": "share", "mime_prefix": "application/papermill.record/"}},
    )
    shown = new_output("stream", name="stdout", text="3\n")
    named = new_output("display_data", data={"text/plain": "<Figure size 640x480 with 1 Axes>"})
    cells = [
        new_markdown_cell(
            "# 5. One\n\n[Open in Colab](https://example.org)\n\nOf {glue:text}`share`.\n\n$$\nx\n$$ (eq-one)"
        ),
        new_code_cell("import math", metadata={"tags": ["setup"]}, id="a"),
        new_code_cell(
            "draw()", metadata={"tags": ["hide-input"], "mystnb": figure}, outputs=[kept, shown, named], id="b"
        ),
        new_markdown_cell("```{exercise-start} Count\n:label: ex-one\n```\nHow many?\n```{exercise-end}\n```"),
        new_markdown_cell("```{solution-start} ex-one\n:label: sol-one\n```"),
        new_code_cell("assert math.pi > 3", outputs=[shown], id="c"),
        new_markdown_cell("```{solution-end}\n```"),
    ]
    path = tmp_path / "notebooks" / "05_one.ipynb"
    path.parent.mkdir()
    nbformat.write(normalise(new_notebook(cells=cells)), path)
    return path


def test_a_chapter_becomes_a_plain_notebook(tmp_path: Path) -> None:
    path = chapter_of(tmp_path)
    nb = colab.edition(path, labels([path], BIB), "some/one")
    head, setup, drawing, caption, exercise, solution = nb.cells
    assert (
        f"[Colab]({EDITION}/05_one.ipynb)" in head.source and "Of 3.1 %." in head.source and r"\tag{5.1}" in head.source
    )
    assert setup.source == "# @title Setup\nimport math" and setup.metadata.cellView == "form"
    assert drawing.source == "# @title Code of Fig. 5.1\ndraw()"
    assert [output.output_type for output in drawing.outputs] == ["stream"], "what is glued stands in the text"
    assert caption.source == "*Fig. 5.1. A line, (5.1).*"
    assert exercise.source == "### Exercise 5.1: Count\n\nHow many?"
    assert solution.source.startswith("# @title Solution to Exercise 5.1\n") and solution.outputs == []
    assert solution.metadata.jupyter.source_hidden
    nbformat.validate(nb)


def test_authors_are_named_as_in_the_book() -> None:
    works = labels([], BIB).works
    assert authors_and_year(works["wang2017residual"]) == ("Wang et al.", "2017")
    assert authors_and_year(works["kingma2015adam"]) == ("Kingma and Ba", "2015")
    assert authors_and_year(works["nesterov1983"]) == ("Nesterov", "1983")
    assert authors_and_year(works["vanlaarhoven2017l2"]) == ("van Laarhoven", "2017")


# --- where the repository lives


def test_no_file_names_another_repository() -> None:
    named = {path: {found[2] for found in repository.ADDRESS.finditer(path.read_text())} for path in repository.files()}
    # The authors' model files have an address of their own; it stays where it is.
    others = {"fwang91/residual-attention-network"}
    assert {name for names in named.values() for name in names} - others == {repository.lives_at()}
    assert {path.name for path, names in named.items() if names} >= {
        *(path.name for path in PAGES), "README.md", "CITATION.cff", "_config.yml", "how_to.md", "pyproject.toml",
    }  # fmt: skip


def test_one_command_moves_every_address(tmp_path: Path) -> None:
    for path in repository.files():
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.relative_to(ROOT)).write_text(path.read_text())
    readme = tmp_path / "README.md"
    readme.write_text(readme.read_text() + "\nhttps://github.com/pytorch/pytorch\n")
    (tmp_path / "book" / "references.bib").write_text(BIB.read_text())

    changed = repository.move("some-one/a.fork", tmp_path)

    assert repository.lives_at(tmp_path) == "some-one/a.fork" and readme in changed
    assert "https://github.com/pytorch/pytorch" in readme.read_text(), "another project stays where it is"
    left = [path for path in repository.files(tmp_path) if f"/{repository.lives_at()}" in path.read_text()]
    assert left == []
    assert colab.stale(tmp_path) == [], "the edition for Colab needs no other command"
    assert repository.move("some-one/a.fork", tmp_path) == []


@pytest.mark.parametrize("new", ["", "name", "a/b/c", "https://github.com/a/b", "a b/c"])
def test_what_is_no_repository_changes_nothing(new: str, tmp_path: Path, capsys) -> None:
    with pytest.raises(ValueError, match="OWNER/NAME"):
        repository.move(new, tmp_path)
    assert repository.main([new]) == 2 and "OWNER/NAME" in capsys.readouterr().err
