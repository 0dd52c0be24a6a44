"""Told masks: is attention that nobody tells limited, and one mask is worth how many labels? (chapter 12)

Written down before the run:

*Arms.* A network of one Attention Module (48 k parameters, one core: some twenty seconds a run) on 100, 300, 1,000 and
3,000 labelled Scenes. Without masks to learn from: "trunk"; "twin", the trunk with the mask branch's parameters in more
units; "arl"; "nal"; "added", the same branch added to the trunk's output and not multiplied with it. Told where the
object is, by the binary cross-entropy of the channel mean with the object's coverage: "arl" and "nal" with a mask for
every picture, for one in ten, and with the box around the object in place of the mask. "perfect": the coverage itself
in place of a mask, (1 + y) T, the ceiling. *Seeds.* Ten; a seed is new first weights, a new order, and its own draw of
pictures. The weight λ of the mask's loss is chosen among 1, 5 and 20, for each fusion, by accuracy at 300 labels on
1,000 validation pictures of seed 100. Adam, highest rate 0.01, 600 steps of 64 pictures and mirror images in every arm.
*Test.* 4,000 pictures, once.

*What decides.* Accuracy, paired over seeds, Student, Holm over six: at 300 labels and at 3,000, ARL less twin and ARL
less added (is attention as such worth anything?), and ARL told less ARL (is what nobody tells limited?). "Not limited"
if that last interval lies inside ± 1 point. *The exchange rate* at n labels: the number of labels n' at which the arm
that was told nothing, its means joined by straight lines over log n, reaches the accuracy of the told arm at n; one
mask is then worth (n' − n) / n labels. It is stated with the least and the most over resampled seeds (1,000
bootstraps), and as a bound where it leaves the range.

*Exploratory* is the rest: scores of the masks, replaced masks, boxes, one in ten, NAL.

*Added when all of this had been read*, and exploratory: "beside", the branch of ARL with a mask for every picture, and
its mask is not used, H = T. Telling can help by a better mask, or by a stem that must find objects; only the second is
left here. Asked: "arl-all" less "beside", and "beside" less "trunk", paired over seeds.

Expected cost: 526 runs, about three core-hours.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn import data, zoo
from resattn.analysis import best_iou, energy_inside, pointing_game
from resattn.attention import AttentionModule
from resattn.data import ImageSet, Normalise, channel_statistics

from . import tuning

LABELS = (100, 300, 1000, 3000)
UNTOLD = ("trunk", "twin", "arl", "nal", "added")
TOLD = tuple(f"{fusion}-{what}" for fusion in ("arl", "nal") for what in ("all", "tenth", "boxes"))
ARMS = (*UNTOLD, *TOLD, "perfect")
BESIDE = "beside"
BRANCH = {"added": "arl", BESIDE: "arl", "perfect": "none"}  # of which fusion the branch is, where the arm is none
WEIGHTS = (1.0, 5.0, 20.0)  # of the mask's loss
STEPS, BATCH, RATE, PLACES = 600, 64, 0.01, 16
TEST, VALIDATION, TUNED_ON = 4000, 1000, 100
TWIN_UNITS = 6  # 1 + 5: five units have the parameters of the mask branch


@dataclass(frozen=True)
class Supervision:
    """An arm, a number of labels and a seed; with ``weight``, one of the runs that choose it."""

    arm: str
    labels: int
    seed: int
    weight: float | None = None

    @property
    def key(self) -> str:
        return f"{self.arm}-n{self.labels}-" + (f"weight{self.weight:g}" if self.weight else f"seed{self.seed}")

    @property
    def fusion(self) -> str:
        return self.arm.split("-")[0]

    @property
    def told(self) -> str:
        """ "all", "tenth" or "boxes"; "" for an arm that is told nothing."""
        return "all" if self.arm == BESIDE else self.arm.partition("-")[2]


# First the runs that choose the weight, then a whole seed at a time.
RUNS = [
    *(Supervision(arm, 300, TUNED_ON, weight) for arm in ("arl-all", "nal-all") for weight in WEIGHTS),
    *(Supervision(arm, labels, seed) for seed in range(10) for labels in LABELS for arm in ARMS),
    *(Supervision(BESIDE, labels, seed) for seed in range(10) for labels in LABELS),
]


class SmallUnit(nn.Module):
    """A pre-activation residual unit of one 3×3 convolution. [B, C, H, W] -> the same."""

    pre_activation = True  # what the mask's tail asks for

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.f(x)  # [B, C, H, W]


class Joined(AttentionModule):
    """An Attention Module with three more ways to join: "added", T + z with the mask's logits z; "beside", T, and the
    mask is not used; "perfect", (1 + y) T with the true coverage y, set as ``coverage``, [B, 1, H, W]."""

    coverage: Tensor

    def __init__(self, fusion: str, units: int) -> None:
        super().__init__(SmallUnit, 16, depth=2, t=units, fusion=BRANCH.get(fusion, fusion))  # type: ignore[arg-type]
        self.fusion = fusion

    def fuse(self, M: Tensor | None, T: Tensor) -> Tensor:
        if self.fusion == "perfect":
            return (1 + self.coverage) * T  # [B, C, H, W]
        if self.fusion == "added" and M is not None:
            return T + torch.logit(M, eps=1e-6)  # [B, C, H, W]
        return T if self.fusion == BESIDE else super().fuse(M, T)  # [B, C, H, W]


class Network(nn.Module):
    """One Attention Module between plain convolutions; 16 × 16 places. [B, 3, 32, 32] -> logits [B, K] and M."""

    def __init__(self, arm: str, classes: int = 10) -> None:
        super().__init__()
        fusion = {"trunk": "none", "twin": "none"}.get(arm, arm)
        self.stem = self.convolution(3, 16, 2)
        self.attention = Joined(fusion, TWIN_UNITS if arm == "twin" else 1)
        self.rest = nn.Sequential(self.convolution(16, 48, 2), self.convolution(48, 48, 1))
        self.classifier = nn.Linear(48, classes)

    @staticmethod
    def convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        x, M = self.attention(self.stem(x), return_mask=True)  # [B, 16, 16, 16] each; M is None without a mask
        x = self.rest(x).mean((2, 3))  # [B, 48]
        return self.classifier(x), M  # [B, K]


def coverage(masks: Tensor) -> Tensor:
    """The share of each place that the object covers: bool [N, 32, 32] -> [N, 16, 16]."""
    return F.adaptive_avg_pool2d(masks[:, None].float(), PLACES)[:, 0]


def boxes(masks: Tensor) -> Tensor:
    """The smallest box around each object, filled: bool [N, H, W] -> the same. An empty mask stays empty."""
    rows, columns = masks.any(2), masks.any(1)  # [N, H], [N, W]
    inside = [
        (seen.cumsum(1) > 0) & (seen.flip(1).cumsum(1).flip(1) > 0) for seen in (rows, columns)
    ]  # between the first and the last
    return inside[0][:, :, None] & inside[1][:, None, :]


def mask_loss(M: Tensor, y: Tensor, has_mask: Tensor) -> Tensor:
    """Mean over the pictures that have a mask: M [B, C, h, w], coverage [B, h, w], has_mask [B] -> a number."""
    each = F.binary_cross_entropy(M.mean(1), y, reduction="none").mean((1, 2))  # [B]
    return (each * has_mask).sum() / has_mask.sum().clamp(min=1)


class Views:
    """Normalised pictures x [N, 3, 32, 32] with labels [N], true masks bool [N, 32, 32], and the coverage y."""

    def __init__(self, pictures: ImageSet, normalise: Normalise, device: str = "cpu") -> None:
        if pictures.object_masks is None:
            raise ValueError(f"{pictures.name} has no true masks")
        self.x = normalise(pictures.images).contiguous(memory_format=torch.channels_last).to(device)
        self.labels: Tensor = pictures.labels.to(device)
        self.masks: Tensor = pictures.object_masks.to(device)
        self.y = coverage(self.masks)  # [N, 16, 16]


def predict(model: Network, views: Views, M: Tensor | None = None) -> tuple[float, Tensor | None]:
    """The share of right answers, and the mask [N, C, h, w]; with ``M``, that mask in place of the network's own."""
    attention = model.attention
    with torch.no_grad():
        attention.coverage = views.y[:, None]
        x = attention.pre(model.stem(views.x))  # [N, 16, 16, 16]
        T = attention.trunk(x)
        if M is None and attention.mask is not None:
            M = attention.mask(x)
        H = attention.post(attention.fuse(M, T))  # [N, 16, 16, 16]
        logits = model.classifier(model.rest(H).mean((2, 3)))  # [N, K]
    return (logits.argmax(1) == views.labels).float().mean().item(), M


