"""What is the addition good for in training, at which depth? (chapter 3)

Written down before the run:

*Arms.* Chains of 4 and of 16 pre-activation bottlenecks, each with its addition, x + f(x), and without it, f(x) alone;
in front three convolutions, which bring a scene to 64 channels at 8×8 positions. Adam, batches of 32, one cycle of the
rate over eight epochs of 4,000 Scenes, a mirror image every other batch. *Rates.* Each arm and depth has its own,
chosen among three on 1,000 validation pictures of seed 100. *Seeds.* Three, 0 to 2; a seed is new first weights, a new
order, and its own draw of pictures. *Test.* 2,000 pictures, once, after the last step.

*What decides.* Test accuracy, paired over seeds, Student, four comparisons, Holm: with the addition less without it, at
each depth; and sixteen units less four, with it and without it. *Exploratory*: the loss of the last epoch, and the
accuracy with one unit left out, without further training.

Pilot runs with one seed and twelve units chose the front, the batch and the range of the rates. Expected cost: 12 runs
for the rates and 12, a quarter of an hour of one core.
"""

import time
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn import data, zoo
from resattn.data import ImageSet, Normalise, channel_statistics
from resattn.networks import initialise
from resattn.units import PreActBottleneck, conv3x3

from . import tuning

ARMS, DEPTHS, RATES = ("with", "without"), (4, 16), (1e-3, 3e-3, 1e-2)
TRAIN, VALIDATION, TEST, TUNED_ON = 4000, 1000, 2000, 100
EPOCHS, BATCH, WIDTH = 8, 32, 64


class NoAddition(PreActBottleneck):
    """f(x) of a bottleneck alone: [B, C, H, W] -> [B, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        for norm, conv in ((self.bn1, self.conv1), (self.bn2, self.conv2), (self.bn3, self.conv3)):
            x = conv(F.relu(norm(x)))  # [B, C/4, H, W], the last [B, C, H, W]
        return x


@dataclass(frozen=True)
class ChainRun:
    """An arm, its depth and a seed; with ``rate``, one of the runs that choose the rate."""

    arm: str
    depth: int
    seed: int
    rate: float | None = None

    @property
    def key(self) -> str:
        return f"{self.arm}-{self.depth}-" + (f"rate{self.rate:g}" if self.rate else f"seed{self.seed}")


# First the runs that choose the rates, then a whole seed at a time.
RUNS = [ChainRun(arm, depth, TUNED_ON, rate) for arm, depth, rate in product(ARMS, DEPTHS, RATES)] + [
    ChainRun(arm, depth, seed) for seed, arm, depth in product(range(3), ARMS, DEPTHS)
]


def network(arm: str, depth: int, classes: int) -> nn.Sequential:
    """Three convolutions, the chain, a classifier: [B, 3, 32, 32] -> [B, classes]. Raises ValueError for another arm.

    The units stand in it one by one, so that one can be left out.
    """
    if arm not in ARMS:
        raise ValueError(f"there is no arm {arm!r}; there are {', '.join(ARMS)}")
    unit = PreActBottleneck if arm == "with" else NoAddition
    half = WIDTH // 2
    front = (
        *(conv3x3(3, half, stride=2), nn.BatchNorm2d(half), nn.ReLU()),  # [B, 32, 16, 16]
        *(conv3x3(half, half), nn.BatchNorm2d(half), nn.ReLU()),
        conv3x3(half, WIDTH, stride=2),  # [B, 64, 8, 8]
    )
    chain = (unit(WIDTH, WIDTH) for _ in range(depth))
    head = (nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, classes))
    model = nn.Sequential(*front, *chain, *head).apply(initialise)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def learn(model: nn.Module, images: Tensor, labels: Tensor, rate: float) -> float:
    """Train in place on normalised images [N, 3, 32, 32]; the mean loss of the last epoch."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=EPOCHS * steps)
    model.train()
    for _ in range(EPOCHS):
        losses = []
        for i in torch.randperm(len(images))[: steps * BATCH].split(BATCH):
            x = images[i] if torch.rand(()) < 0.5 else images[i].flip(3)
            loss = F.cross_entropy(model(x), labels[i])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    model.eval()
    return sum(losses) / steps


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return (model(images).argmax(dim=1) == labels).float().mean().item()


def left_out(model: nn.Sequential, images: Tensor, labels: Tensor) -> list[float]:
    """The accuracy with each unit in turn handing on its input."""
    found = []
    for unit in model:
        if isinstance(unit, PreActBottleneck):
            hook = unit.register_forward_hook(lambda _module, inputs, _output: inputs[0])
            found.append(accuracy(model, images, labels))
            hook.remove()
    return found


def chosen_rate(arm: str, depth: int, stored: tuning.Stored) -> float:
    """The best rate on the validation pictures. Raises ValueError if the runs that choose it have not been made."""
    tried = {rate: ChainRun(arm, depth, TUNED_ON, rate).key for rate in RATES}
    return tuning.best(f"{arm}, {depth} units", "rate", tried, stored, itemgetter("validation_accuracy"))


def work(run: ChainRun) -> tuple[nn.Module, int, int]:
    return network(run.arm, run.depth, 10), 32, EPOCHS * (TRAIN // BATCH) * BATCH


def train(run: ChainRun, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    rate = run.rate or chosen_rate(run.arm, run.depth, tuning.stored_runs("units"))
    whole = data.scenes("train", TRAIN + VALIDATION, seed=run.seed)
    train_set, validation = whole.subset(slice(TRAIN)), whole.subset(slice(TRAIN, TRAIN + VALIDATION))
    test_set = validation if run.rate else data.scenes("test", TEST)
    normalise = Normalise(*channel_statistics(train_set.images), torch.device(device))

    def on_device(pictures: ImageSet) -> tuple[Tensor, Tensor]:
        return normalise(pictures.images.to(device)), pictures.labels.to(device)

    torch.manual_seed(run.seed)
    model = network(run.arm, run.depth, len(whole.classes)).to(device)
    start = time.perf_counter()
    loss = learn(model, *on_device(train_set), rate)
    seconds, seen = time.perf_counter() - start, on_device(test_set)
    found = accuracy(model, *seen)
    scores = (
        {"validation_accuracy": found} if run.rate else {"test_accuracy": found, "left_out": left_out(model, *seen)}
    )
    return {
        "arm": run.arm,
        "depth": run.depth,
        "seed": run.seed,
        "rate": rate,
        "data": {"train": f"{train_set.name}, draw {run.seed}", "test": test_set.name},
        "seconds": seconds,
        "train_loss": loss,
        **scores,
        **zoo.origin(torch.device(device), zoo.commit()),
    }
