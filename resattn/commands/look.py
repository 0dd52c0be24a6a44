"""``python -m resattn look``: what a trained network says of picture files, and where its masks lie on them."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from .. import zoo
from ..analysis import Look, look
from ..zoo import checkpoints
from .shared import say

DEFAULT = "attention56_cifar10"  # of the weights that come with the package, the ones trained on photographs


def add_to(commands: Any) -> None:
    p = commands.add_parser(
        "look",
        help="classes and masks of your own pictures",
        description="Show picture files to a trained network: print the likeliest classes of each, and write it with "
        "its masks, and with the masks laid over it, to OUT/NAME.masks.png. What was done to a picture before the "
        "network saw it is printed too.",
        epilog="example: python -m resattn look photo.jpg --weights attention56_cifar10",
    )
    p.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="a picture file: JPEG, PNG, TIFF, WebP …")
    p.add_argument(
        "--weights", default=DEFAULT, help=f"the folder of a run, or weights of the package (default {DEFAULT})"
    )
    p.add_argument("--out", type=Path, default=Path("looks"), help="folder to write to (default looks)")
    p.add_argument("--size", type=int, help="pixels a side of what the network is shown (default: as it was trained)")
    p.add_argument(
        "--raw",
        action="store_true",
        help="also write OUT/NAME.masks.npz: each module's mask at the picture's own resolution, the same with all "
        "channels at the network's, and the probabilities",
    )
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    twice = {path.stem for path in options.pictures if sum(p.stem == path.stem for p in options.pictures) > 1}
    if twice:
        raise ValueError(
            f"two pictures are called {min(twice)}, and would be written to one file; look at them in turn"
        )
    model = zoo.load_pretrained(options.weights)
    for path in options.pictures:
        found = look(model, path, options.size)
        say(f"{path}: {found.steps()}")
        for name, probability in found.top():
            say(f"  {probability:6.1%}  {name}")
        if found.masks:
            _write(found, options.out / f"{path.stem}.masks", options.raw)
        else:
            say(f"  {options.weights} has no masks to draw: it was trained with the trunk only")


def _write(found: Look, stem: Path, raw: bool) -> None:
    import matplotlib.pyplot as plt  # takes a second to import, which the other commands need not wait for

    from ..figures.mask_plots import look_view

    picture = stem.with_name(f"{stem.name}.png")
    figure = look_view(found)
    checkpoints.write_aside(picture, lambda partial: figure.savefig(partial, format="png", dpi=150))
    plt.close(figure)
    say(f"  wrote {picture}")
    if raw:
        arrays = {**found.masks, **{f"{name}.channels": mask for name, mask in found.channels.items()}}
        arrays |= {"probabilities": found.probabilities, "classes": np.array(found.classes)}
        arrays["square"] = np.array(found.picture.square)  # left, top, right, bottom of what the network was shown
        file = stem.with_name(f"{stem.name}.npz")

        def save(partial: Path) -> None:
            with open(partial, "wb") as stream:  # to a name that ends otherwise, numpy would add .npz
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]

        checkpoints.write_aside(file, save)
        say(f"  wrote {file}")
