"""The training loop: fit a network, keep it, resume it (chapter 8)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from .. import zoo
from ..data.augment import mixup
from ..data.batches import Batches, generator_for
from ..data.sets import ImageSet
from ..networks import ResidualAttentionNetwork
from ..zoo import checkpoints
from . import distributed
from .devices import pick_device, pick_precision
from .evaluation import Loader, evaluate, make_test_loader
from .preparation import check_layers, frozen_parts, set_training
from .recipes import RECIPES, Recipe

MIXUP_STREAM = 1_000_000  # keeps mixup's random numbers apart from those of the batches
LOSS_CHECK_EVERY = 25  # steps between looks at the loss; each look makes a GPU wait


Watch = Callable[[ResidualAttentionNetwork, Sequence[float], Sequence[float]], dict[str, Any]]


class TrainingError(Exception):
    """Training cannot go on; the message is one sentence for a person."""


def make_optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    """SGD with Nesterov momentum for all that is not frozen; vectors (biases, batch normalisation) go undecayed where
    the recipe says so. Raises ValueError if everything is frozen."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("every parameter of the network is frozen: there is nothing to train")
    decayed = [p for p in trained if p.ndim > 1 or recipe.decay_norm]
    others = [p for p in trained if not (p.ndim > 1 or recipe.decay_norm)]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        fused=device.type == "cuda",
    )


def fit(
    model: ResidualAttentionNetwork,
    train: ImageSet | Loader,
    test: ImageSet | Loader,
    recipe: Recipe | str = "quick",
    *,
    out: str | Path | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    precision: str = "auto",
    compile: bool = False,
    resume: bool = True,
    progress: bool = True,
    watch: Watch | None = None,
) -> list[dict[str, Any]]:
    """Train ``model`` in place and return its history, one dict an epoch. Chapter 8 builds this loop up from ten lines.

    With ``out`` every epoch ends in a checkpoint there, and the same call resumes after an interruption, on a CPU to
    the very same bits. ``seed`` fixes the order and the augmentation of the images; initialise the model under your own
    seed. Images are normalised by the channel statistics of the training set, or by those that loaded weights are used
    to; test figures are measured with the same. No epoch is ever chosen by them. Frozen parameters stay as they are,
    and so do the batch statistics beside them. Trained, the network has its record as ``model.record``.

    A history entry has epoch, step, lr, train_loss, train_accuracy, seconds (of training) and images_per_second; an
    evaluated epoch also test_loss and test_accuracy. Accuracies are fractions. With mixup, train_accuracy is what the
    network makes of the blended images, against each image's own label. With ``progress`` each epoch prints a line, and
    a terminal shows a bar.

    ``watch`` is called after every evaluated epoch with the network, in evaluation mode, and the mean and deviation
    that its images are normalised by; what it returns joins the entry of that epoch.

    Raises ValueError for arguments that do not fit together, or if ``out`` is given and the network's layers are not
    those of its config, so that it could not be loaded again; TrainingError if the loss is no longer finite, and
    CheckpointError if ``out`` cannot be written or holds another run.
    """
    recipe = find_recipe(recipe)
    target = pick_device(device)
    dtype = pick_precision(precision, target)
    if out is not None:
        check_layers(model)
    train_batches = _train_loader(train, recipe, target, seed, model)
    test_batches = make_test_loader(test, target, train_batches.mean, train_batches.std)
    for batches in (train_batches, test_batches):
        outputs = getattr(model.classifier, "out_features", model.config.num_classes)
        if len(batches.classes) > outputs:
            raise ValueError(f"{batches.name} has {len(batches.classes)} classes and the network {outputs} outputs")

    model.to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(model, recipe, target)
    total = recipe.total_steps(len(train_batches))
    run: dict[str, Any] = {  # what two calls must share for one to continue the other
        "config": asdict(model.config),
        "recipe": asdict(recipe),
        "started_from": getattr(model, "started_from", None),
        "frozen": list(frozen_parts(model)),
        "seed": seed,
        "data": {"train": train_batches.name, "test": test_batches.name, "classes": list(train_batches.classes)},
        "mean": list(train_batches.mean),
        "std": list(train_batches.std),
        "steps_per_epoch": len(train_batches),
        "world": distributed.world(),
        "precision": str(dtype).removeprefix("torch."),
    }
    commit = zoo.commit()
    history: list[dict[str, Any]] = []
    folder = None if out is None else Path(out)

    def save() -> None:
        if folder is not None and distributed.rank() == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history, "run": run}
            checkpoints.save(folder / "checkpoint.pt", state)

    if folder is not None and resume and (folder / "checkpoint.pt").exists():
        history = _restore(folder / "checkpoint.pt", run, model, optimizer)
    else:
        if folder is not None and not resume:  # weights of the run that is started over would pass for this one's
            for name in ("model.json", "model.safetensors"):
                (folder / name).unlink(missing_ok=True)
        save()  # so that even an interruption in the first epoch leaves what it started from
    forward: nn.Module = model
    if distributed.world() > 1:
        forward = DistributedDataParallel(model, device_ids=[target.index] if target.index is not None else None)
    if compile:
        forward = torch.compile(forward)  # type: ignore[assignment]
    loop = _Loop(forward, optimizer, train_batches, recipe, total, dtype, seed, progress)

    step = history[-1]["step"] if history else 0
    finished_before = step == total
    while step < total:
        entry = loop.epoch(len(history), step)
        step = entry["step"]
        if step == total or entry["epoch"] % recipe.evaluate_every == 0:
            scores = evaluate(model, test_batches, device=target, precision=run["precision"])
            entry |= {"test_loss": scores["loss"], "test_accuracy": scores["accuracy"]}
            entry |= watch(model.eval(), train_batches.mean, train_batches.std) if watch else {}
        history.append(entry)
        save()
        if progress and distributed.rank() == 0:
            print(_summary(entry, total), flush=True)
    model.record = zoo.make_record(run, history, target, commit)
    if folder is not None and distributed.rank() == 0 and not (finished_before and (folder / "model.json").exists()):
        zoo.save(folder / "model", model, model.record)
    return history


