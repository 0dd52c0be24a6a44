"""Run the benchmarks, write their numbers as JSON, and a page of the book from them.

    python -m tests.benchmarks [NAME …] [--rounds 5]

Without a name, all. A group that is run anew replaces its rows; the others stay. The minutes need CIFAR-10 at hand.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from resattn import data, networks, zoo
from resattn.__main__ import exit_status
from resattn.analysis import count_multiply_adds
from resattn.training import RECIPES, fit
from resattn.zoo import checkpoints

from . import inputs
from . import networks as nets
from .timing import Row
from .waste import waste

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = Path(__file__).parent / "results.json", ROOT / "book" / "benchmarks.md"
HEAD = """# Benchmarks

What the package costs, beside what else you could take. `make bench` runs this page anew on your machine. What is
compared takes turns within a round, so that another load hits both; a ratio is the median of the rounds' own ratios, to
the first row of its group. One multiply-add is two operations; training takes three times the arithmetic of a forward
pass. *m* is the number of Attention Modules a stage. Costs against m and image size are at half width; batches have 64
images, in the table of image sizes 16, and in training at 224 pixels 8.
"""


def minutes(rounds: int) -> list[Row]:
    """Minutes and arithmetic of the small network that the README trains, to at least 75 % on CIFAR-10."""
    if data.at_hand() != "cifar10":
        raise ValueError("the minutes to 75 % need CIFAR-10: set RESATTN_DATA to the folder that holds it")
    from dataclasses import replace

    train, test = data.cifar10("train"), data.cifar10("test")
    torch.manual_seed(0)
    model = networks.create("attention56", stem="conv3_stride2", stem_width=64, modules=(0, 0, 1))
    recipe = replace(RECIPES["quick"], epochs=4)
    history = fit(model, train, test, recipe, progress=False)
    seconds = sum(entry["seconds"] for entry in history)
    pflop = 2 * 3 * count_multiply_adds(model, 32) * len(train) * recipe.total_steps(1) / 1e15
    note = f"{100 * history[-1]['test_accuracy']:.1f} % right after {len(history)} epochs, {pflop:.2f} PFLOP"
    return [Row("Minutes on CIFAR-10", "the README's command", *[seconds / 60] * 3, "min", None, note)]


GROUPS: dict[str, Callable[[int], list[Row]]] = {
    "training": nets.training,
    "pytorchcv": nets.beside_pytorchcv,
    "pipeline": inputs.pipeline,
    "rendering": inputs.rendering,
    "scaling": nets.scaling,
    "masks": nets.masks_returned,
    "waste": waste,
    "import": inputs.importing,
    "memory": lambda rounds: nets.memory(str(ROOT)),
    "minutes": minutes,
}


def page(results: dict[str, Any]) -> str:
    """The page of the book: one table a group."""
    lines = [HEAD]
    for part in results.values():
        rounds = "one run" if part["rounds"] == 1 else f"medians of {part['rounds']} rounds"
        where = f"{part['hardware']}, PyTorch {part['torch']}, {part['date']}, {rounds}"
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in part["rows"]:
            groups.setdefault(row["group"], []).append(row)
        for group, rows in groups.items():
            lines += [
                f"## {group}\n",
                f"| | {rows[0]['unit']} | lowest to highest | ratio | |",
                "|:--|--:|--:|--:|:--|",
            ]
            for row in rows:
                ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
                spread = "" if part["rounds"] == 1 else f"{number(row['lowest'])} to {number(row['highest'])}"
                lines.append(f"| {row['name']} | {number(row['value'])} | {spread} | {ratio} | {row['note']} |")
            lines.append(f"\n{where}.\n")
    return "\n".join(lines).rstrip() + "\n"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def run(names: Iterable[str], rounds: int) -> None:
    results = checkpoints.read_json(RESULTS) if RESULTS.exists() else {}
    for name in names:
        print(f"{name} …", flush=True)
        rows = GROUPS[name](rounds)
        for row in rows:
            ratio = "" if row.ratio is None else f", ratio {row.ratio:.2f}"
            print(f"  {row.group}: {row.name}: {number(row.value)} {row.unit}{ratio}", flush=True)
        results[name] = zoo.origin(torch.device("cpu"), zoo.commit()) | {
            "rounds": 1 if name == "minutes" else rounds,
            "rows": [row.as_dict() for row in rows],
        }
        ordered = {key: results[key] for key in GROUPS if key in results}
        checkpoints.write_json(RESULTS, ordered)
        text = page(ordered)
        checkpoints.write_aside(PAGE, lambda partial, text=text: partial.write_text(text, encoding="utf-8"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Benchmarks of the package.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in GROUPS]
    if unknown or options.rounds < 1:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(GROUPS)}" if unknown else "rounds: 1 or more")
    return exit_status(lambda: run(options.names or GROUPS, options.rounds), "error", "interrupted")


if __name__ == "__main__":
    sys.exit(main())
