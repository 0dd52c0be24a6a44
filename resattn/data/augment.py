"""Augmentation as pure functions of a batch and a random generator, one vectorised step each, no loop over images.

The paper's CIFAR recipe is padding by 4, a random 32×32 crop and a random flip (section 4.1). Cutout and mixup are
later methods. Every function draws from `generator` alone, which must live on the device of the batch, so a step never
waits for the device and the same seed gives the same batch. Chapter 8 uses them.

Where `world` processes share a batch, the first three take `rank` and `world`: every process draws for the whole batch
and uses every world-th draw, so that an image is augmented alike however many processes there are.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def random_crop(x: Tensor, pad: int, generator: Generator, rank: int = 0, world: int = 1) -> Tensor:
    """Pad every side with `pad` zeros, then cut a window of the original size at a random place, one per image.

    On normalised images zero is the channel mean, so the padding carries no signal. All (2·pad + 1)² places are
    equally likely.

    Shapes: [B, C, H, W] -> [B, C, H, W], same dtype. Raises ValueError if pad < 0 or x is not [B, C, H, W].

    >>> g = torch.Generator().manual_seed(0)
    >>> random_crop(torch.ones(2, 3, 32, 32), 4, g).shape
    torch.Size([2, 3, 32, 32])
    """
    b, _, h, w = _shape(x)
    if pad < 0:
        raise ValueError(f"pad must be 0 or more pixels, not {pad}.")
    if pad == 0:
        return x
    places = torch.randint(0, 2 * pad + 1, (2, b * world), generator=generator, device=x.device)
    top, left = places[:, rank::world]  # each [B]
    windows = F.pad(x, (pad, pad, pad, pad)).unfold(2, h, 1).unfold(3, w, 1)  # view [B, C, 2p+1, 2p+1, H, W]
    return windows[torch.arange(b, device=x.device), :, top, left]  # [B, C, H, W]


def random_flip(x: Tensor, generator: Generator, rank: int = 0, world: int = 1) -> Tensor:
    """Mirror each image left to right with probability 1/2.

    Shapes: [B, C, H, W] -> [B, C, H, W], same dtype. Raises ValueError if x is not [B, C, H, W].

    >>> x = torch.arange(4.0).view(1, 1, 1, 4).expand(64, 1, 1, 4)
    >>> y = random_flip(x, torch.Generator().manual_seed(0))
    >>> sorted({tuple(row.flatten().tolist()) for row in y})
    [(0.0, 1.0, 2.0, 3.0), (3.0, 2.0, 1.0, 0.0)]
    """
    b = _shape(x)[0]
    mirror = torch.rand(b * world, generator=generator, device=x.device)[rank::world] < 0.5  # [B]
    return torch.where(mirror.view(b, 1, 1, 1), x.flip(-1), x)  # [B, C, H, W]


def cutout(x: Tensor, size: int, generator: Generator, rank: int = 0, world: int = 1) -> Tensor:
    """Set a square of size × size pixels to zero in each image (DeVries and Taylor 2017).

    The square's centre is uniform over the pixels, so a square near the border is cut off by it.

    Shapes: [B, C, H, W] -> [B, C, H, W], same dtype. Raises ValueError if size < 0 or x is not [B, C, H, W].

    >>> y = cutout(torch.ones(1, 1, 8, 8), 2, torch.Generator().manual_seed(0))
    >>> int((y == 0).sum()) in (1, 2, 4)
    True
    """
    b, _, h, w = _shape(x)
    if size < 0:
        raise ValueError(f"The cutout size must be 0 or more pixels, not {size}.")
    if size == 0:
        return x
    top, left = (
        torch.randint(0, side, (b * world, 1), generator=generator, device=x.device)[rank::world] - size // 2
        for side in (h, w)
    )  # each [B, 1]
    rows = torch.arange(h, device=x.device) - top  # [B, H], 0 at the square's first row
    cols = torch.arange(w, device=x.device) - left  # [B, W]
    hole = ((rows >= 0) & (rows < size)).unsqueeze(2) & ((cols >= 0) & (cols < size)).unsqueeze(1)  # [B, H, W]
    return x.masked_fill(hole.unsqueeze(1), 0)  # [B, C, H, W]


def mixup(x: Tensor, y: Tensor, alpha: float, num_classes: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blend each image, and its label, with another image of the batch (Zhang et al. 2018).

    x' = λ x + (1 − λ) x[π] and the same for the one-hot labels, with π a random permutation of the batch and
    λ ~ Beta(α, α), drawn anew for each image.

    Shapes: x [B, C, H, W] float and y int64 [B] -> x' [B, C, H, W], soft targets [B, num_classes] in the dtype of x.
    Raises ValueError if alpha ≤ 0, x is not a float batch or y is not [B].

    >>> x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
    >>> mixed, targets = mixup(x, y, 1.0, 3, torch.Generator().manual_seed(0))
    >>> targets.sum(1).allclose(torch.ones(4))
    True
    """
    b = _shape(x)[0]
    if not alpha > 0:
        raise ValueError(f"mixup's alpha must be greater than 0, not {alpha}.")
    if not x.is_floating_point():
        raise ValueError(f"mixup blends float images, not {x.dtype}; normalise the batch first.")
    if y.shape != (b,):
        raise ValueError(f"mixup needs one label per image, [{b}], not {list(y.shape)}.")
    # A Beta(α, α) variable is the first part of a Dirichlet(α, α) one; torch samples the latter from a generator.
    concentration = torch.full((b, 2), float(alpha), dtype=widest(x.device), device=x.device)  # [B, 2]
    lam = torch._sample_dirichlet(concentration, generator)[:, 0].to(x.dtype)  # [B]
    other = torch.randperm(b, generator=generator, device=x.device)  # [B]
    one_hot = torch.zeros(b, num_classes, dtype=x.dtype, device=x.device).scatter_(1, y.unsqueeze(1), 1)  # [B, K]
    mixed = torch.lerp(x[other], x, lam.view(b, 1, 1, 1))  # [B, C, H, W]
    return mixed, torch.lerp(one_hot[other], one_hot, lam.view(b, 1))  # [B, C, H, W], [B, K]


def widest(device: torch.device) -> torch.dtype:
    """The widest floating-point type that a device computes: float64, but float32 on Apple's GPU."""
    return torch.float32 if device.type == "mps" else torch.float64


def _shape(x: Tensor) -> torch.Size:
    if x.dim() != 4:
        raise ValueError(f"A batch of images has the shape [B, C, H, W]; this one has {list(x.shape)}.")
    return x.shape
