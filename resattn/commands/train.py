"""``python -m resattn train``: train a network and keep its weights and record."""

import argparse
import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import data, networks, training, zoo
from ..analysis import count_parameters
from ..data import FolderBatches
from ..training import RECIPES, distributed, epochs
from ..zoo import checkpoints
from .folders import add_skip_bad, checked
from .shared import FOLDERS, add_data, add_device, load_data, say, take_from_record


def add_to(commands: Any) -> None:
    p = commands.add_parser(
        "train",
        help="train a network and keep its weights and record",
        description="Train a network from scratch, or, with --from, trained weights on classes of your own. Every "
        "epoch ends in a checkpoint in --out; the same command resumes an interrupted run. A finished run holds "
        "model.safetensors and model.json, the record.",
        epilog="example: python -m resattn train attention56 --data cifar10 --recipe quick --out runs/a56",
    )
    p.add_argument("network", nargs="?", help="a name that 'python -m resattn models' lists; not with --from")
    p.add_argument(
        "--from",
        dest="source",
        metavar="WEIGHTS",
        help="start from trained weights, by the name of the package's or the folder of a run, with a new classifier",
    )
    p.add_argument(
        "--freeze", action="store_true", help="with --from: train the classifier only; all before it stays as it is"
    )
    p.add_argument("--out", required=True, type=Path, help="folder of the run, made if it is missing")
    p.add_argument(
        "--recipe",
        choices=list(RECIPES),
        help="default: quick, minutes on a CPU; with --from: finetune, for few images",
    )
    p.add_argument("--epochs", type=int, help="train this many epochs, not as many as the recipe says")
    p.add_argument("--batch-size", type=int, help="images in a step, all processes together, in place of the recipe's")
    p.add_argument(
        "--accumulate", type=int, default=1, metavar="N", help="compute a step's batch in N pieces, to save memory"
    )
    p.add_argument(
        "--batch-statistics",
        default="process",
        choices=epochs.BATCH_STATISTICS,
        help="under torchrun: batch normalisation over the images of one process (default) or of all",
    )
    p.add_argument("--lr", type=float, help="highest learning rate, in place of the recipe's")
    p.add_argument("--noise", type=float, default=0.0, help="share of training labels made wrong, 0 to 1 (default 0)")
    p.add_argument("--seed", type=int, default=0, help="fixes initialisation, order and augmentation (default 0)")
    p.add_argument("--compile", action="store_true", help="torch.compile the network; pays off in long runs on a GPU")
    p.add_argument("--fresh", action="store_true", help="start over, even if --out holds a checkpoint")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting of the network, e.g. --set fusion=nal --set width=0.5 (repeatable)",
    )
    add_data(p, "that of the run that is resumed; else cifar10 if it is on this machine, else scenes")
    add_skip_bad(p)
    add_device(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    recipe = RECIPES[options.recipe or ("finetune" if options.source else "quick")]
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs, steps=None)
    changes = {"batch_size": options.batch_size, "lr": options.lr}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    device = training.pick_device(options.device)
    overrides = dict(_setting(text) for text in options.set)
    take_from_run(options)
    used_to = check_start(options, overrides)

    if options.data in FOLDERS and options.root is not None:
        options.listings = checked(options, options.root, ("train", "test"))
    share = distributed.share(recipe.batch_size)  # of a step's images
    train_set = load_data(options, "train", device, share, used_to)
    test_set = load_data(options, "test", device, share, used_to)
    if options.noise:
        train_set = corrupt(train_set, options.noise, options.seed)
    torch.manual_seed(options.seed)
    if options.source:
        model = zoo.load_pretrained(options.source, num_classes=len(train_set.classes), freeze=options.freeze)
        say(f"from {options.source}, with a new classifier of {len(train_set.classes)} classes")
    else:
        model = networks.create(options.network, **({"num_classes": len(train_set.classes)} | overrides))
    say(f"{model.config.name}: {count_parameters(model):,} parameters, on {zoo.hardware(device)}")
    history = training.fit(
        model,
        train_set,
        test_set,
        recipe,
        out=options.out,
        seed=options.seed,
        device=device,
        precision=options.precision,
        compile=options.compile,
        resume=not options.fresh,
        accumulate=options.accumulate,
        batch_statistics=options.batch_statistics,
    )
    last = history[-1]
    error, seconds = 100 * (1 - last["test_accuracy"]), sum(entry["seconds"] for entry in history)
    say(f"test error {error:.2f} % after {last['epoch']} epoch{'s' * (last['epoch'] > 1)}, {seconds:.0f} s of training")
    say(f"weights and record: {options.out / 'model.safetensors'}, {options.out / 'model.json'}")


def check_start(options: argparse.Namespace, overrides: dict[str, Any]) -> dict[str, Any] | None:
    """Refuse, before any data is read, a start that makes no sense. With --from, take the size of the pictures from the
    record of the weights, and return what they are used to."""
    if (options.network is None) == (options.source is None):
        raise ValueError("name either a network to train from scratch, or with --from the weights to start from")
    if options.source is None:
        if options.freeze:
            raise ValueError("--freeze keeps trained weights: say with --from which")
        networks.configure(options.network, **overrides)
        return None
    if overrides:
        raise ValueError("--set changes a network, and trained weights fit only the one that they were trained in")
    record: dict[str, Any] = zoo.load_pretrained(options.source).record
    if options.data not in (None, "cifar10", "cifar100"):  # those have one size only
        options.size = options.size or zoo.image_size(record)
    return record


def take_from_run(options: argparse.Namespace) -> None:
    """What is not said about the data of a run that is resumed is what it was before."""

    def read() -> dict[str, Any] | None:
        path = options.out / "checkpoint.pt"
        return checkpoints.load(path)["run"] if path.exists() and not options.fresh else None

    run = distributed.from_first(read)
    if run is not None:
        take_from_record(options, run, f"the run in {options.out}")


def corrupt(train_set: data.ImageSet | FolderBatches, noise: float, seed: int) -> data.ImageSet:
    if not isinstance(train_set, data.ImageSet):
        raise ValueError("--noise works on cifar10, cifar100 and scenes only")
    labels = data.corrupt_labels(train_set.labels, noise, len(train_set.classes), seed)
    return replace(train_set, labels=labels, name=f"{train_set.name}, noise {noise:g}")


def _setting(text: str) -> tuple[str, Any]:
    """ "width=0.5" -> ("width", 0.5); a value that is no Python number or tuple stays a word."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes KEY=VALUE, such as fusion=nal; got {text!r}")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
