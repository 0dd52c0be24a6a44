"""No worker outlives the program that started it, nor does what the worker has started."""

import signal
import subprocess
import sys

import pytest
from conftest import ROOT

# A worker starts a program that would go on for a minute, and holds the pipe through which this test listens.
PROGRAM = """
import subprocess, sys
from tools import workers
workers.exit_on_signals()
with workers.pool(2) as pool:
    pool.submit(subprocess.call, [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]).result()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(number: signal.Signals) -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None and program.stdout.readline() == "1\n"
    program.send_signal(number)
    program.communicate(timeout=30)  # until every process that holds the pipe has ended
    assert program.returncode == (-number if number == signal.SIGKILL else 128 + number)
