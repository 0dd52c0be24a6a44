"""``python -m resattn models``: the networks with their parameters and multiply-adds."""

import argparse
from typing import Any

import torch

from .. import networks
from ..analysis import count_multiply_adds, count_parameters
from .shared import say


def add_to(commands: Any) -> None:
    p = commands.add_parser("models", help="list the networks with their parameters and multiply-adds")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    say(f"{'network':32}{'parameters':>12}{'multiply-adds':>16}{'at':>5}")
    for name in networks.list_models():
        with torch.device("meta"):
            model = networks.create(name)
        size = 224 if name.endswith("_imagenet") else 32
        say(f"{name:32}{count_parameters(model):>12,}{count_multiply_adds(model, size):>16,}{size:>5}")
