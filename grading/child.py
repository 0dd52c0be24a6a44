"""What runs behind the walls: answers, on inputs, to arrays. Nothing here knows what is right.

A server imports torch once; every question of every hand-in then runs in a fork of it. Questions that do without
torch run in forks of a server that has never had it. A job is a folder with
``job.json`` (the code, the calls) and ``inputs.npz``; the child leaves ``<number>.npz`` for every call that came back.
Neither side unpickles anything.
"""

import ast
import errno
import gc
import io
import json
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import walls
from .checks import joined

try:
    import torch
except ImportError:  # this server answers questions that do without
    torch = None  # type: ignore[assignment]

SPACE, ENTRIES, WATCH = 256 * walls.MEGABYTE, 1000, 0.05  # of an answer's folder: bytes, entries, seconds between looks
OWN_ERROR = "an error of its own"
KNOWN_ERRORS: tuple[type, ...] = (ArithmeticError, AssertionError, AttributeError, FileNotFoundError, ImportError)
KNOWN_ERRORS += (IndexError, KeyError)
KNOWN_ERRORS += (MemoryError, ModuleNotFoundError, NameError, NotImplementedError, OSError, OverflowError)
KNOWN_ERRORS += (PermissionError, RecursionError, RuntimeError, SyntaxError, SystemExit, TypeError)
KNOWN_ERRORS += (UnboundLocalError, ValueError, ZeroDivisionError)


def is_tensor(value: Any) -> bool:
    return torch is not None and isinstance(value, torch.Tensor)


def flatten(value: Any) -> list[np.ndarray]:
    """What an answer returned, as a list of arrays: an array, a tensor, a number, or a tuple, list or dict of these.

    They are put together as in the instant checks, so that the two cannot disagree on the form of an answer.
    """
    return [np.array(array, dtype=array.dtype.newbyteorder("=")) for array in joined(value)]


def wave(shape: tuple[int, ...], start: float = 1.0) -> np.ndarray:
    """Numbers of both signs that look irregular and are the same everywhere, [*shape] float64."""
    return np.sin(start + 1.7 * np.arange(int(np.prod(shape)))).reshape(shape)


def load_by_name(module: "torch.nn.Module", weights: dict[str, np.ndarray]) -> None:
    """Put the weights into a module; KeyError where the module has other parameters than the task says."""
    own = module.state_dict()
    if own.keys() != weights.keys():
        raise KeyError(f"parameters must be named {', '.join(weights)}; the module has {', '.join(own)}")
    module.load_state_dict({name: torch.as_tensor(weights[name]) for name in own})


@dataclass(frozen=True)
class Ready:
    """A call with its arguments made, and nothing left of the text that they were made from."""

    how: str
    pick: int | None
    arguments: list[Any]
    keywords: dict[str, Any]
    weights: dict[str, np.ndarray]  # of a module


