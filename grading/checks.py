# @title The checks of this notebook. Nothing to write here: run it and go on
import ast
import builtins
import json
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np


def wave(*shape: int, start: float = 1.0) -> np.ndarray:
    """Numbers of both signs, the same on every machine: [*shape] float64."""
    return np.sin(start + 1.7 * np.arange(np.prod(shape))).reshape(shape)


def joined(value: Any) -> list[np.ndarray]:
    """The arrays of an answer. Several numbers are one array, whether they
    come as a list, a tuple or an array; so are several arrays of one shape.
    """
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value, key=str)]
    if isinstance(value, (tuple, list)):
        parts = [joined(item) for item in value]
        arrays = [array for part in parts for array in part]
        if not arrays:
            return [np.zeros(0)]
        single = all(len(part) == 1 for part in parts)
        if single and len({array.shape for array in arrays}) == 1:
            return [np.stack(arrays)]
        if all(array.ndim < 2 for array in arrays):  # a mean, and two ends
            return [np.concatenate([array.ravel() for array in arrays])]
        return arrays
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        kind = type(value).__name__
        raise TypeError(f"an answer hands back numbers; got {kind}")
    return [array]


def fingerprint(value: Any) -> float:
    """One number that stands for all of an answer, in order and shape."""
    total = 0.0
    for k, array in enumerate(joined(value)):
        weights = np.cos(0.9 * np.arange(array.size)).reshape(array.shape)
        found = float((array * weights).sum() + 0.01 * sum(array.shape))
        total += (k + 1) * found
    return total


def check(name: str, call: Any, expected: float) -> None:
    """One line: not written, an error, not yet right, or right here."""
    try:
        found = fingerprint(call())
    except NotImplementedError:
        print(f"{name}: not written yet")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        good = abs(found - expected) < 1e-4 * max(1.0, abs(expected))
        verdict = "agrees on this example" if good else "does not agree yet"
        print(f"{name}: {verdict}")


# Lines that a notebook understands and Python does not, and what is read.
NOTEBOOK_LINES = (
    (re.compile(r"^(\s*(?:[\w.,][\w., ]*=\s*)?)%time\s+(?=\S)"), r"\1"),
    (re.compile(r"^(\s*[\w.,][\w., ]*=\s*)[%!].*$"), r"\1object()"),
    (re.compile(r"^(\s*)([%!?].*|[\w.]+\?{1,2}\s*)$"), r"\1pass"),
)


def python_tree(text: str) -> Any:
    """The syntax tree of a text, and None for what is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def as_python(text: str) -> str:
    """The code of a cell without what a notebook alone understands."""
    if python_tree(text) is not None:
        return text
    lines = text.splitlines()
    for pattern, read in NOTEBOOK_LINES:
        lines = [pattern.sub(read, line) for line in lines]
    return "\n".join(lines)


def statements_of(code: str) -> list[ast.stmt]:
    """The statements of a cell; none where it is no Python."""
    tree = python_tree(code)
    found = map(single_assignments, tree.body if tree else [])
    return [node for several in found for node in several]


def single_assignments(node: ast.stmt) -> Iterator[ast.stmt]:
    """The assignments K: int = 3 and K, L = 3, 4 as K = 3 and L = 4."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        left, right = node.targets[0], node.value
        if isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple):
            items = left.elts + right.elts
            starred = any(isinstance(item, ast.Starred) for item in items)
            if len(left.elts) == len(right.elts) and not starred:
                pairs = list(zip(left.elts, right.elts, strict=True))
    for target, value in pairs:
        one = ast.copy_location(ast.Assign([target], value), node)
        yield from single_assignments(one)
    if not pairs:
        yield node


def is_plain_constant(node: ast.expr) -> bool:
    """Whether numbers and texts alone make a value: no names and no calls."""
    if isinstance(node, ast.Call):  # the empty set has no sign of its own
        plain = isinstance(node.func, ast.Name) and node.func.id == "set"
        return plain and not node.args and not node.keywords
    values = ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict
    signs = ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop
    kinds = (*values, *signs, ast.expr_context)
    return all(isinstance(part, kinds) for part in ast.walk(node))


