"""Rules for what a reader meets: the first screen, how long the main path is, where the numbers in sentences come from.

Part of ``tools/chapter_rules.py``, and stated in CONTRIBUTING.md.
"""

import ast
import re
from collections.abc import Callable, Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

MAX_WORDS = 3000  # of the main path: what stands before the exercises
MAX_LINES = 350  # of code that is not folded, blank lines not counted
FINDING_WORDS = (15, 90)  # two to four lines

FIGURE = r"(?:```+|:::+)\{(?:glue:)?figure\}|!\[[^\]]+\]\("
BOX = r"(?:```+|:::+)\{admonition\}[^\n]*\n(?::[\w-]+:[^\n]*\n)*?:class:[^\n]*\bfinding\b"
FENCED = re.compile(r"^(`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[^\n]*\n(?P<body>.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
LIVE = re.compile(r"^(`{3,})\{raw\}[^\n]*\n.*?^\1[ \t]*$|^</?div\b.*$|^<script\b.*$", re.MULTILINE | re.DOTALL)
NUMBER = r"\d[\d,]*(?:\.\d+)?"
UNIT = r"(?:%|‰|(?:percentage )?points?\b|per cent\b|ms\b|s\b|seconds?\b|minutes?\b|hours?\b|[kMG]i?B\b)"
MEASURED = re.compile(
    rf"(?<![\w.,/])(?P<value>{NUMBER})(?:[\s\xa0]?±[\s\xa0]?{NUMBER}(?:[\s\xa0]?{UNIT})?|[\s\xa0]?{UNIT})"
)
CONVENTION = re.compile(r"\s*(?:confidence |bootstrap )?intervals?\b")  # "95 % interval" is no result


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def main_path(nb: NotebookNode) -> list[NotebookNode]:
    """The cells before the exercises."""
    for number, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown" and re.search(r"^## Exercises$", cell.source, re.MULTILINE):
            return list(nb.cells[:number])
    return list(nb.cells)


def prose(source: str) -> str:
    """Sentences alone: no code, no formulas, no addresses, no options of directives. What is glued leaves no digit."""
    text = re.sub(r"^(`{3,})(?!\{).*?^\1[ \t]*$", " ", source, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:`{3,}|:{3,})\{?[^\n]*$|^:[\w-]+:[^\n]*$|^\([\w-]+\)=$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"\$\$.*?\$\$(?:[ \t]*\([\w-]+\))?|\$[^$\n]+\$", " x ", text, flags=re.DOTALL)
    text = re.sub(r"\{[\w:.-]+\}`[^`]*`", " reference ", text)
    text = re.sub(r"`+[^`]+`+", " code ", text)
    return re.sub(r"\]\([^)]*\)|<[a-z/][^>]*>", " ", text)


def first_screen(nb: NotebookNode, name: str) -> Iterator[str]:
    top = []
    for cell in nb.cells:
        before, objectives, _ = cell.source.partition("## Objectives")
        if cell.cell_type == "code":
            yield "under the title stand one figure and its finding: no code before the objectives"
            return
        top.append(before)
        if objectives:
            break
    text = LIVE.sub("", "\n".join(top))
    figures, boxes = list(re.finditer(FIGURE, text)), list(re.finditer(BOX, text))
    if len(figures) != 1:
        yield f"needs one figure directly under the title, has {len(figures)}"
    if len(boxes) != 1:
        yield f"needs one box with its finding under the figure ('{{admonition}}' of class finding), has {len(boxes)}"
    if len(figures) == len(boxes) == 1 and boxes[0].start() < figures[0].start():
        yield "the box with the finding stands above its figure: the figure comes first"
    for fence in FENCED.finditer(text):
        words = len(prose(fence["body"]).split())
        if fence["name"] == "admonition" and not FINDING_WORDS[0] <= words <= FINDING_WORDS[1]:
            yield f"the finding has {words} words; two to four lines are {FINDING_WORDS[0]} to {FINDING_WORDS[1]}"
    launch = text.find("[Open in Colab]")
    between = re.sub(r"^.*\n?", "", FENCED.sub("", text[max(launch, 0) :]), count=1)
    if between.strip() and not re.fullmatch(r"!\[[^\]]*\]\([^)]*\)", between.strip()):
        yield f"between the title and the objectives stand one figure and its finding, not {between.split()[:6]}"


def length(nb: NotebookNode, name: str) -> Iterator[str]:
    cells = main_path(nb)
    words = sum(len(prose(cell.source).split()) for cell in cells if cell.cell_type == "markdown")
    shown = [cell for cell in cells if cell.cell_type == "code" and not {"hide-input", "hide-cell"} & set(tags(cell))]
    lines = sum(bool(line.strip()) for cell in shown for line in cell.source.splitlines())
    if words > MAX_WORDS:
        yield f"the main path has {words:,} words, at most {MAX_WORDS:,}: move what is longer to a page of its own"
    if lines > MAX_LINES:
        yield f"the main path shows {lines} lines of code, at most {MAX_LINES}: fold, shorten or move some"


def _bounds_something(node: ast.AST) -> bool:
    """Whether it is a ``<`` or its like, or a call of ``isclose``; that two things are equal bounds no measurement."""
    if isinstance(node, ast.Compare):
        return any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in node.ops)
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("close")


def bounds(nb: NotebookNode) -> set[float]:
    """The numbers by which asserts bound something, and every fraction in the code (a setting: 0.3 of the labels)."""
    found: set[float] = set()
    transform = TransformerManager().transform_cell
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(transform(cell.source))
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        compared = [node for test in asserts for node in ast.walk(test) if _bounds_something(node)]
        asserted = {id(node) for comparison in compared for node in ast.walk(comparison)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                value = float(node.value)
                if id(node) in asserted or not value.is_integer():
                    found.add(round(value, 9))
    return found


def numbers(nb: NotebookNode, name: str) -> Iterator[str]:
    known = bounds(nb)
    for cell in main_path(nb)[1:]:
        if cell.cell_type != "markdown":
            continue
        for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", cell.source):
            if re.search(r"\{cite:[tp]\}|\bpaper\b", paragraph):
                continue  # quoted, with its source
            text = prose(paragraph)
            for found in MEASURED.finditer(text):
                value = float(found["value"].replace(",", ""))
                if {round(value, 9), round(value / 100, 9)} & known or CONVENTION.match(text, found.end()):
                    continue
                yield (
                    f"says {' '.join(found[0].split())!r}: glue it ({{glue:text}}), quote it with its source, or bound "
                    "it by an assert with this number"
                )


RULES: tuple[Callable[[NotebookNode, str], Iterator[str]], ...] = (first_screen, length, numbers)


def breaches(nb: NotebookNode, name: str) -> list[str]:
    """Every breach of the rules for the new form, whether or not the chapter must keep them yet."""
    return [sentence for rule in RULES for sentence in rule(nb, name)]
