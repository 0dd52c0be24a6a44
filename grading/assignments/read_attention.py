"""Assignment 4: read the attention of a trained network, under scores of the notebook's own."""

from typing import Any

import numpy as np

from ..spec import Assignment, Call, Part, Question, Rng, Written, Wrong


def _code(text: str) -> str:
    """Lines of a solution, indented into the loop over the maps."""
    return "\n".join("        " + line for line in text.strip().splitlines())


VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "pointing_formula": r"1 \text{ if over half of the places with the largest value are on the object, else } 0.",
        "pointing_code": _code("""
best = m == m.max()
scores[n] = 2 * (best & t).sum() > best.sum()
"""),
        "region_formula": r"R = \{m \ge v\}, \text{ with the value } v \text{ of the map that gives the largest IoU}.",
        "region_code": _code("""
for v in np.unique(m):
    R = m >= v
    iou = (R & t).sum() / (R | t).sum()
    scores[n] = max(scores[n], iou)
"""),
        "blind_words": (
            "One map for both cues gets at most one half in pointing, and the first module's mask gets more. In "
            "overlap one half is no bound, since the threshold is chosen for each object."
        ),
    },
    "scaled": {
        "alpha": 0.6,
        "pointing_formula": r"\text{the share of the places with the largest value that lie on the object.}",
        "pointing_code": _code("""
best = m == m.max()
scores[n] = (best & t).sum() / best.sum()
"""),
        "region_formula": r"R = \{m \ge \min m + <<alpha>>\,(\max m - \min m)\}.",
        "region_code": _code("""
R = m >= m.min() + <<alpha>> * (m.max() - m.min())
scores[n] = (R & t).sum() / (R | t).sum()
"""),
        "blind_words": (
            "One map for both cues gets at most one half in either score; in pointing the first module's mask gets "
            "more."
        ),
    },
    "tolerant": {
        "pointing_formula": r"1 \text{ if the object has a place within 3×3 of one with the largest value, else } 0.",
        "pointing_code": _code("""
best = m == m.max()
wide = np.pad(best, 1)
near = np.zeros_like(best)
for r in range(3):
    for c in range(3):
        near = near | wide[r : r + H, c : c + W]
scores[n] = (near & t).any()
"""),
        "region_formula": r"R = \{m \ge v\},\ v \text{ the } k\text{-th largest},\ k = |\text{object}|.",
        "region_code": _code("""
v = np.sort(m.ravel())[-t.sum()]
R = m >= v
scores[n] = (R & t).sum() / (R | t).sum()
"""),
        "blind_words": (
            "One half is no bound here: in pointing the map of both objects gets 1, and in overlap a map that marks "
            "the smaller object more strongly gets more than one half."
        ),
    },
    "balanced": {
        "pointing_formula": (
            r"\frac{\text{largest values on the object} - \text{largest values off it}}{\text{largest values}}."
        ),
        "pointing_code": _code("""
best = m == m.max()
scores[n] = ((best & t).sum() - (best & ~t).sum()) / best.sum()
"""),
        "region_formula": r"R = \{m \ge \text{the mean of the map}\}.",
        "region_code": _code("""
R = m >= m.mean()
scores[n] = (R & t).sum() / (R | t).sum()
"""),
        "blind_words": (
            "One map for both cues gets at most 0 in pointing, and the first module's mask gets more; in overlap it "
            "gets at most one half."
        ),
    },
}


def _objects(rng: Rng, n: int, h: int, w: int) -> np.ndarray:
    """One block in each picture, away from nothing: bool [n, h, w]."""
    found = np.zeros((n, h, w), dtype=bool)
    for k in range(n):
        top, left = rng.integers(0, h - 2), rng.integers(0, w - 2)
        found[k, top : top + 2 + k % 2, left : left + 2] = True
    return found


def _far(box: np.ndarray) -> tuple[int, int]:
    """The corner that is farthest from an object, bool [h, w]."""
    rows, columns = np.nonzero(box)
    h, w = box.shape
    return (h - 1) * bool(rows.mean() < (h - 1) / 2), (w - 1) * bool(columns.mean() < (w - 1) / 2)