def prepared(call: dict[str, Any], arrays: dict[str, np.ndarray], names: dict[str, Any]) -> Ready:
    """Make the arguments of a call. An answer that could read the call itself would find there what a module is."""
    scope, as_tensor = dict(names), bool(call.get("torch"))
    exec(call.get("setup", ""), scope)
    arguments = [_argument(item, arrays, scope, as_tensor) for item in call["arguments"]]
    keywords = {key: _argument(item, arrays, scope, as_tensor) for key, item in call["keywords"].items()}
    prefix = f"{call.get('weights')}/"
    weights = {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
    return Ready(call["how"], call.get("pick"), arguments, keywords, weights)


def perform(answer: Any, ready: Ready) -> Any:
    """Make one call of an answer and return what it gives; raises what the answer raises.

    ``how`` is "value" (what the function returns), "unchanged" (its signs, and whether its arguments are as before),
    "gradients" (of its output, along a fixed direction, for every float tensor among the arguments), or for a class
    "output" and "backward": the module's output, or the gradients of its input and parameters, for given weights.
    """
    how, arguments, keywords = ready.how, ready.arguments, ready.keywords
    if how == "value":
        result = answer(*arguments, **keywords)
        return result if ready.pick is None else result[ready.pick]
    if how == "unchanged":
        before = [a.copy() for a in arguments if isinstance(a, np.ndarray)]
        signs = np.sign(np.asarray(answer(*arguments, **keywords), dtype=float))
        after = [a for a in arguments if isinstance(a, np.ndarray)]
        return [signs, *(np.abs(x - y).max() < 1e-9 for x, y in zip(before, after, strict=True))]
    if how == "gradients":
        inputs = [a.requires_grad_() for a in arguments if is_tensor(a) and a.is_floating_point()]
        return _gradients(answer(*arguments, **keywords), inputs)
    module = answer(**keywords)
    module.double().eval()
    load_by_name(module, ready.weights)
    x = arguments[0].double().requires_grad_()
    if how == "output":
        return module(x)
    return _gradients(module(x), [x, *(p for _, p in sorted(module.named_parameters()))])


def _argument(item: Any, arrays: dict[str, np.ndarray], scope: dict[str, Any], as_tensor: bool) -> Any:
    if isinstance(item, dict) and "array" in item:
        array = arrays[item["array"]].copy()
        return torch.as_tensor(array) if as_tensor else array
    if isinstance(item, dict) and "list" in item:
        return [_argument(entry, arrays, scope, as_tensor) for entry in item["list"]]
    if isinstance(item, dict) and "code" in item:
        return eval(item["code"], scope)
    return tuple(item) if isinstance(item, list) else item


def _gradients(output: Any, inputs: list[Any]) -> list[Any]:
    """Of an output tensor along a fixed direction, for input tensors; zeros where it does not depend on one."""
    direction = torch.as_tensor(wave(tuple(output.shape), 0.3)).to(output.dtype)
    found = torch.autograd.grad(output, inputs, direction, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


# --- the child


def given(job: dict[str, Any]) -> dict[str, Any]:
    """The names that a notebook has before any answer: what talks with a person, and those of the given cells."""
    silent = {"display": lambda *shown, **how: None, "input": lambda *words: ""}  # left over; here nobody looks
    names: dict[str, Any] = {"__name__": "__main__"} | silent
    exec(job["given"], names)
    return names


def define(job: dict[str, Any], names: dict[str, Any]) -> Any:
    """Run what the question needs into ``names``: the student's own definitions elsewhere, the answer's cell.

    Returns the answer.
    """
    for statement in job["definitions"]:
        try:
            exec(statement, names)
        except Exception:
            continue  # something that this answer may not even use
    tree = ast.parse(job["answer"])
    answer = None  # the last thing of that name that can be called: a trial below it may keep a result under the name
    for node in tree.body:  # as in a kernel, what stands before an error has happened
        try:
            exec(compile(ast.Module([node], []), "answer", "exec"), names)
        except Exception:
            if job["name"] in names:
                break
            raise
        if callable(names.get(job["name"])):
            answer = names[job["name"]]
    if answer is not None:
        names[job["name"]] = answer
    names[job["question"]] = names[job["name"]]
    return names[job["question"]]


def child(job_folder: Path, folder: Path, seconds: float, memory: int) -> None:
    """The life of one child: walls first, then the answer, then one file for each call that came back."""
    job = json.loads((job_folder / "job.json").read_text())
    with np.load(job_folder / "inputs.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.closerange(3, 4096)
    os.environ.clear()
    os.environ.update(HOME=str(folder), TMPDIR=str(folder), OMP_NUM_THREADS="1", PATH="/nowhere")
    root = str(Path(__file__).resolve().parent.parent)
    sys.path[:] = [path for path in sys.path if path != root]
    sys.argv[:] = [""]
    sys.modules["resattn"] = None  # type: ignore[assignment]
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error that can be reported
    walls.limit(seconds, memory, 64 * walls.MEGABYTE)
    walls.confine_files(*_readable(job["closed"]), folder)
    walls.confine_calls()
    walls.drop_rights()

    try:
        names = given(job)
        calls = [prepared(call, arrays, names) for call in job.pop("calls")]
        del arrays  # from here on no frame holds what the arguments were made from: an answer can walk up to here
        answer = define(job, names)
    except BaseException as error:
        _leave("all", [], _kind(error))
        return
    for number, ready in enumerate(calls):
        try:
            result = flatten(perform(answer, ready))
            error_name = ""
        except BaseException as error:
            result, error_name = [], _kind(error)
        _leave(str(number), result, error_name)


def _kind(error: BaseException) -> str:
    """The error's class if it is a usual one: its text and its own names may hold what the answer has seen."""
    return next((known.__name__ for known in type(error).__mro__ if known in KNOWN_ERRORS), OWN_ERROR)


def _leave(stem: str, arrays: list[np.ndarray], error: str) -> None:
    np.savez(f"{stem}.part.npz", *arrays, error=np.array(error))
    os.rename(f"{stem}.part.npz", f"{stem}.npz")


def _readable(closed: list[str]) -> tuple[list[Path], list[Path]]:
    """What may be read, and whose names may be seen: the Python installation, its libraries, what every process needs.

    No home, no course, no other process, and no package that the question does without.
    """
    found = {Path(sys.base_prefix) / "lib", Path(sys.base_prefix) / "lib64", Path(sysconfig.get_path("stdlib"))}
    found |= {Path("/usr/lib"), Path("/lib"), Path("/lib64"), Path("/usr/share/zoneinfo")}
    packages = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    inside = {path for folder in packages if closed for path in folder.iterdir() if path.name not in closed}
    devices = {Path("/dev") / name for name in ("null", "zero", "urandom")}
    found |= devices | {Path("/proc/cpuinfo"), Path("/proc/meminfo")} | (inside or packages)
    return sorted(found), sorted(packages)


# --- the server


def serve(read: Callable[[], str] = sys.stdin.readline) -> None:
    """Answer each line, a job, with a line that says how its child ended: "ended", "time", "space", a signal's name."""
    if torch is not None:
        torch.set_num_threads(1)
    _warm_up()
    while line := read():
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                child(Path(order["job"]), Path(order["folder"]), order["seconds"], order["memory"])
            finally:
                os._exit(0)
        print(json.dumps({"end": _wait(pid, Path(order["folder"]), order["seconds"])}), flush=True)


def _warm_up() -> None:
    """Do once, before the forks, what every child would have to load and set up for itself."""
    file = io.BytesIO()
    np.savez(file, np.zeros(1), error=np.array(""))
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        ast.parse(str(arrays["error"]))
    walls.landlock_version()
    if torch is not None:
        _warm_up_torch()
    gc.collect()
    gc.freeze()  # the collector of a child then leaves these pages shared


def _warm_up_torch() -> None:
    layer = torch.nn.Conv2d(1, 1, 3, padding=1).double()
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.max_pool2d(layer(x), 3, stride=2, ceil_mode=True)
    y = torch.nn.functional.interpolate(y, size=(4, 4), mode="bilinear", align_corners=True)
    torch.autograd.grad(y, [x], torch.ones_like(y))  # with a direction, which makes torch import sympy
    load_by_name(layer, {name: value.detach().numpy() for name, value in layer.state_dict().items()})


def _too_much(folder: Path) -> bool:
    """Whether the files below the folder, and the folders in it, are more or larger than they may be."""
    ahead, entries, size = [folder], 0, 0
    while ahead:
        try:
            with os.scandir(ahead.pop()) as found:
                for entry in found:
                    entries += 1
                    size += entry.stat(follow_symlinks=False).st_size
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(Path(entry.path))
                    if entries > ENTRIES or size > SPACE:
                        return True
        except OSError as error:  # a path longer than the system takes; what has gone meanwhile is no harm
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


def _wait(pid: int, folder: Path, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    look = time.monotonic() + WATCH
    pause = 0.001
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        now = time.monotonic()
        full = now > look and _too_much(folder)
        if full or now > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "space" if full else "time"
        look = now + WATCH if now > look else look
        time.sleep(pause)
        pause = min(0.02, pause * 1.3)
    if not os.WIFSIGNALED(status):
        return "ended"
    number = os.WTERMSIG(status)
    return "time" if number == signal.SIGXCPU else signal.Signals(number).name
