"""The command line: ``python -m resattn train|evaluate|look|masks|models|data``. Each explains itself with --help."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence

from . import training
from .commands import COMMANDS
from .training import distributed
from .zoo import checkpoints


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 for a sentence on what was wrong, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)

    def work() -> None:
        with distributed.process_group():
            options.run(options)

    return exit_status(work, "resattn", "resattn: stopped")


def exit_status(work: Callable[[], None], prefix: str, stopped: str) -> int:
    """Do the work and return 0; 1 after one sentence on what was wrong, behind ``prefix``; 130 after Ctrl-C and the
    sentence ``stopped``. All these go to standard error, and so do warnings, a sentence each."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"{prefix}: {message}", file=sys.stderr, flush=True)
            work()
    except (ValueError, OSError, checkpoints.CheckpointError, training.TrainingError, distributed.ProcessLost) as error:
        print(f"{prefix}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m resattn", description="The Residual Attention Network.")
    commands = root.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add_to(commands)
    return root


if __name__ == "__main__":
    sys.exit(main())
