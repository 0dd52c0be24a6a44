"""Right answers come in several forms: what the texts call numbers or an array may be a list, a tuple or an array."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grading import checks, notebooks
from grading.assignments import NAMES, load
from grading.child import flatten, perform, prepared
from grading.marks import key, same
from grading.prove import SEED
from grading.run import Arrays

FORMS: dict[str, Callable[[Any], Any]] = {
    "lists of lists": lambda value: np.asarray(value).tolist(),
    "a tuple": lambda value: tuple(np.asarray(value)) if np.ndim(value) else value,
    "a list": lambda value: list(np.asarray(value)) if np.ndim(value) else value,
    "an array": np.asarray,
}


def solved(name: str, variant: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for cell in notebooks.with_solutions(load(name), variant).cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and (about.grade_id == "given" or (about.solution and not about.grade)):
            exec(cell.source, names)
    return names


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_right_answer_is_right_in_every_form(name: str, form: str) -> None:
    """For the grader, and for the instant check."""
    variant = list(load(name).variants)[-1]
    answers, names = key(name, variant, SEED), solved(name, variant)
    for question in load(name).questions:
        for part in question.parts:
            pairs = zip(answers.calls[question.name, part.name], answers.right[question.name, part.name], strict=True)
            for call, right in pairs:
                if call["how"] != "value" or call["pick"] is not None:
                    continue
                value = perform(names[question.name], prepared(call, answers.arrays[question.name], names))
                if hasattr(value, "detach"):
                    continue  # where tensors are asked for, lists are none
                other = FORMS[form](value)
                assert same(Arrays(flatten(other)), right), (question.name, part.name)
                assert checks.fingerprint(other) == pytest.approx(checks.fingerprint(value)), question.name
                assert checks.fingerprint([other, 2.0]) == pytest.approx(checks.fingerprint([value, 2.0]))


def test_a_mean_and_its_interval_are_three_numbers() -> None:
    want = flatten((1.0, 0.5, 2.0))
    for other in ([1, [0.5, 2]], (np.float32(1), (0.5, 2.0)), np.array([1, 0.5, 2]), [np.array(1.0), 0.5, np.array(2)]):
        assert same(Arrays(flatten(other)), want), other
    for other in ((0.5, 1.0, 2.0), (1.0, 0.5), [[1.0, 0.5, 2.0]], 1.0):
        assert not same(Arrays(flatten(other)), want), other


def test_other_shapes_are_other_answers() -> None:
    want = flatten(np.arange(6.0).reshape(2, 3))
    for other in (np.arange(6.0).tolist(), np.arange(6.0).reshape(3, 2).tolist(), [[0, 1, 2], [3, 4]]):
        assert not same(Arrays(flatten(other)), want)
    pair = [np.ones((2, 2)), np.ones((3, 3))]  # what has no common shape stays two arrays
    assert [array.shape for array in flatten(pair)] == [(2, 2), (3, 3)]
    assert [array.shape for array in flatten([])] == [(0,)]


@pytest.mark.parametrize("value", ["1.5", None, [1.0, "2"], [1.0, None], {1.0}, 1j])
def test_what_is_no_number_is_told(value: Any, capsys) -> None:
    """The check says what it got, and does not take a text for a number."""
    with pytest.raises(TypeError):
        flatten(value)
    checks.check("f", lambda: value, 1.5)
    assert "f: TypeError: an answer hands back numbers; got " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("def f(x):\n    # your code here\n    raise NotImplementedError", "blank"),
        ("class F:\n    def g(self):\n        # YOUR CODE HERE\n        raise NotImplementedError()", "blank"),
        ("", "blank"),
        ("# nothing", "blank"),
        ("def f(x):\n    return x  # before: raise NotImplementedError", "filled in"),
        ("def f(x):\n    return x\n    raise NotImplementedError", "filled in"),
        ("def f(x):\n    if x:\n        raise NotImplementedError(x)\n    return x", "filled in"),
        ("def f(x):\n    return x\n\n%timeit f(3)", "filled in"),
        ("def f(x:\n    return x", "no Python, so it cannot be graded"),
    ],
)
def test_the_last_cell_tells_blank_from_filled_in_from_no_python(code: str, state: str) -> None:
    assert checks.state_of_cell(code) == state


def test_the_last_cell_says_what_is_in_the_hand_in(tmp_path: Path, monkeypatch, capsys) -> None:
    """Also what another cell computes, and text in cells that were added."""
    monkeypatch.chdir(tmp_path)

    def cell(kind: str, source: str, mark: str = "", own: str = "x") -> dict[str, Any]:
        about = {"nbgrader": {"grade_id": mark}} if mark else {}
        return {"cell_type": kind, "source": [source], "metadata": about, "id": own}

    def said(*cells: dict[str, Any]) -> list[str]:
        Path("a.ipynb").write_text(json.dumps({"cells": cells}))
        checks.collect("a.ipynb", ["f"], ["w"])
        return capsys.readouterr().out.splitlines()[:-2]

    answer = cell("code", "def f(x):\n    return K2 * T + K", "f")
    blank, end = cell("markdown", "*Your answer here.*", "w"), cell("markdown", "Hand in.", own="prose-9")
    others = cell("code", "T = sum([1])", "given"), cell("code", "K: int = 1\nK2 = K * 2")
    assert said(answer, *others, blank, end) == [
        "  f: filled in",
        "    it uses K2, which another cell computes;",
        "    that is not there when graded",
        "  w: blank",
    ]
    added = cell("markdown", "one"), cell("code", "K2"), cell("markdown", "two words")
    assert said(blank, *added, end) == ["  f: no cell with this mark", "  w: 3 words"]
    assert said(cell("markdown", "*Your answer here.*\n\nMine.", "w"), end)[1] == "  w: 1 words"
    assert said(blank, cell("markdown", "## Hand in"))[1] == "  w: blank"
