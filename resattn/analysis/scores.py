"""How well a map finds the object.

The scores compare a map, of a mask or of any other saliency, with the true pixels of the object; chapter 1 introduces
them and chapter 10 scores the masks with them.
"""

import torch
from torch import Tensor


def pointing_game(maps: Tensor, truth: Tensor) -> Tensor:
    """Whether the largest value of each map lies on the object: maps [N, H, W] and truth bool [N, H, W] -> bool [N].

    Where several positions share the largest value, more than half of them must lie on the object; so a constant map
    points at no object that covers less than half of the image. (Zhang et al. 2016 play the game with a tolerance of
    some pixels; this one has none.) Raises ValueError for shapes that differ, an image without an object, or a map that
    is not finite.

    >>> maps = torch.tensor([[[0.1, 0.9], [0.0, 0.2]]])
    >>> pointing_game(maps, torch.tensor([[[False, True], [False, False]]])).tolist()
    [True]
    """
    _check_maps(maps, truth)
    highest = maps == maps.amax(dim=(1, 2), keepdim=True)  # [N, H, W]
    return 2 * (highest & truth).sum(dim=(1, 2)) > highest.sum(dim=(1, 2))  # [N]


def energy_inside(maps: Tensor, truth: Tensor) -> Tensor:
    """The share of each map's sum that lies on the object: maps [N, H, W] ≥ 0, truth bool [N, H, W] -> float [N].

    A constant map scores what its object covers, and so does a map that is zero everywhere. Raises ValueError as
    :func:`pointing_game` does, and for a negative value.

    >>> energy_inside(torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[True, False]]])).tolist()
    [0.75]
    """
    _check_maps(maps, truth)
    if (maps < 0).any():
        raise ValueError("the energy of a map needs values of at least 0; take its absolute or its positive part")
    empty = ~maps.flatten(1).any(dim=1)  # [N]
    maps = torch.where(empty[:, None, None], torch.ones_like(maps), maps)  # [N, H, W]
    return (maps * truth).sum(dim=(1, 2)) / maps.sum(dim=(1, 2))  # [N]


def best_iou(maps: Tensor, truth: Tensor) -> Tensor:
    """The best intersection over union that any threshold of a map reaches: maps [N, H, W], truth bool -> float [N].

    Every value of the map is tried as a threshold; the region is where the map is at least as large. A constant map
    scores what its object covers. As the threshold is chosen with the truth at hand, compare with a baseline that
    chooses too. Raises ValueError as :func:`pointing_game` does.

    >>> maps = torch.tensor([[[0.9, 0.8, 0.1, 0.2]]])
    >>> best_iou(maps, torch.tensor([[[True, True, False, False]]])).tolist()
    [1.0]
    """
    _check_maps(maps, truth)
    values, order = maps.flatten(1).sort(dim=1, descending=True)  # [N, H·W]
    hits = truth.flatten(1).gather(1, order).cumsum(dim=1)  # [N, H·W], object pixels among the k + 1 largest
    area = torch.arange(1, values.shape[1] + 1, device=maps.device)  # [H·W]
    iou = hits / (area + hits[:, -1:] - hits)  # [N, H·W]
    last_of_ties = torch.ones_like(values, dtype=torch.bool)
    last_of_ties[:, :-1] = values[:, :-1] != values[:, 1:]  # a threshold takes all pixels of one value, or none
    return iou.where(last_of_ties, torch.zeros_like(iou)).amax(dim=1)  # [N]


def _check_maps(maps: Tensor, truth: Tensor) -> None:
    if maps.dim() != 3 or maps.shape != truth.shape:
        raise ValueError(
            f"maps and truth must have one shape [N, H, W]; got {list(maps.shape)} and {list(truth.shape)}"
        )
    if truth.dtype != torch.bool:
        raise ValueError(f"truth must be bool, true on the object; got {truth.dtype}")
    if not maps.isfinite().all():
        raise ValueError("the maps hold a value that is not finite")
    if not truth.flatten(1).any(dim=1).all():
        raise ValueError("there is an image without an object; leave it out")
