"""Assignment 2: how a backward signal passes the fusion of mask and trunk, under other rules of fusion."""

from typing import Any

from ..spec import Assignment, Call, Code, Part, Question, Rng, Written, Wrong

_RESIDUAL = "The weight is at least 1, so the rule raises some signals over others and can block none."
_NAIVE = "The weight goes down to 0, so a signal can be blocked, where the mask is 0."
_LOW = "A wrong signal where the mask is low is made weaker relative to signals elsewhere."
_SAME = (
    "All labels of a picture meet the same mask: at every place a wrong label's signal gets the weight that the right "
    "one's would get"
)
_HIGH = f"{_SAME}, so at the object, where the mask is high, it passes."
_ONE_LEFT = "Even a mask of 0 on the pictures with wrong labels leaves them a weight of 1."
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "fusion_formula": r"H = (1 + M)\, T,",
        "fusion_code": "(1 + M) * T",
        "weight_code": "1 + M",
        "slope_code": "1.0",
        "weight_words": "$w = 1 + M$",
        "filter_words": f"Here $1 \\le w \\le 2$. {_RESIDUAL}",
        "label_words": f"{_LOW} {_HIGH} {_ONE_LEFT}",
        "fault_code": "x + T",
        "second_code": "y",
    },
    "scaled": {
        "alpha": 0.4,
        "fusion_formula": r"H = (1 + <<alpha>>\, M)\, T,",
        "fusion_code": "(1 + <<alpha>> * M) * T",
        "weight_code": "1 + <<alpha>> * M",
        "slope_code": "<<alpha>>",
        "weight_words": "$w = 1 + <<alpha>> M$",
        "filter_words": f"Here $1 \\le w \\le 1 + <<alpha>>$. {_RESIDUAL}",
        "label_words": f"{_LOW} {_HIGH} {_ONE_LEFT}",
        "fault_code": "x",
        "second_code": "y + T",
    },
    "squared": {
        "fusion_formula": r"H = M^2\, T,",
        "fusion_code": "M * M * T",
        "weight_code": "M * M",
        "slope_code": "2 * M",
        "weight_words": "$w = M^2$",
        "filter_words": f"Here $0 \\le w \\le 1$. {_NAIVE}",
        "label_words": (
            f"{_LOW} {_HIGH} A mask of 0 on the pictures with wrong labels would keep these out perfectly, if it had "
            "learned which they are."
        ),
        "fault_code": "x - T",
        "second_code": "y",
    },
    "soft": {
        "fusion_formula": r"H = \bigl(1 + M - M^2\bigr)\, T,",
        "fusion_code": "(1 + M - M * M) * T",
        "weight_code": "1 + M - M * M",
        "slope_code": "1 - 2 * M",
        "weight_words": "$w = 1 + M - M^2$",
        "filter_words": f"Here $1 \\le w \\le 1.25$, and the largest weight is at $M = 1/2$. {_RESIDUAL}",
        "label_words": (
            "At $M = 0$ and at $M = 1$ the weight is 1: where the mask is sure, on the ground and on the object alike, "
            f"a signal is made weaker relative to where it is near one half. {_SAME}, so at the object it passes."
        ),
        "fault_code": "x",
        "second_code": "y + 0.5 * T",
    },
}


def _three(rng: Rng, *shapes: tuple[int, ...]) -> list[Call]:
    return [Call((rng.normal(size=s), rng.uniform(size=s), rng.normal(size=s))) for s in shapes]


def _module(rng: Rng, which: int, *shapes: tuple[int, int, int, int]) -> list[Call]:
    """Calls of ``module_gradients`` of which one of the three gradients is looked at."""
    calls = []
    for shape in shapes:
        c = shape[1]
        arrays = (rng.normal(size=shape), rng.normal(size=(c, c)), rng.normal(size=(c, c)), rng.normal(size=shape))
        calls.append(Call(arrays, pick=which))
    return calls


