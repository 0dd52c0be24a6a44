"""From the one source of an assignment to its notebooks: with solutions, and the release without.

A source is Markdown. Prose becomes a Markdown cell up to the next fence or a line ``+++``; a fence ```` ```python KIND
[NAME] ```` becomes a cell of the kind:

``setup``, ``given``   code that students get as it is; ``given`` also runs before every answer when it is graded
``answer NAME``        the cell that students fill in; the solution stands between the nbgrader markers
``check NAME``         the instant check; locked test cells for the parts of NAME follow by themselves
``written NAME``       prose that a person marks; what stands between the markers is the example solution

A paragraph ``Hints: (1) … (2) …`` becomes one fold a hint, to be opened one after the other. ``<<name>>`` stands for a
value of the variant, ``<<points>>`` for the table of points, ``<<NAME_points>>`` for those of a question, and ``<<0>>``
in a check for the number that the solution gives there.
"""

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.chapter_rules import REPOSITORY

from .assignments import ROOT, load
from .spec import Assignment

SOURCES = ROOT / "notebooks" / "assignments" / "source"
RELEASES = ROOT / "notebooks" / "assignments" / "release"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = (
    REPOSITORY.replace("github.com", "colab.research.google.com/github") + "/blob/main/notebooks/assignments/release"
)
SETUP = f"""\
# Installs the book's package where it is missing, as on Colab.
import importlib.util

if importlib.util.find_spec("resattn") is None:
    %pip install --quiet --no-deps git+{REPOSITORY}
"""
FENCE = re.compile(r"^```python (\w+)(?: (\w+))?\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
WRITTEN = re.compile(r"^<!-- written (\w+) -->\n(.*?)^<!-- end -->\n", re.MULTILINE | re.DOTALL)
SOLUTION = re.compile(r"^([ ]*)### BEGIN SOLUTION\n(.*?)^[ ]*### END SOLUTION\n?", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS\n?", re.MULTILINE | re.DOTALL)
HINTS = re.compile(r"^Hints[^:\n]*: (\(1\) .*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
BLANK_TEXT = "*Your answer here.*"


def file_stem(assignment: Assignment, variant: str) -> str:
    name, _, number = variant.partition(":")
    number = str(assignment.values(variant)["alpha"]) if number else ""  # the same for .350 and 0.35
    return f"{assignment.name}_{name}" + (f"_{number.replace('.', '_')}" if number else "")


def _nbgrader(grade_id: str, *, grade: bool, solution: bool, points: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": found | ({"points": points} if points is not None else {})}


def fold_hints(text: str) -> str:
    """Every paragraph of hints as folds, which Jupyter, Colab and nbgrader show closed.

    >>> print(fold_hints("Do it.\\n\\nHints: (1) Try. (2) Try again."))
    Do it.
    <BLANKLINE>
    <details><summary>Hint 1</summary>
    <BLANKLINE>
    Try.
    <BLANKLINE>
    </details>
    <details><summary>Hint 2</summary>
    <BLANKLINE>
    Try again.
    <BLANKLINE>
    </details>
    """

    def folds(found: re.Match[str]) -> str:
        hints = [hint.strip() for hint in re.split(r"(?:^|\s)\(\d\) ", found[1]) if hint.strip()]
        shown = enumerate(hints, start=1)
        return "\n".join(f"<details><summary>Hint {n}</summary>\n\n{hint}\n\n</details>" for n, hint in shown)

    return HINTS.sub(folds, text)


def _cells(text: str, assignment: Assignment, variant: str) -> Iterator[NotebookNode]:
    """The cells with solutions, in order, before the numbers of the checks are known."""
    blocks = sorted([*FENCE.finditer(text), *WRITTEN.finditer(text)], key=lambda found: found.start())
    at, prose = 0, 0
    for block in [*blocks, None]:
        for piece in text[at : block.start() if block else len(text)].split("\n+++\n"):
            if piece.strip():
                prose += 1
                yield new_markdown_cell(fold_hints(piece.strip()), id=f"prose-{prose}")
        if block is None:
            return
        at = block.end()
        if block.re is WRITTEN:
            name, body = block[1], block[2]
            points = next(w.points for w in assignment.written if w.name == name)
            metadata = _nbgrader(name, grade=True, solution=True, points=points)
            yield new_markdown_cell(body.strip(), id=name, metadata=metadata)
            continue
        kind, name, body = block[1], block[2] or block[1], block[3].rstrip()
        if kind == "setup":
            metadata = {"tags": ["setup"]} | _nbgrader("setup", grade=False, solution=False)
            yield new_code_cell(SETUP + "\n" + body, id="setup", metadata=metadata)
        elif kind in ("given", "collect"):
            metadata = _nbgrader(name, grade=False, solution=False)
            if name == "checks":  # long, and nothing for a student to read: JupyterLab and Colab show it folded
                metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
            yield new_code_cell(body, id=name.replace("_", "-"), metadata=metadata)
        elif kind == "answer":
            metadata = _nbgrader(name, grade=False, solution=True)
            yield new_code_cell(body, id=name.replace("_", "-"), metadata=metadata)
        elif kind == "check":
            metadata = _nbgrader(f"{name}-check", grade=False, solution=False)
            yield new_code_cell(body, id=f"{name}-check".replace("_", "-"), metadata=metadata)
            yield from _tests(assignment, variant, name)
        else:
            raise ValueError(f"{assignment.name}: a fence of the unknown kind {kind!r}")


def _tests(assignment: Assignment, variant: str, name: str) -> Iterator[NotebookNode]:
    question = next(q for q in assignment.questions if q.name == name)
    for part in question.parts:
        body = (
            f"# {part.says}\n# {part.points} point{'s' * (part.points > 1)}. Locked: hidden tests run here.\n"
            "### BEGIN HIDDEN TESTS\n"
            "from grading.stock import compare\n\n"
            f'compare("{assignment.name}", "{variant}", "{name}", "{part.name}", {name})\n'
            "### END HIDDEN TESTS\n"
        )
        grade_id = f"{name}-{part.name}"
        metadata = _nbgrader(grade_id, grade=True, solution=False, points=part.points)
        yield new_code_cell(body, id=grade_id.replace("_", "-"), metadata=metadata)


def table(assignment: Assignment) -> str:
    rows = ["| part | what | points |", "|---|---|---|"]
    for question in assignment.questions:
        rows += [f"| `{question.name}` | {part.says} | {part.points} |" for part in question.parts]
    rows += [f"| {w.name} | {w.says} (marked by a person) | {w.points} |" for w in assignment.written]
    total = assignment.points() + sum(w.points for w in assignment.written)
    return "\n".join([*rows, f"| **all** | | **{total}** |"])


def with_solutions(assignment: Assignment, variant: str) -> NotebookNode:
    """The notebook with solutions and hidden tests, in nbgrader's source format, and with the numbers of its checks."""
    return copy.deepcopy(_solved(assignment.name, variant))


@cache
def _solved(name: str, variant: str) -> NotebookNode:
    assignment = load(name)
    text = (SOURCES / f"{assignment.name}.md").read_text(encoding="utf-8")
    stem = file_stem(assignment, variant)
    names = "".join(f'        "{question.name}",\n' for question in assignment.questions)
    written = "".join(f'        "{w.name}",\n' for w in assignment.written)
    common = {
        "points": table(assignment),
        "title": assignment.title,
        "minutes": assignment.minutes,
        "badge": f"[![Open in Colab]({BADGE})]({COLAB}/{stem}.ipynb)",
        "checks": (ROOT / "grading" / "checks.py").read_text(encoding="utf-8").rstrip(),
        "collect": f'collect(\n    "{stem}.ipynb",\n    [\n{names}    ],\n    [\n{written}    ],\n)',
    }
    points = {f"{q.name}_points": sum(part.points for part in q.parts) for q in assignment.questions}
    for key, value in (common | points | assignment.values(variant)).items():
        text = text.replace(f"<<{key}>>", str(value))
    cells = list(_cells(text, assignment, variant))
    _fill_in_checks(cells)
    left = {found for cell in cells for found in re.findall(r"<<\w+>>", cell.source)}
    if left:
        raise ValueError(f"{assignment.name}, {variant}: nothing fills {', '.join(sorted(left))}")
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    # The grader looks here for what a hand-in was made for, so that it is not marked by the rules of another variant.
    # The first cell of code has it too: some editors lose what a notebook's own metadata hold.
    about = {"assignment": name, "variant": assignment.exact(variant)}
    next(cell for cell in cells if cell.cell_type == "code").metadata["resattn"] = about
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "resattn": about}
    return new_notebook(cells=cells, metadata=metadata)


def _fill_in_checks(cells: list[NotebookNode]) -> None:
    """Run given cells and solutions, and write into each check the number that the solution gives."""
    numbers: list[float] = []
    names: dict[str, Any] = {}
    for cell in cells:
        about = cell.metadata.get("nbgrader", {})
        grade_id = about.get("grade_id", "")
        runs = grade_id in ("given", "checks") or grade_id.endswith("-check") or about.get("solution")
        if cell.cell_type != "code" or not runs:
            continue
        exec(cell.source.replace("<<0>>", "0.0"), names)
        if grade_id == "checks":
            numbers_of = names["fingerprint"]
            names["check"] = lambda name, call, expected, f=numbers_of: numbers.append(f(call()))
        if grade_id.endswith("-check"):
            for number in numbers:
                if not np.isfinite(number):
                    raise ValueError(f"{grade_id}: the solution gives {number}")
                cell.source = cell.source.replace("<<0>>", f"{number:.6g}", 1)
            numbers.clear()


def blanked(source: str, cell_type: str = "code") -> str:
    if cell_type == "markdown":
        return SOLUTION.sub(f"{BLANK_TEXT}\n", source).strip()
    blank = r"\1# your code here\n\1raise NotImplementedError\n"
    return HIDDEN.sub("", SOLUTION.sub(blank, source + "\n")).rstrip()


def release(assignment: Assignment, variant: str) -> NotebookNode:
    """What students get: no solution, no hidden test."""
    nb = with_solutions(assignment, variant)
    for cell in nb.cells:
        cell.source = blanked(cell.source, cell.cell_type)
    return nb


def filled_in(assignment: Assignment, variant: str) -> NotebookNode:
    """What a student hands in who found the solution: the release with the solutions in its blanks."""
    nb = with_solutions(assignment, variant)
    for cell in nb.cells:
        cell.source = HIDDEN.sub("", cell.source + "\n").rstrip()
        cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE).strip("\n")
    return nb


def given_code(nb: NotebookNode) -> str:
    """The code that runs before every answer."""
    cells = [c for c in nb.cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("grade_id") == "given"]
    return "\n\n".join(cell.source for cell in cells)


def written_out(nb: NotebookNode) -> str:
    return nbformat.writes(nb) + "\n"
