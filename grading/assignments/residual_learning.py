"""Assignment 3: what a stack of masks leaves of a feature, under naive learning and under another rule."""

from typing import Any

from ..spec import Assignment, Call, Part, Question, Rng, Written, Wrong

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "weight_formula": "1 + M",
        "weight_code": "1 + M",
        "weight_polynomial": "[1, 1]",
        "explain_words": "Here: $1.5^3 = 3.375$ times its size, so the rule amplifies.",
    },
    "scaled": {
        "alpha": 0.4,
        "weight_formula": r"1 + <<alpha>>\, M",
        "weight_code": "1 + <<alpha>> * M",
        "weight_polynomial": "[1, <<alpha>>]",
        "explain_words": "Here: $(1 + <<alpha>>/2)^3$ times its size, so the rule amplifies a little.",
    },
    "squared": {
        "weight_formula": "M^2",
        "weight_code": "M**2",
        "weight_polynomial": "[0, 0, 1]",
        "explain_words": "Here: $0.25^3 = 0.016$ of its size with masks at one half, and more where they vary.",
    },
    "soft": {
        "weight_formula": "1 + M - M^2",
        "weight_code": "1 + M - M**2",
        "weight_polynomial": "[1, 1, -1]",
        "explain_words": "Here: at most $1.25^3 = 1.95$ times its size, and less where masks vary.",
    },
}


def _stack(rng: Rng, rule: str, *shapes: tuple[int, ...]) -> list[Call]:
    return [Call((rng.uniform(size=shape), rule)) for shape in shapes]


def _cases(rng: Rng, *rule: str, same: bool = False) -> list[Call]:
    calls = []
    for k in (1, 3, 8):
        low, high = rng.uniform(0.05, 0.35), rng.uniform(0.65, 0.95)
        calls.append(Call((k, float(low), float(low if same else high), *rule)))
    return calls


def _stages(rng: Rng, *, mixed: bool) -> list[Call]:
    if not mixed:
        return [Call(([rng.uniform(0.1, 1, size=(2, 3, 4)) * k for k in (1, 0.5, 0.2)],))]
    shapes = ((2, 4, 8, 8), (2, 8, 4, 4), (2, 16, 2, 2))
    return [Call(([rng.normal(size=s) * k for k, s in enumerate(shapes, start=1)],))]


def _curves(rng: Rng, kind: str) -> list[Call]:
    """Values that rise by at least 0.01. A level is one of the values where they rise, and lies between them else."""
    rising = [round(0.1 + 0.09 * n + float(rng.uniform(0, 0.08)), 3) for n in range(9)]
    if kind == "rising":
        return [Call((rising, rising[n])) for n in (0, 4, 8)]
    if kind == "never":
        return [Call((rising, 0.99)), Call(([0.3, 0.2, 0.4], 0.5))]
    between = (rising[3] + rising[4]) / 2
    return [Call((rising[5:] + rising[:3] + rising[4:], between)), Call(([0.9, 0.1, 0.9, 0.9], 0.5))]


