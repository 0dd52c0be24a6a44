"""The network in the page: what book/live/network.js computes, in node, is what PyTorch computes."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn

from resattn import data, zoo
from resattn.data.batches import Normalise
from resattn.mask import ACTIVATIONS, LocalMaskBranch, SoftMaskBranch
from tools import live_weights

NETWORKS = zoo.list_pretrained()
TOLERANCE = 1e-4  # of logits and masks
PICTURES = 20

Parts = dict[str, tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]]

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="node, which runs the JavaScript, is not installed"
)

RUN = """
const fs = require("fs");
const [network, script, request] = process.argv.slice(1);
globalThis.live = { arrive: (key, object) => { globalThis.exported = object; } };
for (const path of [network, script]) (0, eval)(fs.readFileSync(path, "utf8"));
const net = new live.Network(exported);
const { size, images, forced } = JSON.parse(fs.readFileSync(request, "utf8"));
const file = fs.openSync(request + ".answers", "w");
let modules;
for (const data of images) {
  const answer = net.run(live.map(3, size, size, data), forced);
  modules = answer.modules;
  fs.writeSync(file, Float32Array.from(answer.logits));
  for (const m of modules) for (const part of [m.mask, m.trunk, m.product]) if (part) fs.writeSync(file, part.data);
}
console.log(JSON.stringify(modules.map((m) => m.name)));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    live_weights.write(folder)
    return folder


def pictures(model) -> torch.Tensor:
    size = 32 if "cued" not in str(model.record["data"]).lower() else 48
    return data.scenes("test", PICTURES, size=size).images


def in_node(folder: Path, name: str, images: torch.Tensor, forced: dict[str, Any]) -> tuple[list[str], torch.Tensor]:
    """Names of the modules, and a row of numbers for each picture: logits, then mask, trunk, product by module."""
    request = folder / "request.json"
    request.write_text(json.dumps({"size": images.shape[2], "images": images.flatten(1).tolist(), "forced": forced}))
    command = ["node", "-e", RUN, ROOT / "book/live/network.js", folder / "networks" / f"{name}.js", request]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    numbers = np.fromfile(f"{request}.answers", dtype="<f4")
    return json.loads(done.stdout), torch.from_numpy(numbers).view(len(images), -1)


def in_pytorch(name: str, images: torch.Tensor, forced: dict[str, Any]) -> tuple[torch.Tensor, Parts]:
    """Logits, and for each module mask, trunk output and product, of the network with the rounded weights."""
    model = live_weights.round_network(zoo.load_pretrained(name))
    kept: Parts = {}
    for key, module in model.attention_modules().items():

        def fuse(mask, trunk, key=key, fuse=module.fuse):
            by = forced.get(key)
            if isinstance(by, int | float):
                mask = torch.full_like(mask, by)
            elif by == "mean":
                mask = mask.mean(dim=(2, 3), keepdim=True).expand_as(mask)
            elif by is not None:
                mask = torch.tensor(by["data"]).view(1, *mask.shape[1:]).expand_as(mask)
            kept[key] = (mask, trunk, fuse(mask, trunk))
            return kept[key][2]

        module.fuse = fuse
    with torch.no_grad():
        logits = model(Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))(images))
    return logits, kept


def compare(answers: torch.Tensor, logits: torch.Tensor, kept: Parts) -> None:
    """Logits and masks differ by the tolerance at most; features by the tolerance of the largest of them."""
    at = 0
    for ours, bound in [(logits, TOLERANCE)] + [
        (part, TOLERANCE if index == 0 else TOLERANCE * max(1.0, float(part.abs().max())))
        for parts in kept.values()
        for index, part in enumerate(parts)
        if part is not None
    ]:
        theirs = answers[:, at : at + ours[0].numel()]
        assert (theirs - ours.flatten(1)).abs().max() <= bound
        at += ours[0].numel()
    assert at == answers.shape[1]


@needs_node
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_masks_are_those_of_pytorch(folder, name):
    images = pictures(zoo.load_pretrained(name))
    assert len(images) == PICTURES
    logits, kept = in_pytorch(name, images, {})
    names, answers = in_node(folder, name, images, {})
    assert names == list(kept)
    compare(answers, logits, kept)


@needs_node
@pytest.mark.parametrize("by", [0, 0.5, 1, "mean", "another picture's"])
@pytest.mark.parametrize("name", ["attention56_scenes", "attention56_scenes_nal"])
def test_forced_masks_are_those_of_pytorch(folder, name, by):
    images = pictures(zoo.load_pretrained(name))[:4]
    free, kept = in_pytorch(name, images, {})
    module = list(kept)[1]
    forced = {module: {"data": kept[module][0][3].flatten().tolist()} if by == "another picture's" else by}
    logits, kept = in_pytorch(name, images, forced)
    compare(in_node(folder, name, images, forced)[1], logits, kept)
    assert (logits - free).abs().max() > 100 * TOLERANCE  # the mask that was replaced matters


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_below_a_megabyte_and_close_to_the_trained_one(folder, name):
    assert (folder / "networks" / f"{name}.js").stat().st_size < live_weights.MEGABYTE
    trained, rounded = zoo.load_pretrained(name), live_weights.round_network(zoo.load_pretrained(name))
    x = Normalise(trained.record["mean"], trained.record["std"], torch.device("cpu"))(pictures(trained))
    with torch.no_grad():
        (logits, masks), (rounded_logits, rounded_masks) = trained(x, return_masks=True), rounded(x, return_masks=True)
    difference = float((logits - rounded_logits).abs().max())
    assert 0 < difference <= 2e-3 if live_weights.is_rounded(trained) else difference == 0
    assert torch.equal(logits.argmax(1), rounded_logits.argmax(1))
    assert all((masks[key] - rounded_masks[key]).abs().max() <= TOLERANCE for key in masks)


