"""Folders of image files on the command line: what is in them, and what of it cannot be read."""

import argparse
from pathlib import Path

from ..data import Listing, find_bad, list_images
from ..data.sets import DataError
from ..training import distributed
from .shared import say

READ_WHOLE = 20_000  # files; of more, training reads val/ before it starts, and the beginning of each file in train/
NAMED = 5  # bad files in one sentence


def add_skip_bad(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--skip-bad",
        action="store_true",
        help="imagenet: read every file before the start and go on without those that cannot be read",
    )


def checked(options: argparse.Namespace, root: Path, splits: tuple[str, ...]) -> dict[str, Listing]:
    """The files of each split, once it is known which of them can be read; says how many there are and are not used.

    Raises DataError for files that cannot be read, unless --skip-bad leaves them out.
    """
    listings = {split: list_images(root, split).limited(options.limit) for split in splits}
    total = sum(len(listing.samples) for listing in listings.values())
    bad: dict[str, str] = {}
    for split, listing in listings.items():
        whole = split == "test" or options.skip_bad or total <= READ_WHOLE
        own = [path for path, _ in listing.samples][distributed.rank() :: distributed.world()]
        for found in distributed.from_all(
            find_bad(own, options.workers, whole=whole, progress=distributed.rank() == 0)
        ):
            bad |= found
    if bad and not options.skip_bad:
        few = list(bad.values())[:NAMED]
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        command = f"'python -m resattn data imagenet --root {root}' names all, --skip-bad goes on without them"
        raise DataError(f"{len(bad):,} of {total:,} files cannot be read: {'; '.join(few)}{more} ({command})")
    listings = {split: listing.without(bad.keys()) for split, listing in listings.items()}
    for listing in listings.values():
        say(str(listing))
    if total > READ_WHOLE and not options.skip_bad:
        say("of train/ the beginning of each file was read, of val/ every file whole; --skip-bad reads all of both")
    return listings


def check_folder(root: Path, workers: int) -> None:
    """Read a whole folder, and name every file that cannot be read. Raises DataError if there is one."""
    listings = [list_images(root, split) for split in ("train", "test")]
    for listing in listings:
        say(str(listing))
    paths = [path for listing in listings for path, _ in listing.samples]
    bad = find_bad(paths, workers)
    for what in bad.values():
        say(what)
    if bad:
        raise DataError(f"{len(bad):,} of {len(paths):,} files in {root} cannot be read")
    say(f"all {len(paths):,} files can be read")
