"""Make the picture that the page "Your own pictures" looks at: a scene as a telephone might have taken it.

    python -m tools.own_picture [--out book/_static/own_picture.jpg]

A rendered scene of 480 pixels, cut to 480 × 320 around its object, a little out of focus, with the noise of a sensor
and darker corners, stored as a JPEG on its side with the tag that says how the telephone was held.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFilter

from resattn import data

OUT = Path(__file__).parents[1] / "book" / "_static" / "own_picture.jpg"
SCENE = 6  # of the test split: a scene that no network of the package was trained on
WIDTH, HEIGHT = 480, 320


def make(scene: int = SCENE) -> Image.Image:
    """The picture as it was seen, upright: RGB, 480 × 320."""
    drawn = data.scenes("test", scene + 1, size=WIDTH)
    assert drawn.object_masks is not None
    rows = drawn.object_masks[scene].any(dim=1).nonzero()[:, 0]  # those that the object reaches
    top = int((rows.min() + rows.max()) // 2 - HEIGHT // 2)
    top = min(max(top, 0), WIDTH - HEIGHT)
    image = Image.fromarray(drawn.images[scene, :, top : top + HEIGHT].permute(1, 2, 0).numpy())
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1.1))).astype(np.float64)  # [H, W, 3]
    random = np.random.default_rng(scene)
    grain = random.normal(0, 5, pixels.shape) + random.normal(0, 4, (*pixels.shape[:2], 1))  # of colour and of light
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    corners = 1 - 0.18 * ((x**2 + y**2) / 2)[..., None]
    return Image.fromarray((pixels * corners + grain).round().clip(0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.own_picture", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: %(default)s)")
    options = parser.parse_args()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned to the right by a quarter
    make().transpose(Image.Transpose.ROTATE_90).save(options.out, quality=88, exif=exif)


if __name__ == "__main__":
    main()
