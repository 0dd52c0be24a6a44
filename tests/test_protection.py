"""What a run leaves protects itself: damage, mix-ups and leftovers are noticed, in one sentence each."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from test_training import RECIPE, TEST, TRAIN, assert_same_weights, fit, network, without_times
from torch.utils._python_dispatch import TorchDispatchMode

from resattn import training, zoo
from resattn.data import Batches, augment
from resattn.zoo import CheckpointError, checkpoints, provenance
from tools import seal

CORRUPTIONS = 40  # of each kind of file


def damaged(content: bytes, dice: random.Random) -> bytes:
    """A file as a failing disk, a broken transfer or a full one may leave it; never the same as before."""
    at = dice.randrange(len(content))
    kind = dice.choice(["bit", "bit", "byte", "block", "cut", "zeros"])
    if kind == "bit":
        changed = content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
    elif kind == "byte":
        changed = content[:at] + dice.randbytes(1) + content[at + 1 :]
    elif kind == "cut":
        changed = content[:at]
    else:
        length = dice.randint(2, 600)
        block = bytes(length) if kind == "zeros" else dice.randbytes(length)
        changed = (content[:at] + block + content[at + length :])[: len(content)]
    return changed if changed != content else damaged(content, dice)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("protected") / "squares"
    fit(network(), replace(RECIPE, epochs=1), out=out)
    return out


def outcome(path: Path, read):
    """What a damaged file gives: the sentence of an error, or what was read."""
    try:
        return read(path)
    except CheckpointError as error:
        assert len(str(error).splitlines()) == 1 and path.name.partition(".")[0] in str(error)
        return None


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.json", "model.safetensors"])
def test_a_damaged_file_never_gives_other_contents(run, tmp_path, name):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    path, content, dice = tmp_path / name, (run / name).read_bytes(), random.Random(name)
    whole = zoo.load_pretrained(run)
    errors = 0
    for _ in range(CORRUPTIONS):
        path.write_bytes(damaged(content, dice))
        if name == "checkpoint.pt":
            assert outcome(path, checkpoints.load) is None
            errors += 1
        else:
            loaded = outcome(path, lambda _: zoo.load_pretrained(tmp_path))
            errors += loaded is None
            if loaded is not None:  # such as a space that has become a tab
                assert loaded.record == whole.record
                assert_same_weights(loaded, whole)
    assert errors > CORRUPTIONS // 2


def test_one_digit_of_a_record_is_noticed(run, tmp_path):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(CheckpointError, match=r"model\.json is damaged or was changed by hand"):
        zoo.load_pretrained(tmp_path)


def test_records_from_before_get_a_digest_on_request(run, tmp_path, capsys):
    """Files as earlier versions wrote them are refused, and read again once somebody has sealed them."""
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    record = checkpoints.read_json(tmp_path / "model.json")
    (tmp_path / "model.json").write_text(zoo.checkpoints.json.dumps(record))
    torch.save(checkpoints.load(run / "checkpoint.pt"), tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="from before records carried a digest: it has none"):
        zoo.load_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        checkpoints.load(tmp_path / "checkpoint.pt")
    assert seal.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in ("checkpoint.pt", "model.json")]
    assert zoo.load_pretrained(tmp_path).record == record
    assert checkpoints.load(tmp_path / "checkpoint.pt")["run"] == checkpoints.load(run / "checkpoint.pt")["run"]
    assert seal.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_what_a_killed_process_left_goes_at_the_next_start(run, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    left = tmp_path / f".checkpoint.pt.{gone.pid}.partial"
    at_work = tmp_path / f".model.json.{os.getppid()}.partial"
    of_another_kind = tmp_path / ".notes.partial"
    for path in (left, at_work, of_another_kind):
        path.write_bytes(b"half")
    fit(network(), replace(RECIPE, epochs=1), out=tmp_path)  # finished: nothing is written
    assert not left.exists()
    assert at_work.exists() and of_another_kind.exists()


def test_killed_while_it_writes(tmp_path):
    """A process killed in the middle of a checkpoint leaves a part of it; the next one leaves nothing but the run."""
    code = (
        "import os, pathlib, signal, sys\n"
        "from resattn.zoo import checkpoints\n"
        "def write(partial):\n"
        "    partial.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoints.write_aside(pathlib.Path(sys.argv[1]) / 'checkpoint.pt', write)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    fit(network(), replace(RECIPE, epochs=1), out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "model.json", "model.safetensors"}


def test_an_unfinished_run_can_be_loaded_and_says_so(tmp_path):
    class Interrupted(Batches):
        def epoch(self, e):
            if e == 2:
                raise KeyboardInterrupt
            return super().epoch(e)

    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, train=Interrupted(TRAIN, 16, train=True, pad=2, cutout=4), out=tmp_path)
    with pytest.warns(UserWarning, match="is not finished: these are its weights after 2 epochs"):
        loaded = zoo.load_pretrained(tmp_path)
    assert_same_weights(loaded, model)
    assert not loaded.training
    assert len(loaded.record["history"]) == 2 and "test_error" not in loaded.record
    assert loaded.record["data"]["size"] == 16


def test_a_name_that_means_two_networks(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "attention56_scenes")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"of the package|of weights that come with .* write '\./attention56_scenes'"):
        zoo.load_pretrained("attention56_scenes")
    for name in ("./attention56_scenes", Path("attention56_scenes"), str(tmp_path / "attention56_scenes")):
        assert zoo.load_pretrained(name).record["data"]["train"] == "Squares 0"
    shutil.rmtree(tmp_path / "attention56_scenes")
    (tmp_path / "attention56_scenes").mkdir()  # a folder that holds no run
    assert zoo.load_pretrained("attention56_scenes").record["data"]["train"] == "Scenes train"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 1}, r"another seed \(0 there, 1 here\); choose another folder"),
        ({"recipe": replace(RECIPE, epochs=1, lr=0.1)}, r"another recipe\.lr \(0\.05 there, 0\.1 here\)"),
        ({"train": TRAIN.subset(range(64))}, r"data\.train_images \(128 there, 64 here\)"),
        ({"accumulate": 2}, r"another accumulate \(1 there, 2 here\)"),
        (
            {"train": replace(TRAIN, images=TRAIN.images[:, :, :12, :12])},
            r"another data\.size \(16 there, 12 here\)",
        ),
        (
            {"train": replace(TRAIN, classes=("red", "green", "sea"))},
            r"another data\.classes \(red, green, blue there, red, green, sea here\)",
        ),
    ],
)
def test_another_run_is_named_with_both_values(run, change, sentence):
    before = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(CheckpointError, match=sentence):
        fit(network(), out=run, **({"recipe": replace(RECIPE, epochs=1)} | change))
    assert (run / "checkpoint.pt").read_bytes() == before


def test_more_classes_than_outputs():
    many = replace(TEST, classes=("red", "green", "blue", "sea"))
    with pytest.raises(ValueError, match="Squares 1 has 4 classes and the network 3 outputs"):
        training.evaluate(network(), many)


class TestCommit:
    """The commit in a record is this package's or none."""

    def git(self, folder, *arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    def copy(self, folder, monkeypatch):
        """A copy of the file that asks, at its place in a package below ``folder``."""
        path = folder / "resattn" / "zoo" / "provenance.py"
        path.parent.mkdir(parents=True)
        shutil.copy(ROOT / "resattn" / "zoo" / "provenance.py", path)
        monkeypatch.setattr(provenance, "__file__", str(path))
        return path

    def test_of_a_checkout(self, tmp_path, monkeypatch):
        path = self.copy(tmp_path, monkeypatch)
        self.git(tmp_path, "init", "-q")
        self.git(tmp_path, "add", ".")
        self.git(tmp_path, "commit", "-qm", "one")
        head = self.git(tmp_path, "rev-parse", "HEAD")
        assert zoo.commit() == head
        monkeypatch.setenv("GIT_DIR", str(ROOT / "nowhere"))  # as in a hook of another repository
        assert zoo.commit() == head
        monkeypatch.delenv("GIT_DIR")
        path.write_text(path.read_text() + "# changed\n")
        assert zoo.commit() == head + "+"

    @pytest.mark.parametrize("add", [False, True])
    def test_of_somebody_elses_repository(self, tmp_path, monkeypatch, add):
        self.copy(tmp_path / ".venv" / "lib" / "site-packages", monkeypatch)
        (tmp_path / "own.py").write_text("")
        self.git(tmp_path, "init", "-q")
        self.git(tmp_path, "add", "." if add else "own.py")
        self.git(tmp_path, "commit", "-qm", "one")
        assert zoo.commit() is None

    def test_without_git(self, tmp_path, monkeypatch):
        self.copy(tmp_path, monkeypatch)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
        assert zoo.commit() is None


class NoDoubles(TorchDispatchMode):
    """Apple's GPU, as far as a processor can play it: refuses to compute in float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.dtype == torch.float64:
            raise TypeError(f"{func} gives float64, which MPS does not have")
        return found


def test_training_needs_no_float64_where_the_device_has_none(monkeypatch):
    assert augment.widest(torch.device("mps")) == torch.float32
    assert augment.widest(torch.device("cpu")) == torch.float64
    recipe = replace(RECIPE, epochs=1)
    loaders = Batches(TRAIN, 16, train=True, pad=2, cutout=4), Batches(TEST, 16, train=False)

    def run():
        return without_times(fit(network(), recipe, train=loaders[0], test=loaders[1]))

    in_doubles = run()
    with pytest.raises(TypeError, match="which MPS does not have"), NoDoubles():
        run()
    for module in (augment, training.epochs, training.evaluation):
        monkeypatch.setattr(module, "widest", lambda device: torch.float32)
    with NoDoubles():
        in_floats = run()
    assert in_floats[0].keys() == in_doubles[0].keys()
