"""The paper's label noise (equation 7; chapter 9)."""

import torch
from torch import Tensor

from .sets import check_labels, kind


def corrupt_labels(labels: Tensor, noise: float, num_classes: int, seed: int) -> Tensor:
    """The paper's label noise Q (equation 7; chapter 9): keep a label with probability r = 1 − noise, else replace it.

    The replacement is one of the num_classes − 1 other classes, all equally likely. The draw depends on the seed alone:
    it is the same on every device, and with one seed the labels replaced at a low noise are replaced, by the same
    class, at every higher one.

    Shapes: labels int64 [N] -> a new int64 [N] on the same device. Raises ValueError when noise is outside 0..1, when
    num_classes < 2, or for labels that are not int64 [N] in 0..num_classes − 1.

    >>> corrupt_labels(torch.tensor([3, 1, 4]), 0.0, 10, seed=0).tolist()
    [3, 1, 4]
    >>> bool((corrupt_labels(torch.arange(10), 1.0, 10, seed=0) == torch.arange(10)).any())
    False
    """
    if not 0 <= noise <= 1:
        raise ValueError(f"The noise level must be between 0 and 1, not {noise}.")
    if num_classes < 2:
        raise ValueError(f"Label noise needs 2 classes or more, not {num_classes}.")
    if labels.dtype != torch.int64 or labels.dim() != 1:
        raise ValueError(f"labels must be int64 [N], not {kind(labels)}.")
    check_labels(labels, num_classes, "corrupt_labels")
    generator = torch.Generator().manual_seed(seed)  # on the CPU, so that every device sees the same noise
    replaced = torch.rand(len(labels), generator=generator, dtype=torch.float64) < noise  # [N]
    shift = torch.randint(1, num_classes, (len(labels),), generator=generator)  # [N] in 1..K-1: never the same class
    return (labels + (replaced * shift).to(labels.device)) % num_classes  # [N]
