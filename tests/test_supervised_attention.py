"""Chapter 12's own small code is that of the experiment whose record it reads; its page Deeper repeats it."""

from dataclasses import replace

import nbformat
import pytest
import torch
from conftest import ROOT
from IPython.core.inputtransformer2 import TransformerManager

from experiments import supervision
from resattn import data
from resattn.data import Normalise, channel_statistics

CHAPTER = ROOT / "notebooks" / "12_supervised_attention.ipynb"
DEEPER = ROOT / "notebooks" / "12_deeper_silence.ipynb"
SHARED = ("loss", "network", "loop")


def sources(path):
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"}


@pytest.fixture(scope="module")
def chapter():
    """The names that the chapter's cells define: its imports, loss, network and loop."""
    names: dict = {}
    for cell in ("setup", *SHARED):
        exec(TransformerManager().transform_cell(sources(CHAPTER)[cell]), names)
    return names


@pytest.mark.parametrize("arm", ["arl", "nal", "trunk", "twin"])
def test_the_small_network_is_that_of_the_experiment(chapter, arm):
    torch.manual_seed(3)
    theirs = supervision.Network(arm)
    torch.manual_seed(3)
    units = supervision.TWIN_UNITS if arm == "twin" else 1
    ours = chapter["Network"]("none" if arm in ("trunk", "twin") else arm, units)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    x = torch.randn(4, 3, 32, 32)
    for found, wanted in zip(ours(x), theirs(x), strict=True):
        assert (found is wanted is None) or torch.equal(found, wanted)


def test_loss_and_target_are_those_of_the_experiment(chapter):
    masks = torch.rand(5, 32, 32) < 0.3
    assert torch.equal(chapter["coverage"](masks), supervision.coverage(masks))
    M, y, has_mask = torch.rand(5, 16, 16, 16), supervision.coverage(masks), torch.tensor([1.0, 0, 1, 1, 0])
    assert torch.equal(chapter["mask_loss"](M, y, has_mask), supervision.mask_loss(M, y, has_mask))


@pytest.mark.parametrize(("arm", "weight"), [("arl", 0.0), ("nal-all", 5.0)])
def test_the_loop_is_that_of_the_experiment(chapter, arm, weight, monkeypatch):
    monkeypatch.setattr(supervision, "STEPS", 4)
    run = replace(supervision.RUNS[-1], arm=arm, labels=100, seed=2)
    pictures = data.scenes("train", 100, seed=2)
    views = supervision.Views(pictures, Normalise(*channel_statistics(pictures.images), torch.device("cpu")))
    weights = []
    for ours in (True, False):
        torch.manual_seed(2)
        model = chapter["Network"](run.fusion) if ours else supervision.Network(run.fusion)
        if ours:
            chapter["train"](model, views.x, views.labels, views.y, weight, steps=4, seed=2)
        else:
            supervision.fit(model, run, views, weight)
        weights.append(model.state_dict())
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-5), name


def test_the_page_deeper_has_the_same_cells():
    chapter, deeper = sources(CHAPTER), sources(DEEPER)
    assert {name: deeper[name] for name in SHARED} == {name: chapter[name] for name in SHARED}
