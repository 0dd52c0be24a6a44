"""What a training step on a CPU spends beside its convolutions, and what was tried to spend less."""

import statistics
from collections import Counter

import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

import resattn
from resattn.training import RECIPES, make_optimizer

from .networks import CPU, FAST, batch, switched, trainer
from .timing import Row, take_turns

# By the beginning of the operation's name; what is added stands first, for a sum is named like its own start.
KINDS = {
    "convolution": ("aten::convolution", "aten::mkldnn_convolution"),
    "batch normalisation": ("aten::native_batch_norm",),
    "ReLU": ("aten::clamp_min", "aten::threshold"),
    "sums of features and of gradients": ("aten::add",),
    "pooling and up-sampling": ("aten::max_pool2d", "aten::upsample"),
}
ARITHMETIC = "all multiply-adds but those of the classifier"


def network() -> nn.Module:
    return switched(resattn.create("attention56", width=0.5)).train()


def shares(rounds: int) -> list[Row]:
    """Per cent of a step's time that goes to each kind of operation, as `fit` runs half-width Attention-56."""
    model = network()
    optimizer = make_optimizer(model, RECIPES["paper"], CPU)
    x, y = batch(32, 64)  # [64, 3, 32, 32], [64]

    def step() -> None:
        with torch.autocast("cpu", dtype=FAST, enabled=torch.float32 != FAST):
            logits = model(x)  # [64, K]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits.float(), y).backward()

    step()
    found: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "everything else")}
    for _ in range(rounds):
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            step()
            optimizer.step()
        spent: Counter[str] = Counter()
        for event in seen.key_averages():
            kind = next((k for k, starts in KINDS.items() if event.key.startswith(starts)), "everything else")
            spent[kind] += event.self_cpu_time_total
        for kind, values in found.items():
            values.append(100 * spent[kind] / spent.total())
    group = "Where a training step goes, Attention-56 at half width"
    notes = {"convolution": ARITHMETIC, "everything else": "copies, the optimizer, the profiler itself"}
    return [
        Row(
            group, kind, statistics.median(values), min(values), max(values), "% of the time", None, notes.get(kind, "")
        )
        for kind, values in found.items()
    ]


def in_place(model: nn.Module) -> nn.Module:
    """Let every ReLU that is a module write over its input."""
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return model


def tried(rounds: int) -> list[Row]:
    x, y = batch(32, 64)
    work = {
        "as fit runs it": trainer(network(), x, y, FAST, 2),
        "ReLU in place, in masks": trainer(in_place(network()), x, y, FAST, 2),
        "contiguous, not channels last": trainer(
            network().to(memory_format=torch.contiguous_format),  # type: ignore[call-overload]
            x.contiguous(),
            y,
            FAST,
            2,
        ),
        "float32": trainer(network(), x, y, torch.float32, 2),
    }
    return take_turns("Tried, Attention-56 at half width, training", work, "images/s", rounds)


def waste(rounds: int) -> list[Row]:
    return shares(rounds) + tried(rounds)
