"""What an answer is worth. The verdict falls here, in a process that runs no student's code."""

import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import find
from .assignments import load
from .child import flatten, perform, prepared
from .notebooks import blanked, given_code, release, with_solutions
from .run import Arrays, Server
from .spec import Call, Code, Part, Question

RELATIVE, ABSOLUTE = 1e-4, 1e-6
HONOUR = "Whom and what did you use?"
MOST_TEXT = 20_000  # characters of a written answer that are kept
WHY = {
    "time": "it took longer than it may",
    "ended": "its process ended without a result",
    "NotImplementedError": "not written yet",
    "MemoryError": "it took more memory than it may",
    "space": "it wrote more to disk than it may",
}


@dataclass
class Line:
    """One line of the marks: a part, what it gave, and why not more."""

    question: str
    part: str
    says: str
    points: int
    most: int
    why: str = ""


@dataclass
class Marks:
    """The marks of one hand-in; ``refused`` is a sentence where it could not be graded at all."""

    student: str
    lines: list[Line] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # of the written answers
    notes: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    honour: str = ""  # whom and what the student says to have used

    @property
    def points(self) -> int:
        return sum(line.points for line in self.lines)

    @property
    def words(self) -> dict[str, int]:
        return {name: len(text.split()) for name, text in self.texts.items()}


@dataclass(frozen=True)
class Key:
    """One variant of an assignment, ready to grade: what is given, what is blank, the calls, what is right."""

    name: str
    variant: str
    given: str
    blanks: dict[str, str]
    tasks: dict[str, str]  # what a written answer is an answer to
    release: find.Release
    honour: find.Cell | None  # the cell that asks whom and what a student used
    calls: dict[tuple[str, str], list[dict[str, Any]]]
    arrays: dict[str, dict[str, np.ndarray]]  # by question
    right: dict[tuple[str, str], list[list[np.ndarray]]]


@cache
def key(name: str, variant: str, seed: int) -> Key:
    """The key of a variant: inputs are drawn with the seed, the solution is run on them."""
    assignment = load(name)
    nb = with_solutions(assignment, variant)
    solved: dict[str, Any] = {}
    blanks, tasks, task = {}, {}, ""
    for cell in nb.cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and (about.grade_id == "given" or (about.solution and not about.grade)):
            exec(cell.source, solved)
        if about.get("solution"):
            blanks[about.grade_id] = blanked(cell.source, cell.cell_type)
            tasks[about.grade_id] = task
        task = cell.source
    calls, arrays, right = {}, {}, {}
    for question in assignment.questions:
        stored: dict[str, np.ndarray] = {}
        for part in question.parts:
            about = (name, question.name, part.name)
            rng = np.random.default_rng([seed, zlib.crc32("/".join(about).encode())])
            packed = [_packed(call, question, stored, solved, rng) for call in part.calls(rng)]
            calls[question.name, part.name] = packed
            right[question.name, part.name] = [
                flatten(perform(solved[question.name], prepared(c, stored, solved))) for c in packed
            ]
        arrays[question.name] = stored
    cells = list(find.read_cells(release(assignment, variant).cells))
    known, honour = find.released(cells), next((cell for cell in cells if HONOUR in cell.text), None)
    return Key(name, variant, given_code(nb), blanks, tasks, known, honour, calls, arrays, right)


def _packed(call: Call, question: Question, stored: dict[str, Any], solved: dict[str, Any], rng: Any) -> dict[str, Any]:
    """A call as it is written to the child's job; its arrays go into ``stored``."""

    def pack(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            stored[f"a{len(stored)}"] = value
            return {"array": f"a{len(stored) - 1}"}
        if isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value):
            return {"list": [pack(item) for item in value]}
        return {"code": value.text} if isinstance(value, Code) else value

    packed = {
        "how": call.how,
        "torch": question.torch,
        "setup": call.setup,
        "pick": call.pick,
        "arguments": [pack(value) for value in call.arguments],
        "keywords": {name: pack(value) for name, value in call.keywords.items()},
    }
    if call.how in ("output", "backward"):
        packed["weights"] = f"w{len(stored)}"
        scope = dict(solved)
        exec(call.setup, scope)
        keywords = {k: eval(v.text, scope) if isinstance(v, Code) else v for k, v in call.keywords.items()}
        torch.manual_seed(int(rng.integers(2**31)))
        for key_name, tensor in solved[question.name](**keywords).state_dict().items():
            value = tensor.double().numpy()
            if "running_var" in key_name:
                value = rng.uniform(0.5, 1.5, value.shape)
            elif "num_batches" not in key_name:
                value = rng.normal(0, 0.5, value.shape)
            stored[f"{packed['weights']}/{key_name}"] = np.asarray(value)
    return packed


