"""A network looks at a picture file: classes, probabilities, and masks at the picture's own resolution."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..data.pictures import Picture, read_picture
from ..networks import ResidualAttentionNetwork
from ..zoo.inputs import inputs_of


@dataclass(frozen=True, eq=False)
class Look:
    """What a network says of one picture, H pixels high and W wide.

    ``picture`` is the picture as it was read; ``shown`` is what the network was shown of it: the middle square, scaled,
    uint8 [3, S, S]. ``probabilities``, [K], belong to the names in ``classes``. ``channels`` holds for each Attention
    Module the mask as the network computed it, [C, h, w]; ``masks`` its mean over the channels, enlarged bilinearly to
    the picture's own resolution, [H, W], and NaN outside the middle square, of which the network was shown nothing.
    """

    picture: Picture
    shown: Tensor
    classes: tuple[str, ...]
    probabilities: np.ndarray
    channels: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]

    def top(self, n: int = 3) -> list[tuple[str, float]]:
        """The n likeliest classes with their probabilities, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:n]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]

    def overlay(self, module: str | None = None, blend: float = 0.5) -> Image.Image:
        """The picture with the mask of a module (by default the last) over it: an RGB image of the picture's size.

        The colours, viridis, run from the smallest to the largest value of this mask, which are often close to each
        other. What the network was not shown is paler. Raises ValueError if there is no such mask, or for a blend
        outside 0 to 1.
        """
        if not self.masks:
            raise ValueError("the network has no masks to lay over the picture")
        name = module or next(reversed(self.masks))
        if name not in self.masks:
            raise ValueError(f"there is no mask of {name!r}; there are {', '.join(self.masks)}")
        if not 0 <= blend <= 1:
            raise ValueError(f"blend must be between 0 and 1; got {blend}")
        from matplotlib import colormaps  # takes a second to import, which who wants numbers need not wait for

        mask = self.masks[name]  # [H, W]
        low, high = float(np.nanmin(mask)), float(np.nanmax(mask))
        colours = colormaps["viridis"]((mask - low) / (high - low or 1), bytes=True)[..., :3]  # [H, W, 3]
        colours[np.isnan(mask)] = 255
        return Image.blend(self.picture.image, Image.fromarray(colours), blend)

    def steps(self) -> str:
        """What was done to the picture before the network saw it, in words."""
        width, height = self.picture.image.size
        left, top, right, bottom = self.picture.square
        size = self.shown.shape[1]
        words = [f"{width}×{height} pixels", *self.picture.notes]
        if width != height:
            words.append(f"cut to the middle {right - left}×{bottom - top}")
        if right - left != size:
            words.append(f"scaled to {size}×{size}")
        return ", ".join(words)


@torch.no_grad()
def look(model: ResidualAttentionNetwork, path: str | Path, size: int | None = None) -> Look:
    """Show a picture file to a trained network, upright, normalised, its middle square scaled to the size that the
    network was trained on, or to ``size`` pixels.

    Raises DataError, one sentence, for a file that cannot be read as a picture; ValueError for a network that has no
    record of a training.

    >>> import resattn, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (480, 320), "skyblue").save(f"{folder}/photo.png")
    ...     found = look(resattn.load_pretrained("attention56_scenes"), f"{folder}/photo.png")
    >>> found.steps()
    '480×320 pixels, cut to the middle 320×320, scaled to 32×32'
    >>> {name: mask.shape for name, mask in found.masks.items()}["stage1.attention1"]
    (320, 480)
    """
    inputs = inputs_of(model)
    picture = read_picture(path)
    shown = picture.shown_at(size or inputs.size)  # [3, S, S]
    was_training = model.training
    model.eval()
    try:
        logits, found = model(inputs(shown[None]), return_masks=True)  # [1, K], [1, C, h, w] each
    finally:
        model.train(was_training)
    channels = {name: mask[0].float().cpu() for name, mask in found.items()}  # [C, h, w] each
    return Look(
        picture,
        shown,
        inputs.classes,
        logits[0].float().softmax(dim=0).cpu().numpy(),
        {name: mask.numpy() for name, mask in channels.items()},
        {name: _at_own_size(mask.mean(dim=0), picture) for name, mask in channels.items()},
    )


def _at_own_size(mask: Tensor, picture: Picture) -> np.ndarray:
    """A mask [h, w] of the middle square, where it lies in the whole picture: float32 [H, W], NaN around it."""
    left, top, right, bottom = picture.square
    width, height = picture.image.size
    whole = np.full((height, width), np.nan, dtype=np.float32)
    size = (bottom - top, right - left)
    whole[top:bottom, left:right] = F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return whole