def scores(model: Network, views: Views) -> dict[str, float]:
    """Accuracy; with a mask that multiplies, also with replaced masks, and how well its channel mean finds the object.
    All are shares."""
    accuracy, M = predict(model, views)
    found = {"accuracy": round(accuracy, 5)}
    if M is None or model.attention.fusion == "added":
        return found
    found["mean"], _ = predict(model, views, M.mean((0, 2, 3), keepdim=True).expand_as(M))
    found["another"], _ = predict(model, views, M.roll(1, 0))
    found |= found_by(M, views.masks)
    return {name: round(value, 5) for name, value in found.items()}


def found_by(M: Tensor, masks: Tensor) -> dict[str, float]:
    """How well the channel mean of M [N, C, h, w], enlarged, finds the objects, bool [N, H, W]: shares."""
    size = (masks.shape[1], masks.shape[2])
    maps = F.interpolate(M.mean(1, keepdim=True), size=size, mode="bilinear", align_corners=True)[:, 0]  # [N, H, W]
    scored = {"pointing": pointing_game, "energy": energy_inside, "best_iou": best_iou}
    return {name: round(score(maps, masks).float().mean().item(), 5) for name, score in scored.items()}


def chosen_weight(fusion: str, stored: tuning.Stored) -> float:
    """The best weight on the validation pictures. Raises ValueError if the runs that choose it have not been made."""
    tried = {weight: Supervision(f"{fusion}-all", 300, TUNED_ON, weight).key for weight in WEIGHTS}
    return tuning.best(fusion, "weight", tried, stored, lambda run: run["scores"]["accuracy"])


