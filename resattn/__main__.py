"""The command line: ``python -m resattn train|evaluate|masks|models|data``. Each explains itself with --help."""

import argparse
import ast
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from . import data, networks, training, zoo
from .analysis import count_multiply_adds, count_parameters
from .data import FolderBatches, Normalise
from .training import RECIPES, distributed
from .zoo import checkpoints

DATA_CHOICES = ("cifar10", "cifar100", "scenes", "imagenet")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a sentence on what was wrong, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)

    def work() -> None:
        with distributed.process_group():
            options.run(options)

    return exit_status(work, "resattn", "resattn: stopped")


def exit_status(work: Callable[[], None], prefix: str, stopped: str) -> int:
    """Do the work and return 0; 1 after one sentence on what was wrong, behind ``prefix``; 130 after Ctrl-C and the
    sentence ``stopped``. Both sentences go to standard error."""
    try:
        work()
    except (ValueError, OSError, checkpoints.CheckpointError, training.TrainingError) as error:
        print(f"{prefix}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m resattn", description="The Residual Attention Network.")
    commands = root.add_subparsers(required=True, metavar="command")

    p = commands.add_parser(
        "train",
        help="train a network and keep its weights and record",
        description="Train a network. Every epoch ends in a checkpoint in --out; the same command resumes an "
        "interrupted run. A finished run holds model.safetensors and model.json, the record.",
        epilog="example: python -m resattn train attention56 --data cifar10 --recipe quick --out runs/a56",
    )
    p.add_argument("network", help="a name that 'python -m resattn models' lists")
    p.add_argument("--out", required=True, type=Path, help="folder of the run, made if it is missing")
    p.add_argument("--recipe", default="quick", choices=list(RECIPES), help="default: quick, minutes on a CPU")
    p.add_argument("--epochs", type=int, help="train this many epochs, not as many as the recipe says")
    p.add_argument("--batch-size", type=int, help="images in a batch, in place of the recipe's")
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
    _add_data(p)
    _add_device(p)
    p.set_defaults(run=train)

    p = commands.add_parser("evaluate", help="test a trained network", description="Loss and error on the test set.")
    p.add_argument("weights", help="the folder of a finished run, or the name of weights that come with the package")
    _add_data(p)
    _add_device(p)
    p.set_defaults(run=evaluate)

    p = commands.add_parser(
        "masks",
        help="draw the masks of a trained network",
        description="Draw images beside the channel-mean mask of every Attention Module and save the picture.",
    )
    p.add_argument("weights", help="the folder of a finished run, or the name of weights that come with the package")
    p.add_argument("--out", type=Path, default=Path("masks.png"), help="picture to write (default masks.png)")
    p.add_argument("--images", nargs="+", type=Path, help="image files to look at, in place of test images")
    p.add_argument("--count", type=int, default=6, help="how many test images (default 6)")
    _add_data(p)
    p.set_defaults(run=masks)

    p = commands.add_parser("models", help="list the networks with their parameters and multiply-adds")
    p.set_defaults(run=models)

    p = commands.add_parser(
        "data",
        help="download or check a data set",
        description="Make sure that a data set is at hand, downloading it where it is missing, and say what it holds.",
    )
    p.add_argument("data", choices=DATA_CHOICES[:3])
    p.add_argument("--root", type=Path, help="folder of the data (default: $RESATTN_DATA or the user's cache folder)")
    p.set_defaults(run=describe_data)
    return root


def _add_data(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", choices=DATA_CHOICES, help="default: cifar10 if it is on this machine, else scenes")
    p.add_argument("--root", type=Path, help="folder of the data; for imagenet the one with train/ and val/")
    p.add_argument("--workers", type=int, default=8, help="processes that decode imagenet's files (default 8)")
    p.add_argument("--size", type=int, help="pixels: of imagenet's crop (default 224) or of a scene (default 32)")


def _add_device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU if there is one)")
    p.add_argument("--precision", default="auto", help="auto, float32 or bfloat16 (default auto: bfloat16 where fast)")


