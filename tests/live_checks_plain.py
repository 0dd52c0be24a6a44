"""What a live figure that computes a formula must do, move by move: its numbers are those of autograd."""

import math
import re

import torch
from live_driver import Figure
from live_reference import reach
from torch import Tensor

POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def check_field(figure: Figure) -> None:
    state = {"d": 3, "r": 1, "f": "f1", "x": 6, "y": 9}

    def agrees() -> None:
        figure.finding()
        ranges = [reach(state["d"], state["r"], state["f"], state[axis]) for axis in ("y", "x")]
        sides = [high - low + 1 for low, high in ranges]
        words = figure.node.locator(".live-note")
        edge = ", up to the map's edge" if sides != [32, 32] and {0, 31} & {*ranges[0], *ranges[1]} else ""
        assert words.nth(1).inner_text() == f"sees {sides[0]} × {sides[1]} of 32 × 32{edge}"
        trunk = [min(state[axis] + 2, 31) - max(state[axis] - 2, 0) + 1 for axis in ("y", "x")]
        edge = ", up to the map's edge" if any(not 2 < state[axis] < 29 for axis in ("y", "x")) else ""
        assert words.nth(0).inner_text() == f"sees {trunk[0]} × {trunk[1]} of 32 × 32{edge}"
        red, _, blue = figure.drawn(1).int()
        seen = (red > blue + 100).nonzero()  # orange
        assert [*seen.amin(0).tolist(), *seen.amax(0).tolist()] == [ranges[k][end] for end in (0, 1) for k in (0, 1)]

    agrees()
    figure.by_mouse("2")
    state["d"] = 2
    agrees()
    figure.by_keys("1")
    state["d"] = 1
    agrees()
    state["r"] = int(figure.slide("Units r", 0.5))
    agrees()
    state["r"] = int(figure.slide_by_keys("Units r", "ArrowLeft"))
    agrees()
    figure.point(1, 2, 28)
    state.update(x=28, y=2)
    agrees()
    figure.point_by_keys(0, "ArrowRight", "ArrowDown", "ArrowDown")
    state.update(x=29, y=4)
    agrees()
    figure.by_mouse("f3 spatial")
    state["f"] = "f3"
    agrees()
    figure.by_keys("f2 channel")
    state["f"] = "f2"
    agrees()


def check_fusion(figure: Figure) -> None:
    def agrees(z: float) -> None:
        m = torch.tensor(z, dtype=torch.double).sigmoid().item()
        assert figure.numbers() == [abs(z), round(m, 2), round(m, 2), round(1 + m, 2)]

    agrees(-4.0)
    agrees(figure.slide("Mask logit z", 0.8))
    agrees(figure.slide_by_keys("Mask logit z", "ArrowLeft"))


def check_backward(figure: Figure) -> None:
    v, u = (axis.double() for axis in torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij"))

    def bump(x: float, y: float, width: float) -> Tensor:
        return torch.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * width**2))

    signal = (bump(4, 5, 2.2) + bump(11, 10, 2.2)) * torch.cos(1.9 * u + 1.3 * v)
    state = {"x": 4, "y": 5, "width": 2.5, "residual": 0}

    def agrees() -> None:
        M, T = bump(state["x"], state["y"], state["width"]), torch.ones_like(signal, requires_grad=True)
        ((state["residual"] + M) * T).backward(signal)
        upper = u + v < 15
        wanted = [float(T.grad[side].norm() / signal[side].norm()) for side in (upper, ~upper)]
        assert all(abs(said - share) <= 0.005 + 1e-6 for said, share in zip(figure.numbers(), wanted, strict=False))
        assert figure.shows(1, M, "mask", 0, 1) and figure.shows(2, T.grad, "change", -2, 2)

    agrees()
    figure.point(1, 10, 11)
    state.update(x=11, y=10)
    agrees()
    figure.point_by_keys(1, "ArrowUp", "ArrowLeft")
    state.update(x=10, y=9)
    agrees()
    figure.by_mouse("(1 + M) · δH (ARL)")
    state["residual"] = 1
    agrees()
    figure.by_keys("M · δH (NAL)")
    state["residual"] = 0
    state["width"] = figure.slide("Width of the mask", 0.7)
    agrees()
    state["width"] = figure.slide_by_keys("Width of the mask", "ArrowRight")
    agrees()


def check_path(figure: Figure) -> None:
    def grown(s: float, n: int) -> float:
        """By autograd: the recursion of the mean square is the derivative of one that runs forward."""
        kappa, v = 1 / (1 - 1 / math.pi), 1.0
        q = torch.ones((), dtype=torch.double, requires_grad=True)
        out = q
        for _ in range(n):
            out = out * (s * s + kappa**2 / (4 * v))
            v = s * s * v + 1 / (4 * kappa)
        out.backward()
        assert q.grad is not None
        return q.grad.sqrt().item()

    def agrees(s: float, n: float) -> None:
        said = re.findall(r"[\d.]+", figure.finding().replace(",", "").rstrip("."))
        assert (float(said[0]), float(said[1])) == (n, round(s, 2))
        for shown, share in zip(said[2:], (s, 1.0, 0.0), strict=True):
            assert abs(float(shown) / grown(share, int(n)) - 1) <= 0.05

    agrees(0.8, 20)
    s = figure.slide("Share of the input handed on, s", 0.25)
    agrees(s, 20)
    n = figure.slide("Units n", 0.9)
    agrees(s, n)
    s = figure.slide_by_keys("Share of the input handed on, s", "End")
    n = figure.slide_by_keys("Units n", "Home")
    agrees(s, n)


def check_depth(figure: Figure) -> None:
    def agrees(m: float, k: float) -> None:
        M = torch.full((int(k),), m, dtype=torch.double)
        said = figure.finding()
        numbers = re.findall(rf"[\d.]+(?: · 10⁻[{POWERS}]+)?", said.replace(",", ""))
        count, mask, left, grown = (number.rstrip(".") for number in numbers[:4])
        assert (float(count), float(mask)) == (k, round(m, 2))
        for shown, factor in ((left, M.prod()), (grown, (1 + M).prod())):
            number = float(shown.replace(" · 10⁻", "e-").translate(str.maketrans(POWERS, "0123456789")))
            assert abs(number / float(factor) - 1) <= (0.5 if "⁻" in shown else 0.05)

    agrees(0.5, 6)
    m = figure.slide("Every mask M", 0.8)
    agrees(m, 6)
    k = figure.slide("Masks k", 0.9)
    agrees(m, k)
    m = figure.slide_by_keys("Every mask M", "ArrowLeft", "ArrowLeft")
    k = figure.slide_by_keys("Masks k", "ArrowRight")
    agrees(m, k)