_FUNCTIONS = ("lambda a: float((a**3).sum())", "lambda a: float(np.prod(a))", "lambda a: float(np.sin(a).sum())")


def _functions(rng: Rng) -> list[Call]:
    """With the step as it comes, and with one so wide that a one-sided difference, or another step, shows."""
    cubes, product, sines = (Code(text) for text in _FUNCTIONS)
    return [
        Call((product, rng.normal(size=4))),
        Call((cubes, rng.normal(size=(3, 2)), 0.1)),
        Call((sines, rng.normal(size=(2, 2, 2)), 0.1)),
        Call((cubes, rng.integers(1, 9, size=(2, 3)))),  # whole numbers, which cannot hold a step
    ]


def _unchanged(rng: Rng) -> list[Call]:
    """Numbers away from zero: the signs of the gradient, which are looked at beside x, then forgive a wrong factor."""
    x = rng.uniform(0.5, 1.5, size=(3, 2)) * rng.choice([-1.0, 1.0], size=(3, 2))
    return [Call((Code("lambda a: float((a**2).sum())"), x), "unchanged")]


_MODULES = """
import torch
from torch import nn


def _pair(z):
    M = torch.sigmoid(z[:, :1])
    return torch.cat([M, 1 - M], dim=1)


def _module(seed, mask_of):
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            self.trunk = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 1))
            self.mask = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            T = self.trunk(x)
            M = mask_of(self.mask, x, T)
            return M * T[:, : M.shape[1]], M

    return Module()
"""
_KINDS = {
    "clean": "torch.sigmoid(mask(x))",
    "frozen": "torch.sigmoid(mask(x).detach())",
    "sum": "torch.sigmoid(mask(x + T))",
    "detached": "torch.sigmoid(mask(x + T.detach()))",
    "zero": "torch.sigmoid(mask(x + 0 * T))",
    "late": "torch.sigmoid(mask(x) + T.mean(dim=(2, 3), keepdim=True))",
    "pair": "_pair(mask(x + T))",
    "pair clean": "_pair(mask(x))",
}


def _made(kind: str, seed: int) -> str:
    """The expression that makes a module: no name of a kind is in it, nor in what it makes."""
    return f"_module({seed}, lambda mask, x, T: {_KINDS[kind]})"


def _detector(rng: Rng, *kinds: str) -> list[Call]:
    """Modules of these kinds with drawn weights, in a drawn order; no name on a module says of which kind it is."""
    calls = []
    for n in rng.permutation(len(kinds)):
        x = rng.normal(size=(2, 3, 4, 4)).astype("float32")
        calls.append(Call((Code(_made(kinds[n], int(rng.integers(2**31)))), x), setup=_MODULES))
    return calls


def _repaired(rng: Rng, how: str, *shapes: tuple[int, ...]) -> list[Call]:
    return [Call((rng.normal(size=s),), how, {"channels": s[1]}) for s in shapes]


