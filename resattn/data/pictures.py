"""One reader of picture files, from what phones, scanners and drawing programs write to what a network is shown.

Whatever reads a picture file in this package reads it here: the command line, folders of pictures, explorers and
:func:`resattn.analysis.looking.look`. A picture comes back upright, in colour, with 8 bits a channel, and says what was
done to it; or one sentence that names the file says why it cannot be read.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from .sets import DataError, ImageSet

RGB_FORM = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")  # what Pillow turns into RGB rightly, and CIELAB not
LEAST_RANGE = 0.25  # of the range of its type; a deep picture that uses no more would come out as one flat grey


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file, read: an upright RGB image of 8 bits a channel, the file's path, and what was done to it."""

    image: Image.Image
    path: Path
    notes: tuple[str, ...] = ()

    @property
    def square(self) -> tuple[int, int, int, int]:
        """The largest square in the middle: left, top, right and bottom edge in pixels.

        >>> Picture(Image.new("RGB", (480, 320)), Path("wide.png")).square
        (80, 0, 400, 320)
        """
        width, height = self.image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return left, top, left + side, top + side

    def shown_at(self, size: int) -> Tensor:
        """The middle square, scaled to what a network is shown: uint8 [3, size, size].

        Raises ValueError for a size below 1.
        """
        if size < 1:
            raise ValueError(f"a picture must be shown at a size of 1 pixel or more, not {size}.")
        small = self.image.crop(self.square).resize((size, size), Image.Resampling.BICUBIC)
        return pil_to_tensor(small)  # [3, size, size]


def read_picture(path: str | Path) -> Picture:
    """Read a picture file: its first frame, if it holds several.

    Turned upright as its EXIF tag says. Transparent parts lie on white. Grey, palette and CMYK become RGB. Grey of 16
    bits, 32 bits or floating point is scaled to 8 bits: from the range that its type suggests (0 to 65535; 0 to 1 for
    fractions, 0 to 255 for larger numbers), or from its own smallest to its own largest value where it leaves that
    range or uses at most a quarter of it.

    Raises DataError, one sentence that names the file, if it is missing, no picture, damaged, of a kind without an RGB
    form, larger than Pillow's limit (179 million pixels), or holds values that are not finite.
    """
    path = Path(path)
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, and on pictures above half its limit
            with Image.open(path) as file:
                frames, turn = getattr(file, "n_frames", 1), _orientation(file)
                if frames > 1:
                    notes.append(f"the first of {frames} frames")
                file.load()
                if turn != 1:
                    notes.append("turned upright")
                image = _to_rgb(ImageOps.exif_transpose(file) if turn != 1 else file, notes)
    except Exception as error:  # decoders of damaged files raise nearly everything, struct.error and IndexError too
        raise DataError(f"The picture {path} {_reason(path, error)}") from None
    return Picture(image, path, tuple(notes))


def picture_set(paths: Sequence[str | Path], size: int, name: str = "Own pictures") -> ImageSet:
    """Picture files as a network is shown them, with one class, "picture", for their true ones are not known.

    Explorers take such a set. Raises DataError as :func:`read_picture` does, ValueError if there is no path.
    """
    if not paths:
        raise ValueError("there are no pictures to read.")
    images = torch.stack([read_picture(path).shown_at(size) for path in paths])  # [N, 3, size, size]
    return ImageSet(images, torch.zeros(len(paths), dtype=torch.int64), ("picture",), name)


def _orientation(file: Image.Image) -> int:
    """The EXIF tag that says how the camera was held; 1, upright, if there is none that can be read."""
    try:
        turn = file.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged tag does not make the pixels unreadable
        return 1
    return turn if turn in range(2, 9) else 1


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return Image.fromarray(_eight_bits(np.asarray(image), notes)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            notes.append("transparent parts laid on white")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode not in RGB_FORM:
        raise DataError(f"has its colours as {image.mode}; save it as RGB.")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Grey values [H, W] -> uint8 [H, W]."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():  # a NaN anywhere is the smallest and the largest value
        raise DataError("holds values that are not finite numbers.")
    if values.dtype.kind == "f":
        kind, top = "floating-point", 1.0 if high <= 1 else 255.0
    else:
        kind, top = ("16-bit", 65535.0) if values.dtype.itemsize == 2 or 255 < high <= 65535 else ("32-bit", 255.0)
    start, end = 0.0, top
    if low < high and (low < 0 or high > top or high - low <= LEAST_RANGE * top):
        start, end = low, high
    notes.append(f"{kind} values {start:g} to {end:g} scaled to 0 to 255")
    scaled = (values.astype(np.float64) - start) * (255 / (end - start))  # [H, W]
    return scaled.round().clip(0, 255).astype(np.uint8)


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "is missing."
    if path.is_dir():
        return "is a folder; name the files in it."
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; make it smaller first."
    if isinstance(error, UnidentifiedImageError):
        return "is damaged, or not of a kind that is read here, such as PNG, JPEG, TIFF, WebP, GIF and BMP."
    words = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return f"cannot be read ({words}); replace or remove it."
