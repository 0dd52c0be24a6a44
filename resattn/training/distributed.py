"""One process for each device, as ``torchrun`` starts them; without torchrun, everything here does nothing (chapter
8)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started, for the body of the block; NCCL between GPUs, gloo between CPUs."""
    if "RANK" not in os.environ or dist.is_initialized():
        yield
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def sum_over_processes(x: Tensor) -> Tensor:
    """Any shape -> the same: the sum of every process's tensor, on every process."""
    if dist.is_initialized():
        dist.all_reduce(x)
    return x
