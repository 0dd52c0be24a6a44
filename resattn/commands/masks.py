"""``python -m resattn masks``: images beside the masks of a trained network."""

import argparse
from pathlib import Path
from typing import Any

import torch

from .. import data, zoo
from ..data import Normalise
from ..zoo import checkpoints
from .shared import add_data, load_data, say


def add_to(commands: Any) -> None:
    p = commands.add_parser(
        "masks",
        help="draw the masks of a trained network",
        description="Draw images beside the channel-mean mask of every Attention Module and save the picture.",
    )
    p.add_argument("weights", help="the folder of a finished run, or the name of weights that come with the package")
    p.add_argument("--out", type=Path, default=Path("masks.png"), help="picture to write (default masks.png)")
    p.add_argument("--images", nargs="+", type=Path, help="image files to look at, in place of test images")
    p.add_argument("--count", type=int, default=6, help="how many test images (default 6)")
    add_data(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ..figures import plots  # matplotlib takes a second to import, which the other commands need not wait for

    model = zoo.load_pretrained(options.weights)
    if options.images:
        images = torch.stack([_read_image(path, options.size or 32) for path in options.images])
    else:
        test_set = load_data(options, "test", torch.device("cpu"), 256)
        if not isinstance(test_set, data.ImageSet):
            raise ValueError("masks of imagenet are drawn from image files: name them with --images")
        images = test_set.images[: options.count]
    x = Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))(images)  # [B, 3, H, W]
    with torch.no_grad():
        _, found = model(x, return_masks=True)
    if not found:
        raise ValueError(f"{options.weights} has no masks to draw: it was trained with the trunk only")
    figure = plots.mask_grid(images, found)
    kind = options.out.suffix.lstrip(".") or "png"
    checkpoints.write_aside(options.out, lambda partial: figure.savefig(partial, format=kind))
    say(f"wrote {options.out}: {len(images)} images, {len(found)} masks each")


def _read_image(path: Path, size: int) -> torch.Tensor:
    """An image file, its centre square scaled to size × size: uint8 [3, size, size]."""
    from PIL import Image, ImageOps, UnidentifiedImageError
    from torchvision.transforms.functional import pil_to_tensor

    try:
        with Image.open(path) as image:
            return pil_to_tensor(ImageOps.fit(image.convert("RGB"), (size, size)))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image") from error
