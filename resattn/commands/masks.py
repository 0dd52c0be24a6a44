"""``python -m resattn masks``: images beside the masks of a trained network."""

import argparse
from pathlib import Path
from typing import Any

import torch

from .. import data, zoo
from ..zoo import checkpoints
from .shared import add_data, load_data, say, take_from_record


def add_to(commands: Any) -> None:
    p = commands.add_parser(
        "masks",
        help="draw the masks of a trained network",
        description="Draw images beside the channel-mean mask of every Attention Module and save the picture.",
    )
    p.add_argument("weights", help="the folder of a run, or the name of weights that come with the package")
    p.add_argument("--out", type=Path, default=Path("masks.png"), help="picture to write (default masks.png)")
    p.add_argument("--images", nargs="+", type=Path, help="picture files, in place of test images (see look too)")
    p.add_argument("--count", type=int, default=6, help="how many test images (default 6)")
    add_data(p, "the data that it was trained on, by its record")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ..figures import plots  # matplotlib takes a second to import, which the other commands need not wait for

    model = zoo.load_pretrained(options.weights)
    inputs = zoo.inputs_of(model)
    if options.images:
        images = data.picture_set(options.images, options.size or inputs.size).images
    else:
        take_from_record(options, model.record, options.weights)
        test_set = load_data(options, "test", torch.device("cpu"), 256)
        if not isinstance(test_set, data.ImageSet):
            raise ValueError("masks of imagenet are drawn from image files: name them with --images")
        images = test_set.images[: options.count]
    with torch.no_grad():
        _, found = model(inputs(images), return_masks=True)
    if not found:
        raise ValueError(f"{options.weights} has no masks to draw: it was trained with the trunk only")
    figure = plots.mask_grid(images, found)
    kind = options.out.suffix.lstrip(".") or "png"
    checkpoints.write_aside(options.out, lambda partial: figure.savefig(partial, format=kind))
    say(f"wrote {options.out}: {len(images)} images, {len(found)} masks each")
