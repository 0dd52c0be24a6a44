"""What trained weights are worth for three classes of one's own with few pictures (the page "Your own pictures").

    python -m experiments.finetune --draw FOLDER     # only the pictures: train/ and val/ with a folder a class
    python -m experiments.finetune                   # every arm and seed; the record goes to resattn/zoo/records

The classes are objects that Scenes does not have (parasol, snowman, windmill), painted into its landscapes: 180
pictures of 96 × 96 pixels to train on, 300 to test on. The arms, fixed before the run, are all Attention-56 at half
width on pictures of 32 × 32 pixels:

* all: the weights of attention56_scenes with a new classifier, everything trained by the recipe "finetune";
* classifier: the same, everything but the classifier frozen;
* scratch: the same network from random weights, by the same recipe;
* longer: from random weights again, for ten times as many epochs and at a rate of its own, the best of 0.03, 0.1 and
  0.3 on the pictures of seed 100: what random weights reach when they are given what they need.

A seed draws its own pictures, first weights and order. The comparison that decides is test accuracy of "all" minus
that of "longer", paired over three seeds. The recipe's rate was chosen on the pictures of seed 100, for "all", among
0.01, 0.03 and 0.1.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from resattn import data, zoo
from resattn.__main__ import exit_status
from resattn.data.scenes.objects import Part
from resattn.data.scenes.render import Kind, paint, random_table
from resattn.data.scenes.shapes import INK, PAPER, WOOD, Draws, Frame, union
from resattn.networks import ResidualAttentionNetwork, create
from resattn.training import RECIPES, Recipe, fit
from resattn.zoo import checkpoints

PICTURES, TESTS, SIZE, SEEDS = 180, 300, 96, 3  # of a seed, pixels a side, and how many seeds
FIRST = 1000  # the landscapes of Scenes' own seeds are those that the weights have seen
WEIGHTS = "attention56_scenes"
WORK = Path(__file__).parents[1] / "_build" / "finetune"


def windmill(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A tower with a cap and four sails."""
    tower = f.polygon((-0.22, -0.3), (0.22, -0.3), (0.42, 0.95), (-0.42, 0.95))
    cap = f.ellipse(0, -0.34, 0.3, 0.22)
    turn, reach = d.uniform(-0.3, 0.3), 0.75
    sails = union(
        *(
            f.line((0, -0.34), (u * reach + v * turn, -0.34 + v * reach - u * turn), 0.085)
            for u, v in ((0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
        )
    )
    door = f.box(-0.1, 0.62, 0.1, 0.95)
    return [(f.ellipse(0, -0.34, 0.09, 0.09), INK), (sails, PAPER), (cap, second), (door, WOOD), (tower, main)]


def snowman(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """Three balls, in any colour of the paint box, with a hat and a scarf."""
    balls = union(f.ellipse(0, 0.5, 0.52, 0.45), f.ellipse(0, -0.12, 0.38, 0.34), f.ellipse(0, -0.58, 0.26, 0.24))
    hat = union(f.box(-0.32, -0.82, 0.32, -0.74), f.box(-0.19, -1.0 - 0.2 * d.unit(), 0.19, -0.76))
    scarf = f.box(-0.3, -0.42, 0.3, -0.3)
    buttons = union(*(f.ellipse(0, at, 0.05, 0.05) for at in (-0.2, -0.02, 0.3)))
    return [(hat, INK), (scarf, second), (buttons, INK), (balls, main)]


def parasol(f: Frame, d: Draws, main: Tensor, second: Tensor) -> list[Part]:
    """A parasol with gores, on a pole in the ground."""
    rim = d.uniform(-0.25, -0.1)
    cover = torch.maximum(f.ellipse(0, rim, 0.98, 0.8), f.below(rim))
    gore = torch.maximum(cover, f.ellipse(0, rim, 0.34, 0.9))
    return [(gore, second), (cover, main), (f.line((0, rim - 0.8), (0, 0.95), 0.045), WOOD)]


KINDS = {
    "parasol": Kind(parasol, 1.35, 0.95),
    "snowman": Kind(snowman, 1.6, 0.93),
    "windmill": Kind(windmill, 1.45, 0.95),
}


def draw(folder: Path, seed: int = 0) -> None:
    """The pictures of one seed as PNG files: folder/train/CLASS/000.png … and folder/val/CLASS/000.png …"""
    for split, count in (("train", PICTURES), ("val", TESTS)):
        each = count // len(KINDS)
        stream = "train" if split == "train" else "test"
        table = random_table(stream, FIRST + seed, 0, count)[:, 1:].T  # [DRAWS, count]
        for label, (name, kind) in enumerate(KINDS.items()):
            images, _, _ = paint(kind, table[:, label * each : (label + 1) * each].contiguous(), SIZE)  # [N, 3, S, S]
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for i, image in enumerate(images):
                picture = Image.fromarray(image.permute(1, 2, 0).numpy())
                picture.save(folder / split / name / f"{i:03}.png")


RECIPE = replace(RECIPES["finetune"], evaluate_every=100)  # the test pictures are looked at once
LONGER = replace(RECIPE, epochs=100)  # ten times as many
RATES, CHOOSING = (0.03, 0.1, 0.3), 100  # of "longer", and the seed on whose pictures one of them is chosen
ARMS = ("all", "classifier", "scratch", "longer")


LABELS = {
    "all": ("`attention56_scenes`", "everything"),
    "classifier": ("`attention56_scenes`", "the classifier (`--freeze`)"),
    "scratch": ("random weights", "everything"),
    "longer": ("random weights", "everything, ten times as long"),
}


def network(arm: str) -> ResidualAttentionNetwork:
    """The network that an arm starts from."""
    if arm in ("scratch", "longer"):
        return create("attention56", num_classes=len(KINDS), width=0.5)
    return zoo.load_pretrained(WEIGHTS, num_classes=len(KINDS), freeze=arm == "classifier")


def train(arm: str, seed: int, work: Path, recipe: Recipe = RECIPE) -> dict[str, Any]:
    """The record of one run: trained, resumed or already there, in its own folder below ``work``."""
    torch.set_num_threads(1)
    pictures = work / f"pictures{seed}"
    draw(pictures, seed)
    train_set, test_set = (data.folder_set(pictures, split, 32) for split in ("train", "test"))
    torch.manual_seed(seed)
    model, out = network(arm), work / f"{arm}-rate{recipe.lr:g}-seed{seed}"
    start = time.process_time()
    fit(model, train_set, test_set, recipe, out=out, seed=seed, device="cpu", precision="float32", progress=False)
    spent = time.process_time() - start  # on a machine that others use too, the clock on the wall says little
    record = zoo.load_pretrained(out).record
    del record["sha256"]  # of weights that are not kept
    del record["data"]["root"]  # a folder of the machine that it ran on; the pictures follow from the seed
    said = f"{arm}, rate {recipe.lr:g}, seed {seed}: test error {record['test_error']:.1%}"
    print(f"{said}, {spent:.0f} s of one core", flush=True)
    counts = {"train_images": len(train_set), "test_images": len(test_set)}
    return {"network": arm, **counts, "processor_seconds": spent, **record}


def chosen_rate(tried: list[dict[str, Any]]) -> float:
    """The rate of the run that erred least on the pictures of seed 100."""
    return float(min(tried, key=lambda run: run["test_error"])["recipe"]["lr"])


def table(runs: list[dict[str, Any]]) -> str:
    """The record as the table of the page: test error over the seeds, and the time of one processor core."""
    lines = [
        "| start | trained | test error, mean | least to most | seconds of one core, at most |",
        "|---|---|---|---|---|",
    ]
    for arm, (start, what) in LABELS.items():
        own = [run for run in runs if run["network"] == arm]
        errors = [100 * run["test_error"] for run in own]
        spread = f"{min(errors):.1f} to {max(errors):.1f} %"
        most = max(run["processor_seconds"] for run in own)
        lines.append(f"| {start} | {what} | {sum(errors) / len(errors):.1f} % | {spread} | {most:.0f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.finetune", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="only draw the pictures of seed 0 into this folder")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for runs (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=zoo.grids.RECORDS, help="of the record (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many (default: %(default)s)")
    options = parser.parse_args(arguments)

    def work() -> None:
        if options.draw is not None:
            draw(options.draw)
            return
        tried = [train("longer", CHOOSING, options.work, replace(LONGER, lr=rate)) for rate in RATES]
        longer = replace(LONGER, lr=chosen_rate(tried))
        runs = [
            train(arm, seed, options.work, longer if arm == "longer" else RECIPE)
            for seed in range(options.seeds)
            for arm in ARMS
        ]
        checkpoints.write_json(options.out / "finetune.json", {"runs": runs, "tried": tried})
        print(table(runs))

    return exit_status(work, "error", "interrupted; the same command goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