def work(run: Supervision) -> tuple[nn.Module, int, int]:
    model = Network(run.fusion)
    model.attention.coverage = torch.zeros(1, 1, PLACES, PLACES)
    return model, 32, STEPS * BATCH


def train(run: Supervision, folder: Path, device: str) -> dict[str, Any]:
    """The record of one run."""
    fusion = BRANCH.get(run.fusion, run.fusion)
    weight = 0.0 if not run.told else run.weight or chosen_weight(fusion, tuning.stored_runs("supervision"))
    drawn = data.scenes("train", run.labels + (VALIDATION if run.weight else 0), seed=run.seed)
    pictures = drawn.subset(slice(run.labels))
    normalise = Normalise(*channel_statistics(pictures.images), torch.device("cpu"))
    test = Views(drawn.subset(slice(run.labels, None)), normalise) if run.weight else Views(test_set(), normalise)
    torch.manual_seed(run.seed)
    model = Network(run.fusion).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    losses = fit(model, run, Views(pictures, normalise, device), weight)
    return {
        "arm": run.arm,
        "labels": run.labels,
        "seed": run.seed,
        "weight": weight,
        "data": {"train": f"{pictures.name}, draw {run.seed}"},
        "train_loss": sum(losses[-50:]) / len(losses[-50:]),
        "scores": scores(model.eval().to("cpu"), test),
        **zoo.origin(torch.device(device), zoo.commit()),
    }


@cache
def test_set() -> ImageSet:
    return data.scenes("test", TEST)


def fit(model: Network, run: Supervision, views: Views, weight: float) -> list[float]:
    """Train on the pictures and their mirror images; the losses of the class, step by step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=STEPS)
    target = coverage(boxes(views.masks)) if run.told == "boxes" else views.y  # [N, 16, 16]
    masked = run.labels // 10 if run.told == "tenth" else run.labels
    draw = torch.Generator().manual_seed(run.seed)
    losses = []
    model.train()
    for _ in range(STEPS):
        i = torch.randint(run.labels, (BATCH,), generator=draw).to(views.x.device)  # [B]
        mirrored = torch.rand(BATCH, generator=draw).to(views.x.device) < 0.5  # [B]
        x, y, true = (
            torch.where(mirrored.view(-1, *[1] * (t.dim() - 1)), t[i].flip(-1), t[i])
            for t in (views.x, target, views.y)
        )
        model.attention.coverage = true[:, None]  # [B, 1, 16, 16]
        logits, M = model(x.contiguous(memory_format=torch.channels_last))  # [B, K]
        loss = F.cross_entropy(logits, views.labels[i])
        losses.append(loss.item())
        if weight and M is not None:
            loss = loss + weight * mask_loss(M, y, (i < masked).float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return losses
