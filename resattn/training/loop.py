"""The training loop: fit a network, keep it, resume it (chapter 8)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .. import zoo
from ..data.batches import Batches
from ..data.sets import ImageSet
from ..networks import ResidualAttentionNetwork
from ..zoo import checkpoints
from . import distributed, runs
from .devices import pick_device, pick_precision
from .epochs import BATCH_STATISTICS, Epochs
from .evaluation import Loader, check_outputs, evaluate, make_test_loader
from .preparation import check_layers
from .recipes import RECIPES, Recipe

Watch = Callable[[ResidualAttentionNetwork, Sequence[float], Sequence[float]], dict[str, Any]]


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
    accumulate: int = 1,
    batch_statistics: str = "process",
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

    The recipe's batch is that of a step, however it is computed: processes that ``torchrun`` started share it equally,
    and each goes through its part in ``accumulate`` pieces, whose gradients are added up, which takes the memory of one
    piece. Only batch normalisation notices: its statistics are those of a piece, and with ``batch_statistics`` "all"
    those of this piece in all processes together. Mixup blends images of one process.

    Raises ValueError for arguments that do not fit together, or if ``out`` is given and the network's layers are not
    those of its config, so that it could not be loaded again; TrainingError if the loss is no longer finite, and
    CheckpointError if ``out`` cannot be written or holds another run.
    """
    recipe = find_recipe(recipe)
    target = pick_device(device)
    if recipe.mixup and target.type == "mps":
        raise ValueError("PyTorch does not draw mixup's numbers on Apple's GPU; train on the cpu, or without mixup")
    dtype = pick_precision(precision, target)
    if out is not None:
        check_layers(model)
    train_batches = _train_loader(train, recipe, target, seed, model)
    test_batches = make_test_loader(test, target, train_batches.mean, train_batches.std)
    for batches in (train_batches, test_batches):
        check_outputs(model, batches)

    if not isinstance(accumulate, int) or not 1 <= accumulate <= distributed.share(recipe.batch_size):
        raise ValueError(
            f"accumulate must be a whole number from 1 to the {distributed.share(recipe.batch_size)} images of a step "
            f"that a process has; got {accumulate!r}"
        )
    if batch_statistics not in BATCH_STATISTICS:
        raise ValueError(f"batch_statistics must be {' or '.join(BATCH_STATISTICS)}; got {batch_statistics!r}")
    model.to(target, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(model, recipe, target)
    total = recipe.total_steps(len(train_batches))
    run = runs.describe(
        model,
        recipe,
        train_batches,
        test_batches,
        seed=seed,
        dtype=dtype,
        accumulate=accumulate,
        batch_statistics=batch_statistics,
    )
    commit = zoo.commit()
    history: list[dict[str, Any]] = []
    folder = None if out is None else Path(out)

    def save() -> None:
        if folder is not None and distributed.rank() == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history, "run": run}
            checkpoints.save(folder / "checkpoint.pt", state)

    def start() -> dict[str, Any] | None:
        """The state to go on from, if there is one."""
        if folder is None:
            return None
        checkpoints.remove_leftovers(folder)
        if resume and (folder / "checkpoint.pt").exists():
            return runs.read_checkpoint(folder / "checkpoint.pt", run)
        if not resume:  # weights of the run that is started over would pass for this one's
            for name in ("model.json", "model.safetensors"):
                (folder / name).unlink(missing_ok=True)
        save()  # so that even an interruption in the first epoch leaves what it started from
        return None

    state = distributed.from_first(start)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history = list(state["history"])
    forward: nn.Module = model
    if distributed.world() > 1:
        forward = DistributedDataParallel(model, device_ids=[target.index] if target.index is not None else None)
    if compile:
        forward = torch.compile(forward)  # type: ignore[assignment]
    loop = Epochs(forward, optimizer, train_batches, recipe, total, dtype, seed, accumulate, progress)

    step = history[-1]["step"] if history else 0
    finished_before = step == total
    with distributed.common_statistics(model, batch_statistics == "all"):
        while step < total:
            entry = loop.epoch(len(history), step)
            step = entry["step"]
            distributed.same_buffers(model)
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


def _summary(entry: dict[str, Any], total: int) -> str:
    """An entry of the history as one line."""
    test = f"test error {1 - entry['test_accuracy']:.2%}, " if "test_accuracy" in entry else ""
    return (
        f"epoch {entry['epoch']}, step {entry['step']} of {total}: training loss {entry['train_loss']:.3f}, {test}"
        f"{entry['seconds']:.0f} s, {entry['images_per_second']:.0f} images/s"
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
        distributed.share(recipe.batch_size),
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
