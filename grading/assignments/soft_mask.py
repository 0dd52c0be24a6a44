"""Assignment 1: the soft mask branch, with other rules for skip, activation and fusion."""

from typing import Any

from ..spec import Assignment, Call, Code, Part, Question, Rng, Written, Wrong

_FUSIONS = {
    "paper": (
        r"H = (1 + M)\, T",
        "(1 + M) * T",
        "Factors from 1 to 2. A feature whose mask value is near 0 passes unchanged: nothing is removed.",
    ),
    "scaled": (
        r"H = (1 + <<alpha>>\, M)\, T",
        "(1 + <<alpha>> * M) * T",
        "Factors from 1 to 1 + <<alpha>>. Near 0 a feature passes unchanged: nothing is removed.",
    ),
    "gated": (
        r"H = (1 + M^2)\, T",
        "(1 + M * M) * T",
        "Factors from 1 to 2. Near 0 a feature passes unchanged, and so flatly that the mask learns slowly there.",
    ),
    "averaged": (
        r"H = M^2\, T",
        "M * M * T",
        "Factors from 0 to 1. A feature whose mask value is near 0 is removed, and so is nearly all of its gradient.",
    ),
}
_RAMPS = (
    "The step that the activation makes where logits change sign would be spread evenly over a whole cell of the "
    "coarse map: in a picture of the mask, edges of objects turn into ramps as wide as the pooling. Of interpolated "
    "logits the activation makes a step at their zero line, between the places, and a steeper one the larger they are."
)
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "skip_formula": "u + s",
        "skip_code": "x + s",
        "activation_formula": r"M = \frac{1}{1 + e^{-z}}.",
        "activation_words": "It works on every number for itself.",
        "activation_code": "    return torch.sigmoid(z)",
        "edge_words": _RAMPS,
    },
    "scaled": {
        "alpha": 0.4,
        "skip_formula": r"u + <<alpha>>\, s",
        "skip_code": "x + <<alpha>> * s",
        "activation_formula": r"M = \frac12 \left(1 + \frac{z}{1 + |z|}\right).",
        "activation_words": "It works on every number for itself.",
        "activation_code": "    return 0.5 * (1 + z / (1 + z.abs()))",
        "edge_words": _RAMPS,
    },
    "gated": {
        "skip_formula": r"\max(u, s)",
        "skip_code": "torch.maximum(x, s)",
        "activation_formula": r"M_c = \frac{e^{z_c}}{\max_k e^{z_k}},\quad k \text{ over channels}.",
        "activation_words": "So at every place the largest channel gets 1, and places do not know of each other.",
        "activation_code": "    return torch.exp(z - z.amax(dim=1, keepdim=True))",
        "edge_words": (
            "Halfway between a place where one channel is far the largest and a place where another is, the average "
            "gives both about one half, and no channel has the 1 that the rule gives to the largest. In a picture of "
            "the largest mask value over channels, which should be 1 everywhere, dark seams appear where the lead "
            "changes. Of interpolated logits the activation gives the largest channel 1 at every place."
        ),
    },
    "averaged": {
        "skip_formula": r"\tfrac12 (u + s)",
        "skip_code": "(x + s) / 2",
        "activation_formula": r"M = \frac{z^2}{1 + z^2}.",
        "activation_words": "It works on every number for itself.",
        "activation_code": "    return z.square() / (1 + z.square())",
        "edge_words": (
            "Between two places with logits of −3 and 3 the mask would stay at 0.9, the value of both. Interpolated "
            "logits cross zero between them, and there the mask falls to 0. So in a picture of the mask the thin dark "
            "lines are missing where logits change sign."
        ),
    },
}
for _name, (_formula, _code, _words) in _FUSIONS.items():
    VARIANTS[_name] |= {"fusion_formula": _formula, "fusion_code": _code, "range_words": _words}


def _maps(rng: Rng, *shapes: tuple[int, ...], how: str = "value") -> list[Call]:
    return [Call((rng.normal(size=shape),), how) for shape in shapes]