def same(got: Any, want: list[np.ndarray]) -> bool:
    """Whether what came back is right: as many arrays, of these shapes, with these numbers."""
    if not isinstance(got, Arrays) or len(got) != len(want):
        return False
    for mine, right in zip(got, want, strict=True):
        if mine.shape != right.shape or mine.dtype.kind not in "biuf":
            return False
        scale = ABSOLUTE * max(1.0, float(np.abs(right).max(initial=0.0)))
        with np.errstate(all="ignore"):
            if not np.allclose(mine.astype(float), right.astype(float), rtol=RELATIVE, atol=scale):
                return False
    return True


def _why(got: list[Any], question: Question) -> str:
    words = [result for result in got if isinstance(result, str)]
    if not words:
        return "not right"
    if words[0] in ("ModuleNotFoundError", "ImportError") and question.closed:
        return f"it imports what this question does without ({', '.join(question.closed)})"
    return WHY.get(words[0], f"it stopped with {words[0]}")


def grade(path: Path, student: str, answers: Key, server: Server, seconds: float | None = None) -> Marks:
    """The marks of one hand-in. Never raises for anything that a hand-in contains."""
    assignment = load(answers.name)
    marks = Marks(student)
    try:
        notebook = find.read(path)
        marks.refused = _of_another(notebook.release, answers)
        cells = [] if marks.refused else notebook.cells
    except find.Refused as refusal:
        marks.refused = str(refusal)
        cells = []
    names = {question.name for question in assignment.questions}
    known = names | {written.name for written in assignment.written}
    if cells and not any(cell.grade_id in known or names & set(cell.defines()) for cell in cells):
        marks.refused = f"no cell of it belongs to the assignment {assignment.title!r}"
        cells = []
    for question in assignment.questions:
        marks.lines += _question(question, cells, names, answers, server, seconds, marks)
    for w in assignment.written:
        text = find.written(cells, w.name, answers.blanks[w.name], answers.tasks[w.name], answers.release)
        marks.texts[w.name] = _kept(text)
    marks.honour = _kept(find.honour(cells, answers.honour, answers.release)) if answers.honour else ""
    return marks


def _kept(text: str) -> str:
    """A text as far as it is kept. JSON allows half a pair of surrogates, and no file of text does."""
    return text[:MOST_TEXT].encode("utf-8", "replace").decode()


def _of_another(release: tuple[str, str] | None, answers: Key) -> str:
    """A sentence where a hand-in was made for something else than is graded; empty where it was not, or says nothing.

    Another variant's right answers would lose points as if they were wrong.
    """
    own = answers.name, load(answers.name).exact(answers.variant)
    if release is None or release == own:
        return ""
    return f"it was made for {find.shown(', '.join(release))}, and this batch grades {', '.join(own)}"


def _question(
    question: Question,
    cells: list[find.Cell],
    names: set[str],
    answers: Key,
    server: Server,
    seconds: float | None,
    marks: Marks,
) -> list[Line]:
    def lines(verdicts: list[str]) -> list[Line]:
        both = zip(question.parts, verdicts, strict=True)
        return [Line(question.name, p.name, p.says, 0 if why else p.points, p.points, why) for p, why in both]

    def none(why: str) -> list[Line]:
        return lines([why] * len(question.parts))

    if not cells:
        return none(marks.refused)
    try:
        answer = find.answer(cells, question.name, answers.blanks[question.name], names - {question.name})
        given = set(find.Cell("code", "", "", find.python_tree(answers.given), "").defines())
        definitions = [] if answer is None else find.definitions(cells, answer, given)
    except find.Refused as refusal:
        return none(str(refusal))
    if answer is None:
        return none("not written yet")
    if notes := [note for note in (answer.note, find.unavailable(cells, answer, answers.given)) if note]:
        marks.notes[question.name] = "; ".join(notes)
    calls = [call for part in question.parts for call in answers.calls[question.name, part.name]]
    job = {
        "given": answers.given,
        "definitions": definitions,
        "answer": answer.code,
        "name": answer.name,
        "question": question.name,
        "closed": list(question.closed),
        "calls": calls,
    }
    try:
        results = server.answer(job, answers.arrays[question.name], seconds or question.seconds)
    except (OSError, ValueError, UnicodeError) as error:  # the disk is full, a lone surrogate, …
        return none(f"it could not be run ({type(error).__name__})")
    return lines([_verdict(part, question, answers, results) for part in question.parts])


def _verdict(part: Part, question: Question, answers: Key, results: list[Any]) -> str:
    """Why the part is not won; empty where it is. Takes the part's results off the front of ``results``."""
    want = answers.right[question.name, part.name]
    got = [results.pop(0) for _ in want]
    return "" if all(same(g, w) for g, w in zip(got, want, strict=True)) else _why(got, question)