@dataclass
class _Loop:
    """What stays the same from epoch to epoch, and one epoch of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Loader
    recipe: Recipe
    total: int  # steps of the whole run
    dtype: torch.dtype
    seed: int
    progress: bool

    def epoch(self, epoch: int, first_step: int) -> dict[str, Any]:
        """One pass, or what the run has left of one. Sums stay on the device: a GPU need not wait at every step."""
        device = next(self.model.parameters()).device
        generator = generator_for(device, self.seed, epoch, MIXUP_STREAM + distributed.rank())
        length = min(len(self.batches), self.total - first_step)
        losses = torch.zeros(length, device=device)
        correct = torch.zeros((), device=device)
        images = 0
        lr = 0.0
        set_training(self.model)
        start = time.perf_counter()
        hidden = True if not self.progress or distributed.rank() > 0 else None  # None: hidden but on a terminal
        with tqdm(total=length, desc=f"epoch {epoch + 1}", disable=hidden, leave=False) as bar:
            for i, (x, y) in enumerate(islice(self.batches.epoch(epoch), length)):  # x [B, 3, H, W], y [B]
                lr = self.recipe.lr_at(first_step + i, self.total)
                losses[i], logits = self.step(x, y, lr, generator)  # logits [B, num_classes]
                correct += (logits.argmax(dim=1) == y).sum()
                images += len(y)
                bar.update()
                if (i + 1) % LOSS_CHECK_EVERY == 0 or i + 1 == length:
                    _check_finite(losses[: i + 1], epoch, first_step)
                    bar.set_postfix(loss=f"{losses[max(0, i + 1 - LOSS_CHECK_EVERY) : i + 1].mean().item():.3f}")
        seconds = time.perf_counter() - start
        sums = torch.stack([losses.sum(), correct, torch.tensor(float(images), device=device)]).double()
        loss_sum, hits, seen = distributed.sum_over_processes(sums).tolist()
        return {
            "epoch": epoch + 1,
            "step": first_step + length,
            "lr": lr,
            "train_loss": loss_sum / (length * distributed.world()),
            "train_accuracy": hits / seen,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }

    def step(self, x: Tensor, y: Tensor, lr: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One step of SGD on images x [B, 3, H, W] with labels y [B] -> the loss [] and the logits [B, num_classes]."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        targets = y
        if self.recipe.mixup > 0:
            x, targets = mixup(x, y, self.recipe.mixup, len(self.batches.classes), generator)  # targets [B, K]
        with torch.autocast(x.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.model(x)  # [B, num_classes]
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), logits.detach()


def _summary(entry: dict[str, Any], total: int) -> str:
    """An entry of the history as one line."""
    test = f"test error {1 - entry['test_accuracy']:.2%}, " if "test_accuracy" in entry else ""
    return (
        f"epoch {entry['epoch']}, step {entry['step']} of {total}: training loss {entry['train_loss']:.3f}, {test}"
        f"{entry['seconds']:.0f} s, {entry['images_per_second']:.0f} images/s"
    )


def _check_finite(losses: Tensor, epoch: int, first_step: int) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        i = int(bad[0])
        raise TrainingError(
            f"the loss became {losses[i].item()} in epoch {epoch + 1} at step {first_step + i + 1}; "
            f"the last checkpoint is from before; try a lower learning rate or float32"
        )


def find_recipe(recipe: Recipe | str) -> Recipe:
    """A recipe as it is, or by name. Raises ValueError for an unknown name and lists the choices."""
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return RECIPES[recipe]


def _train_loader(
    data: ImageSet | Loader, recipe: Recipe, device: torch.device, seed: int, model: ResidualAttentionNetwork
) -> Loader:
    """An ImageSet as batches, normalised by its own statistics, or by those that loaded weights are used to."""
    if not isinstance(data, ImageSet):
        return data
    used_to = getattr(model, "started_from", {})
    return Batches(
        data,
        recipe.batch_size,
        train=True,
        device=device,
        seed=seed,
        pad=recipe.pad,
        flip=recipe.flip,
        cutout=recipe.cutout,
        mean=used_to.get("mean"),
        std=used_to.get("std"),
        rank=distributed.rank(),
        world=distributed.world(),
    )


def _restore(
    path: Path, run: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer
) -> list[dict[str, Any]]:
    """Load model and optimizer from a checkpoint of the same run, and return its history."""
    state = checkpoints.load(path)
    saved = {"started_from": None, "frozen": []} | state.get("run", {})  # older runs do not say it
    differing = [key for key in run if saved.get(key) != run[key]]
    if differing:
        raise checkpoints.CheckpointError(
            f"{path} belongs to a run with another {', '.join(differing)}; choose another folder, or start afresh there"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["history"])
