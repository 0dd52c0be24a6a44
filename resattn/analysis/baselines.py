"""What a map of where an object is has to beat: maps that no network made, and one treatment for all (chapter 1).

A map that is smoothed, sharpened, or told where objects usually are scores better for that reason alone. So every map,
of a network or not, gets the same treatments, and each gets the one that suits it best on *other* pictures than those
on which the scores are compared.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Treatment(NamedTuple):
    """What is done to a map before it is scored: a mean over width × width pixels, a power, a factor for the place."""

    width: int = 1
    power: int = 1
    place: bool = False


TREATMENTS = tuple(Treatment(*options) for options in product((1, 3, 5, 7, 9), (1, 2, 3), (False, True)))


def contrast(images: Tensor) -> Tensor:
    """Centre less surround, summed over the colours: images [N, 3, H, W], uint8 or float -> [N, H, W], at least 0.

    The mean over 3 × 3 pixels less the mean over 15 × 15, the heart of the saliency map of Itti et al. 1998;
    chapter 1.

    >>> import torch
    >>> contrast(torch.full((1, 3, 32, 32), 7.0)).abs().max().item()
    0.0
    """
    x = images.float()
    centre = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)  # [N, 3, H, W]
    surround = F.avg_pool2d(x, 15, stride=1, padding=7, count_include_pad=False)  # [N, 3, H, W]
    return (centre - surround).abs().sum(dim=1)  # [N, H, W]


def usual_place(masks: Tensor) -> Tensor:
    """Where objects tend to be, for somebody who has not seen the picture: the mean of true masks bool [N, H, W] of
    other pictures, slightly smoothed -> [H, W]."""
    return F.avg_pool2d(masks.float().mean(dim=0)[None, None], 3, stride=1, padding=1)[0, 0]


def treated(maps: Tensor, treatment: Treatment, usual: Tensor) -> Tensor:
    """Maps [N, H, W] ≥ 0 after a treatment; ``usual`` [H, W] or [N, H, W] is the factor for the place."""
    width, power, place = treatment
    if width > 1:
        smooth = F.avg_pool2d(maps[:, None], width, stride=1, padding=width // 2, count_include_pad=False)
        maps = smooth[:, 0]  # [N, H, W]
    maps = maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)  # a power of small numbers is no number
    return maps**power * (usual if place else 1)


def best_treatment(score: Callable[[Tensor, Tensor], Tensor], maps: Tensor, truth: Tensor, usual: Tensor) -> Treatment:
    """The treatment under which these maps [N, H, W] have the highest mean score against truth bool [N, H, W]."""
    return max(TREATMENTS, key=lambda option: score(treated(maps, option, usual), truth).float().mean().item())
