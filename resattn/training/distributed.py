"""One process for each device, as ``torchrun`` starts them; without torchrun, everything here does nothing (chapter
8)."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class ProcessLost(Exception):
    """Another process of the run has ended, or torchrun asks this one to end; the message is one sentence."""


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started, for the body of the block; NCCL between GPUs, gloo between CPUs.

    Raises ProcessLost where one of them goes away while this one waits for it, or where torchrun then ends this one.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        yield
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    before = signal.signal(signal.SIGTERM, _asked_to_end)  # torchrun's signal to those that are left
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo")
        yield
    except RuntimeError as error:
        if not _lost_another(error):
            raise
        raise ProcessLost(f"process {rank()} has lost another process of the run; {RESUMES}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
        if dist.is_initialized():
            dist.destroy_process_group()


RESUMES = "the same command resumes from the last checkpoint, on any number of processes that divides the batch"


def _asked_to_end(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise ProcessLost(f"process {rank()} was asked to end, as it is when another process of the run has; {RESUMES}")


def _lost_another(error: RuntimeError) -> bool:
    """Whether an error is the connection's; gloo and older NCCL give it no class of its own."""
    words = ("gloo", "nccl", "connection", "broken pipe")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def sum_over_processes(x: Tensor) -> Tensor:
    """Any shape -> the same: the sum of every process's tensor, on every process."""
    if dist.is_initialized():
        dist.all_reduce(x)
    return x


def share(batch_size: int) -> int:
    """How many images of a step's batch are this process's. Raises ValueError where they cannot be shared equally."""
    if batch_size % world():
        raise ValueError(f"a batch of {batch_size} images cannot be shared equally by {world()} processes")
    return batch_size // world()


def from_first(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in the first process, in every process; and what it raises there, everywhere.

    Only the first process reads files of the run, so the folder need not be seen by the others.
    """
    if world() == 1:
        return work()
    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = work()
        except Exception as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def from_all(x: Any) -> list[Any]:
    """The object of every process, in the order of their ranks, on every process."""
    if world() == 1:
        return [x]
    found: list[Any] = [None] * world()
    dist.all_gather_object(found, x)
    return found


def same_buffers(model: nn.Module) -> None:
    """Give every process the first one's running statistics, as a checkpoint will have them."""
    if world() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


@contextmanager
def common_statistics(model: nn.Module, wanted: bool) -> Iterator[None]:
    """In the block, batch normalisation takes its statistics from the images of all processes, if that is wanted.

    PyTorch's own layer does it on GPUs and refuses CPUs, so there :class:`CommonBatchNorm` does. The layers change
    their class and keep their parameters, so that the network is saved, and used afterwards, as ever.
    """
    layers = [m for m in model.modules() if type(m) is nn.BatchNorm2d] if wanted and world() > 1 else []
    for layer in layers:
        on_cpu = layer.running_mean is not None and layer.running_mean.device.type == "cpu"
        layer.__class__ = CommonBatchNorm if on_cpu else nn.SyncBatchNorm  # type: ignore[assignment]
        layer.process_group = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = nn.BatchNorm2d


class CommonBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with mean and variance over the images of all processes, for CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)  # [B, C, H, W]
        count = x.numel() / x.shape[1] * world()  # equal parts, as every training batch has
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # [B, C, H, W], sums of 16-bit floats would be coarse
        mean = _Sum.apply(wide.sum((0, 2, 3))) / count  # [C]
        centred = wide - mean.view(1, -1, 1, 1)  # [B, C, H, W]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count  # [C]
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()  # [C]
        return torch.addcmul(self.bias.view(1, -1, 1, 1), centred, scale.view(1, -1, 1, 1)).to(x.dtype)  # [B, C, H, W]


class _Sum(torch.autograd.Function):
    """The sum over processes; each process's part moves what every process makes of it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return sum_over_processes(x.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient.clone())
