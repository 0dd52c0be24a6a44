"""The claims of an assignment, tried: full marks, no marks, and wrong answers that lose exactly what they should."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nbformat import NotebookNode

from .assignments import load
from .marks import Key, Marks, grade, key
from .notebooks import filled_in, release, written_out
from .run import Server
from .spec import Assignment, Wrong

SEED = 7


class Remembering(Server):
    """A server that runs the same job once: with one wrong answer, all other jobs are those of the solution."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[tuple[str, int], list[Any]] = {}

    def answer(self, job: dict[str, Any], arrays: dict[str, np.ndarray], seconds: float) -> list[Any]:
        about = json.dumps(job), id(arrays)
        if about not in self.seen:
            self.seen[about] = super().answer(job, arrays, seconds)
        return list(self.seen[about])


def cell(nb: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell with that mark."""
    found: NotebookNode = next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
    return found


def with_wrong(assignment: Assignment, variant: str, wrong: Wrong) -> NotebookNode:
    """A hand-in that is right but for this wrong answer. ValueError where the solution has nothing to replace."""
    nb = filled_in(assignment, variant)
    target = cell(nb, wrong.question)
    old, new = wrong.old, wrong.new
    for name, value in assignment.values(variant).items():
        old, new = (text.replace(f"<<{name}>>", str(value)) for text in (old, new))
    if old not in target.source:
        raise ValueError(f"{wrong.says}: the solution of {wrong.question}, {variant}, does not contain {old!r}")
    target.source = target.source.replace(old, new)
    return nb


def marks_of(nb: NotebookNode, answers: Key, server: Server, seconds: float | None = None) -> Marks:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "handin.ipynb"
        path.write_text(written_out(nb), encoding="utf-8")
        return grade(path, "somebody", answers, server, seconds)


def lost(marks: Marks) -> set[str]:
    return {f"{line.question}-{line.part}" for line in marks.lines if line.points < line.most}


def failures(
    name: str, variant: str, server: Server, say: Callable[[str], None] = lambda text: None, seed: int = SEED
) -> list[str]:
    """What does not hold for this variant, one sentence each; an empty list is the proof, for these drawn inputs."""
    assignment, answers, found = load(name), key(name, variant, seed), []
    marks = marks_of(filled_in(assignment, variant), answers, server)
    if marks.points != assignment.points():
        found.append(f"the solution gets {marks.points} of {assignment.points()}: it loses {sorted(lost(marks))}")
    marks = marks_of(release(assignment, variant), answers, server)
    if marks.points or any(marks.words.values()):
        found.append(f"the untouched release gets {marks.points}")
    for wrong in assignment.wrong:
        if wrong.variants and variant.split(":")[0] not in wrong.variants:
            continue
        marks = marks_of(with_wrong(assignment, variant, wrong), answers, server)
        want = {f"{wrong.question}-{part}" for part in wrong.loses}
        say(f"{wrong.says}: {marks.points - assignment.points()}")
        if lost(marks) != want:
            found.append(f"{wrong.says}: loses {sorted(lost(marks))}, should lose {sorted(want)}")
    return found
