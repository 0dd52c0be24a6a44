"""What several commands ask for, and how they speak."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .. import data
from ..data import FolderBatches
from ..training import distributed

DATA_CHOICES = ("cifar10", "cifar100", "scenes", "imagenet", "folder")


def add_data(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", choices=DATA_CHOICES, help="default: cifar10 if it is on this machine, else scenes")
    p.add_argument("--root", type=Path, help="folder of the data; for imagenet and folder the one with train/ and val/")
    p.add_argument("--workers", type=int, default=8, help="processes that decode imagenet's files (default 8)")
    p.add_argument(
        "--size", type=int, help="pixels: of imagenet's crop (default 224), of a scene or a folder's pictures (32)"
    )


def add_device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU if there is one)")
    p.add_argument("--precision", default="auto", help="auto, float32 or bfloat16 (default auto: bfloat16 where fast)")


def load_data(
    options: argparse.Namespace,
    split: str,
    device: torch.device,
    batch_size: int,
    used_to: Mapping[str, Any] | None = None,
) -> data.ImageSet | FolderBatches:
    """The data that the options name. "imagenet" is decoded as it is needed, and normalised by the ``mean`` and ``std``
    that a network is ``used_to``; the pictures of "folder", a few hundred of one's own, are kept in memory."""
    name = options.data or data.at_hand(options.root)
    if name in ("imagenet", "folder") and options.root is None:
        raise ValueError(f"--data {name} needs --root, the folder that holds train/ and val/")
    if name == "folder":
        return data.folder_set(options.root, split, options.size or 32)
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
        )
    if options.data is None and split == "train":
        say(f"data: {name}")
    size_of_scenes: dict[str, Any] = {"size": options.size} if name == "scenes" and options.size else {}
    return data.load(name, split, options.root, **size_of_scenes)


def say(text: str) -> None:
    """Print from the first process only, at once, so that a log shows it while the run goes on."""
    if distributed.rank() == 0:
        print(text, flush=True)