def test_what_the_pages_cannot_compute_is_refused(monkeypatch):
    model = zoo.load_pretrained("attention56_scenes")
    object.__setattr__(model.config, "mask_activation", "spatial")
    monkeypatch.setattr(zoo, "load_pretrained", lambda name: model)
    with pytest.raises(ValueError, match="mask_activation mixed; attention56_scenes has spatial"):
        live_weights.network_script("attention56_scenes")


FIELDS = """
globalThis.live = { figure: () => {} };
(0, eval)(require("fs").readFileSync(process.argv[1], "utf8"));
const { SIZE, seen } = live.field;
const rows = Array.from({ length: SIZE }, (_, row) => row);
console.log(JSON.stringify([0, 1, 2, 3].map((d) => [1, 2].map((r) => rows.map((row) => seen([row, row], d, r))))));
"""


class Shift(nn.Module):
    """Where a unit looks: a row to each side."""

    def __init__(self, *_: int) -> None:
        super().__init__()
        self.kernel = torch.ones(1, 1, 3, 3)

    pre_activation = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.kernel, padding=1)


@needs_node
def test_the_field_figure_sees_what_the_branch_sees(monkeypatch):
    """The reach of every place, from the package's own mask branch with units, pooling and tail that hide nothing."""
    monkeypatch.setitem(ACTIVATIONS, "mixed", nn.Identity())
    done = subprocess.run(["node", "-e", FIELDS, ROOT / "book/live/figures/field.js"], capture_output=True, check=True)
    answers = json.loads(done.stdout)
    for d in (0, 1, 2, 3):
        for r in (1, 2):
            branch = SoftMaskBranch(Shift, 1, d, r) if d else LocalMaskBranch(Shift, 1)
            branch.tail = nn.Identity()
            branch.pool = nn.AvgPool2d(3, stride=2, ceil_mode=True)
            x = torch.ones(1, 1, 32, 32, requires_grad=True)
            for row in (0, 1, 9, 16, 30, 31):
                (reached,) = torch.autograd.grad(branch(x)[0, 0, row, 16], x)
                seen = reached[0, 0].abs().sum(dim=1).nonzero().flatten()
                assert answers[d][r - 1][row] == [int(seen[0]), int(seen[-1])], (d, r, row)


def test_what_the_page_says_of_its_first_figure():
    """*Try it*: one naive mask averaged over places makes a bird of the aeroplane; residual masks change no answer."""
    images = data.scenes("test", live_weights.SAMPLES).images
    forced = {"stage1.attention1": "mean"}
    for name in ("attention56_scenes", "attention56_scenes_nal"):
        classes = zoo.load_pretrained(name).record["data"]["classes"]
        before, after = (in_pytorch(name, images, masks)[0].argmax(1) for masks in ({}, forced))
        assert bool((before == after).all()) == (name == "attention56_scenes")
    assert (classes[int(before[6])], classes[int(after[6])]) == ("aeroplane", "bird")


def test_one_mask_carries_the_choice():
    """*Try it*: of forty answers nearly all name the cued object, with one mask swapped the other one."""
    pictures = data.cued_scenes("test", live_weights.SAMPLES)
    cues = torch.zeros_like(pictures.cues)
    views = [pictures.recued(cues).images, pictures.recued(1 - cues).images]
    model = live_weights.round_network(zoo.load_pretrained("cued_arl"))
    normalise = Normalise(model.record["mean"], model.record["std"], torch.device("cpu"))
    module = model.attention_modules()["stage1.attention1"]
    with torch.no_grad():
        own = [model(normalise(x), return_masks=True) for x in views]
        fuse = module.fuse
        swapped = []
        for cue in (0, 1):
            module.fuse = lambda mask, trunk, other=own[1 - cue][1]["stage1.attention1"]: fuse(other, trunk)
            swapped.append(model(normalise(views[cue])).argmax(1))
    named = torch.stack([logits.argmax(1) for logits, _ in own], 1)  # [N, 2], by cue
    assert (named == pictures.pair_labels).sum() >= 36
    assert (torch.stack(swapped, 1) == pictures.pair_labels.flip(1)).sum() >= 36
    first = [model.record["data"]["classes"][int(k)] for k in (*named[0], swapped[0][0])]
    assert first == ["aeroplane", "bird", "bird"]
