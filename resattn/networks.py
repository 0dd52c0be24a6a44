"""The network from stem to classifier, its settings, and the registry of named networks (chapter 2).

A network is a stem, a few stages and a head. A stage is a residual unit that sets width and resolution, then its
Attention Modules, then the rest of its residual units. A stage without modules is a plain residual stage, so the
PreAct-ResNet-164 baseline is the same class with no modules in it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, overload

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import FUSIONS, AttentionModule
from .mask import ACTIVATIONS, MASK_BRANCHES, UPSAMPLERS
from .units import UNITS, conv3x3

STEMS = ("conv3", "conv3_stride2", "conv7_pool")


@dataclass(frozen=True)
class NetworkConfig:
    """The settings of one network. The tuples hold one entry a stage. Raises ValueError on a setting that makes no
    sense.

    ``p``, ``t`` and ``r`` are the paper's: units before (and after) the split, in the trunk, and between two poolings
    of the mask. ``poolings`` is d, the number of poolings in the masks of each stage.
    """

    name: str
    stem: str  # "conv3", "conv3_stride2" (a third of the time, at half the resolution) or "conv7_pool" (ImageNet)
    stem_width: int
    widths: tuple[int, ...]
    units: tuple[int, ...]  # residual units outside the modules
    modules: tuple[int, ...]
    poolings: tuple[int, ...]
    num_classes: int
    unit: str = "preact"
    p: int = 1
    t: int = 2
    r: int = 1
    fusion: str = "arl"
    mask_branch: str = "encoder_decoder"
    mask_activation: str = "mixed"
    upsample: str = "bilinear"
    width: float = 1.0  # multiplies every width

    def __post_init__(self) -> None:
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise ValueError(f"{key} must be one of {', '.join(choices)}; got {getattr(self, key)!r}")
        for key in ("num_classes", "stem_width", "p", "t", "r"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{key} must be a whole number of at least 1; got {value!r}")
        if not (isinstance(self.width, (int, float)) and math.isfinite(self.width) and self.width > 0):
            raise ValueError(f"width must be a positive number; got {self.width!r}")
        lengths = {len(self.widths), len(self.units), len(self.modules), len(self.poolings)}
        if len(lengths) != 1 or not self.widths:
            raise ValueError("widths, units, modules and poolings must have one entry for each stage")
        for key, least in (("widths", 1), ("units", 1), ("modules", 0), ("poolings", 1)):
            values = getattr(self, key)
            if any(not isinstance(value, int) or value < least for value in values):
                raise ValueError(f"every entry of {key} must be a whole number of at least {least}; got {values!r}")

    def channels(self, width: int) -> int:
        """A nominal width after the multiplier, rounded to what the unit can split."""
        divisor = UNITS[self.unit].divisor
        return max(divisor, round(width * self.width / divisor) * divisor)

    def stage_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The map size in each stage for an input of height × width pixels; 0 where nothing is left of it."""
        halve = [(height, width)]
        if self.stem != "conv3":
            halve.append(_ceil_half(*halve[-1]))
        if self.stem == "conv7_pool":
            halve.append((halve[-1][0] // 2, halve[-1][1] // 2))
        sizes = [halve[-1]]
        while len(sizes) < len(self.widths):
            sizes.append(_ceil_half(*sizes[-1]))
        return sizes

    def minimum_size(self) -> int:
        """The smallest height or width, in pixels, that every mask of the network can pool."""
        has_mask = self.fusion != "none" and self.mask_branch == "encoder_decoder"
        needed = [2**d if m and has_mask else 1 for m, d in zip(self.modules, self.poolings, strict=True)]
        size = 1
        while any(have < need for (have, _), need in zip(self.stage_sizes(size, size), needed, strict=True)):
            size += 1
        return size


CHOICES: dict[str, tuple[str, ...]] = {
    "stem": STEMS,
    "unit": tuple(UNITS),
    "fusion": FUSIONS,
    "mask_branch": MASK_BRANCHES,
    "mask_activation": tuple(ACTIVATIONS),
    "upsample": UPSAMPLERS,
}

ATTENTION_SETTINGS = ("p", "t", "r", "fusion", "mask_branch", "mask_activation", "upsample", "poolings")


def _ceil_half(height: int, width: int) -> tuple[int, int]:
    return (height + 1) // 2, (width + 1) // 2


class ResidualAttentionNetwork(nn.Module):
    """The network of Table 2 (ImageNet) or of section 4.1 (CIFAR), as its config says. Chapter 2 walks through it.

    Shapes: images [B, 3, H, W] float -> logits [B, num_classes]. H and W may be odd and may differ; either below
    ``config.minimum_size()`` raises ValueError, as do a wrong rank, channel count or dtype. Images are expected
    normalised, as :class:`resattn.data.batches.Batches` yields them.

    With ``return_masks=True`` also the masks, a dict from module name to M, [B, C, h, w], in network order. The masks
    are the very tensors that the forward pass used. Without it nothing is kept.
    """

    record: dict[str, Any]  # how the weights came about; set on networks that resattn.zoo loads and fit has trained
    started_from: dict[str, Any]  # name and digest of the weights that resattn.zoo loaded, for the next record

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        unit = UNITS[config.unit]
        channels = config.channels(config.stem_width)
        self.stem = make_stem(config.stem, channels, unit.pre_activation)
        self.stage_names: list[str] = []
        rows = zip(config.widths, config.units, config.modules, config.poolings, strict=True)
        for index, (width, units, modules, poolings) in enumerate(rows, start=1):
            stage = nn.Sequential()
            out_channels = config.channels(width)
            stage.add_module("unit1", unit(channels, out_channels, stride=1 if index == 1 else 2))
            channels = out_channels
            for i in range(1, modules + 1):
                module = AttentionModule(
                    unit,
                    channels,
                    poolings,
                    p=config.p,
                    t=config.t,
                    r=config.r,
                    fusion=config.fusion,
                    mask_branch=config.mask_branch,
                    mask_activation=config.mask_activation,
                    upsample=config.upsample,
                )
                stage.add_module(f"attention{i}", module)
            for i in range(2, units + 1):
                stage.add_module(f"unit{i}", unit(channels, channels))
            self.add_module(f"stage{index}", stage)
            self.stage_names.append(f"stage{index}")
        # Pre-activation units hand on a sum that no BN-ReLU has seen yet; post-activation units do not.
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if unit.pre_activation else nn.Identity()
        self.classifier = nn.Linear(channels, config.num_classes)
        self.apply(initialise)

    @overload
    def forward(self, x: Tensor, return_masks: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, return_masks: Literal[True]) -> tuple[Tensor, dict[str, Tensor]]: ...
    def forward(self, x: Tensor, return_masks: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        self.check_input(x)
        masks: dict[str, Tensor] = {}
        x = self.stem(x)  # [B, C_stem, H, W], or a half or a quarter of H and W
        for name, block in self.blocks():
            if return_masks and isinstance(block, AttentionModule):
                x, mask = block(x, return_mask=True)  # [B, C, h, w] each
                if mask is not None:
                    masks[name] = mask
            else:
                x = block(x)  # [B, C, h, w]
        x = self.norm(x)  # [B, C, h, w]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [B, C]
        logits = self.classifier(x)  # [B, num_classes]
        return (logits, masks) if return_masks else logits

    def blocks(self) -> Iterator[tuple[str, nn.Module]]:
        """Units and Attention Modules in the order in which a forward pass meets them, with their names."""
        for stage in self.stage_names:
            for name, block in getattr(self, stage).named_children():
                yield f"{stage}.{name}", block

    def attention_modules(self) -> dict[str, AttentionModule]:
        """Name -> module, in network order; the same names as the masks of ``return_masks=True``."""
        return {name: block for name, block in self.blocks() if isinstance(block, AttentionModule)}

    def check_input(self, x: Tensor) -> None:
        """Raise ValueError, in one sentence, for a tensor that is no batch of images of a size this network can
        take."""
        if x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"images must be a tensor [B, 3, H, W]; got shape {list(x.shape)}")
        if not x.is_floating_point():
            raise ValueError(f"images must be normalised floating-point numbers; got {x.dtype}")
        least = self.config.minimum_size()
        if min(x.shape[2], x.shape[3]) < least:
            raise ValueError(
                f"{self.config.name} needs images of {least}×{least} pixels or larger; got {x.shape[2]}×{x.shape[3]}"
            )


def make_stem(kind: str, channels: int, pre_activation: bool) -> nn.Sequential:
    """[B, 3, H, W] -> [B, channels, H, W] ("conv3"), half that ("conv3_stride2") or a quarter ("conv7_pool")."""
    norm: list[nn.Module] = [nn.BatchNorm2d(channels), nn.ReLU()]
    if kind == "conv7_pool":
        conv = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        return nn.Sequential(conv, *norm, nn.MaxPool2d(3, stride=2, ceil_mode=True))
    conv = conv3x3(3, channels, stride=1 if kind == "conv3" else 2)
    return nn.Sequential(conv) if pre_activation else nn.Sequential(conv, *norm)


def initialise(module: nn.Module) -> None:
    """He initialisation of convolutions (He et al. 2015); the rest keeps PyTorch's defaults."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _cifar(name: str, m: int, **settings: Any) -> NetworkConfig:
    """Three stages of m modules and two units each, depth 36m + 20 for p=1, t=2. The widths and the stem, which the
    paper leaves open, are the ones whose parameter counts fit the printed 1.9 M and 5.1 M (chapter 2)."""
    return NetworkConfig(name, "conv3", 16, (64, 128, 256), (2, 2, 2), (m, m, m), (3, 2, 1), 10, **settings)


def _imagenet(name: str, modules: tuple[int, int, int], **settings: Any) -> NetworkConfig:
    """Table 2. The last stage has three units and no module; its poolings entry is unused."""
    widths = (256, 512, 1024, 2048)
    return NetworkConfig(name, "conv7_pool", 64, widths, (1, 1, 1, 3), (*modules, 0), (3, 2, 1, 1), 1000, **settings)


_CONFIGS = (
    *(_cifar(f"attention{36 * m + 20}", m) for m in (1, 2, 3, 4, 6)),
    _cifar("attention452", 6, p=2, t=4, r=3),
    _imagenet("attention56_imagenet", (1, 1, 1)),
    _imagenet("attention92_imagenet", (1, 2, 3)),
    _imagenet("attentionnext56_imagenet", (1, 1, 1), unit="resnext"),
    _imagenet("attentionnext92_imagenet", (1, 2, 3), unit="resnext"),
    _imagenet("attentioninception56_imagenet", (1, 1, 1), unit="inception"),
    NetworkConfig("preact_resnet164", "conv3", 16, (64, 128, 256), (18, 18, 18), (0, 0, 0), (1, 1, 1), 10),
)
REGISTRY: dict[str, NetworkConfig] = {config.name: config for config in _CONFIGS}


def list_models() -> list[str]:
    """The registered names, CIFAR networks first.

    >>> list_models()[:3]
    ['attention56', 'attention92', 'attention128']
    """
    return list(REGISTRY)


def create(name: str, **overrides: Any) -> ResidualAttentionNetwork:
    """A network by its registered name, freshly initialised. Keywords override fields of its :class:`NetworkConfig`.

    Raises ValueError for an unknown name, keyword or value, and says which there are.

    >>> import torch
    >>> model = create("attention56", num_classes=100, fusion="nal", width=0.5)
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 100])
    """
    return ResidualAttentionNetwork(configure(name, **overrides))


def configure(name: str, **overrides: Any) -> NetworkConfig:
    """The config that :func:`create` builds from: the registered one with overrides."""
    if name not in REGISTRY:
        raise ValueError(f"unknown network {name!r}; there are {', '.join(REGISTRY)}")
    config = REGISTRY[name]
    allowed = [field.name for field in fields(NetworkConfig) if field.name != "name"]
    for key in overrides:
        if key not in allowed:
            raise ValueError(f"unknown setting {key!r}; there are {', '.join(allowed)}")
        if key in ATTENTION_SETTINGS and not any(overrides.get("modules", config.modules)):
            raise ValueError(f"{name} has no Attention Modules, so {key!r} would have no effect")
    return replace(config, **overrides)