def _maps(rng: Rng, *shapes: tuple[int, int, int]) -> list[Call]:
    """Maps whose largest value lies on the object, far from it, beside it, and so on; the far corner is low or largest.

    Values on the object are above 0.5, and some elsewhere too: so a region may hold the object and more, or miss some.
    """
    calls = []
    for n, h, w in shapes:
        truth = _objects(rng, n, h, w)
        maps = np.where(truth, rng.uniform(0.5, 1, size=(n, h, w)), rng.uniform(0.1, 0.7, size=(n, h, w)))
        for k, (m, t) in enumerate(zip(maps, truth, strict=True)):
            top, left = (int(axis.min()) for axis in np.nonzero(t))
            m[_far(t)] = 0.0
            m[top, left] = 1.08  # above every threshold of a variant, wherever the largest value lies
            m[[(top, left), _far(t), (top, left - 1 if left else left + 2)][k % 3]] = 1.1
            m *= 1 + k / 4
        calls.append(Call((maps, truth)))
    return calls


def _ties(rng: Rng) -> list[Call]:
    """Maps of a few values, so that several places share the largest: on the object, half on it, mostly off it."""
    truth = np.zeros((4, 5, 6), dtype=bool)
    truth[:, 1:3, 1:4] = True
    # Drawn, so that none of them is a threshold of some rule by accident; with the largest, 1.0, they lie on both sides
    # of every constant that a course may set, from 0.05 to 0.95.
    levels = np.sort(np.append(rng.uniform(0.01, 0.04, size=2), rng.uniform(0.1, 0.6, size=4)))
    maps = rng.choice(levels, size=(4, 5, 6))
    maps[truth] = rng.choice(levels[2:], size=maps[truth].shape)
    maps[:, 0, 0] = 0.0
    on_it, half, mostly_off, off = "11 22 45", "12 45", "05 44 11", "40 42 45"  # row and column of each
    for k, places in enumerate([on_it, half, mostly_off, off]):
        for place in ((int(text[0]), int(text[1])) for text in places.split()):
            maps[k][place] = 1.0
    return [Call((maps, truth))]


def _constant(rng: Rng) -> list[Call]:
    """Maps of one value, in sixteenths: their mean is then that very value, in whichever order it is summed."""
    h, w = (int(side) for side in rng.integers(4, 8, size=2))
    return [Call((np.full((2, h, w), rng.integers(1, 16) / 16), _objects(rng, 2, h, w)))]


def _sides(rng: Rng, *kinds: str) -> list[Call]:
    """Two different sides for each of the kinds: ``odd``, ``even``, or one of either, in a drawn order."""
    calls = []
    for kind in kinds:
        odd, even = rng.choice([3, 5, 7, 9], size=2, replace=False), rng.choice([4, 6, 8, 10], size=2, replace=False)
        pair = {"odd": odd, "even": even, "either": rng.permutation([odd[0], even[0]])}[kind]
        calls.append(Call((int(pair[0]), int(pair[1]))))
    return calls


