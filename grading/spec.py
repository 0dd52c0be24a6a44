"""What an assignment is: questions with parts, calls that test each part, variants, and wrong answers to prove it by.

The texts and solutions stand in ``notebooks/assignments/source``; the solution of a variant, run by the parent process,
is the reference for that variant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Rng = np.random.Generator
Values = Mapping[str, Any]  # what a variant fills into the text, by name


@dataclass(frozen=True)
class Call:
    """One call of an answer: see :func:`grading.child.perform` for ``how``."""

    arguments: tuple[Any, ...] = ()
    how: str = "value"
    keywords: Mapping[str, Any] = field(default_factory=dict)
    pick: int | None = None  # look at this one of several results
    setup: str = ""  # code that defines what the arguments name


@dataclass(frozen=True)
class Code:
    """An argument that is made where the answer runs, from this expression: a function, a module."""

    text: str


@dataclass(frozen=True)
class Part:
    """Points that are won or lost together, by calls that must all come out right."""

    name: str
    points: int
    says: str  # what the part asks for, in words that a student may read
    calls: Callable[[Rng], list[Call]]


@dataclass(frozen=True)
class Question:
    name: str  # of the function or class, and the grade_id of its cell
    parts: tuple[Part, ...]
    torch: bool = False  # arrays arrive as tensors; otherwise as numpy arrays
    closed: tuple[str, ...] = ()  # modules that this answer may not import
    seconds: float = 20.0


@dataclass(frozen=True)
class Written:
    name: str
    points: int
    says: str


@dataclass(frozen=True)
class Wrong:
    """A wrong answer with a name: ``old`` in the solution of ``question`` becomes ``new``, which ``loses`` parts.

    ``loses`` is what the question's text says, whichever inputs a batch draws. Values of the variant stand in both
    texts as in the source: ``<<weight_code>>``.
    """

    says: str
    question: str
    old: str
    new: str
    loses: tuple[str, ...]
    variants: tuple[str, ...] = ()  # empty: all


@dataclass(frozen=True)
class Assignment:
    name: str
    title: str
    minutes: int
    variants: Mapping[str, Values]
    questions: tuple[Question, ...]
    written: tuple[Written, ...]
    wrong: tuple[Wrong, ...]

    def points(self) -> int:
        """What the machine can give; the written parts come on top."""
        return sum(part.points for question in self.questions for part in question.parts)

    def exact(self, variant: str) -> str:
        """A variant with its constant, so that ``scaled``, ``scaled:.40`` and ``scaled:0.4`` are the same."""
        values, name = self.values(variant), variant.partition(":")[0]
        return f"{name}:{values['alpha']}" if "alpha" in values else name

    def values(self, variant: str) -> dict[str, Any]:
        """The values of a variant: ``scaled``, or ``scaled:0.3`` to set its constant to one of the course's own."""
        name, _, number = variant.partition(":")
        if name not in self.variants:
            raise ValueError(f"{self.name} has no variant {name!r}; it has {', '.join(self.variants)}")
        values = dict(self.variants[name])
        if number:
            if "alpha" not in values:
                raise ValueError(f"the variant {name!r} of {self.name} has no constant to set")
            try:
                alpha = float(number)
            except ValueError:
                alpha = float("nan")
            if not 0.05 <= alpha <= 0.95:
                raise ValueError(f"the constant of a variant lies between 0.05 and 0.95; got {number}")
            values["alpha"] = alpha
        text = {key: str(value) for key, value in values.items()}
        for key, value in values.items():
            if isinstance(value, str):
                values[key] = value.replace("<<alpha>>", text.get("alpha", ""))
        return values
