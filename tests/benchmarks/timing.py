"""Fair timings: what is compared takes turns, so that another load on the machine hits all of it.

A rate is a median over rounds; a ratio is the median of the rounds' own ratios, never a quotient of two medians.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One line of the results: a median in `unit`, the lowest and the highest of the rounds, and the ratio to the first
    row of its group."""

    group: str
    name: str
    value: float
    lowest: float
    highest: float
    unit: str
    ratio: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(self).items()}


def now(device: torch.device | None = None) -> float:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def take_turns(
    group: str, work: dict[str, Callable[[], float]], unit: str, rounds: int, notes: dict[str, str] | None = None
) -> list[Row]:
    """Let each piece of work measure itself, one after the other, round by round; a round before them warms up."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, measure in work.items():
            value = measure()
            if turn:
                found[name].append(value)
    first = next(iter(found.values()))
    return [
        Row(
            group,
            name,
            statistics.median(values),
            min(values),
            max(values),
            unit,
            statistics.median(b / a for a, b in zip(first, values, strict=True)) if values is not first else None,
            (notes or {}).get(name, ""),
        )
        for name, values in found.items()
    ]
