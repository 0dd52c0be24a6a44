"""What happens to hand-ins, by accident and on purpose: each a change of a notebook, and what the marks must then be.

``FULL``: the answers are right and must get all points. ``FIRST``: the first answer is wrong or does not come back, and
loses its points; every other question keeps its own. ``REFUSED``: no points, and a sentence that says why.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from .assignments import load
from .notebooks import filled_in, written_out
from .prove import cell

FULL, FIRST, REFUSED = "full marks", "only the first answer's points lost", "refused with a sentence"


@dataclass(frozen=True)
class Mishap:
    says: str
    expected: str
    change: Callable[[NotebookNode, str], NotebookNode | str]  # notebook with right answers, name of the first question
    slow: bool = False  # ends by its time limit


def _first(body: str, before: str = "") -> Callable[[NotebookNode, str], NotebookNode]:
    """The first answer becomes a function with this body; ``before`` stands above it."""

    def change(nb: NotebookNode, name: str) -> NotebookNode:
        found = cell(nb, name)
        head = re.search(rf"^def {name}\(.*?\):\n", found.source, re.MULTILINE | re.DOTALL)
        assert head is not None
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        found.source = before + "\n\n" + head[0] + lines
        return nb

    return change


def _above(code: str) -> Callable[[NotebookNode, str], NotebookNode]:
    """A right first answer, below this code."""

    def change(nb: NotebookNode, name: str) -> NotebookNode:
        found = cell(nb, name)
        found.source = code + "\n\n" + found.source
        return nb

    return change


def _tests(nb: NotebookNode) -> list[NotebookNode]:
    return [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade") and c.cell_type == "code"]


def _edited_tests(nb: NotebookNode, name: str) -> NotebookNode:
    for found in _tests(nb):
        found.source = "pass"
    return _first("return 0.0")(nb, name)


def _deleted_tests(nb: NotebookNode, name: str) -> NotebookNode:
    gone = {id(c) for c in _tests(nb)}
    nb.cells = [c for c in nb.cells if id(c) not in gone]
    return nb


def _copied(which: str) -> Callable[[NotebookNode, str], NotebookNode]:
    def change(nb: NotebookNode, name: str) -> NotebookNode:
        source = cell(nb, name) if which == "answer" else _tests(nb)[0]
        twin = NotebookNode(json.loads(json.dumps(source)))
        twin.metadata, twin.id = NotebookNode(twin.metadata), "a-copy"
        twin.metadata.nbgrader = NotebookNode(twin.metadata.nbgrader)
        nb.cells.insert(nb.cells.index(source) + 1, twin)
        return nb

    return change


def _retyped(nb: NotebookNode, name: str) -> NotebookNode:
    found = cell(nb, name)
    found.cell_type = "markdown"
    del found["outputs"], found["execution_count"]
    return nb


def _unmarked(nb: NotebookNode, name: str) -> NotebookNode:
    for number, found in enumerate(nb.cells):
        found.metadata, found.id = NotebookNode(), f"cell-{number}"
    return nb


def _renamed(nb: NotebookNode, name: str) -> NotebookNode:
    found = cell(nb, name)
    found.source = re.sub(rf"\b{name}\b", "my_answer", found.source)
    return nb


def _moved(nb: NotebookNode, name: str) -> NotebookNode:
    found = cell(nb, name)
    nb.cells.append(new_code_cell(found.source, id="elsewhere"))
    head = re.search(rf"^def {name}\(.*?\):\n", found.source, re.MULTILINE | re.DOTALL)
    assert head is not None
    found.source = head[0] + "    # your code here\n    raise NotImplementedError"
    return nb


def _broken(nb: NotebookNode, name: str) -> NotebookNode:
    cell(nb, name).source += "\nthis is no python ("
    return nb


def _deleted(nb: NotebookNode, name: str) -> NotebookNode:
    nb.cells.remove(cell(nb, name))
    return nb


def _loop_elsewhere(nb: NotebookNode, name: str) -> NotebookNode:
    nb.cells.insert(3, new_code_cell("while True:\n    pass", id="loop"))
    return nb


def _half(nb: NotebookNode, name: str) -> str:
    text = written_out(nb)
    return text[: len(text) // 2]


def _other(nb: NotebookNode, name: str) -> NotebookNode:
    nb.cells = [new_code_cell("print('another course')", id="other")]
    return nb


_WRONG = "return 0.0"
_LINK = """import os
for n in range(9):
    os.symlink('/etc/hostname', f'{n}.npz')
return 0.0"""
_FORGED = """import numpy as np, os
for n in range(9):
    np.savez(f'{n}.npz', np.array([{'points': 100}], dtype=object), error=np.array(''))
os._exit(0)"""
_LIAR = """import numpy as np
class Liar(np.ndarray):
    def __eq__(self, other):
        return True
    def __array_function__(self, *a, **k):
        return True
