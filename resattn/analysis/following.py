"""What does a map follow: sky, object, edges? (chapter 10)

A map of a mask, or of the trunk beside it, is compared with what is known of the picture, at the map's own resolution:
the truth is shrunk to the map, so a coarse map is not blamed for missing what it cannot show.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def correlation(maps: Tensor, truth: Tensor) -> Tensor:
    """Pearson's r over the places of each map: maps [N, h, w], truth [N, H, W] -> [N]; 0 where either is flat.

    It does not see scale or shift: a mask between 0.45 and 0.55 can still say where. Chapter 10. Raises ValueError for
    shapes that do not fit.

    >>> truth = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    >>> correlation(0.5 - 0.1 * truth, truth).tolist()
    [-1.0]
    """
    y = _standardised(_shrunk(maps, [truth]))[:, 0]  # [N, h·w]
    return (_standardised(maps) * y).sum(-1)  # [N]


def activity(features: Tensor) -> Tensor:
    """How far features are from flat at each place, whatever their sign: [N, C, h, w] -> [N, h, w].

    The root of the mean over channels of the squared difference from the channel's own mean over places. A channel that
    is turned over (M to 1 − M) counts the same. Chapter 10.
    """
    return (features - features.mean(dim=(2, 3), keepdim=True)).square().mean(dim=1).sqrt()  # [N, h, w]


def plain_maps(images: Tensor) -> dict[str, Tensor]:
    """Maps of pictures that need no network, uint8 [N, 3, H, W] -> [N, H, W] each: height in the picture, brightness,
    blueness, strength of edges, and chapter 1's contrast of centre and surround. Chapter 10 fits masks with them."""
    x = images.float() / 255  # [N, 3, H, W]
    bright = x.mean(dim=1)  # [N, H, W]
    down = F.pad(bright.diff(dim=1), (0, 0, 0, 1)).abs()  # [N, H, W]
    across = F.pad(bright.diff(dim=2), (0, 1)).abs()  # [N, H, W]
    centre = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)  # [N, 3, H, W]
    surround = F.avg_pool2d(x, 15, stride=1, padding=7, count_include_pad=False)  # [N, 3, H, W]
    return {
        "height": torch.linspace(1, 0, x.shape[2])[:, None].expand_as(bright),
        "brightness": bright,
        "blueness": x[:, 2] - x[:, :2].mean(dim=1),
        "edges": F.avg_pool2d((down + across)[:, None], 3, stride=1, padding=1)[:, 0],
        "contrast": (centre - surround).abs().sum(dim=1),
    }


def shares(maps: Tensor, known: Sequence[Tensor]) -> Tensor:
    """Each map as a sum of known maps, least squares in each picture: maps [N, h, w], K maps [N, H, W] -> [N, K].

    All maps have mean 0 and length 1, so a coefficient says how much the map changes with one known map *while the
    others stay as they are*: with the object and not with its edges, for instance. Chapter 10. Raises ValueError for
    shapes that do not fit.

    >>> a, b = torch.rand(2, 5, 8, 8, generator=torch.manual_seed(0))
    >>> bool((shares(a, [a, b]) - torch.tensor([1.0, 0.0])).abs().max() < 0.01)
    True
    """
    R = _standardised(_shrunk(maps, known))  # [N, K, h·w]
    y = _standardised(maps)  # [N, h·w]
    gram = R @ R.transpose(1, 2) + 1e-3 * torch.eye(len(known))  # [N, K, K], a little ridge: two may be nearly alike
    return torch.linalg.solve(gram, R @ y[..., None])[..., 0]  # [N, K]


def _shrunk(maps: Tensor, known: Sequence[Tensor]) -> Tensor:
    """K maps [N, H, W] at the resolution of maps [N, h, w]: [N, K, h, w]."""
    for truth in known:
        if maps.dim() != 3 or truth.dim() != 3 or len(truth) != len(maps):
            raise ValueError(f"maps and truths must be [N, h, w]; got {list(maps.shape)} and {list(truth.shape)}")
    return F.adaptive_avg_pool2d(torch.stack([truth.float() for truth in known], dim=1), maps.shape[1:])


def _standardised(maps: Tensor) -> Tensor:
    """[..., h, w] -> [..., h·w] with mean 0 and length 1, or 0 where a map is flat."""
    flat = maps.float().flatten(-2)  # [..., h·w]
    flat = flat - flat.mean(-1, keepdim=True)
    return flat / flat.norm(dim=-1, keepdim=True).clamp(min=1e-6)
