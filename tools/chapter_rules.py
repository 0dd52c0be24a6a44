"""The rules a chapter must keep, each a function that yields one sentence for each breach.

CONTRIBUTING.md states them for authors; ``python -m tools.notebooks --check`` and the tests apply them. They work on
the stored notebook alone: nothing is executed.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

from nbformat import NotebookNode

from tools import page_rules, repository
from tools.sphinx_chapters import is_deeper

REPOSITORY = f"https://github.com/{repository.lives_at()}"
COLAB = f"https://colab.research.google.com/github/{repository.lives_at()}/blob/main/notebooks/colab/"
SETUP_START = f"""\
import importlib.util

if importlib.util.find_spec("resattn") is None:
    %pip install --quiet --no-deps git+{REPOSITORY}
"""
SECTIONS = ("Objectives", "Setup", "What would change our mind", "Summary", "Exercises", "References")
CPU_MINUTES = 3  # the budget of a chapter on two cores
MIN_COMPARED = 5  # cells with text that nbval compares, at least
MIN_SHARE = 0.5  # of all cells with text
MIN_EXERCISES = 3
TAGS = {"setup", "nbval-ignore-output", "hide-input", "hide-output", "hide-cell", "first-figure"}

MINUTES = re.compile(r"^\*\*Minutes:\*\* (\d+) on two CPU cores(?:, (\d+) on a GPU)?\.", re.MULTILINE)
EQUATION = re.compile(r"^\$\$\s*\((\S+)\)\s*$|^:label: (eq-\S+)\s*$", re.MULTILINE)
EXERCISE = re.compile(r"```\{exercise-start\}[^\n]*\n:label: (\S+)\n(.*?)```\n(.*?)```\{exercise-end\}", re.DOTALL)
DIFFICULTY = re.compile(r"\*Difficulty [1-5]/5, \d+ minutes?\.\*")
SOLUTION = re.compile(r"```\{solution-start\} (\S+)\n(.*?)```", re.DOTALL)
ABSOLUTE_PATH = re.compile(r"(?<![\w/.:<])/(?:home|root|tmp|usr|var|opt|mnt|Users)/\S+|\b[A-Z]:\\\w")


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """Code cells that are not blank: the ones that run."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def markdown(nb: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def output_texts(cell: NotebookNode) -> list[str]:
    """Every text that the cell stored: streams, and each textual form of what it displayed."""
    streams = [output.text for output in cell.outputs if output.output_type == "stream"]
    shown = [text for output in cell.outputs for text in output.get("data", {}).values() if isinstance(text, str)]
    return streams + shown


GLUED = "application/papermill.record/"
PICTURES = ("<Figure size", "Explorer(")  # an explorer puts its present figure beside its controls


def shows_figure(cell: NotebookNode) -> bool:
    return any(text.startswith(PICTURES) for text in output_texts(cell))


def prints_text(cell: NotebookNode) -> bool:
    """Whether there is something to compare besides the mere presence of a figure, and what it glues into sentences."""
    glued = {text for output in cell.outputs for kind, text in output.get("data", {}).items() if kind.startswith(GLUED)}
    return any(text.strip() and not text.startswith(PICTURES) and text not in glued for text in output_texts(cell))


def first_line(cell: NotebookNode) -> str:
    return next(line for line in cell.source.splitlines() if line.strip())


def headings(nb: NotebookNode, name: str) -> Iterator[str]:
    source = re.sub(r"```.*?```", "", markdown(nb), flags=re.DOTALL)
    start = f"{int(name[:2])}. " + ("Deeper: " if is_deeper(PurePath(name)) else "")
    titles = re.findall(r"^# (.+)$", source, re.MULTILINE)
    if len(titles) != 1 or not titles[0].startswith(start):
        yield f"must have one H1, '# {start}…', has {titles}"
    if is_deeper(PurePath(name)):
        return
    found = [title for title in re.findall(r"^## (.+)$", source, re.MULTILINE) if title in SECTIONS]
    if found != list(SECTIONS):
        yield f"must have the sections {', '.join(SECTIONS)}, in this order; has {', '.join(found) or 'none'}"


