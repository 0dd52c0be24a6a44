"""Build the executed book into ``_build/html``, if anything that it is made from has changed.

    python -m tools.build_book [--jobs 2]

The chapters are executed first, ``jobs`` at a time, into the cache from which Sphinx takes them. Warnings are errors,
and so is a cell that raises. A build starts from nothing, so that it cannot pass because an earlier, failed one had
read the page with the warning; only executed notebooks are kept between builds, and those only while the package, the
tested environment and the data at hand stay the same. What `make test` has run for its comparison is among them
(`tools.keep_executed`).
"""

import argparse
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors.basic import ExecutionWorkerLocalSerial, ProcessData
from sphinx_external_toc.parsing import parse_toc_yaml

from resattn import data
from tools import finish_pages, live_weights, workers

ROOT = Path(__file__).resolve().parent.parent

# The page shows drawings, sharp at every size; pixels inside them (images, masks) are fine enough for dense screens.
# A notebook that is opened elsewhere keeps that place's own setting.
KERNEL_SETTINGS = """c = get_config()
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "dpi": 192}
c.HistoryManager.enabled = False
"""


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class Book:
    """The book whose sources lie in ``root``, and what was built from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.html = root / "_build" / "html"
        self.executed = root / "_build" / ".jupyter_cache"  # jupyter-book's own place for executed notebooks
        self.built_from = root / "_build" / ".built-from"  # digest of what the book in html is made from; written last
        self.seconds = root / "_build" / ".seconds"  # what each chapter took when it last ran
        self.executed_with = root / "_build" / ".executed-with"  # digest of what executed notebooks depend on
        self.settings = root / "_build" / ".ipython"  # of the kernels that execute them

    def _digest(self, paths: Iterable[Path], *more: str) -> str:
        digest = hashlib.sha256()
        for path in sorted(paths):
            digest.update(f"{path.relative_to(self.root)}\n".encode() + path.read_bytes())
        for text in more:
            digest.update(text.encode())
        return digest.hexdigest()

    def execution_digest(self) -> str:
        """Changes when an executed notebook may come out differently though its own text is the same."""
        files = [
            *self.root.glob("resattn/**/*.py"),
            *self.root.glob("resattn/**/*.json"),
            self.root / "requirements.txt",
        ]
        return self._digest(files, sys.version, data.at_hand(), KERNEL_SETTINGS)

    def digest(self) -> str:
        """Changes when any page may come out differently."""
        top = [self.root / name for name in ("_config.yml", "_toc.yml")]
        pages = [path for path in self.root.glob("book/**/*") if path.is_file()]
        made_by = [*self.root.glob("notebooks/*.ipynb"), *self.root.glob("tools/*.py")]
        return self._digest([*top, *pages, *made_by], self.execution_digest())

    def is_current(self) -> bool:
        return _read(self.built_from) == self.digest()

    def empty_stale_cache(self) -> None:
        """Drop the executed notebooks, if what they depend on has changed."""
        executed_with = self.execution_digest()
        if _read(self.executed_with) != executed_with:
            shutil.rmtree(self.executed, ignore_errors=True)
        self.executed_with.parent.mkdir(exist_ok=True)
        self.executed_with.write_text(executed_with)

    def execute(self, jobs: int) -> None:
        """Put the executed chapters of the table of contents into the cache, ``jobs`` side by side, the longest first.

        A chapter that fails is left out: Sphinx executes it again, and reports it.
        """
        timeout = yaml.safe_load((self.root / "_config.yml").read_text())["execute"]["timeout"]
        cache = get_cache(str(self.executed))
        for record in cache.list_project_records():
            if not Path(record.uri).exists():  # a chapter that was renamed since
                cache.remove_nb_from_project(record.pk)
        for document in parse_toc_yaml(self.root / "_toc.yml"):
            chapter = self.root / f"{document}.ipynb"
            if chapter.exists():
                cache.add_nb_to_project(str(chapter))
        seconds: dict[str, float] = json.loads(_read(self.seconds) or "{}")
        tasks = [ProcessData(nb.pk, nb.uri, cache, timeout, False) for nb in cache.list_unexecuted()]
        tasks.sort(key=lambda task: -seconds.get(Path(task.uri).name, stated_minutes(Path(task.uri)) * 60))
        print(f"{len(tasks)} chapters to run, {jobs} at a time, the longest first", flush=True)
        with workers.pool(jobs) as pool:
            running = [pool.submit(_execute_one, task, seconds.get(Path(task.uri).name)) for task in tasks]
            for done, (status, uri, took) in enumerate((future.result() for future in as_completed(running)), start=1):
                name, how = Path(uri).name, "failed" if status else "executed"
                print(f"{name} {how} in {took:.0f} s: {done} of {len(tasks)}", flush=True)
                if not status:
                    seconds[name] = round(took, 1)
        self.seconds.write_text(json.dumps(seconds))

    def build(self, jobs: int = 1) -> bool:
        """Build the book if it is not current; False if that failed or gave a warning."""
        digest = self.digest()
        if _read(self.built_from) == digest:
            print(f"{self.html / 'index.html'} is up to date")
            return True
        self.built_from.unlink(missing_ok=True)
        for stale in (self.html, self.root / "_build" / ".doctrees"):
            shutil.rmtree(stale, ignore_errors=True)
        self.empty_stale_cache()

        start = time.perf_counter()
        with kernel_settings(self.settings):
            self.execute(jobs)
            print("Writing the pages", flush=True)
            jupyter_book = Path(sys.executable).with_name("jupyter-book")
            command = [str(jupyter_book), "build", "-W", "-n", "--keep-going", str(self.root)]
            with workers.pool(1) as pool:  # not here: what is started here would outlive this process
                failed = pool.submit(subprocess.call, command, cwd=self.root).result() != 0
        for report in sorted(self.html.glob("reports/**/*.log")):  # tracebacks of cells that raised
            print(f"\n--- {report.relative_to(self.html)}\n{report.read_text()}", file=sys.stderr)
            failed = True
        if failed:
            print("The book was not built: see the warnings above.", file=sys.stderr)
            return False
        self.add_live_figures()
        finish_pages.finish(self.html)
        self.built_from.write_text(digest)
        print(f"Built {self.html / 'index.html'} in {time.perf_counter() - start:.0f} s")
        return True

    def add_live_figures(self) -> None:
        """Put beside the pages what their live figures load: scripts, and networks and pictures from the package."""
        scripts, served = self.root / "book" / "live", self.html / "_static" / "live"
        if scripts.is_dir():
            shutil.copytree(scripts, served, dirs_exist_ok=True)
            live_weights.write(served)


def stated_minutes(chapter: Path) -> float:
    """The CPU minutes that the first lines of a chapter state; 1 if they state none."""
    stated = re.search(r"\*\*Minutes:\*\* *([\d.]+)", chapter.read_text())
    return float(stated[1]) if stated else 1.0


@contextmanager
def kernel_settings(folder: Path) -> Iterator[None]:
    """Kernels that start inside take KERNEL_SETTINGS, and nothing of the user's own profile."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_SETTINGS)
    before = os.environ.get("IPYTHONDIR")
    os.environ["IPYTHONDIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["IPYTHONDIR"]
        else:
            os.environ["IPYTHONDIR"] = before


def _execute_one(task: ProcessData, last: float | None) -> tuple[int, str, float]:
    print(f"{Path(task.uri).name} runs" + (f", {last:.0f} s when it last did" if last else ""), flush=True)
    start = time.perf_counter()
    status, uri = ExecutionWorkerLocalSerial(logging.getLogger(__name__))(task)
    return status, uri, time.perf_counter() - start


BOOK = Book(ROOT)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.build_book", description="Build the executed book.")
    parser.add_argument("--jobs", type=int, default=1, help="chapters that are executed side by side (default: 1)")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1; got {options.jobs}")
    workers.exit_on_signals()
    sys.exit(not BOOK.build(options.jobs))
