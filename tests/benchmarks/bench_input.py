"""Input pipeline: images per second of `Batches` against a torchvision data set in a DataLoader with two workers.

Both make training batches of 128 from the same random 32×32 images: crop with padding 4, flip, normalise. The rounds
alternate, so that another load on the machine hits both. Run it as `python tests/benchmarks/bench_input.py`.
"""

import argparse
import statistics
import time
from collections.abc import Iterable

import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from resattn.data import Batches, ImageSet

BATCH, MEAN, STD = 128, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


class PerImage(Dataset):
    """As torchvision's CIFAR10: NumPy bytes [N, 32, 32, 3], each turned into a PIL image and transformed on its own."""

    def __init__(self, data: ImageSet) -> None:
        self.data, self.targets = data.images.permute(0, 2, 3, 1).contiguous().numpy(), data.labels.tolist()
        steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[i])), self.targets[i]


def rate(batches: Iterable, limit: int, device: torch.device) -> float:
    """Images per second over `limit` batches; the first one, in which workers start, is not counted."""
    images, start = 0, 0.0
    for i, (x, _) in enumerate(batches):
        x = x.to(device)
        if i:
            images += len(x)
        else:
            start = _now(device)
        if i == limit:
            break
    return images / (_now(device) - start)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (args.images, 3, 32, 32), dtype=torch.uint8, generator=g)
    labels = torch.randint(0, 10, (args.images,), generator=g)
    data = ImageSet(images, labels, tuple("0123456789"), "Random")
    ours = Batches(data, BATCH, train=True, device=device, mean=MEAN, std=STD)
    theirs = DataLoader(PerImage(data), BATCH, shuffle=True, num_workers=args.workers, drop_last=True)
    rates: dict[str, list[float]] = {"Batches": [], "DataLoader": []}
    rate(ours.epoch(0), 50, device)  # warm up
    for e in range(args.rounds):
        rates["Batches"].append(rate(ours.epoch(e), 300, device))
        rates["DataLoader"].append(rate(theirs, 100, device))
    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, {torch.get_num_threads()} threads, {device}"
    )
    for name, found in rates.items():
        print(f"{name:10} {statistics.median(found):>10,.0f} images/s  (rounds {min(found):,.0f} to {max(found):,.0f})")
    ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    print(f"Batches is {ratio:.1f} times as fast as a DataLoader with {args.workers} workers (median over the rounds)")


if __name__ == "__main__":
    main()
