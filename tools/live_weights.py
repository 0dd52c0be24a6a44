"""What the live figures of the book compute with: trained networks and sample pictures, as classic scripts.

    python -m tools.live_weights FOLDER      writes FOLDER/networks/<name>.js and FOLDER/pictures/<name>.js

A page can load a classic script from a disk as well as from a server, which is not so of any other file. Each script
hands one object to `live.arrive`; numbers are base64. `book/live/network.js` reads the networks.

A network whose 32-bit floats fit into a megabyte is written as it is. The kernels of a larger one, such as a half-width
Attention-56, are rounded to whole numbers of 16 bits with one scale for each output channel, which lies closer to the
trained weights than half-precision floats of the same size do. Batch normalisation at rest is a scale and a shift a
channel.
"""

import argparse
import base64
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resattn import data, zoo
from resattn.data.scenes.cued import LAYOUTS, frame_mask
from resattn.networks import ResidualAttentionNetwork
from resattn.zoo.checkpoints import write_aside

LARGEST = 32767  # of a whole number of 16 bits
CAN_COMPUTE = {  # settings that network.js knows; of the others it takes any value
    "stem": ("conv3", "conv3_stride2"),
    "unit": ("preact",),
    "mask_branch": ("encoder_decoder",),
    "mask_activation": ("mixed",),
    "upsample": ("bilinear",),
}
MEGABYTE = 1_000_000
SAMPLES = 20  # pictures of each set: the first of its test split, not chosen


def round_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel as 16-bit numbers and one scale a row: [O, ...] -> int16 [O, ...] and float32 [O]."""
    scale = weight.flatten(1).abs().amax(dim=1) / LARGEST  # [O]
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    whole = torch.round(weight / scale.view(-1, *[1] * (weight.dim() - 1)))
    return whole.to(torch.int16), scale


def is_rounded(model: ResidualAttentionNetwork) -> bool:
    """Whether the network is too large to be written as 32-bit floats, of which base64 makes four bytes of three."""
    return sum(p.numel() for p in model.parameters()) * 4 * 4 / 3 > 0.9 * MEGABYTE


def round_network(model: ResidualAttentionNetwork) -> ResidualAttentionNetwork:
    """Give a network, in place, the weights that its script holds: rounded ones, if it is a large network."""
    if not is_rounded(model):
        return model
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            whole, scale = round_rows(layer.weight.detach())
            layer.weight.data = whole.float() * scale.view(-1, *[1] * (whole.dim() - 1))
    return model


def network_script(name: str) -> str:
    """The script of one network of the zoo. Raises ValueError for a network that network.js cannot compute."""
    model = zoo.load_pretrained(name)
    settings = asdict(model.config)
    for key, known in CAN_COMPUTE.items():
        if settings[key] not in known:
            raise ValueError(f"the pages can compute {key} {' or '.join(known)}; {name} has {settings[key]}")
    tensors: list[tuple[str, list[int], bool]] = []
    parts: list[bytes] = []

    def keep(key: str, vector: Tensor) -> None:
        tensors.append((key, list(vector.shape), False))
        parts.append(vector.detach().numpy().astype("<f4").tobytes())

    for key, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_var is not None and layer.running_mean is not None
            scale = layer.weight.double() / torch.sqrt(layer.running_var.double() + layer.eps)  # [C]
            keep(f"{key}.scale", scale)
            keep(f"{key}.shift", layer.bias.double() - layer.running_mean.double() * scale)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            if is_rounded(model):
                whole, row_scale = round_rows(layer.weight.detach())
                tensors.append((f"{key}.weight", list(whole.shape), True))
                block = row_scale.numpy().astype("<f4").tobytes() + whole.numpy().astype("<i2").tobytes()
                parts.append(block + b"\0" * (-len(block) % 4))  # the next vector starts at a multiple of four bytes
            else:
                keep(f"{key}.weight", layer.weight)
            if layer.bias is not None:
                keep(f"{key}.bias", layer.bias)
    record = model.record
    shown = {
        "name": name,
        "config": {key: settings[key] for key in ("stem", "widths", "units", "modules", "poolings", "fusion")},
        "classes": record["data"]["classes"],
        "mean": record["mean"],
        "std": record["std"],
        "test_error": record["test_error"],
        "tensors": tensors,
        "bytes": _base64(b"".join(parts)),
    }
    return _script("networks", name, shown)


def scenes_script() -> str:
    """The first test pictures of Scenes, with labels and the true masks of object and sky."""
    drawn = data.scenes("test", SAMPLES)
    assert drawn.object_masks is not None and drawn.sky_masks is not None
    shown = {
        "classes": drawn.classes,
        "size": drawn.images.shape[2],
        "labels": drawn.labels.tolist(),
        "images": _bytes(drawn.images),
        "objects": _bytes(drawn.object_masks),
        "skies": _bytes(drawn.sky_masks),
    }
    return _script("pictures", "scenes", shown)


def cued_script() -> str:
    """The first test pictures of Cued Scenes, all under the first cue, and what a page needs to paint the other."""
    drawn = data.cued_scenes("test", SAMPLES)
    drawn = drawn.recued(torch.zeros_like(drawn.cues))
    size = drawn.images.shape[2]
    shown = {
        "classes": drawn.classes,
        "size": size,
        "pairs": drawn.pair_labels.tolist(),
        "colours": LAYOUTS[2].colours.tolist(),
        "frame": int(frame_mask(size)[:, size // 2].sum()) // 2,  # pixels, above as below
        "images": _bytes(drawn.images),
    }
    return _script("pictures", "cued", shown)


def write(folder: Path) -> None:
    """Write the scripts of every network of the zoo and of the sample pictures into ``folder``."""
    scripts = {f"networks/{name}.js": network_script(name) for name in zoo.list_pretrained()}
    scripts |= {"pictures/scenes.js": scenes_script(), "pictures/cued.js": cued_script()}
    for name, text in scripts.items():
        write_aside(folder / name, partial(_write, text))


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _bytes(tensor: Tensor) -> str:
    return _base64(tensor.numpy().astype(np.uint8).tobytes())


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _script(kind: str, name: str, shown: dict[str, Any]) -> str:
    return f"live.arrive({json.dumps(f'{kind}/{name}')}, {json.dumps(shown, separators=(',', ':'))});\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.live_weights", description="Write what the pages compute.")
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)
