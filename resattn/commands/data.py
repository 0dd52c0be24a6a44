"""``python -m resattn data``: download or check a data set."""

import argparse
from pathlib import Path
from typing import Any

from .. import data
from .folders import check_folder
from .shared import DATA_CHOICES, say


def add_to(commands: Any) -> None:
    p = commands.add_parser(
        "data",
        help="download or check a data set",
        description="Make sure that a data set is at hand, downloading it where it is missing, and say what it holds. "
        "Of imagenet, a folder of your own, every file is read, and those that cannot be are named.",
    )
    p.add_argument("data", choices=DATA_CHOICES)
    p.add_argument("--root", type=Path, help="folder of the data (default: $RESATTN_DATA or the user's cache folder)")
    p.add_argument("--workers", type=int, default=8, help="processes that read imagenet's files (default 8)")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.data == "imagenet":
        if options.root is None:
            raise ValueError("imagenet needs --root, the folder that holds train/ and val/")
        check_folder(options.root, options.workers)
        return
    for split in ("train", "test"):
        found = data.load(options.data, split, options.root)
        say(f"{found.name}: {len(found):,} images of {'×'.join(map(str, found.images.shape[2:]))} pixels")
    say(f"classes: {', '.join(found.classes)}")