def names_given(node: ast.stmt) -> set[str]:
    """The names that a statement gives to something."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    found = set()
    whole = node.targets if isinstance(node, ast.Assign) else [node]
    for part in [part for item in whole for part in ast.walk(item)]:
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, ast.alias):
            found.add((part.asname or part.name).split(".")[0])
    return found


def names_brought(node: ast.stmt) -> set[str]:
    """Those of them that answers in other cells may use: of imports,
    functions, classes, lambdas and constants, and not of other results.
    """
    whole = ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom
    if isinstance(node, whole):
        return names_given(node)
    if not isinstance(node, ast.Assign):
        return set()
    plain = isinstance(node.value, ast.Lambda) or is_plain_constant(node.value)
    return names_given(node) if plain else set()


def names_used(node: ast.stmt) -> set[str]:
    """The names that a statement takes from outside itself."""
    named = ast.FunctionDef, ast.ClassDef, ast.ExceptHandler
    found: set[str] = set()
    own: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            place = found if isinstance(part.ctx, ast.Load) else own
            place.add(part.id)
        elif isinstance(part, ast.arg):
            own.add(part.arg)
        elif isinstance(part, ast.alias):
            own.add((part.asname or part.name).split(".")[0])
        elif isinstance(part, named) and part.name:
            own.add(part.name)
    return found - own


def computed_elsewhere(
    name: str,
    own: list[ast.stmt],
    others: list[ast.stmt],
    given: list[ast.stmt],
) -> list[str]:
    """What an answer uses and other cells compute: it is not there when the
    answer is graded. What the given cells define is there.
    """
    there = set(dir(builtins)).union(*map(names_given, given))
    made = set().union(*map(names_given, others))
    sources: list[dict[str, list[ast.stmt]]] = [{}, {}]
    both = (own, names_given), (others, names_brought)
    for found, (statements, names) in zip(sources, both, strict=True):
        for node in statements:
            for key in names(node):
                found.setdefault(key, []).append(node)
    ahead, seen, missing = [name], {name}, []
    for key in ahead:  # it grows, until nothing that is used uses more
        if key in there and key not in sources[0]:
            continue
        nodes = sources[0].get(key) or sources[1].get(key) or []
        if not nodes and key in made:
            missing.append(key)
        for node in nodes:
            more = names_used(node) - seen
            seen |= more
            ahead.extend(sorted(more))
    return missing


def is_unwritten(tree: ast.Module) -> bool:
    """Whether nothing is there, or a function goes to the raise of a blank."""
    ends = ast.Return, ast.Raise
    for part in ast.walk(tree):
        if isinstance(part, (ast.Module, ast.FunctionDef)):
            end = next((x for x in part.body if isinstance(x, ends)), None)
            raised = isinstance(end, ast.Raise) and names_used(end)
            if raised and "NotImplementedError" in raised:
                return True
    return not tree.body


def state_of_cell(text: str) -> str:
    """Of an answer's cell: blank, no Python, or filled in."""
    tree = python_tree(as_python(text))
    if tree is None:
        return "no Python, so it cannot be graded"
    return "blank" if is_unwritten(tree) else "filled in"


def collect(file: str, names: list[str], written: list[str]) -> None:
    """Put this notebook into a zip file and say what is in it."""
    try:  # on Colab the notebook lies in a drive, and the page hands it out
        from google.colab import _message, files

        answer = _message.blocking_request("get_ipynb", timeout_sec=60)
        notebook = answer["ipynb"]
    except ImportError:
        files = None
        path = pathlib.Path(file)
        if not path.exists():
            print(f"There is no {file} in this folder: save the notebook")
            print("under this name, then run this cell again.")
            return
        notebook = json.loads(path.read_text(encoding="utf-8"))
    target = pathlib.Path(file).with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(pathlib.Path(file).name, json.dumps(notebook))
    cells = {}
    code = []
    below = None  # the mark of the text that the student's own cells go on
    for cell in notebook["cells"]:
        source, about = cell["source"], cell.get("metadata", {})
        text = source if isinstance(source, str) else "".join(source)
        mark = about.get("nbgrader", {}).get("grade_id")
        own = str(cell.get("id") or about.get("id"))
        if mark:
            cells[mark] = text
            below = mark if mark in written else None
        elif own.startswith("prose-") or text.startswith("## "):
            below = None
        elif below and cell["cell_type"] != "code":
            cells[below] += "\n\n" + text
        if cell["cell_type"] == "code":
            code.append(as_python(text))
    for name in names:
        text = as_python(cells.get(name, ""))
        mark = name in cells
        found = state_of_cell(text) if mark else "no cell with this mark"
        print(f"  {name}: {found}")
        rest = map(statements_of, [other for other in code if other != text])
        others = [node for several in rest for node in several]
        given = statements_of(cells.get("given", ""))
        mine = statements_of(text)
        for used in computed_elsewhere(name, mine, others, given):
            print(f"    it uses {used}, which another cell computes;")
            print("    that is not there when graded")
    for name in written:
        text = cells.get(name, "")
        for stub in ("*Your answer here.*", "YOUR ANSWER HERE"):
            text = text.replace(stub, "")
        words = len(text.split())
        print(f"  {name}: {f'{words} words' if words else 'blank'}")
    size = f"{target.stat().st_size:,} bytes"
    when = "as it stands now" if files else "as it was last saved"
    print(f"{target} ({size}) holds the notebook {when}.")
    print("Hand in this file.")
    if files:
        files.download(str(target))