def launch_header(nb: NotebookNode, name: str) -> Iterator[str]:
    head = nb.cells[0].source if nb.cells and nb.cells[0].cell_type == "markdown" else ""
    minutes = MINUTES.search(head)
    if minutes is None:
        yield "the first cell must state '**Minutes:** N on two CPU cores, N on a GPU.' (the GPU part where measured)"
    elif int(minutes[1]) > CPU_MINUTES:
        yield f"states {minutes[1]} CPU minutes, the budget is {CPU_MINUTES}"
    if f"({COLAB}{name})" not in head:
        yield f"the first cell must link to {COLAB}{name}"


def setup_cell(nb: NotebookNode, name: str) -> Iterator[str]:
    code = code_cells(nb)
    if not code or "setup" not in tags(code[0]):
        yield "the first code cell must be the set-up cell, tagged 'setup'"
        return
    if not code[0].source.startswith(SETUP_START):
        yield "the set-up cell must start with the fixed lines (see CONTRIBUTING.md)"
    if "nbval-ignore-output" not in tags(code[0]):
        yield "the set-up cell prints device and data: tag it 'nbval-ignore-output'"
    for cell in code:
        own = cell.source.removeprefix(SETUP_START)
        if "setup" in tags(cell) and cell is not code[0]:
            yield "has a second cell tagged 'setup'"
        for word in ("chdir", "sys.path", "%cd", "pip install", "tqdm.auto", "tqdm.notebook"):
            if word in own:
                yield f"a cell uses {word!r}: {first_line(cell)!r}"


def stored_outputs(nb: NotebookNode, name: str) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"code cells must be numbered 1 to {len(counts)} in order, are {counts}"
    if "widgets" in nb.metadata:
        yield "widget state is stored"
    for cell in code_cells(nb):
        where = f"cell {first_line(cell)!r}"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{where} raised {output.ename}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{where} writes to stderr: {output.text[:80]!r}"
            for kind in output.get("data", {}):
                if kind.startswith(("image/", "video/", "application/vnd.jupyter.widget")):
                    yield f"{where} stores {kind}"
        for text in output_texts(cell):
            if "data:image" in text or "data:video" in text:
                yield f"{where} stores an image inside its text"
            if path := ABSOLUTE_PATH.search(text):
                yield f"{where} stores a path of the machine: {path[0]}"


def comparison(nb: NotebookNode, name: str) -> Iterator[str]:
    # What the set-up cell says is about the machine.
    printing = [cell for cell in code_cells(nb) if prints_text(cell) and "setup" not in tags(cell)]
    compared = [cell for cell in printing if "nbval-ignore-output" not in tags(cell)]
    if len(compared) < MIN_COMPARED * (not is_deeper(PurePath(name))) or len(compared) < MIN_SHARE * len(printing):
        yield (
            f"{len(compared)} of {len(printing)} cells that print text are compared; at least {MIN_COMPARED} and "
            f"{MIN_SHARE:.0%} must be"
        )
    for cell in code_cells(nb):
        if unknown := [tag for tag in tags(cell) if tag not in TAGS and not tag.startswith("checks:")]:
            yield f"unknown tags {unknown}; allowed are checks:<label>, {', '.join(sorted(TAGS))}"


def equation_labels(nb: NotebookNode) -> list[str]:
    return [dollar or fenced for dollar, fenced in EQUATION.findall(markdown(nb))]


def equations(nb: NotebookNode, name: str) -> Iterator[str]:
    labels = equation_labels(nb)
    checks: dict[str, list[NotebookNode]] = {}
    for cell in code_cells(nb):
        for tag in tags(cell):
            if tag.startswith("checks:"):
                checks.setdefault(tag.removeprefix("checks:"), []).append(cell)
    for label in labels:
        if not label.startswith("eq-"):
            yield f"equation label {label!r} must start with 'eq-'"
        if not any(re.search(r"^\s*assert\b", cell.source, re.MULTILINE) for cell in checks.get(label, [])):
            yield f"equation {label!r} needs a cell tagged 'checks:{label}' with an assert"
    for label in sorted(set(checks) - set(labels)):
        yield f"a cell is tagged 'checks:{label}', and no equation has that label"


