"""What stands before the network: batches against a DataLoader, pictures that are rendered, the time of an import."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from resattn import data
from resattn.data import Batches, ImageSet

from .networks import random_images
from .timing import Row, now, take_turns

BATCH, MEAN, STD = 128, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


class PerImage(Dataset):
    """As torchvision's CIFAR10: NumPy bytes [N, 32, 32, 3], each turned into a PIL image and transformed on its own."""

    def __init__(self, images: ImageSet) -> None:
        self.data, self.targets = images.images.permute(0, 2, 3, 1).contiguous().numpy(), images.labels.tolist()
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[i])), self.targets[i]


def rate(batches: Callable[[], Iterable], limit: int) -> Callable[[], float]:
    """Measures images per second over `limit` batches; the first one, in which workers start, is not counted."""

    def measure() -> float:
        images, start = 0, 0.0
        for i, (x, _) in enumerate(batches()):
            if i:
                images += len(x)
            else:
                start = now()
            if i == limit:
                break
        return images / (now() - start)

    return measure


def pipeline(rounds: int) -> list[Row]:
    images = random_images(50_000, 32)
    ours = Batches(images, BATCH, train=True, mean=MEAN, std=STD)
    loader = DataLoader(PerImage(images), BATCH, shuffle=True, num_workers=2, drop_last=True)
    work = {
        "DataLoader of torchvision, 2 workers": rate(lambda: loader, 100),
        "Batches": rate(lambda: ours.epoch(0), 300),
    }
    return take_turns("Input pipeline, crop, flip, normalise", work, "images/s", rounds)


def _render(n: int, seed: int) -> None:
    torch.set_num_threads(1)
    data.cued_scenes("train", n, seed=seed)


def rendering(rounds: int) -> list[Row]:
    """Threads of one process share the interpreter's lock; two processes, as two jobs of a grid are, do not."""

    def measure(make: Callable[[int], object], n: int, threads: int | None = None) -> Callable[[], float]:
        def once() -> float:
            before = torch.get_num_threads()
            torch.set_num_threads(threads or before)
            start = now()
            make(n)
            seconds = now() - start
            torch.set_num_threads(before)
            return n / seconds

        return once

    work = {
        "Scenes, 32 pixels": measure(lambda n: data.scenes("train", n), 3000),
        "Cued Scenes, 48 pixels": measure(lambda n: data.cued_scenes("train", n), 3600),
        "Cued Scenes, one thread": measure(lambda n: data.cued_scenes("train", n), 3600, threads=1),
    }
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        work["Cued Scenes, two processes"] = measure(lambda n: list(pool.map(_render, [n // 2] * 2, (0, 1))), 7200)
        return take_turns("Rendering", work, "images/s", rounds)


def importing(rounds: int) -> list[Row]:
    def measure(code: str) -> Callable[[], float]:
        def once() -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            return time.perf_counter() - start

        return once

    work = {"torch and torchvision": measure("import torch, torchvision"), "resattn": measure("import resattn")}
    return take_turns("Import", work, "s", rounds)
