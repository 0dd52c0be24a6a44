"""The hidden tests as a stock nbgrader runs them: in the student's own kernel, on the instructor's machine.

They are here so that the same source serves both graders, and so that the book can say what each makes of a hand-in.
"""

from typing import Any

import numpy as np

from .child import flatten, perform, prepared
from .marks import key

SEED = 7


def compare(name: str, variant: str, question: str, part: str, answer: Any) -> None:
    """Fail an assertion unless the answer is right on every call of the part."""
    answers = key(name, variant, SEED)
    names: dict[str, Any] = {}
    exec(answers.given, names)
    calls = answers.calls[question, part]
    for call, want in zip(calls, answers.right[question, part], strict=True):
        got = flatten(perform(answer, prepared(call, answers.arrays[question], names)))
        assert len(got) == len(want), "not right"
        for mine, right in zip(got, want, strict=True):
            assert mine.shape == right.shape and np.allclose(mine, right, rtol=1e-4, atol=1e-5), "not right"
