"""How long a batch takes: python -m grading.crowd grades 200 hand-ins of each assignment and writes batch_seconds.json.

Half of them are right or blank; the wrong answers and the mishaps take turns in the other half, but for the few that a
time limit ends.
"""

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from resattn.zoo.checkpoints import read_json, write_json

from .assignments import NAMES, ROOT, load
from .mishaps import MISHAPS, hand_in
from .notebooks import filled_in, release, written_out
from .prove import with_wrong

TIMES = Path(__file__).with_name("batch_seconds.json")
VARIANT = "paper"
HAND_INS, JOBS = 200, 2


def crowd(name: str) -> Iterator[str]:
    """Hand-ins without end: right, with a wrong answer, after a mishap, blank, and so on."""
    assignment = load(name)
    wrong = [w for w in assignment.wrong if not w.variants or VARIANT in w.variants]
    accidents = [mishap for mishap in MISHAPS if not mishap.slow]
    for n in itertools.count():
        yield written_out(filled_in(assignment, VARIANT))
        yield written_out(with_wrong(assignment, VARIANT, wrong[n % len(wrong)]))
        yield hand_in(accidents[n % len(accidents)], name, VARIANT)
        yield written_out(release(assignment, VARIANT))


def timed(name: str, number: int = HAND_INS) -> dict[str, float]:
    """Seconds of a batch by the clock, and of the processor: its servers and the answers in them included."""
    with tempfile.TemporaryDirectory() as top:
        submitted = Path(top) / "submitted"
        submitted.mkdir()
        for n, text in enumerate(itertools.islice(crowd(name), number)):
            (submitted / f"student{n:03d}.ipynb").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "grading", "grade", name, str(submitted), str(Path(top) / "marks")]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*command, "--jobs", str(JOBS)], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"clock": round(time.perf_counter() - start), "processor": round(busy)}


def main(names: list[str]) -> None:
    """Time the batches of these assignments, of all without names, and keep what the record has of others."""
    record = read_json(TIMES) if names and TIMES.exists() else {"seconds": {}}
    for name in names or NAMES:
        record["seconds"][name] = timed(name)
        write_json(TIMES, record | {"hand_ins": HAND_INS, "jobs": JOBS, "variant": VARIANT})


if __name__ == "__main__":
    main(sys.argv[1:])