return np.zeros(3).view(Liar)"""
_SPY = """import pathlib
text = ''
for path in (%r, '/etc/shadow', '/root', '/home'):
    for file in pathlib.Path(path).rglob('*.py'):
        text += file.read_text()
    text += open(path).read()
return 0.0"""
_PATCHES = """import sys, types
import numpy as np
np.allclose = np.array_equal = lambda *a, **k: True
np.testing.assert_allclose = lambda *a, **k: None"""
_FAKES = """import sys, types
fake = types.ModuleType('grading.stock')
fake.compare = lambda *a, **k: None
sys.modules['grading'] = types.ModuleType('grading')
sys.modules['grading.stock'] = fake"""
_KERNEL = """try:
    from IPython.core.interactiveshell import InteractiveShell
    async def _nothing(self, *a, **k):
        return False
    InteractiveShell.run_ast_nodes = _nothing
except ImportError:
    pass"""
_INPUT = """try:
    get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])
except NameError:
    pass"""


def _spy(nb: NotebookNode, name: str) -> NotebookNode:
    from .assignments import ROOT

    return _first(_SPY % str(ROOT / "grading"))(nb, name)


MISHAPS = (
    Mishap("right, as it is", FULL, lambda nb, name: nb),
    Mishap("the answer loops for ever", FIRST, _first("while True:\n    pass"), slow=True),
    Mishap("a cell of the student's own loops for ever", FULL, _loop_elsewhere, slow=True),
    Mishap(
        "the answer takes all memory", FIRST, _first("a = []\nwhile True:\n    a.append(bytearray(2**26))"), slow=True
    ),
    Mishap("`os._exit(0)` in the answer", FIRST, _first("import os\nos._exit(0)")),
    Mishap("`sys.exit(0)` in the answer", FIRST, _first("import sys\nsys.exit(0)")),
    Mishap("the process crashes (a null pointer)", FIRST, _first("import ctypes\nctypes.string_at(0)")),
    Mishap("test cells edited to `pass`, answer wrong", FIRST, _edited_tests),
    Mishap("test cells deleted", FULL, _deleted_tests),
    Mishap("a test cell copied", FULL, _copied("test")),
    Mishap("the answer's cell copied", FULL, _copied("answer")),
    Mishap("the answer's cell turned into text", FULL, _retyped),
    Mishap("all metadata lost", FULL, _unmarked),
    Mishap("the answer renamed", FULL, _renamed),
    Mishap("the answer written in a new cell", FULL, _moved),
    Mishap("the answer's cell deleted", FIRST, _deleted),
    Mishap("the answer's cell is no Python", FIRST, _broken),
    Mishap("a magic and a shell line above the answer", FULL, _above("%matplotlib inline\n!pip list > /dev/null")),
    Mishap(
        "a warning on stderr", FULL, _above("import sys, warnings\nwarnings.warn('old')\nprint('!', file=sys.stderr)")
    ),
    Mishap("a gigabyte is printed", FULL, _above("for _ in range(1000):\n    print('x' * 10**6)")),
    Mishap("`np.allclose` replaced, answer wrong", FIRST, _first(_WRONG, _PATCHES)),
    Mishap("the grader's module faked in `sys.modules`, answer wrong", FIRST, _first(_WRONG, _FAKES)),
    Mishap("IPython's cell runner replaced, answer wrong", FIRST, _first(_WRONG, _KERNEL)),
    Mishap("an input transformer, answer wrong", FIRST, _first(_WRONG, _INPUT)),
    Mishap("reads the instructor's files", FIRST, _spy),
    Mishap("hands back a link to another file", FIRST, _first(_LINK)),
    Mishap("writes its own results, with a pickle inside", FIRST, _first(_FORGED)),
    Mishap("hands back an object that equals everything", FIRST, _first(_LIAR)),
    Mishap(
        "writes a file of ten gigabytes",
        FIRST,
        _first("with open('big', 'wb') as f:\n    while True:\n        f.write(bytes(2**24))"),
    ),
    Mishap("starts processes without end", FIRST, _first("import os\nwhile True:\n    os.fork()")),
    Mishap("kills its parent", FIRST, _first("import os\nos.kill(os.getppid(), 9)")),
    Mishap("asks the network", FIRST, _first("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)")),
    Mishap("half a file", REFUSED, _half),
    Mishap("an empty file", REFUSED, lambda nb, name: ""),
    Mishap("another notebook", REFUSED, _other),
)


def hand_in(mishap: Mishap, name: str, variant: str = "paper") -> str:
    """The text of the hand-in."""
    assignment = load(name)
    made = mishap.change(filled_in(assignment, variant), assignment.questions[0].name)
    return made if isinstance(made, str) else written_out(made)


def expected_points(mishap: Mishap, name: str) -> int:
    assignment = load(name)
    first = sum(part.points for part in assignment.questions[0].parts)
    return {FULL: assignment.points(), FIRST: assignment.points() - first, REFUSED: 0}[mishap.expected]
