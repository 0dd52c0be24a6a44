"""The authors' published model files, run as graphs and compared with our networks (chapter 2).

    git clone https://github.com/fwang91/residual-attention-network
    python -m experiments.authors_files residual-attention-network/imagenet_model

The authors published four Caffe files: layers by name, with their inputs, and no weights. Here a file is read, its
graph is run layer by layer in float64, and its logits are compared with those of our network of the same name. Every
weight, in both, is filled with numbers that depend on its kind and shape alone, so nothing has to be matched by name:
two networks of one structure get the same weights.

What decides: the largest difference of logits, relative to the largest logit, is at most 1e-12. The files stay with
the reader; kept is what the comparison found, in resattn/zoo/records/authors_files.json.
"""

import argparse
import math
import re
import sys
import zlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resattn import zoo
from resattn.__main__ import exit_status
from resattn.analysis import count_parameters
from resattn.networks import create
from resattn.zoo import checkpoints

OURS = {
    "Attention-56": "attention56_imagenet",
    "Attention-92": "attention92_imagenet",
    "AttentionNeXt-56": "attentionnext56_imagenet",
    "AttentionNeXt-92": "attentionnext92_imagenet",
}
RECORDS = Path(zoo.__file__).parent / "records"

Message = dict[str, list[Any]]  # the fields of a text-format message, each with all its values in order


@dataclass(frozen=True)
class Layer:
    """One layer of a file: what it is called, what it is, which blobs it reads and which it writes."""

    name: str
    kind: str
    inputs: list[str]
    output: str
    settings: dict[str, Any]


@dataclass
class Model:
    """A file as it was read. ``missing`` maps layers to inputs that no layer before them writes."""

    name: str
    input: str
    shape: list[int]  # [1, 3, H, W]
    layers: list[Layer]
    missing: dict[str, str] = field(default_factory=dict)
    parameters: int = 0  # counted by ``run``


def parse(text: str) -> Message:
    """The fields of a message in Caffe's text format. Raises ValueError where braces do not match.

    >>> parse('layer { name: "a" bottom: "x" bottom: "y" }')
    {'layer': [{'name': ['a'], 'bottom': ['x', 'y']}]}
    """
    stack: list[Message] = [{}]
    key = ""
    for token in re.findall(r'"[^"]*"|[{}]|[^\s{}":]+', re.sub(r"#[^\n]*", "", text)):
        if token == "}":
            stack.pop()
            if not stack:
                raise ValueError("a brace is closed that was never opened")
        elif not key:
            key = token
        else:
            value: Any = {} if token == "{" else token.strip('"')
            stack[-1].setdefault(key, []).append(value)
            if token == "{":
                stack.append(value)
            key = ""
    if len(stack) > 1:
        raise ValueError(f"{len(stack) - 1} braces are never closed")
    return stack[0]


def read(path: Path) -> Model:
    """The model in a file. An input that nothing writes is noted, and read as the output of the layer before.

    Raises ValueError, with the file's name, where the text is no such model.
    """
    try:
        message = parse(path.read_text(encoding="utf-8"))
        written = [*message["input"]]
        model = Model(message["name"][0], written[0], [int(n) for n in message["input_dim"]], [])
        for entry in message["layer"]:
            name, inputs = entry["name"][0], list(entry["bottom"])
            for i, blob in enumerate(inputs):
                if blob not in written:
                    model.missing[name] = blob
                    inputs[i] = written[-1]
            settings = {k: v[0] for key in entry if key.endswith("_param") for k, v in entry[key][0].items()}
            model.layers.append(Layer(name, entry["type"][0], inputs, entry["top"][0], settings))
            written.append(entry["top"][0])
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{path.name} does not hold a model in Caffe's text format: {error}") from error
    return model


def filled(kind: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers of this shape that depend on kind and shape alone: float64, sized so that signals neither fade nor
    explode, and a variance is positive."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{kind} {shape}".encode()))
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    if kind == "weight" and len(shape) > 1:
        return values * math.sqrt(1 / math.prod(shape[1:]))
    return {"weight": 1 + 0.1 * values, "running_var": 1 + 0.1 * values.abs()}.get(kind, 0.1 * values)


