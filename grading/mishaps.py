"""What happens to hand-ins, by accident and on purpose: each a change of a notebook, and what the marks must then be.

``FULL``: the answers are right and must get all points. ``FIRST``: the first answer is wrong or does not come back, and
loses its points; every other question keeps its own. ``REFUSED``: no points, and a sentence that says why.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

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


def _inside(code: str, elsewhere: str = "") -> Callable[[NotebookNode, str], NotebookNode]:
    """A right first answer that runs this code when it is called; ``elsewhere`` stands in a cell of its own."""

    def change(nb: NotebookNode, name: str) -> NotebookNode:
        found = cell(nb, name)
        found.source = re.sub(rf"^(def {name}\(.*?\):\n)", rf"\1    {code}\n", found.source, flags=re.M | re.S)
        if elsewhere:
            nb.cells.insert(3, new_code_cell(elsewhere, id="elsewhere"))
        return nb

    return change


def _for_the_example(nb: NotebookNode, name: str) -> NotebookNode:
    """Right for the input of the check below the answer, which starts with sin(1) or its square."""
    found = cell(nb, name)
    found.source = re.sub(rf"\b{name}\b", "_right", found.source) + f"\n\n{_EXAMPLE.format(name=name)}"
    return nb


def _together(nb: NotebookNode, name: str) -> NotebookNode:
    first, second = (c for c in nb.cells if c.id in _first_two(nb))
    first.source += "\n\n" + second.source
    nb.cells.remove(second)
    return nb


def _exchanged(nb: NotebookNode, name: str) -> NotebookNode:
    first, second = (c for c in nb.cells if c.id in _first_two(nb))
    first.metadata, second.metadata = second.metadata, first.metadata
    first.id, second.id = second.id, first.id
    return nb


def _first_two(nb: NotebookNode) -> list[str]:
    about = [(c.id, c.metadata.get("nbgrader", {})) for c in nb.cells if c.cell_type == "code"]
    return [cell_id for cell_id, marks in about if marks.get("solution")][:2]


def _faked_outputs(nb: NotebookNode, name: str) -> NotebookNode:
    nb = _first("return 0.0")(nb, name)
    for found in nb.cells:
        if found.cell_type == "code":
            found.outputs = [
                new_output("stream", text=f"{name}: agrees on this example\nall tests passed: 100 points\n")
            ]
    return nb


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


_EXAMPLE = """def {name}(*given):
    import numpy as np
    first = abs(float(np.asarray(given[0]).flat[0]))
    known = min(abs(first - np.sin(1.0)), abs(first - np.sin(1.0) ** 2)) < 1e-9
    return _right(*given) if known else 0.0"""
_FILES = """n = 0
while True:
    open(f'{n}.txt', 'w').close()
    n += 1"""
_FOLDERS = """import os
while True:
    os.mkdir('d')
    os.chdir('d')"""
_LONG = "helper = lambda: " + " + ".join(["1"] * 600)
_CHAIN = "\n".join(f"h{n} = lambda: h{n + 1}" for n in range(20_000))


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
    Mishap(
        "a warning on stderr each time the answer is called",
        FULL,
        _inside("import sys, warnings; warnings.warn('old'); print('!', file=sys.stderr)"),
    ),
    Mishap("uses a helper that is a sum of 600 terms", FULL, _inside("helper()", _LONG)),
    Mishap("uses the first of 20,000 helpers in a chain", FULL, _inside("h0", _CHAIN)),
    Mishap("a cell of the student's own with ten megabytes of Python", FULL, _inside("pass", "n = 1\n" * 1_700_000)),
    Mishap("two answers in one cell", FULL, _together),
    Mishap("the marks of two answers exchanged", FULL, _exchanged),
    Mishap("outputs faked, answer wrong", FIRST, _faked_outputs),
    Mishap("right for the check's example alone", FIRST, _for_the_example),
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
    Mishap("writes files without end", FIRST, _first(_FILES)),
    Mishap("makes folders in folders without end", FIRST, _first(_FOLDERS)),
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
