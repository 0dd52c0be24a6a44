"""Change a mask and see what the network then says (chapter 10).

A mask that looks meaningful may still not matter. The test is an intervention: hold everything else fixed, replace the
masks of some Attention Modules, and compare the class scores.
"""

import copy
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..attention import AttentionModule
from ..networks import ResidualAttentionNetwork


class ConstantMask(nn.Module):
    """A mask that does not look: the same number at every position and channel.

    Shapes: [B, C, H, W] -> M, [B, C, H, W].
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x, self.value)  # [B, C, H, W]


class GivenMask(nn.Module):
    """A mask that was computed elsewhere, such as for the same picture under another cue.

    Shapes: [B, C, H, W] -> M, [B, C, H, W]. Raises ValueError for features of another shape than the mask's.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.given = mask.detach()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape != self.given.shape:
            raise ValueError(f"the given mask is {list(self.given.shape)}, and the module's features {list(x.shape)}")
        return self.given  # [B, C, H, W]


class SpatialMeanMask(nn.Module):
    """A mask that no longer says where: each map of ``branch`` replaced by its mean over the positions.

    Shapes: [B, C, H, W] -> M, [B, C, H, W], the same number at all positions of an image and channel.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        M = self.branch(x)  # [B, C, H, W]
        return M.mean(dim=(2, 3), keepdim=True).expand_as(M)  # [B, C, H, W]


def forced(model: ResidualAttentionNetwork, values: Mapping[str, float | str | Tensor]) -> ResidualAttentionNetwork:
    """A copy of the network in which masks are replaced: ``values`` maps names of ``model.attention_modules()`` to

    * a number from 0 to 1: M is this number everywhere. The copy has no mask branch there;
    * ``"mean"``: M of each image and channel is replaced by its mean over the positions. So the module still weighs
      its channels, image by image, but no longer its positions;
    * a tensor [B, C, h, w]: M is this tensor. The copy then takes batches of B images only.

    A module that is not named keeps its mask. The copy is as deep as it goes, is in the same mode (training or
    evaluation) and on the same device as the model, which stays untouched; ``return_masks=True`` returns the new
    masks. With ``fusion="arl"``, 0 leaves T as it is (equation 3); with ``"nal"``, 1 does, and 0 lets nothing pass
    (equation 1). Chapter 10 asks with it which masks matter.

    Raises ValueError for an unknown name, a network without masks, or another value.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25).eval()
    >>> trunk = resattn.create("attention56", width=0.25, fusion="none").eval()
    >>> _ = trunk.load_state_dict(model.state_dict(), strict=False)  # all weights but those of the mask branches
    >>> x = torch.randn(2, 3, 32, 32)
    >>> no_masks = forced(model, dict.fromkeys(model.attention_modules(), 0.0))
    >>> torch.equal(no_masks(x), trunk(x)), torch.equal(model(x), trunk(x))
    (True, False)
    """
    names = [name for name, module in model.attention_modules().items() if module.mask is not None]
    if not names:
        raise ValueError(f"this {model.config.name} has no masks to replace")
    for name, value in values.items():
        if name not in names:
            raise ValueError(f"there is no Attention Module {name!r}; there are {', '.join(names)}")
        if isinstance(value, Tensor) or value == "mean":
            continue
        if not (isinstance(value, Real) and 0 <= float(value) <= 1):
            raise ValueError(f"the mask of {name} can be a number from 0 to 1, 'mean' or a tensor; got {value!r}")
    model = copy.deepcopy(model)
    modules = model.attention_modules()
    for name, value in values.items():
        branch = modules[name].get_submodule("mask")
        new: nn.Module
        if isinstance(value, Tensor):
            new = GivenMask(value)
        else:
            new = SpatialMeanMask(branch) if value == "mean" else ConstantMask(float(value))
        modules[name].register_module("mask", new.train(modules[name].training))
    return model


def swap_masks(model: ResidualAttentionNetwork, x: Tensor, other: Tensor, names: Sequence[str]) -> Tensor:
    """What the network says of x when the named modules get the masks that it computes for ``other``.

    Nothing else is put in: the network reads x, and its later trunks and masks work on what the new masks let through,
    so this is their total effect. In evaluation mode, x and other being one picture under two cues, it asks which mask
    carries the choice.

    Shapes: x and other [B, 3, H, W], normalised -> logits [B, num_classes]. Raises ValueError for an unknown name, a
    network without masks, or inputs of two shapes.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25).eval()
    >>> x, other = torch.randn(2, 2, 3, 32, 32)
    >>> everywhere = list(model.attention_modules())
    >>> torch.equal(swap_masks(model, x, x, everywhere), model(x)), swap_masks(model, x, other, everywhere[:1]).shape
    (True, torch.Size([2, 10]))
    """
    if x.shape != other.shape:
        raise ValueError(f"both inputs must have one shape; got {list(x.shape)} and {list(other.shape)}")
    with torch.no_grad():
        _, masks = model(other, return_masks=True)  # each [B, C, h, w]
        unknown = [name for name in names if name not in masks]
        if unknown:
            raise ValueError(f"there is no mask {unknown[0]!r}; there are {', '.join(masks) or 'none'}")
        return forced(model, {name: masks[name] for name in names})(x)  # [B, num_classes]


class Parts(NamedTuple):
    """What one Attention Module computes for a batch, each [B, C, h, w]; M is None where there is no mask."""

    T: Tensor
    M: Tensor | None
    H: Tensor


def module_parts(model: ResidualAttentionNetwork, x: Tensor) -> dict[str, Parts]:
    """Trunk output T, mask M and fused H of every Attention Module, by name, on normalised images [B, 3, H, W].

    Chapter 2 draws them. For a network with replaced masks, give the copy that :func:`forced` returns.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25).eval()
    >>> T, M, H = module_parts(model, torch.randn(2, 3, 32, 32))["stage1.attention1"]
    >>> torch.equal(H, (1 + M) * T)
    True
    """
    found = {}
    with torch.no_grad():
        x = model.stem(x)  # [B, C_stem, H, W]
        for name, block in model.blocks():
            if isinstance(block, AttentionModule):
                inner = block.pre(x)  # [B, C, h, w]
                T = block.trunk(inner)  # [B, C, h, w]
                M = None if block.mask is None else block.mask(inner)  # [B, C, h, w]
                H = block.fuse(M, T)  # [B, C, h, w]
                found[name] = Parts(T, M, H)
                x = block.post(H)  # [B, C, h, w]
            else:
                x = block(x)  # [B, C, h, w]
    return found


def block_outputs(model: ResidualAttentionNetwork, x: Tensor) -> dict[str, Tensor]:
    """The output of every unit and module, by name, on images [B, 3, H, W]: each [B, C, h, w]."""
    found = {}
    with torch.no_grad():
        x = model.stem(x)  # [B, C_stem, H, W]
        for name, block in model.blocks():
            x = block(x)  # [B, C, h, w]
            found[name] = x
    return found


def swap_features(model: ResidualAttentionNetwork, x: Tensor, other: Tensor, name: str, where: Tensor) -> Tensor:
    """What the network says of x when, after the block ``name``, the features at ``where`` are those of ``other``.

    The counterpart of :func:`swap_masks` for a network without masks: it asks where the choice has been made.

    Shapes: x and other [B, 3, H, W], where bool [B, h, w] or [B, 1, 1] -> logits [B, num_classes]. Raises ValueError
    for an unknown name.
    """
    _place(model, name)
    own, theirs = (block_outputs(model, pictures)[name] for pictures in (x, other))  # [B, C, h, w]
    return answer_from(model, name, torch.where(where[:, None], theirs, own))


def answer_from(model: ResidualAttentionNetwork, name: str, output: Tensor) -> Tensor:
    """What the network says when the block ``name``, one of :func:`block_outputs`, hands on this output.

    Shapes: output [B, C, h, w] -> logits [B, num_classes]. Raises ValueError for an unknown name.
    """
    with torch.no_grad():
        x = output  # [B, C, h, w]
        for _, block in list(model.blocks())[_place(model, name) + 1 :]:
            x = block(x)  # [B, C, h, w]
        x = model.norm(x)  # [B, C, h, w]
        return model.classifier(x.mean(dim=(2, 3)))  # [B, num_classes]


def _place(model: ResidualAttentionNetwork, name: str) -> int:
    """The place of a block among the network's. Raises ValueError for an unknown name."""
    names = [block_name for block_name, _ in model.blocks()]
    if name not in names:
        raise ValueError(f"there is no block {name!r}; there are {', '.join(names)}")
    return names.index(name)
