"""What a training makes sure of before its first step: that the network can be kept, and which parts of it rest.

A network that is loaded back is built from its config, so one whose layers have been exchanged could be trained and
saved, and not read again.
"""

from collections.abc import Iterator

import torch
from torch import nn

from ..networks import ResidualAttentionNetwork


def check_layers(model: ResidualAttentionNetwork) -> None:
    """Raise ValueError, in one sentence, if the layers of a network are not those that its config builds."""
    with torch.device("meta"):  # shapes without numbers
        expected = ResidualAttentionNetwork(model.config)
    for what, found, wanted in (
        ("", _shapes(model), _shapes(expected)),
        ("a ", _kinds(model), _kinds(expected)),
    ):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            if found.get(name) != wanted.get(name):
                if name == "classifier.weight" and name in found:
                    advice = f"create or load the network with num_classes={found[name][0]}"
                else:
                    advice = "only what a config can say can be kept and loaded again"
                is_, should = (
                    f"{what}{shape}" if shape else "missing" for shape in (found.get(name), wanted.get(name))
                )
                raise ValueError(f"{name} is {is_} where the network's config builds {should}: {advice}")


def _shapes(model: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def _kinds(model: nn.Module) -> dict[str, str]:
    return {name: type(module).__name__ for name, module in model.named_modules() if name}


def set_training(model: nn.Module) -> None:
    """Training mode, but for the modules of which every parameter is frozen: their batch statistics rest too."""
    model.train()
    for module in model.modules():
        if is_frozen(module):
            module.eval()


def is_frozen(module: nn.Module) -> bool:
    """True where there are parameters and none of them is trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def frozen_parts(model: nn.Module, prefix: str = "") -> Iterator[str]:
    """The names of the largest frozen parts of a network, such as "stem" or "stage1.attention1.mask"."""
    for name, child in model.named_children():
        if is_frozen(child):
            yield prefix + name
        else:
            yield from frozen_parts(child, f"{prefix}{name}.")