def _positive(rng: Rng, *shapes: tuple[int, ...], sign: float = 1.0, how: str = "value") -> list[Call]:
    """Maps of one sign: what a window over the edge is filled up with shows where all values are negative alone."""
    return [Call((sign * rng.uniform(1, 2, size=shape),), how) for shape in shapes]


def _resized(rng: Rng, *sizes: tuple[int, int, int, int], batch: int = 2, how: str = "value") -> list[Call]:
    return [Call((rng.normal(size=(batch, 3, h, w)), [H, W]), how) for h, w, H, W in sizes]


# Operators of the grader's own, so that this question stands apart from the others and tells nothing about them.
_OPERATORS = """
def _thin(x):
    return 1.5 * x[:, :, ::2, ::2]


def _spread(x, size):
    rows = torch.arange(size[0]) * x.shape[2] // size[0]
    columns = torch.arange(size[1]) * x.shape[3] // size[1]
    return x[:, :, rows][:, :, :, columns] * 0.8


def _bend(z):
    return torch.atan(z)
"""


def _branch(rng: Rng, how: str, *cases: tuple[int, tuple[int, ...]]) -> list[Call]:
    operators = {"pool": Code("_thin"), "upsample": Code("_spread"), "activate": Code("_bend")}
    return [
        Call((rng.normal(size=shape),), how, {"channels": shape[1], "depth": depth, **operators}, setup=_OPERATORS)
        for depth, shape in cases
    ]


def _pairs(rng: Rng, how: str, *shapes: tuple[int, ...]) -> list[Call]:
    return [Call((rng.uniform(size=shape), rng.normal(size=shape)), how) for shape in shapes]


QUESTIONS = (
    Question(
        "pool",
        (
            Part("even", 2, "Pooling of maps with even sides", lambda r: _positive(r, (2, 3, 8, 6), (3, 2, 4, 12))),
            Part("odd", 1, "Pooling of maps with odd sides", lambda r: _positive(r, (2, 3, 7, 9), (2, 1, 5, 11))),
            Part(
                "negative",
                1,
                "Pooling where all values are negative",
                lambda r: _positive(r, (2, 2, 6, 6), (1, 3, 5, 8), sign=-1.0),
            ),
            Part(
                "gradients", 1, "Gradients through the pooling", lambda r: _positive(r, (2, 2, 6, 7), how="gradients")
            ),
        ),
        torch=True,
    ),
    Question(
        "upsample",
        (
            Part("double", 2, "Up-sampling by two", lambda r: _resized(r, (4, 5, 8, 10), (3, 3, 6, 6))),
            Part("any", 1, "Up-sampling to any size", lambda r: _resized(r, (4, 5, 7, 9), (3, 2, 8, 5))),
            Part("one", 1, "Up-sampling of one picture alone", lambda r: _resized(r, (3, 4, 6, 8), batch=1)),
            Part(
                "gradients",
                1,
                "Gradients through the up-sampling",
                lambda r: _resized(r, (3, 4, 6, 8), how="gradients"),
            ),
        ),
        torch=True,
    ),
    Question(
        "activate",
        (
            Part("values", 3, "The activation's values", lambda r: _maps(r, (2, 3, 4, 5), (3, 4, 2, 2))),
            Part("one", 1, "The activation for one picture alone", lambda r: _maps(r, (1, 3, 4, 5), (1, 2, 1, 1))),
            Part("large", 1, "The activation of very large logits", lambda r: _large(r)),
            Part("gradients", 2, "Gradients through the activation", lambda r: _maps(r, (2, 3, 4, 5), how="gradients")),
        ),
        torch=True,
    ),
    Question(
        "MaskBranch",
        (
            Part("shallow", 2, "The branch with one pooling", lambda r: _branch(r, "output", (1, (2, 4, 6, 8)))),
            Part(
                "deep",
                5,
                "The branch with two and three poolings",
                lambda r: _branch(r, "output", (2, (2, 3, 8, 8)), (3, (2, 2, 16, 8))),
            ),
            Part("odd", 2, "The branch on maps with odd sides", lambda r: _branch(r, "output", (2, (2, 2, 9, 13)))),
            Part("one", 1, "The branch for one picture alone", lambda r: _branch(r, "output", (1, (1, 3, 6, 8)))),
            Part("gradients", 3, "Gradients of input and weights", lambda r: _branch(r, "backward", (2, (2, 2, 8, 8)))),
        ),
        torch=True,
    ),
    Question(
        "fuse",
        (
            Part("values", 3, "The fusion's values", lambda r: _pairs(r, "value", (2, 3, 4, 5), (1, 2, 3, 3))),
            Part("gradients", 3, "Gradients of mask and trunk", lambda r: _pairs(r, "gradients", (2, 3, 4, 5))),
        ),
        torch=True,
    ),
)


