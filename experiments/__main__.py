"""``python -m experiments NAME``: see `experiments.runner`."""

import argparse
import sys
from pathlib import Path

from resattn import zoo
from resattn.__main__ import exit_status

from .runner import WORK, Place, run_grid


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description="Run a grid of trainings, or go on with it."
    )
    parser.add_argument("name", help="the question: a module of experiments/")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each of one thread (default: 1)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 … (default: cpu)")
    parser.add_argument("--only", default="", help="make only the runs whose key has this word")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for checkpoints (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=zoo.grids.RECORDS, help="folder for records (default: %(default)s)")
    options = parser.parse_args(arguments)
    place = Place(options.name, options.work / options.name, options.out)
    return exit_status(
        lambda: run_grid(place, options.jobs, options.device, options.only),
        "error",
        "interrupted; the same command goes on from the last finished epoch",
    )


if __name__ == "__main__":
    sys.exit(main())