def run(model: Model, image: Tensor) -> Tensor:
    """The logits of the graph, [1, K], for a float64 image [1, 3, H, W]; counts its parameters on the way.

    Raises ValueError for a kind of layer that none of the four files has.
    """
    blobs = {model.input: image}
    model.parameters = 0

    def weight(kind: str, *shape: int) -> Tensor:
        model.parameters += math.prod(shape) if kind in ("weight", "bias") else 0
        return filled(kind, shape)

    for layer in model.layers:
        inputs = [blobs[blob] for blob in layer.inputs]  # [1, C, h, w] each
        x, s = inputs[0], layer.settings
        match layer.kind:
            case "Convolution":
                groups, kernel = int(s.get("group", 1)), int(s["kernel_size"])
                w = weight("weight", int(s["num_output"]), x.shape[1] // groups, kernel, kernel)
                x = F.conv2d(x, w, stride=int(s.get("stride", 1)), padding=int(s.get("pad", 0)), groups=groups)
            case "BN":
                mean, var = filled("running_mean", (x.shape[1],)), filled("running_var", (x.shape[1],))
                x = F.batch_norm(x, mean, var, weight("weight", x.shape[1]), weight("bias", x.shape[1]))
            case "ReLU":
                x = F.relu(x)
            case "Sigmoid":
                x = torch.sigmoid(x)
            case "Pooling":
                pool = F.max_pool2d if s["pool"] == "MAX" else F.avg_pool2d
                x = pool(x, int(s["kernel_size"]), int(s["stride"]), ceil_mode=True)
            case "Interp":  # the second input gives the size, and nothing else
                x = F.interpolate(x, inputs[1].shape[2:], mode="bilinear", align_corners=True)
            case "Eltwise":
                x = x * inputs[1] if s["operation"] == "PROD" else sum(inputs[1:], start=x)
            case "InnerProduct":
                k = int(s["num_output"])
                x = F.linear(x.flatten(1), weight("weight", k, x[0].numel()), weight("bias", k))
            case "Softmax":
                return x  # the logits that it reads
            case _:
                raise ValueError(f"{layer.name} of {model.name} is a layer of an unknown kind, {layer.kind!r}")
        blobs[layer.output] = x
    return x


def fill(model: nn.Module) -> nn.Module:
    """The same network in float64 and evaluation mode, with every weight filled by its kind and shape."""
    model = model.double().eval()
    state = {
        key: value if key.endswith("num_batches_tracked") else filled(key.rsplit(".", 1)[1], tuple(value.shape))
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


@torch.no_grad()
def compare(model: Model, ours: nn.Module) -> dict[str, Any]:
    """How far the logits of a file and of our network are apart, and how many parameters each has."""
    image = filled("image", tuple(model.shape))
    theirs, mine = run(model, image), fill(ours)(image)
    return {
        "layers": len(model.layers),
        "missing_inputs": model.missing,
        "parameters": model.parameters,
        "our_parameters": count_parameters(ours),
        "difference": ((theirs - mine).abs().max() / theirs.abs().max()).item(),
    }


def store(folder: Path, out: Path) -> None:
    """Compare all four files in a folder with our networks, and store what was found in ``out``."""
    runs = []
    for name, network in OURS.items():
        path = folder / f"{name}-deploy.prototxt"
        if not path.is_file():
            raise ValueError(f"{folder} has no {path.name}; it must be the folder imagenet_model of the clone")
        found = compare(read(path), create(network))
        runs.append({"key": name, "network": network, **found, "date": f"{date.today()}", "torch": torch.__version__})
        print(
            f"{name}: {found['parameters']:,} parameters, ours {found['our_parameters']:,}; {found['difference']:.1e}"
        )
    checkpoints.write_json(out / "authors_files.json", {"runs": runs})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.authors_files", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the authors' folder imagenet_model, in your clone")
    parser.add_argument("--out", type=Path, default=RECORDS, help="where the record goes (default: the package)")
    options = parser.parse_args(arguments)
    return exit_status(lambda: store(options.folder, options.out), "error", "Stopped.")


if __name__ == "__main__":
    sys.exit(main())
