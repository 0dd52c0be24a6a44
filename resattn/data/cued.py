"""Cued Scenes as an image set: two objects in a picture, or three, and a cue that says which one counts.

`resattn.data.scenes.cued` paints the pictures and says what they hold.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .scenes.cued import recue, render_groups
from .scenes.render import CLASSES
from .sets import ImageSet, check_split

SIZES = {"train": 8010, "test": 1980}  # multiples of 90


@dataclass(frozen=True, eq=False, kw_only=True)
class CuedSet(ImageSet):
    """Pictures of K objects. labels and object_masks are those of the object that the cue names.

    cues: int64 [N], from 0 where the left object counts to K − 1 where the right one does; pair_labels: int64 [N, K];
    pair_masks: bool [N, K, H, W], both of all objects from left to right. With two objects, a pair, there is one that
    does not count: other_labels and other_masks raise ValueError for more.
    """

    cues: Tensor
    pair_labels: Tensor
    pair_masks: Tensor

    @property
    def other_labels(self) -> Tensor:
        """The classes of the objects that do not count: int64 [N]."""
        return pick(self.pair_labels, self._other())

    @property
    def other_masks(self) -> Tensor:
        """The pixels of the objects that do not count: bool [N, H, W]."""
        return pick(self.pair_masks, self._other())

    def recued(self, cues: Tensor | None = None) -> "CuedSet":
        """The same pictures under other cues, int64 [N], by default each of a pair under its other one. Only the frame
        changes, and with it which object counts."""
        cues = self._other() if cues is None else cues
        images = recue(self.images, cues, self.pair_labels.shape[1])
        labels, masks = pick(self.pair_labels, cues), pick(self.pair_masks, cues)
        return replace(self, images=images, labels=labels, object_masks=masks, cues=cues)

    def _other(self) -> Tensor:
        if (count := self.pair_labels.shape[1]) != 2:
            raise ValueError(f"Of {count} objects there is no one other; say which of them is meant.")
        return 1 - self.cues


def pick(pairs: Tensor, which: Tensor) -> Tensor:
    """One of K: pairs [N, K, ...] and which int64 [N] below K -> [N, ...]."""
    return pairs[torch.arange(len(pairs), device=pairs.device), which]


def cued_scenes(split: str, n: int | None = None, size: int = 48, seed: int = 0, objects: int = 2) -> CuedSet:
    """n cued scenes of size × size pixels; 8,010 "train" or 1,980 "test". The task in which a mask has work to do.

    Classes are balanced where n is a multiple of 90, with three objects of 720. Raises ValueError for another split,
    n < 1, a size that the renderer does not allow, or objects not 2 or 3.

    >>> pictures = cued_scenes("test", 90)
    >>> flipped = pictures.recued()
    >>> bool((flipped.labels == pictures.other_labels).all()), bool((flipped.labels == pictures.labels).any())
    (True, False)
    """
    check_split(split)
    drawn = render_groups(split, SIZES[split] if n is None else n, size, seed, objects)
    name = ("Cued Scenes" if objects == 2 else f"Cued Scenes of {objects} objects") + f" {split}"
    name += f", draw {seed}" if seed else ""
    return CuedSet(
        drawn.images,
        pick(drawn.labels, drawn.cues),
        CLASSES,
        name,
        pick(drawn.masks, drawn.cues),
        drawn.sky_masks,
        cues=drawn.cues,
        pair_labels=drawn.labels,
        pair_masks=drawn.masks,
    )
