"""Two processes on a processor, as torchrun starts them: the same training as one, and what happens when one dies."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training import RECIPE, TEST, TRAIN, fit, network
from torch import nn

from resattn.data import Batches
from resattn.training import distributed
from resattn.zoo import CheckpointError, checkpoints

PLAIN = replace(RECIPE, epochs=2, mixup=0.0)  # mixup blends within one process
TESTS = Path(__file__).parent
SCRIPT = f"""
import json, os, signal, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
from resattn.__main__ import exit_status
from resattn.data import Batches
from resattn.training import distributed
from test_distributed import precisely

class Fatal(Batches):
    def epoch(self, e):
        for i, batch in enumerate(super().epoch(e)):
            if e == 1 and i == 3 and distributed.rank() == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

def work():
    with distributed.process_group():
        kill, options = json.loads(sys.argv[2])
        history = precisely(seed=distributed.rank(), kind=Fatal if kill else Batches, out=sys.argv[1], **options)
        if distributed.rank() == 0:
            print("HISTORY", json.dumps(history))

sys.exit(exit_status(work, "error", "stopped"))
"""


def precisely(seed=0, kind=Batches, **options):
    """Train in 64-bit floats: in 32, a difference in the last bits grows about tenfold at every step."""
    return fit(network(seed).double(), PLAIN, *loaders(kind), **options)


def loaders(kind=Batches):
    """This process's training and test batches, in 64-bit floats."""
    rank, world = distributed.rank(), distributed.world()
    share = {"dtype": torch.float64, "rank": rank, "world": world}
    train = kind(TRAIN, PLAIN.batch_size // world, train=True, pad=PLAIN.pad, cutout=PLAIN.cutout, **share)
    return train, Batches(TEST, 16, train=False, mean=train.mean, std=train.std, **share)


def two_processes(out, *, kill=False, **options):
    """Train in two processes: what torchrun returned, and the history that the first process printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = out.parent / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [*command, script, out, json.dumps([kill, options])], capture_output=True, text=True, timeout=600, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("HISTORY ")]
    return done, json.loads(lines[0].removeprefix("HISTORY ")) if lines else None


@pytest.fixture(scope="module")
def alone():
    return precisely()


def test_an_image_is_augmented_alike_in_however_many_processes():
    def epoch(rank, world):
        return next(Batches(TRAIN, 16 // world, train=True, pad=2, cutout=4, rank=rank, world=world).epoch(1))

    (x, y), parts = epoch(0, 1), [epoch(rank, 4) for rank in range(4)]
    assert torch.equal(torch.stack([part[0] for part in parts], 1).flatten(0, 1), x)
    assert torch.equal(torch.stack([part[1] for part in parts], 1).flatten(), y)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}], ids=str)
def test_common_statistics_give_the_curve_of_one_process(tmp_path, alone, options):
    """The same batches and the same statistics: only the order of sums differs."""
    done, history = two_processes(tmp_path / "run", batch_statistics="all", **options)
    assert done.returncode == 0, done.stderr
    assert [entry["step"] for entry in history] == [8, 16]
    record = checkpoints.read_json(tmp_path / "run" / "model.json")
    assert (record["world"], record["batch_statistics"]) == (2, "all")
    wanted = precisely(**options) if options else alone
    # Statistics of 8 images let differences grow faster than those of 16: after an epoch a few digits are left.
    for one, two in list(zip(wanted, history, strict=True))[: 1 if options else 2]:
        for key in ("train_loss", "test_loss"):
            assert two[key] == pytest.approx(one[key], rel=1e-5)


def test_statistics_of_each_process_train_too(tmp_path, alone):
    done, history = two_processes(tmp_path / "run")
    assert done.returncode == 0, done.stderr
    first, own = history[0]["train_loss"], alone[0]["train_loss"]
    assert first != pytest.approx(own, rel=1e-4)  # statistics of 8 images are not those of 16
    assert first == pytest.approx(own, rel=0.3)
    with pytest.raises(CheckpointError, match=r"batch_statistics \(process there, all here\)"):
        precisely(out=tmp_path / "run", batch_statistics="all")


def test_one_killed_ends_all_with_a_sentence_and_one_process_goes_on(tmp_path, alone):
    out = tmp_path / "run"
    done, history = two_processes(out, kill=True, batch_statistics="all")
    assert done.returncode != 0 and history is None
    assert "error: process 0 " in done.stderr
    assert "the same command resumes from the last checkpoint" in done.stderr
    assert len(checkpoints.load(out / "checkpoint.pt")["history"]) == 1
    resumed = precisely(seed=7, out=out, batch_statistics="all")
    assert len(resumed) == 2
    for one, two in zip(alone, resumed, strict=True):
        assert two["test_loss"] == pytest.approx(one["test_loss"], rel=1e-5)


def test_a_batch_that_cannot_be_shared(monkeypatch):
    monkeypatch.setattr(distributed, "world", lambda: 3)
    with pytest.raises(ValueError, match="a batch of 16 images cannot be shared equally by 3 processes"):
        fit(network(), PLAIN)


class Twice(Batches):
    """Every batch holds each of its images twice, so that either half of it has the statistics of the whole."""

    def epoch(self, e):
        for x, y in super().epoch(e):
            yield torch.cat([x, x]), torch.cat([y, y])


def test_accumulated_gradients_are_those_of_the_whole_batch():
    recipe = replace(PLAIN, epochs=None, steps=3)
    models = [network().double(), network().double()]
    for model, accumulate in zip(models, (1, 2), strict=True):
        fit(model, recipe, *loaders(Twice), accumulate=accumulate)
    for (name, p), q in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("accumulate", [0, 17, 1.5])
def test_pieces_that_cannot_be(accumulate):
    with pytest.raises(ValueError, match="accumulate must be a whole number from 1 to the 16 images of a step"):
        fit(network(), PLAIN, accumulate=accumulate)


def test_statistics_that_cannot_be():
    with pytest.raises(ValueError, match="batch_statistics must be process or all; got 'half'"):
        fit(network(), PLAIN, batch_statistics="half")


def test_own_normalisation_is_pytorchs(monkeypatch):
    """Where two processes have the same images, sums over both are twice those of one, and nothing else may change."""
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "sum_over_processes", lambda x: 2 * x)
    torch.manual_seed(0)
    layer, own = nn.BatchNorm2d(5), nn.BatchNorm2d(5)
    own.load_state_dict(layer.state_dict())
    x, g = torch.randn(4, 5, 6, 6) * 3 + 7, torch.randn(8, 5, 6, 6)
    whole = torch.cat([x, x]).requires_grad_()
    part = x.clone().requires_grad_()
    g[4:] = g[:4]
    y = layer(whole)
    y.backward(g)
    with distributed.common_statistics(own, True):
        assert type(own) is distributed.CommonBatchNorm
        z = own(part)
        z.backward(g[:4])
    assert type(own) is nn.BatchNorm2d
    torch.testing.assert_close(z, y[:4])
    torch.testing.assert_close(part.grad, whole.grad[:4], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(2 * own.weight.grad, layer.weight.grad)
    torch.testing.assert_close(own.running_mean, layer.running_mean)
    torch.testing.assert_close(own.running_var, layer.running_var)


def test_mixup_on_apples_gpu_is_refused_at_the_start(monkeypatch):
    monkeypatch.setattr("resattn.training.loop.pick_device", lambda device: torch.device("mps"))
    with pytest.raises(ValueError, match="does not draw mixup's numbers on Apple's GPU"):
        fit(network(), RECIPE)


def test_the_state_is_the_first_processs_and_so_are_its_errors(monkeypatch):
    sent = []
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed.dist, "broadcast_object_list", sent.append)

    def fail():
        raise CheckpointError("gone")

    monkeypatch.setattr(distributed, "rank", lambda: 0)
    assert distributed.from_first(lambda: 3) == 3
    with pytest.raises(CheckpointError, match="gone"):
        distributed.from_first(fail)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed.dist, "broadcast_object_list", lambda outcome: outcome.__setitem__(0, 5))
    assert distributed.from_first(fail) == 5  # the second does not look for itself
