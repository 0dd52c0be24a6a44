"""Training step: images per second of Attention-56 in three sizes, in float32 and in bfloat16.

The sizes are the network as the paper's CIFAR network is fitted, the one with a stem of stride 2 (chapter 8), and the
one of half the width. A step is augmentation, forward, backward and Nesterov's update, on random 32×32 images that live
on the device. The two precisions take turns within a round, and so do the networks, so that another load on the machine
hits all of them; stated are medians over the rounds, and the median of the rounds' ratios.

Run it as `python tests/benchmarks/bench_training.py`, on a GPU with `--batch-size 512 --steps 30`.
"""

import argparse
import statistics
import time
from typing import Any

import torch
import torch.nn.functional as F

import resattn
from resattn import zoo
from resattn.data import Batches, ImageSet
from resattn.networks import ResidualAttentionNetwork
from resattn.training import RECIPES, make_optimizer, pick_device, pick_precision

NETWORKS: dict[str, dict[str, Any]] = {
    "attention56": {},
    "attention56, stem conv3_stride2": {"stem": "conv3_stride2"},
    "attention56, width 0.5": {"width": 0.5},
}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Trainee:
    """A network with its optimizer, the batches that it is fed, and the rates measured so far."""

    def __init__(self, model: ResidualAttentionNetwork, batches: Batches) -> None:
        self.model = model.to(batches.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.optimizer = make_optimizer(self.model, RECIPES["paper"], batches.device)
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-4  # random labels: the numbers must stay finite, and nothing is to be learnt
        self.batches = batches
        self.rates: dict[str, list[float]] = {name: [] for name in PRECISIONS}

    def rate(self, dtype: torch.dtype, steps: int, epoch: int) -> float:
        """Images per second over `steps` steps; one more, before them, is not counted."""
        device = self.batches.device
        images, start = 0, 0.0
        for i, (x, y) in enumerate(self.batches.epoch(epoch)):  # x [B, 3, 32, 32], y [B]
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                logits = self.model(x)  # [B, 10]
            loss = F.cross_entropy(logits.float(), y)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            if i == 0:
                start = _now(device)
            else:
                images += len(y)
            if i == steps:
                break
        return images / (_now(device) - start)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of one precision in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", help="default: a GPU if there is one")
    args = parser.parse_args()
    if min(args.batch_size, args.steps, args.rounds) < 1:
        parser.error("--batch-size, --steps and --rounds must be 1 or more")
    device = pick_device(args.device)
    g = torch.Generator().manual_seed(0)
    count = args.batch_size * (args.steps + 1)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=g)
    labels = torch.randint(0, 10, (count,), generator=g)
    data = ImageSet(images, labels, tuple("0123456789"), "Random")
    torch.manual_seed(0)
    batches = Batches(data, args.batch_size, train=True, device=device)
    trainees = {name: Trainee(resattn.create("attention56", **kw), batches) for name, kw in NETWORKS.items()}
    for r in range(args.rounds + 1):
        for trainee in trainees.values():
            for precision, dtype in PRECISIONS.items():
                rate = trainee.rate(dtype, args.steps, epoch=r)
                if r > 0:  # round 0 warms up
                    trainee.rates[precision].append(rate)
    chosen = str(pick_precision("auto", device)).removeprefix("torch.")
    print(f"torch {torch.__version__}, {zoo.hardware(device)}, batch size {args.batch_size}; 'auto' means {chosen}")
    print(f"images/s, median of {args.rounds} rounds (lowest to highest), and the median ratio of the two")
    for name, trainee in trainees.items():
        cells = [
            f"{precision} {statistics.median(found):>9,.0f} ({min(found):,.0f} to {max(found):,.0f})"
            for precision, found in trainee.rates.items()
        ]
        ratios = [b / a for a, b in zip(trainee.rates["float32"], trainee.rates["bfloat16"], strict=True)]
        print(f"{name:32} {'   '.join(cells)}   ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
