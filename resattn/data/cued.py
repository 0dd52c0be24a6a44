"""Cued Scenes as an image set: two objects in a picture, and a cue that says which one counts.

`resattn.data.scenes.cued` paints the pictures and says what they hold.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .scenes.cued import recue, render_pairs
from .scenes.render import CLASSES
from .sets import ImageSet, check_split

SIZES = {"train": 8010, "test": 1980}  # multiples of 90, so that classes are balanced


@dataclass(frozen=True, eq=False, kw_only=True)
class CuedSet(ImageSet):
    """Pictures of two objects. labels and object_masks are those of the object that the cue names.

    cues: int64 [N], 0 where the left object counts and 1 where the right one does; pair_labels: int64 [N, 2];
    pair_masks: bool [N, 2, H, W], both of the left and of the right object.
    """

    cues: Tensor
    pair_labels: Tensor
    pair_masks: Tensor

    @property
    def other_labels(self) -> Tensor:
        """The classes of the objects that do not count: int64 [N]."""
        return pick(self.pair_labels, 1 - self.cues)

    @property
    def other_masks(self) -> Tensor:
        """The pixels of the objects that do not count: bool [N, H, W]."""
        return pick(self.pair_masks, 1 - self.cues)

    def recued(self, cues: Tensor | None = None) -> "CuedSet":
        """The same pictures under other cues, int64 [N], by default each under its other one. Only the frame changes,
        and with it which object counts."""
        cues = 1 - self.cues if cues is None else cues
        images = recue(self.images, cues)
        labels, masks = pick(self.pair_labels, cues), pick(self.pair_masks, cues)
        return replace(self, images=images, labels=labels, object_masks=masks, cues=cues)


def pick(pairs: Tensor, which: Tensor) -> Tensor:
    """One of two: pairs [N, 2, ...] and which int64 [N] of 0 and 1 -> [N, ...]."""
    return pairs[torch.arange(len(pairs), device=pairs.device), which]


def cued_scenes(split: str, n: int | None = None, size: int = 48, seed: int = 0) -> CuedSet:
    """n cued scenes of size × size pixels; 8,010 "train" or 1,980 "test". The task in which a mask has work to do.

    Raises ValueError for another split, n < 1, or a size that the renderer does not allow.

    >>> pictures = cued_scenes("test", 90)
    >>> flipped = pictures.recued()
    >>> bool((flipped.labels == pictures.other_labels).all()), bool((flipped.labels == pictures.labels).any())
    (True, False)
    """
    check_split(split)
    drawn = render_pairs(split, SIZES[split] if n is None else n, size, seed)
    name = f"Cued Scenes {split}" + (f", draw {seed}" if seed else "")
    return CuedSet(
        drawn.images,
        pick(drawn.pair_labels, drawn.cues),
        CLASSES,
        name,
        pick(drawn.pair_masks, drawn.cues),
        drawn.sky_masks,
        cues=drawn.cues,
        pair_labels=drawn.pair_labels,
        pair_masks=drawn.pair_masks,
    )
