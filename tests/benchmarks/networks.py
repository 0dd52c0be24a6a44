"""Training and inference: images per second, and the highest memory of a process that does nothing else."""

import subprocess
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import resattn
from resattn.analysis import count_multiply_adds
from resattn.data import Batches, ImageSet
from resattn.training import RECIPES, make_optimizer, pick_device, pick_precision

from .timing import Row, now, take_turns

CPU = pick_device("cpu")
FAST = pick_precision("auto", CPU)


def random_images(n: int, size: int) -> ImageSet:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=g)
    return ImageSet(images, torch.randint(0, 10, (n,), generator=g), tuple("0123456789"), "Random")


def theirs() -> nn.Module:
    from pytorchcv.model_provider import get_model

    return get_model("resattnet56", pretrained=False)


def ours_224() -> nn.Module:
    return resattn.create("attention56_imagenet")


def trainer(model: nn.Module, x: Tensor, y: Tensor, dtype: torch.dtype, steps: int) -> Callable[[], float]:
    """Measures images per second of training steps on one batch."""
    optimizer = make_optimizer(model.train(), RECIPES["paper"], CPU)
    for group in optimizer.param_groups:
        group["lr"] = 1e-4  # random labels: the numbers must stay finite, and nothing is to be learned

    def measure() -> float:
        start = now()
        for _ in range(steps):
            with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                logits = model(x)  # [B, K]
            loss = F.cross_entropy(logits.float(), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return steps * len(x) / (now() - start)

    return measure


def predictor(model: nn.Module, x: Tensor, dtype: torch.dtype, steps: int, **options: bool) -> Callable[[], float]:
    model.eval()

    def measure() -> float:
        start = now()
        with torch.inference_mode(), torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            for _ in range(steps):
                model(x, **options)
        return steps * len(x) / (now() - start)

    return measure


def batch(size: int, count: int) -> tuple[Tensor, Tensor]:
    return next(iter(Batches(random_images(count, size), count, train=True).epoch(0)))


def switched(model: nn.Module) -> nn.Module:
    """As `fit` runs a network: channels last; the precision is the caller's."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def training(rounds: int) -> list[Row]:
    x, y = batch(32, 64)
    plain = x.contiguous()
    models = [resattn.create("attention92") for _ in range(2)]
    work = {
        "float32": trainer(models[0], plain, y, torch.float32, 2),
        "as fit runs it": trainer(switched(models[1]), x, y, FAST, 2),
    }
    return take_turns("Attention-92 (CIFAR), training", work, "images/s", rounds)


def beside_pytorchcv(rounds: int) -> list[Row]:
    rows = []
    x, y = batch(224, 8)
    plain = x.contiguous()
    for title, make in (("training", trainer), ("inference", None)):
        work = {}
        for name, build in (("pytorchcv", theirs), ("resattn", ours_224)):
            for how, dtype in (("as a user runs it", torch.float32), ("with our switches", FAST)):
                if name == "resattn" and how == "as a user runs it":
                    how, dtype = "as fit runs it", FAST
                elif name == "resattn":
                    continue
                network = build() if how == "as a user runs it" else switched(build())
                images = plain if how == "as a user runs it" else x
                work[f"{name}, {how}"] = (
                    trainer(network, images, y, dtype, 1) if make else predictor(network, images, dtype, 1)
                )
        rows += take_turns(f"Attention-56 at 224 pixels, {title}", work, "images/s", rounds)
    return rows


def scaling(rounds: int) -> list[Row]:
    """Cost against the number of modules a stage, the width and the image size; half width, inference."""
    rows = []
    settings = {
        "m": {"attention56": {}, "attention92": {}, "attention128": {}, "attention164": {}},
        "width": {"0.25": {"width": 0.25}, "0.5": {"width": 0.5}, "1.0": {"width": 1.0}},
    }
    x, _ = batch(32, 64)
    for key, arms in settings.items():
        models = {
            name: switched(resattn.create(name if key == "m" else "attention56", **({"width": 0.5} | kw)))
            for name, kw in arms.items()
        }
        notes = {name: f"{count_multiply_adds(model, 32) / 1e6:.1f} M multiply-adds" for name, model in models.items()}
        work = {name: predictor(model, x, FAST, 2) for name, model in models.items()}
        rows += take_turns(f"Cost against {key}, inference", work, "images/s", rounds, notes)
    model = switched(resattn.create("attention56", width=0.5))
    work, notes = {}, {}
    for size in (32, 48, 64, 96):
        work[f"{size} pixels"] = predictor(model, batch(size, 16)[0], FAST, 2)
        notes[f"{size} pixels"] = f"{count_multiply_adds(model, size) / 1e6:.1f} M multiply-adds"
    return rows + take_turns("Cost against image size, inference", work, "images/s", rounds, notes)


def masks_returned(rounds: int) -> list[Row]:
    x, _ = batch(32, 64)
    model = switched(resattn.create("attention56"))
    work = {
        "logits": predictor(model, x, FAST, 2),
        "logits and masks": predictor(model, x, FAST, 2, return_masks=True),
    }
    return take_turns("Masks returned, Attention-56, inference", work, "images/s", 3 * rounds)


MEMORY = """
import sys
sys.path.insert(0, {root!r})
from tests.benchmarks import networks as n
x, y = n.batch(224, 8)
model = {model}
n.trainer(model, x, y, {dtype}, 1)()
# Of this program alone: the `ru_maxrss` of a child starts from what its parent held.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def memory(root: str) -> list[Row]:
    """Peak memory of a process that makes one training step of 8 pictures at 224 pixels (read as Linux tells it)."""
    rows: list[Row] = []
    for name, model, dtype in (
        ("pytorchcv, as a user runs it", "n.theirs()", "n.torch.float32"),
        ("resattn, as fit runs it", "n.switched(n.ours_224())", "n.FAST"),
    ):
        code = MEMORY.format(root=root, model=model, dtype=dtype)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
        value = int(done.stdout.splitlines()[-1]) / 1024
        ratio = value / rows[0].value if rows else None
        rows.append(Row("Attention-56 at 224 pixels, training, peak memory", name, value, value, value, "MiB", ratio))
    return rows