_LIKE_PICTURES = ((2, 3, 4, 5), (3, 2, 2, 2))
_OTHER = ((7,), (1, 2, 3, 4), (2, 3))
QUESTIONS = (
    Question(
        "to_trunk",
        (
            Part("values", 3, "The signal to the trunk", lambda r: _three(r, *_LIKE_PICTURES)),
            Part("shapes", 1, "The signal to the trunk, for any shape", lambda r: _three(r, *_OTHER)),
        ),
        closed=("torch",),
    ),
    Question(
        "to_mask",
        (
            Part("values", 3, "The signal to the mask", lambda r: _three(r, *_LIKE_PICTURES)),
            Part("shapes", 1, "The signal to the mask, for any shape", lambda r: _three(r, *_OTHER)),
        ),
        closed=("torch",),
    ),
    Question(
        "module_gradients",
        (
            Part("phi", 3, "The gradient of the trunk's weights", lambda r: _module(r, 0, (2, 3, 4, 5), (1, 2, 3, 3))),
            Part("theta", 4, "The gradient of the mask's weights", lambda r: _module(r, 1, (2, 3, 4, 5), (1, 2, 3, 3))),
            Part("x", 4, "The gradient of the input", lambda r: _module(r, 2, (2, 3, 4, 5), (1, 2, 3, 3))),
        ),
        closed=("torch",),
    ),
    Question(
        "by_differences",
        (
            Part("values", 3, "Central differences", _functions),
            Part("unchanged", 1, "Central differences leave x as it was", _unchanged),
        ),
        closed=("torch",),
    ),
    Question(
        "mask_reads_trunk",
        (
            Part("plain", 3, "Tells a clean module from a faulty one", lambda r: _detector(r, "clean", "sum", "late")),
            Part("pair", 2, "Sees it where mask values sum to one", lambda r: _detector(r, "pair", "pair clean")),
            Part("zero", 1, "Is not misled by a gradient of zeros", lambda r: _detector(r, "zero", "sum")),
            Part(
                "frozen", 1, "Copes with a mask without a gradient", lambda r: _detector(r, "frozen", "detached", "sum")
            ),
        ),
        torch=True,
    ),
    Question(
        "Repaired",
        (
            Part(
                "output",
                3,
                "The repaired module's output",
                lambda r: _repaired(r, "output", (2, 3, 5, 4), (1, 2, 3, 3)),
            ),
            Part("gradients", 3, "The repaired module's gradients", lambda r: _repaired(r, "backward", (2, 3, 5, 4))),
        ),
        torch=True,
    ),
)


_TRUNK, _MASK = ("values", "shapes"), ("values", "shapes")
_ONES = ("paper", "scaled", "soft")
_OTHERS = ("scaled", "squared", "soft")
_CALLER = """\
    import sys

    frame = sys._getframe(1)
    while frame is not None:
        for held in list(frame.f_locals.values()):
            if isinstance(held, dict) and "arguments" in held:
                made = held["arguments"][0]["code"]
                return "(x + T)" in made or "T.mean" in made
        frame = frame.f_back
    return False"""
