"""What the grader takes for right, against another route: loops, formulas by hand, finite differences, integrals.

Nothing here reads a solution or a variant's code. The formulas are those that the notebooks print; every call that the
grader makes is made here too.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats

from grading.assignments import NAMES, load
from grading.assignments.mask_gradient import _KINDS, _MODULES, _made
from grading.child import flatten
from grading.marks import key

SEED = 11
A = 0.35  # the constant of the variants that have one, here one of a course's own
VARIANTS = [
    (name, "scaled:0.35" if variant == "scaled" else variant) for name in NAMES for variant in load(name).variants
]

# --- the rules, as the notebooks print them

FUSED = {
    "paper": lambda M, T: (1 + M) * T,
    "scaled": lambda M, T: (1 + A * M) * T,
    "squared": lambda M, T: M**2 * T,
    "soft": lambda M, T: (1 + M - M**2) * T,
    "gated": lambda M, T: (1 + M**2) * T,
    "averaged": lambda M, T: M**2 * T,
}
SKIPPED = {
    "paper": lambda u, s: u + s,
    "scaled": lambda u, s: u + A * s,
    "gated": lambda u, s: np.where(u > s, u, s),
    "averaged": lambda u, s: 0.5 * u + 0.5 * s,
}


def scalar(rule: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    return np.vectorize(rule, otypes=[float])


def sigmoid(z: float) -> float:
    return 0.5 + 0.5 * math.tanh(z / 2)


def gated(z: np.ndarray) -> np.ndarray:
    out = np.empty_like(z)
    for b, h, w in itertools.product(*(range(z.shape[n]) for n in (0, 2, 3))):
        largest = max(z[b, :, h, w])
        for c in range(z.shape[1]):
            out[b, c, h, w] = math.exp(z[b, c, h, w] - largest)
    return out


ACTIVATED = {
    "paper": scalar(sigmoid),
    "scaled": scalar(lambda z: 0.5 * (1 + z / (1 + abs(z)))),
    "gated": gated,
    "averaged": scalar(lambda z: 1 - 1 / (1 + z * z)),
}

# --- assignment 1


def pool(variant: str, x: np.ndarray) -> np.ndarray:
    B, C, H, W = x.shape
    rows, columns = range(0, math.ceil((H - 1) / 2)), range(0, math.ceil((W - 1) / 2))
    return np.array(
        [[[[max(x[b, c, 2 * r : 2 * r + 3, 2 * k : 2 * k + 3].ravel()) for k in columns] for r in rows]
          for c in range(C)] for b in range(B)]
    )  # fmt: skip


def upsample(variant: str, x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """First along one axis, then along the other: row r of H lies at r (h - 1) / (H - 1)."""
    for axis, wanted in ((2, size[0]), (3, size[1])):
        old = x.shape[axis]
        at = np.arange(wanted) * (old - 1) / (wanted - 1)
        x = np.apply_along_axis(lambda line, at=at, old=old: np.interp(at, np.arange(old), line), axis, x)
    return x


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """A convolution as a sum of shifted pictures: [B, C, H, W], [K, C, k, k] -> [B, K, H, W]."""
    k = weight.shape[2]
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    out = np.zeros((len(x), len(weight), H, W))
    for r, c in itertools.product(range(k), range(k)):
        out += np.einsum("kc,bchw->bkhw", weight[:, :, r, c], wide[:, :, r : r + H, c : c + W])
    return out if bias is None else out + bias[None, :, None, None]


def branch(variant: str, x: np.ndarray, weights: dict[str, np.ndarray], depth: int) -> np.ndarray:
    """The branch as a recursion over levels, with the grader's own operators."""

    def unit(name: str, x: np.ndarray) -> np.ndarray:
        return x + conv(x.clip(min=0), weights[f"{name}.conv.weight"])

    def thin(x: np.ndarray) -> np.ndarray:
        return x[:, :, ::2, ::2] * 3 / 2

    def spread(x: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        out = np.zeros((*x.shape[:2], *size))
        for r, c in np.ndindex(*size):
            out[:, :, r, c] = x[:, :, r * x.shape[2] // size[0], c * x.shape[3] // size[1]] * 4 / 5
        return out

    def level(n: int, x: np.ndarray) -> np.ndarray:
        """What leaves level n, for what arrives there on the way down."""
        if n == depth:
            return x
        back = spread(level(n + 1, unit(f"down.{n}", thin(x))), x.shape[2:])
        if n == 0:
            return back
        return unit(f"up.{n - 1}", SKIPPED[variant](back, unit(f"skips.{n - 1}", x)))

    return np.arctan(conv(level(0, x), weights["tail.weight"]))


# --- assignment 2


def module(variant: str, x: np.ndarray, phi: np.ndarray, theta: np.ndarray) -> np.ndarray:
    T = np.tensordot(x, phi, axes=(1, 1)).transpose(0, 3, 1, 2)
    z = np.tensordot(x, theta, axes=(1, 1)).transpose(0, 3, 1, 2)
    return FUSED[variant](scalar(sigmoid)(z), T)


def module_gradients(variant: str, x: np.ndarray, phi: np.ndarray, theta: np.ndarray, delta: np.ndarray) -> list:
    def loss(phi: np.ndarray, theta: np.ndarray, x: np.ndarray) -> float:
        return float((module(variant, x, phi, theta) * delta).sum())

    return differences(loss, phi, theta, x)


def to_trunk(variant: str, delta: np.ndarray, M: np.ndarray, T: np.ndarray) -> np.ndarray:
    return differences(lambda T: float((FUSED[variant](M, T) * delta).sum()), T)[0]


def to_mask(variant: str, delta: np.ndarray, M: np.ndarray, T: np.ndarray) -> np.ndarray:
    return differences(lambda M: float((FUSED[variant](M, T) * delta).sum()), M)[0]


def by_differences(variant: str, f: str, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """What the central difference of each of the grader's functions comes to, in closed form."""
    if "a**2" in f:
        return 2 * x
    if "a**3" in f:
        return 3 * x**2 + eps**2
    if "np.prod" in f:
        return np.array([np.prod(np.delete(x, n)) for n in range(len(x))])
    return np.cos(x) * math.sin(eps) / eps


READS = {"clean": 0, "sum": 1, "late": 1, "pair": 1, "pair clean": 0, "zero": 0, "frozen": 0, "detached": 0}


def repaired(variant: str, x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return conv(x, w[f"{name}.weight"], w[f"{name}.bias"])

    x = layer("pre", x).clip(min=0)
    M = scalar(sigmoid)(layer("mask", layer("down", x).clip(min=0)))
    return FUSED[variant](M, layer("trunk", x))


# --- assignment 3


def weight(variant: str, rule: str) -> Callable[[float], float]:
    return (lambda m: m) if rule == "naive" else (lambda m: float(FUSED[variant](m, 1.0)))


def passes(variant: str, masks: np.ndarray, rule: str) -> list[float]:
    w = weight(variant, rule)
    places = masks.reshape(len(masks), -1).T
    return [math.fsum(math.prod(w(m) for m in place[: n + 1]) for place in places) / len(places)
            for n in range(len(masks))]  # fmt: skip


def mean_of(w: Callable[[float], float], low: float, high: float) -> float:
    return w(low) if low == high else scipy.integrate.quad(w, low, high)[0] / (high - low)


def predicted(variant: str, k: int, low: float, high: float, rule: str) -> float:
    return mean_of(weight(variant, rule), low, high) ** k


def spread(variant: str, k: int, low: float, high: float) -> float:
    w = weight(variant, "here")
    whole, square = mean_of(w, low, high) ** k, mean_of(lambda m: w(m) ** 2, low, high) ** k
    return math.sqrt(max(square - whole**2, 0.0)) if low < high else 0.0


def relative_response(variant: str, stages: list[np.ndarray]) -> list[float]:
    sizes = [math.fsum(abs(v) for v in stage.ravel().tolist()) / stage.size for stage in stages]
    return [size / sizes[0] for size in sizes]


def epochs_to(variant: str, values: list[float], level: float) -> int:
    stays = [n + 1 for n in range(len(values)) if all(v >= level for v in values[n:])]
    return min(stays, default=0)


# --- assignment 4


def each(rule: Callable[[str, list, set], float]) -> Callable[..., list[float]]:
    """A score of one map, for all: the map as (value, place) pairs, the object as a set of places."""

    def score(variant: str, maps: np.ndarray, truth: np.ndarray) -> list[float]:
        scores = []
        for m, t in zip(maps, truth, strict=True):
            thing = {place for place, inside in np.ndenumerate(t) if inside}
            scores.append(rule(variant, [(v, place) for place, v in np.ndenumerate(m)], thing))
        return scores

    return score


def _pointing(variant: str, places: list, thing: set) -> float:
    top = max(places)[0]
    best = [place for v, place in places if v == top]
    on = sum(place in thing for place in best)
    if variant == "tolerant":
        return float(any(abs(r - R) <= 1 and abs(c - C) <= 1 for r, c in best for R, C in thing))
    share = on / len(best)
    return {"paper": float(share > 0.5), "scaled": share, "balanced": (on - (len(best) - on)) / len(best)}[variant]


def _overlap(variant: str, places: list, thing: set) -> float:
    def iou(threshold: float) -> float:
        region = {place for v, place in places if v >= threshold}
        return len(region & thing) / len(region | thing)

    values = [v for v, _ in places]
    if variant == "paper":
        return max(iou(v) for v in values)
    if variant == "tolerant":
        return iou(sorted(values, reverse=True)[len(thing) - 1])
    low, high = min(values), max(values)
    return iou(low + A * (high - low) if variant == "scaled" else math.fsum(values) / len(values))


def usual_place(variant: str, masks: np.ndarray) -> list:
    return [[sum(map(bool, masks[:, r, c])) / len(masks) for c in range(masks.shape[2])] for r in range(masks.shape[1])]


def centre(variant: str, H: int, W: int) -> list:
    return [[-math.dist((r + 0.5, c + 0.5), (H / 2, W / 2)) for c in range(W)] for r in range(H)]


def moved(variant: str, first: np.ndarray, second: np.ndarray, one: np.ndarray, other: np.ndarray) -> list[float]:
    def mean(mask: np.ndarray, thing: np.ndarray) -> float:
        return float(np.mean([mask[:, r, c].mean() for (r, c), inside in np.ndenumerate(thing) if inside]))

    return [
        0.5 * (mean(a, p) - mean(a, q) - mean(b, p) + mean(b, q))
        for a, b, p, q in zip(first, second, one, other, strict=True)
    ]


def interval(variant: str, d: list[float]) -> tuple[float, ...]:
    """The table of the notebook has three digits, and 1.96 above 30 degrees of freedom."""
    n = len(d)
    t = round(float(scipy.stats.t.ppf(0.975, n - 1)), 3) if n <= 31 else 1.96
    half = t * float(scipy.stats.sem(d))
    return (sum(d) / n, sum(d) / n - half, sum(d) / n + half)


def wilson(variant: str, k: int, n: int) -> tuple[float, float]:
    """The shares whose own spread, 1.96 standard errors, reaches exactly as far as k in n."""

    def beyond(p: float) -> float:
        return (k / n - p) ** 2 - 1.96**2 * p * (1 - p) / n

    p = min(max(k / n, 1e-12), 1 - 1e-12)
    low = 0.0 if k == 0 else scipy.optimize.brentq(beyond, 0, p, xtol=1e-13)
    high = 1.0 if k == n else scipy.optimize.brentq(beyond, p, 1, xtol=1e-13)
    return low, high


def grad_cam(variant: str, features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    out = np.zeros((len(features), *features.shape[2:]))
    for b, c in itertools.product(range(len(features)), range(features.shape[1])):
        out[b] += gradients[b, c].sum() / gradients[b, c].size * features[b, c]
    return np.where(out > 0, out, 0)


REFERENCES: dict[str, dict[str, Callable[..., Any]]] = {
    "soft_mask": {
        "pool": pool,
        "upsample": upsample,
        "activate": lambda variant, z: ACTIVATED[variant](z),
        "MaskBranch": branch,
        "fuse": lambda variant, M, T: FUSED[variant](M, T),
    },
    "mask_gradient": {
        "to_trunk": to_trunk,
        "to_mask": to_mask,
        "module_gradients": module_gradients,
        "by_differences": by_differences,
        "mask_reads_trunk": lambda variant, made, x: READS[
            next(kind for kind in READS if made.endswith(f"T: {_KINDS[kind]})"))
        ],
        "Repaired": repaired,
    },
    "residual_learning": {
        "passes": passes,
        "predicted": predicted,
        "spread": spread,
        "relative_response": relative_response,
        "epochs_to": epochs_to,
    },
    "read_attention": {
        "pointing": each(_pointing),
        "overlap": each(_overlap),
        "usual_place": usual_place,
        "centre": centre,
        "moved": moved,
        "interval": interval,
        "wilson": wilson,
        "grad_cam": grad_cam,
    },
}


def differences(f: Callable[..., float], *arrays: np.ndarray, eps: float = 1e-5) -> list[np.ndarray]:
    """The gradient of a number by central differences, for each array."""
    found = []
    for n, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            ends = []
            for step in (eps, -eps):
                moved_ = [a.copy() for a in arrays]
                moved_[n][place] += step
                ends.append(f(*moved_))
            gradient[place] = (ends[0] - ends[1]) / (2 * eps)
        found.append(gradient)
    return found


def direction(shape: tuple[int, ...]) -> np.ndarray:
    return np.array([math.sin(0.3 + 1.7 * n) for n in range(math.prod(shape))]).reshape(shape)


def decoded(item: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(item, dict):
        if "array" in item:
            return arrays[item["array"]]
        return item["code"] if "code" in item else [decoded(entry, arrays) for entry in item["list"]]
    return item


def expected(reference: Callable, variant: str, call: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    arguments = [decoded(item, arrays) for item in call["arguments"]]
    if call["how"] in ("output", "backward"):
        prefix = call["weights"] + "/"
        weights = {k.removeprefix(prefix): v for k, v in sorted(arrays.items()) if k.startswith(prefix)}
        depth = {"depth": call["keywords"]["depth"]} if "depth" in call["keywords"] else {}
        if call["how"] == "output":
            return reference(variant, arguments[0], weights, **depth)

        def loss(x: np.ndarray, *values: np.ndarray) -> float:
            out = reference(variant, x, dict(zip(weights, values, strict=True)), **depth)
            return float((out * direction(out.shape)).sum())

        return differences(loss, arguments[0], *weights.values())
    if call["how"] == "gradients":
        arrays_first = [a for a in arguments if isinstance(a, np.ndarray)]
        others = arguments[len(arrays_first) :]

        def loss_of(*inputs: np.ndarray) -> float:
            out = reference(variant, *inputs, *others)
            return float((out * direction(out.shape)).sum())

        return differences(loss_of, *arrays_first)
    result = reference(variant, *arguments, **call["keywords"])
    if call["how"] == "unchanged":
        return [np.sign(result), True]
    if call["pick"] is not None:
        return result[call["pick"]]
    return result


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_what_counts_as_right_agrees_with_another_route(name: str, variant: str) -> None:
    answers = key(name, variant, SEED)
    assert {question for question, _ in answers.calls} == REFERENCES[name].keys()
    for (question, part), calls in answers.calls.items():
        for call, right in zip(calls, answers.right[question, part], strict=True):
            mine = flatten(expected(REFERENCES[name][question], variant.split(":")[0], call, answers.arrays[question]))
            assert len(mine) == len(right), (question, part)
            exact = call["how"] in ("value", "output") and "to_" not in question and question != "module_gradients"
            for a, b in zip(mine, right, strict=True):
                assert np.shape(a) == b.shape, (question, part)
                assert np.allclose(a, b, rtol=1e-9 if exact else 1e-5, atol=1e-10 if exact else 1e-6), (question, part)


def test_a_module_reads_its_trunk_where_a_nudge_of_the_trunk_moves_its_mask() -> None:
    """By brute force; where gradients see less than a nudge (``detached``), the question's text says which counts."""
    import torch

    names: dict[str, Any] = {}
    exec(_MODULES, names)
    x = torch.randn(2, 3, 4, 4)
    for kind, reads in READS.items():
        made = eval(_made(kind, 3), names)
        with torch.no_grad():
            before = made(x)[1]
            for parameter in made.trunk.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
            moves = not torch.equal(before, made(x)[1])
        assert moves == bool(reads) or kind == "detached", kind
