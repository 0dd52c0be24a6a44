"""Where in an image an answer comes from: maps that any network has, with masks or without (chapters 1 and 10).

The activity of a layer needs one pass; two others differentiate one logit an image. Chapter 1 builds them by hand;
chapter 10 sets them beside the masks of Attention Modules.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def activity(model: nn.Module, x: Tensor, module_name: str = "norm") -> Tensor:
    """Where the submodule ``module_name`` is active: the mean of ``|A|`` over channels of its output, enlarged.

    Shapes: x [B, 3, H, W] float -> [B, H, W], at least 0. "norm" gives a
    :class:`resattn.networks.ResidualAttentionNetwork` its last feature map (chapter 1). Raises ValueError for an
    unknown name or an output that is no feature map.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25).eval()
    >>> activity(model, torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 32, 32])
    """
    features: list[Tensor] = []
    handle = _submodule(model, module_name).register_forward_hook(lambda *call: features.append(call[-1]))
    try:
        with torch.no_grad():
            model(x)
    finally:
        handle.remove()
    if len(features) != 1 or not isinstance(features[0], Tensor) or features[0].dim() != 4:
        raise ValueError(f"{module_name} must put out one feature map [B, C, h, w] to make a map of")
    maps = features[0].abs().mean(dim=1, keepdim=True)  # [B, 1, h, w]
    return F.interpolate(maps, size=x.shape[2:], mode="bilinear")[:, 0]  # [B, H, W]


def input_gradient(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """How much the logit of ``labels`` changes with each pixel: the largest absolute derivative of its three colours.

    Shapes: x [B, 3, H, W] float, labels int64 [B] -> [B, H, W], at least 0. The labels may be true classes or the
    network's own answers. The model stays in its mode; in training mode batch normalisation couples the images. No
    parameter's ``.grad`` changes. Source: Simonyan et al. 2014, section 3; chapters 1 and 10. Raises ValueError if x
    and labels do not fit each other or the model's output.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    >>> x = torch.randn(5, 3, 2, 2)
    >>> maps = input_gradient(model, x, torch.zeros(5).long())
    >>> torch.equal(maps[0], model[1].weight[0].detach().view(3, 2, 2).abs().amax(dim=0))
    True
    """
    _check_batch(x, labels)
    x = x.detach().clone().requires_grad_()  # [B, 3, H, W]
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(_chosen_logits(model(x), labels).sum(), x)  # [B, 3, H, W]
    return gradient.abs().amax(dim=1)  # [B, H, W]


def grad_cam(model: nn.Module, x: Tensor, labels: Tensor, module_name: str = "norm") -> Tensor:
    """Grad-CAM of the feature map that the submodule ``module_name`` puts out, enlarged to the image.

    With A [B, C, h, w] the output of that submodule and z the logit of ``labels``, the map is the positive part of
    Σ_c w_c A_c, where w_c is the mean of ∂z/∂A_c over the positions. "norm" gives a
    :class:`resattn.networks.ResidualAttentionNetwork` its last feature map; a name such as "stage2.attention1" that of
    a module. The submodule must run once in a forward pass.

    Shapes: x [B, 3, H, W] float, labels int64 [B] -> [B, H, W], at least 0. Mode and parameters stay as they are, as in
    :func:`input_gradient`. Source: Selvaraju et al. 2017, equations 1 and 2; chapters 1 and 10. Raises ValueError for
    an unknown name, an output that is no feature map, a logit that does not depend on it, or a batch that does not fit.

    >>> import resattn
    >>> model = resattn.create("attention56", width=0.25).eval()
    >>> grad_cam(model, torch.randn(2, 3, 32, 32), torch.tensor([0, 1])).shape
    torch.Size([2, 32, 32])
    """
    _check_batch(x, labels)
    submodule = _submodule(model, module_name)
    features: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ValueError(f"{module_name} must put out a feature map [B, C, h, w] to make a map of")
        # The rest of the network reads a leaf with the same values: the way back ends here, and costs no more.
        features.append(output.detach().requires_grad_())
        return features[-1]

    handle = submodule.register_forward_hook(keep)  # for this one call
    try:
        with torch.enable_grad():
            logits = _chosen_logits(model(x), labels)  # [B]
    finally:
        handle.remove()
    gradient = None
    if len(features) == 1 and logits.requires_grad:
        (gradient,) = torch.autograd.grad(logits, features, torch.ones_like(logits), allow_unused=True)  # [B, C, h, w]
    if gradient is None:
        raise ValueError(f"the logit must depend on {module_name}, which must run once in a forward pass")
    (A,) = features  # [B, C, h, w]
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # [B, C, 1, 1]
    cam = (weights * A.detach()).sum(dim=1, keepdim=True).relu()  # [B, 1, h, w]
    return F.interpolate(cam, size=x.shape[2:], mode="bilinear")[:, 0]  # [B, H, W]


def _submodule(model: nn.Module, name: str) -> nn.Module:
    modules = dict(model.named_modules())
    if name not in modules or not name:
        known = ", ".join(child for child, _ in model.named_children())
        raise ValueError(f"there is no submodule {name!r}; the outermost are {known}")
    return modules[name]


def _check_batch(x: Tensor, labels: Tensor) -> None:
    if x.dim() != 4 or labels.dtype != torch.int64 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"images must be [B, C, H, W] and labels int64 [B]; got {list(x.shape)} and {labels.dtype} "
            f"{list(labels.shape)}"
        )


def _chosen_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """logits [B, K] and labels [B] -> the logit of each image's label, [B]."""
    if logits.dim() != 2 or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels must be between 0 and K − 1 for logits [B, K]; the model gives {list(logits.shape)}")
    return logits.gather(1, labels[:, None])[:, 0]
