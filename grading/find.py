"""Finding the answers in a notebook that students have worked on, whatever happened to its cells.

An answer is looked for by the ``grade_id`` of its cell, and by its name in every other cell. Of several, the last one
that is filled in counts, as in a kernel that runs from top to bottom. Cells that became text are read as code. A
variable that only has the name of an answer, such as a result kept below it, is no answer.
"""

import ast
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .checks import as_python, computed_elsewhere, names_brought, python_tree, single_assignments, statements_of

KINDS = (".ipynb", ".zip")
BESIDE = {"__MACOSX", ".ipynb_checkpoints"}  # folders with copies of other files
LARGEST = 50 * 2**20  # bytes of a hand-in: pictures in outputs take some
MOST_CODE = 500_000  # characters of Python in a notebook: reading it takes a thousand times that, in memory
DEFINES = re.compile(r"^(def|class) ", re.MULTILINE)
# What nbgrader puts into the blanks when it makes a release itself, beside what stands there in ours.
BLANK = "*Your answer here.*"
STUBS = (("NotImplementedError()", "NotImplementedError"), ("YOUR ANSWER HERE", BLANK))


class Refused(ValueError):
    """A hand-in that cannot be graded; the sentence says why."""


@dataclass(frozen=True)
class Answer:
    code: str
    name: str  # under which the code defines it
    note: str = ""  # what students should know about how it was found