QUESTIONS = (
    Question(
        "passes",
        (
            Part("naive", 2, "What passes under naive learning", lambda r: _stack(r, "naive", (4, 2, 3, 3))),
            Part("here", 2, "What passes under the rule here", lambda r: _stack(r, "here", (4, 2, 3, 3), (6, 3, 2, 4))),
            Part("single", 1, "What one module alone passes", lambda r: _stack(r, "here", (1, 2, 3, 3))),
            Part("shapes", 1, "Masks of any shape", lambda r: _stack(r, "naive", (6, 5), (3, 7), (2, 2, 2, 3, 3))),
        ),
        closed=("torch",),
    ),
    Question(
        "predicted",
        (
            Part("naive", 2, "The prediction for naive learning", lambda r: _cases(r, "naive")),
            Part("here", 3, "The prediction for the rule here", lambda r: _cases(r, "here")),
            Part("constant", 1, "The prediction for constant masks", lambda r: _cases(r, "here", same=True)),
        ),
        closed=("torch",),
    ),
    Question(
        "spread",
        (
            Part("values", 4, "The spread", lambda r: _cases(r)),
            Part("constant", 1, "The spread for constant masks", lambda r: _cases(r, same=True)),
        ),
        closed=("torch",),
    ),
    Question(
        "relative_response",
        (
            Part("equal", 1, "Responses of equal shapes", lambda r: _stages(r, mixed=False)),
            Part("mixed", 2, "Responses of both signs and of different shapes", lambda r: _stages(r, mixed=True)),
        ),
        closed=("torch",),
    ),
    Question(
        "epochs_to",
        (
            Part("rising", 2, "The epoch, where values rise", lambda r: _curves(r, "rising")),
            Part("dips", 2, "The epoch, where values dip", lambda r: _curves(r, "dips")),
            Part("never", 1, "Where there is none", lambda r: _curves(r, "never")),
        ),
        closed=("torch",),
    ),
)
_HERE, _ALSO = ("here", "single"), ("here", "constant")
_OTHERS = ("scaled", "squared", "soft")
WRONG = (
    Wrong(
        "the product of means",
        "passes",
        "left.reshape(len(left), -1).mean(axis=1)",
        "np.cumprod(weights.reshape(len(left), -1).mean(axis=1))",
        ("naive", "here", "shapes"),
    ),
    Wrong("the book's rule where another counts", "passes", "<<weight_code>>", "1 + M", _HERE, _OTHERS),
    Wrong("the book's rule where another counts", "predicted", "<<weight_polynomial>>", "[1, 1]", _ALSO, _OTHERS),
    Wrong("the book's rule where another counts", "spread", "<<weight_polynomial>>", "[1, 1]", ("values",), _OTHERS),
    Wrong("both rules are naive", "passes", "M if rule", "M if True or rule", _HERE),
    Wrong("the rules exchanged", "passes", '== "naive"', '!= "naive"', ("naive", *_HERE, "shapes")),
    Wrong("a sum instead of a product", "passes", "np.cumprod", "np.cumsum", ("naive", "here", "shapes")),
    Wrong(
        "only the last module",
        "passes",
        "np.cumprod(weights, axis=0)",
        "np.array(weights)",
        ("naive", "here", "shapes"),
    ),
    Wrong(
        "a shape of four axes taken for granted",
        "passes",
        "left.reshape(len(left), -1).mean(axis=1)",
        "left.mean(axis=(1, 2, 3))",
        ("shapes",),
    ),
    Wrong(
        "the weight of one module, whatever their number",
        "predicted",
        "(high - low)) ** k",
        "(high - low))",
        ("naive", "here"),
    ),
    Wrong(
        "the middle of the interval",
        "predicted",
        "if low == high:\n        return w(low) ** k",
        "low = high = (low + high) / 2\n    if low == high:\n        return w(low) ** k",
        ("here",),
        ("squared", "soft"),
    ),
    Wrong(
        "constant masks divide by zero",
        "predicted",
        "    if low == high:\n        return w(low) ** k\n",
        "",
        ("constant",),
    ),
    Wrong("naive for both", "predicted", 'if rule == "naive" else', "if True else", ("here", "constant")),
    Wrong("the variance, and no root", "spread", "np.sqrt", "", ("values",)),
    Wrong(
        "k times the variance of one", "spread", "square**k - mean ** (2 * k)", "k * (square - mean**2)", ("values",)
    ),
    Wrong(
        "constant masks divide by zero, again", "spread", "    if low == high:\n        return 0.0\n", "", ("constant",)
    ),
    Wrong("the size of the mean", "relative_response", "np.abs(stage).mean()", "np.abs(stage.mean())", ("mixed",)),
    Wrong("sums instead of means", "relative_response", ".mean()", ".sum()", ("mixed",)),
    Wrong(
        "relative to the stage before",
        "relative_response",
        "means / means[0]",
        "means / np.concatenate([means[:1], means[:-1]])",
        ("equal", "mixed"),
    ),
    Wrong("not relative at all", "relative_response", "/ means[0]", "", ("equal", "mixed")),
    Wrong(
        "the first time, and no staying",
        "epochs_to",
        "    number = 0\n",
        "    return next((n for n, v in enumerate(values, 1) if v >= level), 0)\n    number = 0\n",
        ("dips",),
    ),
    Wrong("counted from zero", "epochs_to", "number = epoch", "number = epoch - 1", ("rising", "dips")),
    Wrong("larger, and not at least", "epochs_to", "< level", "<= level", ("rising",)),
    Wrong(
        "the last epoch where there is none", "epochs_to", "return number", "return number or len(values)", ("never",)
    ),
)

ASSIGNMENT = Assignment(
    name="residual_learning",
    title="Attention residual learning",
    minutes=105,
    variants=VARIANTS,
    questions=QUESTIONS,
    written=(Written("explain", 12, "Explain the trainings"),),
    wrong=WRONG,
)
