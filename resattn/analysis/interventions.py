"""Change a mask and see what the network then says (chapter 10).

A mask that looks meaningful may still not matter. The test is an intervention: hold everything else fixed, replace the
masks of some Attention Modules, and compare the class scores.
"""

import copy
from collections.abc import Mapping
from numbers import Real

import torch
from torch import Tensor, nn

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


def forced(model: ResidualAttentionNetwork, values: Mapping[str, float | str]) -> ResidualAttentionNetwork:
    """A copy of the network in which masks are replaced: ``values`` maps names of ``model.attention_modules()`` to

    * a number from 0 to 1: M is this number everywhere. The copy has no mask branch there;
    * ``"mean"``: M of each image and channel is replaced by its mean over the positions. So the module still weighs
      its channels, image by image, but no longer its positions.

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
        if value != "mean" and not (isinstance(value, Real) and 0 <= float(value) <= 1):
            raise ValueError(f"the mask of {name} can be a number from 0 to 1, or 'mean'; got {value!r}")
    model = copy.deepcopy(model)
    modules = model.attention_modules()
    for name, value in values.items():
        branch = modules[name].get_submodule("mask")
        new = SpatialMeanMask(branch) if value == "mean" else ConstantMask(float(value))
        modules[name].register_module("mask", new.train(modules[name].training))
    return model
