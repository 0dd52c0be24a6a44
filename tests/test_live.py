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
from live_reference import PICTURES, TOLERANCE, compare, in_pytorch, normalise, pictures, reach

from resattn import data, zoo
from tools import live_weights

NETWORKS = zoo.list_pretrained()

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="node, which runs the JavaScript, is not installed"
)

RUN = """
const fs = require("fs");
const [operations, network, script, request] = process.argv.slice(1);
globalThis.live = { arrive: (key, object) => { globalThis.exported = object; } };
for (const path of [operations, network, script]) (0, eval)(fs.readFileSync(path, "utf8"));
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


def in_node(folder: Path, name: str, images: torch.Tensor, forced: dict[str, Any]) -> tuple[list[str], torch.Tensor]:
    """Names of the modules, and a row of numbers for each picture: logits, then mask, trunk, product by module."""
    request = folder / "request.json"
    request.write_text(json.dumps({"size": images.shape[2], "images": images.flatten(1).tolist(), "forced": forced}))
    scripts = [ROOT / "book/live/operations.js", ROOT / "book/live/network.js", folder / "networks" / f"{name}.js"]
    command = ["node", "-e", RUN, *scripts, request]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    numbers = np.fromfile(f"{request}.answers", dtype="<f4")
    return json.loads(done.stdout), torch.from_numpy(numbers).view(len(images), -1)


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
    x = normalise(trained, pictures(trained))
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
const { seen } = live.field;
console.log(JSON.stringify(JSON.parse(process.argv[2]).map(([d, r, f, row]) => seen([row, row], d, r, f))));
"""


@needs_node
def test_the_field_figure_sees_what_the_branch_sees():
    """The reach of a place of the mask, from the gradients of the package's own branch."""
    asked = [(d, r, "f1", row) for d in (0, 1, 2, 3) for r in (1, 2) for row in (0, 1, 9, 16, 30, 31)]
    asked += [(d, 1, f, 9) for d in (0, 1, 2) for f in ("f2", "f3")]
    command = ["node", "-e", FIELDS, ROOT / "book/live/figures/field.js", json.dumps(asked)]
    answers = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    wrong = [(given, answer) for given, answer in zip(asked, answers, strict=True) if reach(*given) != answer]
    assert wrong == []


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
    module = model.attention_modules()["stage1.attention1"]
    with torch.no_grad():
        own = [model(normalise(model, x), return_masks=True) for x in views]
        fuse = module.fuse
        swapped = []
        for cue in (0, 1):
            module.fuse = lambda mask, trunk, other=own[1 - cue][1]["stage1.attention1"]: fuse(other, trunk)
            swapped.append(model(normalise(model, views[cue])).argmax(1))
    named = torch.stack([logits.argmax(1) for logits, _ in own], 1)  # [N, 2], by cue
    assert (named == pictures.pair_labels).sum() >= 36
    assert (torch.stack(swapped, 1) == pictures.pair_labels.flip(1)).sum() >= 36
    first = [model.record["data"]["classes"][int(k)] for k in (*named[0], swapped[0][0])]
    assert first == ["aeroplane", "bird", "bird"]
