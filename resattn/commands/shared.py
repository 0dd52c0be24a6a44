"""What several commands ask for, where they take it from when nobody says it, and how they speak."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import data
from ..data import FolderBatches, ImageSet, catalogue, cued, list_images
from ..data.listing import spread
from ..training import distributed

RENDERED = {"scenes": {"train": 20000, "test": 4000}, "cued_scenes": cued.SIZES}  # images, if nobody says how many
FOLDERS = ("imagenet", "folder")
DATA_CHOICES = (*catalogue.TITLES, *FOLDERS)


def add_data(p: argparse.ArgumentParser, default: str) -> None:
    p.add_argument("--data", choices=DATA_CHOICES, help=f"default: {default}")
    p.add_argument("--root", type=Path, help="folder of the data; for imagenet and folder the one with train/ and val/")
    p.add_argument("--workers", type=int, default=8, help="processes that decode imagenet's files (default 8)")
    p.add_argument("--limit", type=int, metavar="N", help="use at most N images of each split, for a trial")
    p.add_argument(
        "--size", type=int, help="pixels: of imagenet's crop (default 224), of a scene or a folder's pictures (32)"
    )


def add_device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU if there is one)")
    p.add_argument("--precision", default="auto", help="auto, float32 or bfloat16 (default auto: bfloat16 where fast)")


def take_from_record(options: argparse.Namespace, record: dict[str, Any], whose: str) -> None:
    """Fill in what the command line leaves open about the data from a record, and say where it differs from it.

    Raises ValueError if the data of the record are not at hand.
    """
    recorded = record["data"]
    if options.data is None:
        options.data = recorded.get("kind") or catalogue.named(recorded["test"])
        if options.data is None:
            raise ValueError(f"{whose} was trained on {recorded['train']}, which no --data stands for: choose one")
        if options.data in FOLDERS and options.root is None:
            options.root = Path(recorded["root"])
            if not options.root.is_dir():
                raise ValueError(f"{whose} was trained on the folder {options.root}, which is gone: give a --root")
        if not catalogue.is_at_hand(options.data, options.root):
            raise ValueError(
                f"{whose} was trained on {catalogue.TITLES[options.data]}, which is not at hand: "
                f"'python -m resattn data {options.data}' downloads it, or --root names its folder"
            )
        if options.limit is None and "train_images" in recorded and "root" not in recorded:
            options.limit = max(recorded["train_images"], recorded["test_images"])
    size = recorded.get("size")
    if options.size is None:
        options.size = size if isinstance(size, int) else None
    elif size not in (None, options.size):
        say(f"at {options.size} pixels; {whose} was trained at {size}")


def check_fits(found: ImageSet | FolderBatches, record: dict[str, Any], whose: str) -> None:
    """Raise ValueError if a test set has other classes than a record; say so if a folder holds other files."""
    recorded = record["data"]
    if list(found.classes) != recorded["classes"]:
        theirs, own = _names(found.classes), _names(recorded["classes"])
        raise ValueError(f"{found.name} has the classes {theirs}, and {whose} was trained on {own}")
    facts = getattr(found, "facts", {})
    if "digest" in facts and recorded.get("test_digest", facts["digest"]) != facts["digest"]:
        say(f"{found.name}: {facts['images']:,} files, not the {recorded['test_images']:,} of the record")


def _names(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:10])
    return f"{shown}, … ({len(classes)})" if len(classes) > 10 else shown


def load_data(
    options: argparse.Namespace,
    split: str,
    device: torch.device,
    batch_size: int,
    used_to: Mapping[str, Any] | None = None,
) -> ImageSet | FolderBatches:
    """The data that the options name. "imagenet" is decoded as it is needed, and normalised by the ``mean`` and ``std``
    that a network is ``used_to``; the pictures of "folder", a few hundred of one's own, are kept in memory."""
    name = options.data or data.at_hand(options.root)
    if name in FOLDERS and options.root is None:
        raise ValueError(f"--data {name} needs --root, the folder that holds train/ and val/")
    if name in FOLDERS:
        listing = getattr(options, "listings", {}).get(split)  # where they have been looked through already
        listing = listing or list_images(options.root, split).limited(options.limit)
    if name == "folder":
        return data.folder_set(options.root, split, options.size or 32, listing)
    if name == "imagenet":
        rank, world = distributed.rank(), distributed.world()
        seed = getattr(options, "seed", 0)
        size = options.size or 224
        statistics = {key: used_to[key] for key in ("mean", "std")} if used_to else {}
        return FolderBatches(
            options.root,
            split,
            size,
            batch_size,
            options.workers,
            device=device,
            seed=seed,
            rank=rank,
            world=world,
            **statistics,
            listing=listing,
        )
    if options.data is None and split == "train":
        say(f"data: {name}")
    if name.startswith("cifar"):
        if options.size not in (None, 32):
            raise ValueError(f"{catalogue.TITLES[name]} has 32 pixels a side; --size {options.size} is for other data")
        return limited(data.load(name, split, options.root), options.limit)
    settings: dict[str, Any] = {"size": options.size} if options.size else {}
    if options.limit is not None and options.limit < RENDERED[name][split]:
        found = data.load(name, split, n=options.limit, **settings)  # renders no more than these
        return replace(found, name=f"{found.name}, {len(found)} images")
    return data.load(name, split, **settings)


def limited(found: ImageSet, n: int | None) -> ImageSet:
    """At most n images of a set, evenly spread."""
    if n is None or n >= len(found):
        return found
    return replace(found.subset(spread(len(found), n)), name=f"{found.name}, {n} images")


def say(text: str) -> None:
    """Print from the first process only, at once, so that a log shows it while the run goes on."""
    if distributed.rank() == 0:
        print(text, flush=True)
