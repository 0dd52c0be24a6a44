"""Worker processes that end, with all that they have started, when the program ends that started them."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

SECONDS = 0.5  # between two looks at whether the parent is still there


@contextmanager
def pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """So many workers, each with a process group of its own. An exception inside ends them at once."""
    with ProcessPoolExecutor(jobs, initializer=_follow, initargs=(os.getpid(),)) as executor:
        try:
            yield executor
        except BaseException:
            for worker in multiprocessing.active_children():
                assert worker.pid is not None
                try:
                    os.killpg(worker.pid, signal.SIGKILL)
                except ProcessLookupError:  # it has just ended, or has no group yet
                    worker.kill()
            raise


def exit_on_signals() -> None:
    """Let an interrupted or terminated program leave by an exception; for the main program only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _follow(parent: int) -> None:
    os.setpgrp()  # so that the worker can be ended with all that it has started
    for number in (signal.SIGINT, signal.SIGTERM):  # a fork has inherited the parent's
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os.killpg(0, signal.SIGKILL)