def figure_names(nb: NotebookNode) -> list[str]:
    return [f["name"] for cell in code_cells(nb) if "name" in (f := cell.metadata.get("mystnb", {}).get("figure", {}))]


def figures(nb: NotebookNode, name: str) -> Iterator[str]:
    for cell in code_cells(nb):
        mystnb = cell.metadata.get("mystnb", {})
        alt = mystnb.get("image", {}).get("alt", "")
        figure = mystnb.get("figure", {})
        where = f"figure cell {first_line(cell)!r}"
        if not shows_figure(cell):
            if mystnb:
                yield f"{where} has figure metadata and shows no figure"
            continue
        if len(alt) < 20:
            yield f"{where} needs an alt text of a sentence (mystnb.image.alt)"
        if not figure.get("caption"):
            yield f"{where} needs a caption (mystnb.figure.caption)"
        if not figure.get("name", "").startswith("fig-"):
            yield f"{where} needs a name that starts with 'fig-' (mystnb.figure.name)"
        glued = [all(kind.startswith(GLUED) for kind in output.get("data", {"": ""})) for output in cell.outputs]
        if glued.count(False) > 1:  # each would be a figure of this name
            yield f"{where} shows something beside its figure, or the figure twice"


def exercise_labels(nb: NotebookNode) -> list[str]:
    return [label for label, _, _ in EXERCISE.findall(markdown(nb))]


def exercises(nb: NotebookNode, name: str) -> Iterator[str]:
    found = EXERCISE.findall(markdown(nb))
    if len(found) < MIN_EXERCISES and not is_deeper(PurePath(name)):
        yield f"has {len(found)} exercises, at least {MIN_EXERCISES} are needed"
    for number in re.findall(r"\b[Ee]xercises? \d+", markdown(nb)):
        yield f"says {number!r}: the number may change, so link it with {{ref}}"
    solved = {}
    current = None
    for cell in nb.cells:  # the cells between solution-start and solution-end belong to the solution
        if cell.cell_type == "markdown":
            if start := SOLUTION.search(cell.source):
                current = start[1]
                solved[current] = {"options": start[2], "code": ""}
            if "{solution-end}" in cell.source:
                current = None
        elif current is not None:
            solved[current]["code"] += cell.source + "\n"
    for label, _, body in found:
        if not label.startswith("ex-"):
            yield f"exercise label {label!r} must start with 'ex-'"
        if not DIFFICULTY.search(body):
            yield f"exercise {label!r} must state '*Difficulty N/5, N minutes.*'"
        if label not in solved:
            yield f"exercise {label!r} has no solution"
        else:
            if ":class: dropdown" not in solved[label]["options"]:
                yield f"the solution of {label!r} must fold (':class: dropdown')"
            if not re.search(r"^\s*assert\b", solved[label]["code"], re.MULTILINE):
                yield f"the solution of {label!r} must have a code cell with an assert"


def folded_setup(nb: NotebookNode, name: str) -> Iterator[str]:
    for cell in code_cells(nb):
        if "setup" in tags(cell) and "hide-input" not in tags(cell):
            yield "the set-up cell must be folded: tag it 'hide-input'"


def page(nb: NotebookNode, name: str) -> Iterator[str]:
    """First screen, length and numbers in sentences; of a deeper page its numbers."""
    if is_deeper(PurePath(name)):
        yield from page_rules.numbers(nb, name)
    else:
        yield from page_rules.breaches(nb, name)


RULES: tuple[Callable[[NotebookNode, str], Iterator[str]], ...] = (
    headings,
    launch_header,
    setup_cell,
    folded_setup,
    stored_outputs,
    comparison,
    equations,
    figures,
    exercises,
    page,
)


def breaches(nb: NotebookNode, name: str) -> list[str]:
    """Every breach in the chapter stored as ``name`` (its file name), as one sentence each."""
    return [sentence for rule in RULES for sentence in rule(nb, name)]
