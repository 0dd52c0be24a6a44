"""Each wall: what an answer tries behind it fails, and the same code in front of it does not.

An answer returns 1.0 where its attempt succeeded and 0.0 where it was refused.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from grading import walls
from grading.child import ENTRIES, OWN_ERROR
from grading.run import Arrays, Server

LIBC = "import ctypes\nlibc = ctypes.CDLL(None)\n"
ATTEMPTS = {
    "a process": "import os\npid = os.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
    "a program": "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
    "a socket": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_STREAM).close()",
    "a pair of sockets": "import socket\nsocket.socketpair()",
    "a signal to the parent": "import os\nos.kill(os.getppid(), 0)",
    "a signal sent by the kernel for it": (
        "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())"
    ),
    "memory that is a file": "import os\nos.memfd_create('x')",
    "memory that outlives it": LIBC + "n = libc.shmget(0, 4096, 0o1600)\nassert n != -1\nlibc.shmctl(n, 0, None)",
    "a message queue": LIBC + "n = libc.msgget(0, 0o1600)\nassert n != -1\nlibc.msgctl(n, 0, None)",
    "semaphores": LIBC + "n = libc.semget(0, 1, 0o1600)\nassert n != -1\nlibc.semctl(n, 0, 0)",
    "a program in its place": "import os\nos.execv('/bin/true', ['true'])",
    "a session of its own": "import os\nos.setsid()",
    "the scheduler": "import os\nos.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
    "the folder above": "import os\nos.listdir('..')",
    "the home": "import os, pwd\nos.listdir(pwd.getpwuid(os.getuid()).pw_dir)",
    "its own process's files": "open('/proc/self/maps').read()",
    "a file elsewhere, written": "open('/tmp/left-by-an-answer', 'w').close()",
    "a file of the Python installation, written": "import json\nopen(json.__file__, 'a').close()",
    "a file elsewhere, cut": "import json, os\nos.truncate(json.__file__, os.path.getsize(json.__file__))",
    "a file removed elsewhere": "import os\nos.remove('/tmp/not-the-answers')",
    "rights of a file": "import os\nopen('x', 'w').close()\nos.chmod('x', 0o777)",
    "a pipe with a name": "import os\nos.mkfifo('pipe')",
    "a device": "import os\nos.mknod('disk', 0o60600, os.makedev(7, 0))",
    "more memory than a GB": "bytearray(1100 * 2**20)",
    "a file of 70 MB": "with open('big', 'wb') as file:\n    file.write(bytes(70 * 2**20))",
    "more than 64 open files": "import os\nkept = [open(os.devnull) for _ in range(100)]",
    "a higher limit": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (999, 999))",
    "another user": "import os\nos.setuid(os.getuid() + 1)",
    "its environment": "import os\nassert set(os.environ) - {'HOME', 'TMPDIR', 'OMP_NUM_THREADS', 'PATH'}",
    "the reference": "import grading.marks",
    "the package": "import resattn",
}
NEEDS_ROOT = ("a device", "another user")  # refused to others without any wall
NOTHING_THERE = ("its environment", "the reference", "the package", "a file removed elsewhere")
OTHERWISE = (*NEEDS_ROOT, *NOTHING_THERE, "a program in its place")  # which, where it succeeds, does not come back


def attempt(code: str) -> str:
    tried = textwrap.indent(code, " " * 8)
    return f"def f():\n    try:\n{tried}\n    except BaseException:\n        return 0.0\n    return 1.0"


def job(answer: str, closed: tuple[str, ...] = (), calls: int = 1) -> dict:
    call = {"how": "value", "torch": False, "setup": "", "pick": None, "arguments": [], "keywords": {}}
    about = {"given": "", "definitions": [], "answer": answer, "name": "f", "question": "f"}
    return about | {"closed": list(closed), "calls": [call] * calls}


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.mark.parametrize("what", ATTEMPTS, ids=lambda what: what.replace(" ", "-"))
def test_wall(what: str, server) -> None:
    (got,) = server.answer(job(attempt(ATTEMPTS[what])), {}, 20.0)
    assert isinstance(got, Arrays) and [a.tolist() for a in got] == [0.0]


@pytest.mark.parametrize("what", [w for w in ATTEMPTS if w not in OTHERWISE], ids=str)
def test_nothing_but_the_wall_stops_it(what: str, tmp_path: Path) -> None:
    """The same attempt in a process without walls: or the test above would hold of a wall that is not there."""
    code = attempt(ATTEMPTS[what]).replace("'/tmp/left-by-an-answer'", repr(str(tmp_path / "left")))
    if "__file__" in code:
        code = code.replace("json.__file__", repr(str(tmp_path / "own")))
    (tmp_path / "own").touch()
    done = subprocess.run([sys.executable, "-c", f"{code}\nprint(f())"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "1.0", done.stderr[-500:]


@pytest.mark.parametrize(("version", "stands"), [(0, False), (1, False), (2, False), (3, True), (4, True), (6, True)])
def test_a_kernel_on_which_files_can_be_emptied_is_refused(version: int, stands: bool, monkeypatch) -> None:
    """Landlock 1 and 2 do not handle truncation."""
    monkeypatch.setattr(walls, "landlock_version", lambda: version)
    if stands:
        Server().stop()
    else:
        with pytest.raises(OSError, match=r"Linux 6\.2 or newer"):
            Server()


@pytest.mark.parametrize(
    "way",
    [
        "import torch",
        "import sys\nsys.modules['torch.autograd']",
        "import sys\nsys.modules.pop('torch', None)\nimport torch\ntorch.ones(1)",
        "assert any('torch' in str(c.__module__) for c in object.__subclasses__())",
        "import sys\ndel sys.meta_path[0]\nimport torch\ntorch.ones(1)",
        "import sys\nsys.meta_path[0].names = ()\nimport torch\ntorch.ones(1)",
        "import importlib.machinery as m\nm.PathFinder.find_spec('torch').loader.get_code('torch')",
        "import importlib.machinery as m\nopen(m.PathFinder.find_spec('torch').origin).read()",
        "import sysconfig\nopen(sysconfig.get_path('purelib') + '/torch/__init__.py').read()",
    ],
    ids=["import", "modules", "import-again", "subclasses", "finder", "names", "code", "spec", "path"],
)
def test_a_question_without_torch_has_none(way: str, server) -> None:
    def got(*closed: str) -> list:
        (found,) = server.answer(job(attempt(way), closed), {}, 20.0)
        return [a.tolist() for a in found]

    assert got("torch") == [0.0]
    if "pop(" not in way:
        assert got() == [1.0]  # and where it is not closed, the way leads there


def test_an_answer_may_use_threads(server) -> None:
    code = "import threading\nt = threading.Thread(target=dict)\nt.start()\nt.join()"
    assert [got[0].tolist() for got in server.answer(job(attempt(code)), {}, 20.0)] == [1.0]


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("import scipy.special\n    return scipy.special.gamma(5.0)", 24),
        ("from scipy import stats\n    return stats.t.ppf(0.975, 5)", 2.570582),  # looks for torch in sys.modules
        ("import sys\n    return 'torch' in sys.modules", 0),
    ],
    ids=["special", "stats", "entry"],
)
def test_numpy_and_scipy_still_load_where_torch_is_closed(code: str, result: float, server) -> None:
    (got,) = server.answer(job(f"def f():\n    {code}", ("torch",)), {}, 20.0)
    assert got[0] == pytest.approx(result)


def test_an_import_that_is_closed_says_so(server) -> None:
    answer = "def f():\n    import torch.nn"
    assert server.answer(job(answer, ("torch",)), {}, 20.0) == ["ModuleNotFoundError"]


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("while True:\n        pass", "time"),
        ("import time\n    time.sleep(60)", "time"),
        (
            "for n in range(99):\n        open(f'{n}.b', 'wb').write(bytes(2**25))\n    import time; time.sleep(9)",
            "space",
        ),
        (
            f"for n in range({ENTRIES + 1}):\n        open(f'{{n}}.b', 'wb').close()\n    import time; time.sleep(9)",
            "space",
        ),
        ("raise Exception('x' * 99)", OWN_ERROR),
        ("return 'text'", "TypeError"),
        ("return [][0]", "IndexError"),
        ("raise type('Mine', (KeyError,), {})('x' * 99)", "KeyError"),
        ("import os; os._exit(3)", "ended"),
    ],
    ids=["busy", "asleep", "full", "many-files", "error", "text", "index", "own-class", "exit"],
)
def test_how_an_answer_ends(body: str, end: str, server) -> None:
    seconds = 2.0 if end == "time" else 20.0  # a busy machine may take long to fill a disk
    assert server.answer(job(f"def f():\n    {body}"), {}, seconds) == [end]


def test_processor_seconds_are_limited_by_the_system_too() -> None:
    """Without the clock outside: threads that keep a processor busy each."""
    with Server() as server:
        (got,) = server.answer(job("def f():\n    import resource\n    return resource.getrlimit(0)"), {}, 7.0)
    assert got[0].shape == (2,) and (got[0] > 0).all() and (got[0] <= 8).all()  # no limit would be -1


def test_an_answer_speaks_in_known_words_only(server) -> None:
    """It may write its own result file; the error in it reaches the feedback only if it is a usual one."""
    answer = "def f():\n    import numpy as np, os\n    np.savez('0.npz', error=np.array('{}'))\n    os._exit(0)"
    assert server.answer(job(answer.format("SECRET")), {}, 20.0) == [OWN_ERROR]
    assert server.answer(job(answer.format("KeyError")), {}, 20.0) == ["KeyError"]


@pytest.mark.parametrize(
    "body",
    [
        "np.savez('0.npz', np.array([{}], dtype=object), error=np.array(''))",
        "open('0.npz', 'wb').write(b'PK')",
        "os.mkdir('0.npz')",
        "os.symlink('/etc/hostname', '0.npz')",
        "np.savez_compressed('0.npz', np.zeros(2**24), error=np.array(''))",  # 128 MB once it is unpacked
    ],
    ids=["pickle", "no-zip", "folder", "link", "bomb"],
)
def test_files_of_an_answer_are_not_trusted(body: str, server) -> None:
    (got,) = server.answer(job(f"def f():\n    import numpy as np, os\n    {body}\n    os._exit(0)"), {}, 20.0)
    assert isinstance(got, str)


def test_a_pickle_that_runs_code_does_not_run(server, tmp_path: Path) -> None:
    target = tmp_path / "ran"
    answer = f"""