def train(options: argparse.Namespace) -> None:
    recipe = RECIPES[options.recipe]
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs, steps=None)
    changes = {"batch_size": options.batch_size, "lr": options.lr}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    device = training.pick_device(options.device)
    overrides = dict(_setting(text) for text in options.set)
    networks.configure(options.network, **overrides)  # a wrong name is said before the data is read

    train_set = load_data(options, "train", device, recipe.batch_size)
    test_set = load_data(options, "test", device, recipe.batch_size)
    if options.noise:
        train_set = corrupt(train_set, options.noise, options.seed)
    torch.manual_seed(options.seed)
    overrides = {"num_classes": len(train_set.classes)} | overrides
    model = networks.create(options.network, **overrides)
    say(f"{options.network}: {count_parameters(model):,} parameters, on {zoo.hardware(device)}")
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
    )
    last = history[-1]
    error, seconds = 100 * (1 - last["test_accuracy"]), sum(entry["seconds"] for entry in history)
    say(f"test error {error:.2f} % after {last['epoch']} epochs, {seconds:.0f} s of training")
    say(f"weights and record: {options.out / 'model.safetensors'}, {options.out / 'model.json'}")


def evaluate(options: argparse.Namespace) -> None:
    model = zoo.load_pretrained(options.weights)
    device = training.pick_device(options.device)
    test_set = load_data(options, "test", device, 256)
    mean, std = model.record["mean"], model.record["std"]
    scores = training.evaluate(model, test_set, mean=mean, std=std, device=device, precision=options.precision)
    say(f"{test_set.name}: " + ", ".join(f"{key} {value:.4f}" for key, value in scores.items() if key != "images"))


def masks(options: argparse.Namespace) -> None:
    from .figures import plots  # matplotlib takes a second to import, which the other commands need not wait for

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


def models(options: argparse.Namespace) -> None:
    say(f"{'network':32}{'parameters':>12}{'multiply-adds':>16}{'at':>5}")
    for name in networks.list_models():
        with torch.device("meta"):
            model = networks.create(name)
        size = 224 if name.endswith("_imagenet") else 32
        say(f"{name:32}{count_parameters(model):>12,}{count_multiply_adds(model, size):>16,}{size:>5}")


def describe_data(options: argparse.Namespace) -> None:
    for split in ("train", "test"):
        found = data.load(options.data, split, options.root)
        say(f"{found.name}: {len(found):,} images of {'×'.join(map(str, found.images.shape[2:]))} pixels")
    say(f"classes: {', '.join(found.classes)}")


def load_data(
    options: argparse.Namespace, split: str, device: torch.device, batch_size: int
) -> data.ImageSet | FolderBatches:
    name = options.data or data.at_hand(options.root)
    if name == "imagenet":
        if options.root is None:
            raise ValueError("--data imagenet needs --root, the folder that holds train/ and val/")
        rank, world = distributed.rank(), distributed.world()
        seed = getattr(options, "seed", 0)
        size = options.size or 224
        return FolderBatches(
            options.root, split, size, batch_size, options.workers, device=device, seed=seed, rank=rank, world=world
        )
    if options.data is None and split == "train":
        say(f"data: {name}")
    size_of_scenes: dict[str, Any] = {"size": options.size} if name == "scenes" and options.size else {}
    return data.load(name, split, options.root, **size_of_scenes)


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


def _read_image(path: Path, size: int) -> torch.Tensor:
    """An image file, its centre square scaled to size × size: uint8 [3, size, size]."""
    from PIL import Image, ImageOps, UnidentifiedImageError
    from torchvision.transforms.functional import pil_to_tensor

    try:
        with Image.open(path) as image:
            return pil_to_tensor(ImageOps.fit(image.convert("RGB"), (size, size)))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an image") from error


def say(text: str) -> None:
    """Print from the first process only, at once, so that a log shows it while the run goes on."""
    if distributed.rank() == 0:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
