"""``python -m resattn evaluate``: loss and error of a trained network on a test set."""

import argparse
from typing import Any

from .. import training, zoo
from .folders import add_skip_bad, checked
from .shared import FOLDERS, add_data, add_device, check_fits, load_data, say, take_from_record


def add_to(commands: Any) -> None:
    p = commands.add_parser("evaluate", help="test a trained network", description="Loss and error on the test set.")
    p.add_argument("weights", help="the folder of a run, or the name of weights that come with the package")
    add_data(p, "the data that it was trained on, by its record")
    add_skip_bad(p)
    add_device(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    model = zoo.load_pretrained(options.weights)
    device = training.pick_device(options.device)
    take_from_record(options, model.record, options.weights)
    if options.data in FOLDERS and options.root is not None and options.skip_bad:
        options.listings = checked(options, options.root, ("test",))
    test_set = load_data(options, "test", device, 256, model.record)
    check_fits(test_set, model.record, options.weights)
    mean, std = model.record["mean"], model.record["std"]
    scores = training.evaluate(model, test_set, mean=mean, std=std, device=device, precision=options.precision)
    say(f"{test_set.name}: " + ", ".join(f"{key} {value:.4f}" for key, value in scores.items() if key != "images"))