import numpy as np, os, pickle
class Bomb:
    def __reduce__(self):
        return (open, ({str(target)!r}, 'w'))
def f():
    box = np.empty(1, dtype=object)
    box[0] = Bomb()
    np.savez('0.npz', box, error=np.array(''))
    os._exit(0)
"""
    server.answer(job(answer), {}, 20.0)
    assert not target.exists()


def test_two_answers_share_nothing(server) -> None:
    """Not their folder, not a name in Python, not what a module holds."""
    write = "import json\njson.left = 1\nopen('left', 'w').close()\ndef f():\n    return 1.0"
    read = "import json, os\ndef f():\n    return float(hasattr(json, 'left') or os.path.exists('left'))"
    assert server.answer(job(write), {}, 20.0)[0][0] == 1
    assert server.answer(job(read), {}, 20.0)[0][0] == 0


def test_an_answer_finds_no_text_that_its_arguments_were_made_from(server) -> None:
    """Neither when it is defined nor when it is called, in no frame above it and in nothing that can be collected."""
    answer = """
import gc, sys
def seen(text):
    frame, held = sys._getframe(1), gc.get_objects()
    while frame is not None:
        held.append(frame.f_locals)
        frame = frame.f_back
    return sum(text in repr(value) for value in held if type(value) in (dict, list))