@dataclass(frozen=True)
class Cell:
    kind: str
    text: str  # word for word
    grade_id: str
    tree: ast.Module | None  # None: no Python
    code: str  # what runs: the text without what only a notebook understands

    def functions(self) -> list[str]:
        """The names of its functions, classes and lambdas."""
        return [name for node in self.statements() for name in _function_names(node)]

    def defines(self) -> list[str]:
        """The names of its functions and classes, and of all variables."""
        functions = [node.name for node in self.statements() if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        return functions + [name for node in self.statements() for name in _targets(node)]

    def statements(self) -> list[ast.stmt]:
        """Its statements, the assignments one by one."""
        return [node for statement in (self.tree.body if self.tree else []) for node in single_assignments(statement)]


@dataclass(frozen=True)
class Notebook:
    """What was handed in; ``release`` is the assignment and variant that it was made for, where it says so."""

    cells: list[Cell]
    release: tuple[str, str] | None


def _targets(node: ast.stmt) -> list[str]:
    """The variables that a statement assigns."""
    return [t.id for t in node.targets if isinstance(t, ast.Name)] if isinstance(node, ast.Assign) else []


def _function_names(node: ast.stmt) -> list[str]:
    """The names that a statement gives to a function, a class or a lambda."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return _targets(node) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) else []


def is_hand_in(path: Path) -> bool:
    """Whether a file is a notebook or a zip file by its name, whichever letters are capital."""
    return path.suffix.lower() in KINDS


def read(path: Path) -> Notebook:
    """A hand-in, an .ipynb or a .zip that holds one. Raises Refused with one sentence."""
    if path.stat().st_size > LARGEST:
        raise Refused(f"the file is larger than {LARGEST // 2**20} MB")
    try:
        text = _unzipped(path) if path.suffix.lower() == ".zip" else path.read_bytes()
        raw = json.loads(text.decode("utf-8-sig"))
        places = [raw.get("metadata"), *(cell.get("metadata") for cell in raw["cells"])]
        found = Notebook(list(read_cells(raw["cells"])), next(filter(None, map(_release, places)), None))
    except Refused:
        raise
    except Exception as error:  # whatever a damaged or hostile file makes of the readers: a password, a depth, …
        raise Refused("the file is no notebook (format 4) that can be read") from error
    if not found.cells:
        raise Refused("the notebook has no cells")
    return found


def _release(about: Any) -> tuple[str, str] | None:
    """The assignment and the variant in the metadata of a notebook or a cell; None where they are not there."""
    own = about.get("resattn") if isinstance(about, dict) else None
    found = (own.get("assignment"), own.get("variant")) if isinstance(own, dict) else (None, None)
    return (found[0], found[1]) if isinstance(found[0], str) and isinstance(found[1], str) else None


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        inside = [info for info in archive.infolist() if _is_notebook(PurePosixPath(info.filename))]
        if len(inside) != 1:
            raise Refused(f"the zip file must hold one notebook; it holds {len(inside)}")
        if inside[0].file_size > LARGEST:
            raise Refused(f"the notebook in the zip file is larger than {LARGEST // 2**20} MB")
        with archive.open(inside[0]) as file:
            text = io.BytesIO(file.read(LARGEST + 1)).getvalue()
    return text


def _is_notebook(path: PurePosixPath) -> bool:
    """Whether a file in a zip file is a student's own notebook, and none that a system or Jupyter keeps beside it."""
    return path.suffix.lower() == ".ipynb" and BESIDE.isdisjoint(path.parts)


def read_cells(raw: list[dict[str, Any]]) -> Iterator[Cell]:
    """The cells of a notebook, as JSON has them. Raises Refused for too much code."""
    left = MOST_CODE
    for cell in raw:
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        about = cell.get("metadata", {})
        own = cell.get("id") or about.get("id", "")  # Colab keeps the id of a cell in its metadata
        mark, kind = about.get("nbgrader", {}).get("grade_id", ""), str(cell["cell_type"])
        code, tree = source, None
        if len(source) <= MOST_CODE and (kind == "code" or mark or DEFINES.search(source)):
            left -= len(source)
            if left < 0:
                raise Refused(f"its cells hold more than {MOST_CODE:,} characters of code")
            code = as_python(source)
            tree = python_tree(code)
        yield Cell(kind, source, str(mark or own.replace("-", "_")), tree, code)  # ids of the release: no underscores


def same_code(one: Cell, blank: str) -> bool:
    """Whether a cell holds the code of its blank, whichever tool left the blank."""
    try:
        text = as_released(one.code)
        tree = one.tree if text == one.code else ast.parse(text)
        return tree is not None and ast.dump(tree) == ast.dump(ast.parse(blank))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def as_released(text: str) -> str:
    """The text of a cell with nbgrader's stubs written as ours."""
    for theirs, ours in STUBS:
        text = text.replace(theirs, ours)
    return text


def answer(cells: list[Cell], question: str, blank: str, others: set[str]) -> Answer | None:
    """The answer to a question; None if it is blank or not there. Raises Refused where its cell is no Python.

    Functions, classes and lambdas count wherever they stand. Anything else that is assigned to the name counts in the
    marked cell (``pool = partial(…)``), and elsewhere only where there is nothing better.
    """
    marked = [c for c in cells if c.grade_id == question]
    named = [c for c in cells if question in c.defines()]
    filled = [c for c in cells if (c in named or c in marked) and c.tree is not None and c.tree.body]
    filled = [c for c in filled if not same_code(c, blank)]
    good = [c for c in filled if question in c.functions() or (c in marked and question in c.defines())]
    good = good or [c for c in filled if question in c.defines()]
    if good:
        note = "it stands there more than once; the last one counts" if len({c.code for c in good}) > 1 else ""
        if not note and good[-1].kind != "code":
            note = "its cell was text and was read as code"
        if not note and not marked:
            note = "its cell had lost its mark and was found by name"
        return Answer(good[-1].code, question, note)
    for cell in reversed(filled):  # marked as this answer, and under another name
        names = [name for name in cell.functions() or cell.defines() if name not in others]
        if len(names) == 1:
            return Answer(cell.code, names[0], f"it was called {shown(names[0])} and must be called {question}")
    if any(c.tree is None and c.kind == "code" for c in marked):
        raise Refused("its cell is no Python")
    return None


def shown(name: str) -> str:
    return repr(name) if len(name) <= 40 else repr(name[:40] + "…")


def definitions(cells: list[Cell], answer: Answer, given: set[str]) -> list[str]:
    """What other cells define and this answer uses: imports, functions, classes, constants, in the notebook's order.

    Nothing else of these cells runs, so none can hang, and what another question went wrong with stays there. A
    constant with the name of a function is left out: it was some result, and the function is what the answer calls.
    """
    functions = {name for cell in cells if cell.kind == "code" for name in cell.functions()}
    found: list[tuple[set[str], ast.stmt, str]] = []  # the names that a statement binds, it, its cell
    for cell in cells:
        if cell.tree is None or cell.kind != "code" or cell.code == answer.code:
            continue
        for node in cell.statements():
            names = names_brought(node)
            if names and not (isinstance(node, ast.Assign) and names & functions and not _function_names(node)):
                found.append((names, node, cell.code))
    bound: dict[str, list[ast.stmt]] = {}
    for names, node, _ in found:
        for name in names:
            bound.setdefault(name, []).append(node)
    tree = python_tree(answer.code)
    needed = _names(tree) if tree else set()
    ahead = list(needed)
    while ahead:  # until nothing that is used uses more
        for node in bound.pop(ahead.pop(), []):
            more = _names(node) - needed
            needed |= more
            ahead.extend(more)
    return [_text(node, text) for names, node, text in found if (names & needed or "*" in names) and not names & given]


def _text(node: ast.stmt, cell: str) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:  # a sum of a thousand terms, say, is deeper than Python's own writer goes
        return ast.get_source_segment(cell, node) or ""


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def unavailable(cells: list[Cell], answer: Answer, given: str) -> str:
    """A sentence for the student about what the answer uses and another cell computes; empty where there is nothing."""
    others = [cell for cell in cells if cell.kind == "code" and cell.code != answer.code]
    statements = [node for cell in others for node in cell.statements()]
    names = [
        name[:40]
        for name in computed_elsewhere(answer.name, statements_of(answer.code), statements, statements_of(given))
    ]
    if not names:
        return ""
    return f"it uses {', '.join(names[:5])}, which another cell computes; that is not there when graded"


@dataclass(frozen=True)
class Release:
    """How cells of a release are known in a hand-in: by mark or id, and a text whose id is lost by its first line."""

    ids: frozenset[str]
    heads: dict[str, str]  # first lines by id

    def has(self, cell: Cell) -> bool:
        return cell.grade_id in self.ids or _head(cell.text) in self.heads.values()

    def within(self, cells: list[Cell]) -> "Release":
        """As it is known among these cells: a first line that a student repeats is none of the release."""
        present = {cell.grade_id for cell in cells}
        return Release(self.ids, {name: head for name, head in self.heads.items() if name not in present})


def released(cells: list[Cell]) -> Release:
    """Of the cells of a release; a cell to be filled in has a mark of its own and no first line."""
    prose = [cell for cell in cells if cell.kind != "code" and as_released(cell.text).strip() != BLANK]
    return Release(frozenset(cell.grade_id for cell in cells), {cell.grade_id: _head(cell.text) for cell in prose})


def _head(text: str) -> str:
    return " ".join(text.strip().partition("\n")[0].split())


def written(cells: list[Cell], name: str, blank: str, task: str, release: Release) -> str:
    """A written answer, word for word; empty if it is blank or not there.

    It is what stands in the marked cell, and in the cells of the student's own behind it, up to the next of the
    release; where the mark is lost, what stands so behind the ``task``. What was written into the cell of the task,
    below its text, comes first.
    """
    release = release.within(cells)
    tasks = [n for n, cell in enumerate(cells) if cell.kind != "code" and _below(cell.text, task) is not None]
    marked = [n for n, cell in enumerate(cells) if cell.grade_id == name]
    texts = [_below(cells[n].text, task) or "" for n in tasks]
    for n in marked or tasks:
        texts += [cells[n].text] if marked else []
        texts += own_text(cells[n + 1 :], release)
    own = [text.strip() for text in texts if as_released(text).strip() not in ("", blank.strip())]
    return "\n\n".join(dict.fromkeys(own))  # a copy of a cell is read once


def own_text(cells: list[Cell], release: Release) -> list[str]:
    """What students wrote into cells of their own, up to the next cell of the release: text, whatever the cell's type.

    A cell of code is text where it is no Python, or nothing but comments.
    """
    own = itertools.takewhile(lambda cell: not release.has(cell), cells)
    return [cell.text for cell in own if cell.kind != "code" or not (cell.tree and cell.tree.body)]


def honour(cells: list[Cell], asked: Cell, release: Release) -> str:
    """Whom and what a student says to have used: below where it is asked, and in cells of the student's own behind it.

    Where the text that asks has been changed, all of its cell.
    """
    for n, cell in enumerate(cells):
        below = _below(cell.text, asked.text)
        if below is not None or cell.grade_id == asked.grade_id:
            behind = [own for own in cells[n + 1 :] if not release.has(own)]  # the cell that collects is passed over
            texts = [cell.text if below is None else below, *own_text(behind, release)]
            return "\n\n".join(text.strip() for text in texts if text.strip())
    return ""


def _below(text: str, given: str) -> str | None:
    """What was added to the end of a given text; None for another text."""
    found = re.match(r"\s*" + r"\s+".join(map(re.escape, given.split())), text) if given.strip() else None
    return text[found.end() :].strip() if found else None