def _large(rng: Rng) -> list[Call]:
    logits = 1000 * rng.choice([-1.0, 1.0], size=(2, 3, 4, 4))
    logits[:, :, 0, 0] = -1000  # a place where every channel is low
    logits[:, :, 1, 1] = 1000
    return [Call((logits,))]


_POOL, _UP = (
    "F.max_pool2d(x, 3, stride=2, ceil_mode=True)",
    "F.interpolate(x, size=size, **how)",
)
_POOLING, _SIZES = ("even", "odd", "negative", "gradients"), ("double", "any", "one", "gradients")
_BY_NUMPY = """\
rows, columns = range(0, x.shape[2] - 1, 2), range(0, x.shape[3] - 1, 2)
    windows = [[x[:, :, r : r + 3, c : c + 3].detach().numpy().max(axis=(2, 3)) for c in columns] for r in rows]
    return torch.tensor(windows).permute(2, 3, 0, 1)"""
_PAPER = ("paper",)
_OTHERS = ("scaled", "gated", "averaged")
_LAST = "            x = self.upsample(x, sizes[level])\n"
_DOWN = """\
                kept.append(self.skips[level - 1](x))
            sizes.append(x.shape[2:])
            x = self.down[level](self.pool(x))
"""
_EARLY = """\
                kept.append(self.skips[level - 1](pooled))
            sizes.append(x.shape[2:])
            pooled = self.pool(x)
            x = self.down[level](pooled)
"""
WRONG = (
    Wrong("pooling with padding 1", "pool", _POOL, "F.max_pool2d(x, 3, 2, padding=1)", _POOLING),
    Wrong("no window over the edge", "pool", _POOL, "F.max_pool2d(x, 3, 2)", ("even", "negative", "gradients")),
    Wrong("average instead of maximum", "pool", "F.max_pool2d", "F.avg_pool2d", _POOLING),
    Wrong("the map detached", "pool", "F.max_pool2d(x", "F.max_pool2d(x.detach()", ("gradients",)),
    Wrong("pooled by NumPy", "pool", "return " + _POOL, _BY_NUMPY, ("gradients",)),
    Wrong(
        "the edge filled up with zeros",
        "pool",
        _POOL,
        "F.max_pool2d(F.pad(x, (0, 1 - x.shape[3] % 2, 0, 1 - x.shape[2] % 2)), 3, 2)",
        ("negative",),
    ),
    Wrong("nearest instead of bilinear", "upsample", _UP, "F.interpolate(x, size=size)", _SIZES),
    Wrong("corners not aligned", "upsample", "True", "False", _SIZES),
    Wrong("the map detached", "upsample", "F.interpolate(x", "F.interpolate(x.detach()", ("gradients",)),
    Wrong("always by two", "upsample", "size=size", "scale_factor=2", ("any",)),
    Wrong(
        "a shape written into the code",
        "upsample",
        "return ",
        "x = x.reshape(2, *x.shape[1:])\n    return ",
        ("one",),
    ),
    Wrong("the batch squeezed away", "activate", "    return ", "    z = z.squeeze(0)\n    return ", ("one",)),
    Wrong("a mask that is detached", "activate", "    return ", "    z = z.detach()\n    return ", ("gradients",)),
    Wrong(
        "the book's sigmoid where another rule counts",
        "activate",
        "    return ",
        "    return torch.sigmoid(z)  # ",
        ("values", "one", "large", "gradients"),
        _OTHERS,
    ),
    Wrong(
        "a quotient that overflows",
        "activate",
        "torch.sigmoid(z)",
        "torch.exp(z) / (1 + torch.exp(z))",
        ("large",),
        _PAPER,
    ),
    Wrong(
        "over places instead of channels",
        "activate",
        "z.amax(dim=1, keepdim=True)",
        "z.amax(dim=(2, 3), keepdim=True)",
        ("values", "one", "large", "gradients"),
        ("gated",),
    ),
    Wrong(
        "exponentials that overflow",
        "activate",
        "torch.exp(z - z.amax(dim=1, keepdim=True))",
        "torch.exp(z) / torch.exp(z).amax(dim=1, keepdim=True)",
        ("large",),
        ("gated",),
    ),
    Wrong(
        "activation before the up-sampling",
        "MaskBranch",
        _LAST,
        "            if level == 0:\n                return self.upsample(self.activate(self.tail(x)), sizes[0])\n"
        + _LAST,
        ("shallow", "deep", "odd", "one", "gradients"),
    ),
    Wrong(
        "skip from the wrong level",
        "MaskBranch",
        "s = kept[level - 1]",
        "s = F.interpolate(kept[self.depth - 1 - level], size=x.shape[2:])",
        ("deep",),
    ),
    Wrong("skip read before the unit of its level", "MaskBranch", _DOWN, _EARLY, ("deep", "odd", "gradients")),
    Wrong("no skip at all", "MaskBranch", "(<<skip_code>>)", "(x)", ("deep", "odd", "gradients")),
    Wrong(
        "the book's skip where another rule counts",
        "MaskBranch",
        "(<<skip_code>>)",
        "(x + s)",
        ("deep", "odd", "gradients"),
        _OTHERS,
    ),
    Wrong(
        "sizes doubled on the way up",
        "MaskBranch",
        "self.upsample(x, sizes[level])",
        "self.upsample(x, (2 * x.shape[2], 2 * x.shape[3]))",
        ("odd",),
    ),
    Wrong(
        "one picture alone loses its axis",
        "MaskBranch",
        "x = self.tail(x)\n",
        "x = self.tail(x).squeeze()\n",
        ("one",),
    ),
    Wrong(
        "the tail without its activation",
        "MaskBranch",
        "self.activate(x)",
        "x",
        ("shallow", "deep", "odd", "one", "gradients"),
    ),
    Wrong("the skip detached", "MaskBranch", "s = kept[level - 1]", "s = kept[level - 1].detach()", ("gradients",)),
    Wrong("forgot the one", "fuse", "(1 + ", "(", ("values", "gradients"), ("paper", "scaled", "gated")),
    Wrong(
        "the book's fusion where another rule counts",
        "fuse",
        "return ",
        "return (1 + M) * T  # ",
        ("values", "gradients"),
        _OTHERS,
    ),
    Wrong("mask added to the trunk", "fuse", "return ", "return M + T  # ", ("values", "gradients")),
    Wrong("the mask detached in the fusion", "fuse", "return ", "M = M.detach()\n    return ", ("gradients",)),
    Wrong("the square forgotten", "fuse", "M * M", "M", ("values", "gradients"), ("gated", "averaged")),
)

ASSIGNMENT = Assignment(
    name="soft_mask",
    title="Build the soft mask branch",
    minutes=105,
    variants=VARIANTS,
    questions=QUESTIONS,
    written=(Written("explain", 8, "Activation and range, in words"),),
    wrong=WRONG,
)