WRONG = (
    Wrong("the book's rule where another counts", "to_trunk", "(<<weight_code>>)", "(1 + M)", _TRUNK, _OTHERS),
    Wrong("the book's rule where another counts", "to_mask", "(<<slope_code>>)", "1", _MASK, _OTHERS),
    Wrong(
        "the book's weight where another counts",
        "module_gradients",
        "delta_H * (<<weight_code>>)",
        "delta_H * (1 + M)",
        ("phi", "x"),
        _OTHERS,
    ),
    Wrong(
        "the book's slope where another counts",
        "module_gradients",
        "delta_H * (<<slope_code>>)",
        "delta_H",
        ("theta", "x"),
        _OTHERS,
    ),
    Wrong("the signal passes unweighted", "to_trunk", "return ", "return delta_H  # ", _TRUNK),
    Wrong("forgot the one", "to_trunk", "(1 + ", "(", _TRUNK, _ONES),
    Wrong("the mask where its square belongs", "to_trunk", "M * M", "M", _TRUNK, ("squared", "soft")),
    Wrong(
        "a shape of four axes taken for granted",
        "to_trunk",
        "return ",
        "B, C, H, W = M.shape\n    return ",
        ("shapes",),
    ),
    Wrong(
        "the weight and its slope exchanged", "to_mask", "return ", "return delta_H * (<<weight_code>>) * T  # ", _MASK
    ),
    Wrong("the trunk forgotten", "to_mask", ") * T", ")", _MASK),
    Wrong("summed over the pictures", "to_mask", "return ", "T = T.sum(axis=0, keepdims=True)\n    return ", _MASK),
    Wrong(
        "means instead of sums",
        "module_gradients",
        "return d_phi, d_theta",
        "return d_phi / len(x), d_theta / len(x)",
        ("phi", "theta"),
    ),
    Wrong("the slope of the sigmoid forgotten", "module_gradients", " * M * (1 - M)", "", ("theta", "x")),
    Wrong(
        "the way through the mask forgotten",
        "module_gradients",
        'd_x = d_x + np.einsum("kc,bkhw->bchw", theta, delta_z)',
        "pass",
        ("x",),
    ),
    Wrong(
        "phi and theta exchanged",
        "module_gradients",
        "return d_phi, d_theta",
        "return d_theta, d_phi",
        ("phi", "theta"),
    ),
    Wrong(
        "weights not transposed on the way back",
        "module_gradients",
        '"kc,bkhw->bchw", phi',
        '"ck,bkhw->bchw", phi',
        ("x",),
    ),
    Wrong(
        "one-sided",
        "by_differences",
        "(f(x + step) - f(x - step)) / (2 * eps)",
        "(f(x + step) - f(x)) / eps",
        ("values",),
    ),
    Wrong(
        "x is left changed",
        "by_differences",
        "    return gradient",
        "    x += 1\n    return gradient",
        ("unchanged",),
    ),
    Wrong(
        "a step that is whole where x is",
        "by_differences",
        "step = np.zeros(x.shape)",
        "step = np.zeros_like(x)",
        ("values",),
    ),
    Wrong("half of it", "by_differences", "(2 * eps)", "(4 * eps)", ("values",)),
    Wrong("a step of its own", "by_differences", "    gradient = ", "    eps = 1e-5\n    gradient = ", ("values",)),
    Wrong("nothing is computed, and x stays", "by_differences", "gradient[place] = ", "_ = ", ("values", "unchanged")),
    Wrong(
        "always true",
        "mask_reads_trunk",
        "    _, M = module(x)",
        "    return True",
        ("plain", "pair", "zero", "frozen"),
    ),
    Wrong(
        "always false",
        "mask_reads_trunk",
        "    _, M = module(x)",
        "    return False",
        ("plain", "pair", "zero", "frozen"),
    ),
    Wrong(
        "an attribute of the grader's own modules",
        "mask_reads_trunk",
        "    _, M = module(x)",
        '    return getattr(module, "kind", "") in ("sum", "late", "pair")',
        ("plain", "pair", "zero", "frozen"),
    ),
    Wrong(
        "what the grader made the module from, read where the answer is called",
        "mask_reads_trunk",
        "    _, M = module(x)",
        _CALLER,
        ("plain", "pair", "zero", "frozen"),
    ),
    Wrong("the plain sum as a direction", "mask_reads_trunk", "torch.randn_like(M)", "torch.ones_like(M)", ("pair",)),
    Wrong(
        "absent and zero taken for the same",
        "mask_reads_trunk",
        "g is not None and bool(g.abs().max() > 0)",
        "g is not None",
        ("zero",),
    ),
    Wrong(
        "a mask without a gradient not met",
        "mask_reads_trunk",
        "    if not M.requires_grad:\n        return False\n",
        "",
        ("frozen",),
    ),
    Wrong("the fault still there", "Repaired", "self.down(x)", "self.down(x + T)", ("output", "gradients")),
    Wrong(
        "detached instead of repaired",
        "Repaired",
        "y = torch.relu(self.down(x))",
        "y = torch.relu(self.down(x)).detach()",
        ("gradients",),
    ),
    Wrong(
        "the mask reads the module's input",
        "Repaired",
        "x = torch.relu(self.pre(x))\n        T = self.trunk(x)",
        "T = self.trunk(torch.relu(self.pre(x)))",
        ("output", "gradients"),
    ),
)

ASSIGNMENT = Assignment(
    name="mask_gradient",
    title="The mask gradient",
    minutes=120,
    variants=VARIANTS,
    questions=QUESTIONS,
    written=(Written("derivation", 8, "The derivation"), Written("filter", 6, "What it can and cannot filter")),
    wrong=WRONG,
)