def _hits(rng: Rng, *, ends: bool) -> list[Call]:
    """Hits of a few and of many: some and not all, or none and all."""
    few, many = int(rng.integers(12, 30)), int(rng.integers(100, 200))
    if ends:
        return [Call((0, few)), Call((many, many))]
    return [Call((int(rng.integers(2, few // 2)), few)), Call((int(rng.integers(2 * many // 3, many - 5)), many))]


def _masks(rng: Rng, *shapes: tuple[int, int, int, int], same: bool = False) -> list[Call]:
    calls = []
    for n, c, h, w in shapes:
        one, other = np.zeros((n, h, w), dtype=bool), np.zeros((n, h, w), dtype=bool)
        one[:, 1:3, :2] = True
        other[:, 1:4, 3:] = True
        first = rng.uniform(size=(n, c, h, w))
        calls.append(Call((first, first.copy() if same else rng.uniform(size=(n, c, h, w)), one, other)))
    return calls


def _numbers(rng: Rng, *counts: int) -> list[Call]:
    return [Call(([round(float(v), 3) for v in rng.normal(0.2, 1, size=n)],)) for n in counts]


def _two(rng: Rng, *shapes: tuple[int, ...]) -> list[Call]:
    return [Call((rng.normal(size=s), rng.normal(size=s))) for s in shapes]


QUESTIONS = (
    Question(
        "pointing",
        (
            Part("values", 2, "Pointing", lambda r: _maps(r, (6, 5, 7), (4, 8, 6))),
            Part("ties", 2, "Pointing where values are shared", _ties),
            Part("one", 1, "Pointing for one picture alone", lambda r: _maps(r, (1, 6, 6))),
        ),
        closed=("torch",),
    ),
    Question(
        "overlap",
        (
            Part("values", 4, "Overlap", lambda r: _maps(r, (6, 5, 7), (3, 8, 6))),
            # Twice: of one draw in a hundred the best region is that above the mean, in all its maps.
            Part("ties", 2, "Overlap where values are shared", lambda r: _ties(r) + _ties(r)),
            Part("constant", 1, "Overlap of a constant map", _constant),
        ),
        closed=("torch",),
    ),
    Question(
        "usual_place",
        (Part("values", 2, "The usual place", lambda r: [Call((_objects(r, 7, 5, 6),))]),),
        closed=("torch",),
    ),
    Question(
        "centre",
        (
            Part("odd", 1, "The centre of odd sides", lambda r: _sides(r, "odd", "odd")),
            Part("even", 2, "The centre of even sides", lambda r: _sides(r, "even", "either")),
        ),
        closed=("torch",),
    ),
    Question(
        "moved",
        (
            Part("values", 4, "What moves with the cue", lambda r: _masks(r, (3, 4, 5, 6), (2, 1, 4, 5))),
            Part("still", 1, "A mask that does not move", lambda r: _masks(r, (2, 3, 5, 5), same=True)),
        ),
        closed=("torch",),
    ),
    Question(
        "interval",
        (
            Part("values", 3, "The interval of differences", lambda r: _numbers(r, 5, 12, 31)),
            Part("two", 1, "The interval of two differences", lambda r: _numbers(r, 2)),
            Part("many", 1, "The interval of many differences", lambda r: _numbers(r, 40, 60)),
        ),
        closed=("torch",),
    ),
    Question(
        "wilson",
        (
            Part("values", 2, "Wilson's interval", lambda r: _hits(r, ends=False)),
            Part("ends", 2, "Wilson's interval at none and at all", lambda r: _hits(r, ends=True)),
        ),
        closed=("torch",),
    ),
    Question(
        "grad_cam",
        (
            Part("values", 2, "Grad-CAM", lambda r: _two(r, (2, 3, 4, 5), (3, 2, 6, 6))),
            Part("one", 1, "Grad-CAM of one channel and one picture", lambda r: _two(r, (1, 1, 3, 4))),
        ),
        closed=("torch",),
    ),
)
_BEST = "best = m == m.max()"
_POINTING, _BOOK = "<<pointing_code>>", VARIANTS["paper"]["pointing_code"]
_REGION, _BOOK_REGION = "<<region_code>>", VARIANTS["paper"]["region_code"]
_LAST, _OTHERS = ("tolerant", "balanced"), ("scaled", "tolerant", "balanced")
WRONG = (
    Wrong(
        "only the first of several largest",
        "pointing",
        _BEST,
        "best = np.arange(m.size).reshape(m.shape) == m.argmax()",
        ("ties",),
    ),
    Wrong("the book's rule where another counts", "pointing", _POINTING, _BOOK, ("ties",), ("scaled",)),
    Wrong("the book's rule where another counts", "pointing", _POINTING, _BOOK, ("values", "ties"), _LAST),
    Wrong("the smallest instead of the largest", "pointing", "m.max()", "m.min()", ("values", "ties", "one")),
    Wrong("the largest of all pictures", "pointing", "m.max()", "maps.max()", ("values",)),
    Wrong(
        "on the wrong object",
        "pointing",
        "m, t = maps[n], truth[n]",
        "m, t = maps[n], ~truth[n]",
        ("values", "ties", "one"),
        ("paper", "scaled", "balanced"),
    ),
    Wrong("the first picture left out", "pointing", "range(N)", "range(1, N)", ("values", "ties", "one")),
    Wrong(
        "the share of the object that is found", "overlap", "(R | t).sum()", "t.sum()", ("values", "ties", "constant")
    ),
    Wrong("larger, not at least", "overlap", "m >= ", "m > ", ("constant",), ("paper", "scaled", "balanced")),
    Wrong("larger, not at least", "overlap", "m >= ", "m > ", ("values", "ties", "constant"), ("tolerant",)),
    Wrong(
        "one threshold for all pictures",
        "overlap",
        "m.min() + <<alpha>> * (m.max() - m.min())",
        "maps.min() + <<alpha>> * (maps.max() - maps.min())",
        ("values",),
        ("scaled",),
    ),
    Wrong("the book's rule where another counts", "overlap", _REGION, _BOOK_REGION, ("values", "ties"), _OTHERS),
    Wrong(
        "the first map for all pictures",
        "overlap",
        "m, t = maps[n], truth[n]",
        "m, t = maps[0], truth[n]",
        ("values", "ties"),
    ),
    Wrong("the number of pictures, not the share", "usual_place", "np.mean", "np.sum", ("values",)),
    Wrong("most pictures instead of the share", "usual_place", "axis=0)", "axis=0) > 0.5", ("values",)),
    Wrong(
        "the middle of even sides off by half",
        "centre",
        "(H - 1) / 2, columns - (W - 1) / 2",
        "H // 2, columns - W // 2",
        ("even",),
    ),
    Wrong("plus instead of minus", "centre", "return -", "return ", ("odd", "even")),
    Wrong(
        "the square of the distance",
        "centre",
        "-np.hypot(rows - (H - 1) / 2, columns - (W - 1) / 2)",
        "-((rows - (H - 1) / 2) ** 2 + (columns - (W - 1) / 2) ** 2)",
        ("odd", "even"),
    ),
    Wrong("the cues exchanged", "moved", "under_one - under_other", "under_other - under_one", ("values",)),
    Wrong("one cue alone", "moved", "(under_one - under_other)", "under_one", ("values", "still")),
    Wrong(
        "sums instead of means",
        "moved",
        ".mean() - change[n][other[n]].mean()",
        ".sum() - change[n][other[n]].sum()",
        ("values",),
    ),
    Wrong("the half forgotten", "moved", " / 2", "", ("values",)),
    Wrong("one channel for all", "moved", ".mean(axis=1)", "[:, 0]", ("values",)),
    Wrong("the deviation without n - 1", "interval", "ddof=1", "ddof=0", ("values", "two", "many")),
    Wrong(
        "1.96 for few differences too",
        "interval",
        "T[n - 2] if n - 1 <= 30 else 1.96",
        "1.96",
        ("values", "two"),
    ),
    Wrong(
        "one degree of freedom too many",
        "interval",
        "T[n - 2] if n - 1 <= 30",
        "T[n - 1] if n <= 30",
        ("values", "two"),
    ),
    Wrong("the table left one line early", "interval", "n - 1 <= 30", "n <= 30", ("values",)),
    Wrong("the deviation, and not of the mean", "interval", " / np.sqrt(n)", "", ("values", "two", "many")),
    Wrong(
        "the plain interval of a share",
        "wilson",
        "middle = p + z**2 / (2 * n)",
        "return p - z * np.sqrt(p * (1 - p) / n), p + z * np.sqrt(p * (1 - p) / n)\n    middle = p",
        ("values", "ends"),
    ),
    Wrong(
        "cut off at none and at all",
        "wilson",
        "z, p = 1.96, k / n",
        "z, p = 1.96, k / n\n    if k in (0, n):\n        return p, p",
        ("ends",),
    ),
    Wrong(
        "no positive part",
        "grad_cam",
        "np.maximum((weights * features).sum(axis=1), 0)",
        "(weights * features).sum(axis=1)",
        ("values", "one"),
    ),
    Wrong(
        "gradients not averaged over places",
        "grad_cam",
        "gradients.mean(axis=(2, 3), keepdims=True)",
        "gradients",
        ("values", "one"),
    ),
    Wrong("an axis of one squeezed away", "grad_cam", ".sum(axis=1), 0)", ".sum(axis=1), 0).squeeze()", ("one",)),
)

ASSIGNMENT = Assignment(
    name="read_attention",
    title="Read the attention",
    minutes=140,
    variants=VARIANTS,
    questions=QUESTIONS,
    written=(Written("report", 16, "One page of report"),),
    wrong=WRONG,
)