early = seen("zq" + "xj")
def f(x):
    return early, seen("zq" + "xj"), seen("ear" + "ly") > 0, x
"""
    about = job(answer, calls=2)
    about["calls"] = [{**call, "arguments": [{"code": "len('zqxj')"}]} for call in about["calls"]]
    assert [got[0].tolist() for got in server.answer(about, {}, 20.0)] == [[0, 0, 1, 4]] * 2


def test_what_an_answer_shows_or_asks_for_by_the_way_does_no_harm(server) -> None:
    left = "display({0})\n    input('Go on?')\n"
    answer = f"def f():\n    {left.format('f, 2')}    return 3.0\n\nif True:\n    {left.format('f()')}"
    assert [got[0].tolist() for got in server.answer(job(answer), {}, 20.0)] == [3.0]
    own = "def display(x):\n    return x\n\ndef f():\n    return display(3.0)"
    assert [got[0].tolist() for got in server.answer(job(own), {}, 20.0)] == [3.0]


def test_an_answer_sees_inputs_and_cannot_change_them(server) -> None:
    about = job("def f(x):\n    x[:] = 9\n    return x.sum()", calls=2)
    about["calls"] = [{**call, "arguments": [{"array": "a0"}]} for call in about["calls"]]
    arrays = {"a0": np.ones(3)}
    assert [float(got[0]) for got in server.answer(about, arrays, 20.0)] == [27, 27]
    assert json.dumps(arrays["a0"].tolist()) == "[1.0, 1.0, 1.0]"
