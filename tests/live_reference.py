"""What PyTorch says of what the pages compute: networks with the weights of the pages, with masks replaced or not."""

from functools import cache
from typing import Any

import torch
from torch import nn

from resattn import data, zoo
from resattn.data.batches import Normalise
from resattn.mask import LocalMaskBranch, SoftMaskBranch
from tools import live_weights

Parts = dict[str, tuple[torch.Tensor | None, ...]]
TOLERANCE = 1e-4  # of logits and masks
PICTURES = 20


def pictures(model) -> torch.Tensor:
    """Pictures of the kind and of the size that the network was tested on (Scenes for photographs)."""
    tested = model.record["data"]
    draw = data.cued_scenes if "Cued" in tested["test"] else data.scenes
    return draw("test", PICTURES, size=tested["size"]).images


def normalise(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))(images)


@cache
def rounded(name: str) -> nn.Module:
    """The network of the zoo with the weights that its script holds. Shared: nobody may change it."""
    return live_weights.round_network(zoo.load_pretrained(name))


def in_pytorch(name: str, images: torch.Tensor, forced: dict[str, Any]) -> tuple[torch.Tensor, Parts]:
    """Logits, and for each module mask, trunk output and product; `forced` replaces masks as network.js does.

    A replacement is a number, "mean" (over places), or {"data": a flat list}.
    """
    model = rounded(name)
    kept: Parts = {}
    for key, module in model.attention_modules().items():

        def fuse(mask, trunk, key=key, fuse=module.fuse):
            by = forced.get(key)
            if isinstance(by, int | float):
                mask = torch.full_like(mask, by)
            elif by == "mean":
                mask = mask.mean(dim=(2, 3), keepdim=True).expand_as(mask)
            elif by is not None:
                mask = torch.tensor(by["data"]).view(1, *mask.shape[1:]).expand_as(mask)
            kept[key] = (mask, trunk, fuse(mask, trunk))
            return kept[key][2]

        module.fuse = fuse
    try:
        with torch.no_grad():
            logits = model(normalise(model, images))
    finally:
        for module in model.attention_modules().values():
            del module.fuse  # the method of its class again
    return logits, kept


def compare(answers: torch.Tensor, logits: torch.Tensor, kept: Parts) -> None:
    """Logits and masks differ by the tolerance at most; features by the tolerance of the largest of them."""
    at = 0
    for ours, bound in [(logits, TOLERANCE)] + [
        (part, TOLERANCE if index == 0 else TOLERANCE * max(1.0, float(part.abs().max())))
        for parts in kept.values()
        for index, part in enumerate(parts)
        if part is not None
    ]:
        theirs = answers[:, at : at + ours[0].numel()]
        assert (theirs - ours.flatten(1)).abs().max() <= bound
        at += ours[0].numel()
    assert at == answers.shape[1]


class _Shift(nn.Module):
    """Where a unit looks: a row to each side, in each channel by itself."""

    pre_activation = False

    def __init__(self, channels: int, *_: int) -> None:
        super().__init__()
        self.kernel = torch.full((channels, 1, 3, 3), 1 / 9, dtype=torch.double)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.kernel, padding=1, groups=len(self.kernel))


@cache
def reach(d: int, r: int, f: str, row: int) -> list[int]:
    """First and last row of a branch's input that a place of its mask depends on, by gradients.

    The package's branch with d poolings, r units and activation f1, f2 or f3, whose units, pooling and tail hide
    nothing; d = 0 is the local branch.
    """
    activation = {"f1": "mixed", "f2": "channel", "f3": "spatial"}[f]
    branch = SoftMaskBranch(_Shift, 2, d, r, activation) if d else LocalMaskBranch(_Shift, 2, activation=activation)
    branch.tail = nn.Identity()
    branch.pool = nn.AvgPool2d(3, stride=2, ceil_mode=True)
    x = torch.rand(1, 2, 32, 32, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(branch(x)[0, 0, row, 16], x)
    rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    return [int(rows[0]), int(rows[-1])]
