"""Build the executed book into ``_build/html``, if anything that it is made from has changed.

    python -m tools.build_book [--jobs 2]

The chapters are executed first, ``jobs`` at a time, into the cache from which Sphinx takes them. Warnings are errors,
and so is a cell that raises. A build starts from nothing, so that it cannot pass because an earlier, failed one had
read the page with the warning; only executed notebooks are kept between builds, and those only while the package, the
tested environment and the data at hand stay the same.
"""

import argparse
import hashlib
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors.basic import ExecutionWorkerLocalSerial, ProcessData
from sphinx_external_toc.parsing import parse_toc_yaml

from resattn import data
from tools import live_weights

ROOT = Path(__file__).resolve().parent.parent


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class Book:
    """The book whose sources lie in ``root``, and what was built from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.html = root / "_build" / "html"
        self.executed = root / "_build" / ".jupyter_cache"  # jupyter-book's own place for executed notebooks
        self.built_from = root / "_build" / ".built-from"  # digest of what the book in html is made from; written last
        self.executed_with = root / "_build" / ".executed-with"  # digest of what executed notebooks depend on

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
        return self._digest(files, sys.version, data.at_hand())

    def digest(self) -> str:
        """Changes when any page may come out differently."""
        top = [self.root / name for name in ("_config.yml", "_toc.yml", "tools/sphinx_chapters.py")]
        pages = [path for path in self.root.glob("book/**/*") if path.is_file()]
        pages += self.root.glob("tools/live_weights.py")
        return self._digest([*top, *pages, *self.root.glob("notebooks/*.ipynb")], self.execution_digest())

    def is_current(self) -> bool:
        return _read(self.built_from) == self.digest()

    def execute(self, jobs: int) -> None:
        """Put the executed chapters of the table of contents into the cache, ``jobs`` side by side.

        A chapter that fails is left out: Sphinx executes it again, and reports it.
        """
        timeout = yaml.safe_load((self.root / "_config.yml").read_text())["execute"]["timeout"]
        cache = get_cache(str(self.executed))
        for document in parse_toc_yaml(self.root / "_toc.yml"):
            chapter = self.root / f"{document}.ipynb"
            if chapter.exists():
                cache.add_nb_to_project(str(chapter))
        tasks = [ProcessData(nb.pk, nb.uri, cache, timeout, False) for nb in cache.list_unexecuted()]
        with ProcessPoolExecutor(jobs) as pool:
            for status, uri in pool.map(_execute_one, tasks):
                print(f"{Path(uri).name} {'failed' if status else 'executed'}", flush=True)

    def build(self, jobs: int = 1) -> bool:
        """Build the book if it is not current; False if that failed or gave a warning."""
        digest, executed_with = self.digest(), self.execution_digest()
        if _read(self.built_from) == digest:
            print(f"{self.html / 'index.html'} is up to date")
            return True
        self.built_from.unlink(missing_ok=True)
        for stale in (self.html, self.root / "_build" / ".doctrees"):
            shutil.rmtree(stale, ignore_errors=True)
        if _read(self.executed_with) != executed_with:
            shutil.rmtree(self.executed, ignore_errors=True)
        self.executed_with.parent.mkdir(exist_ok=True)
        self.executed_with.write_text(executed_with)

        start = time.perf_counter()
        self.execute(jobs)
        jupyter_book = Path(sys.executable).with_name("jupyter-book")
        command = [str(jupyter_book), "build", "-W", "-n", "--keep-going", str(self.root)]
        failed = subprocess.run(command, cwd=self.root).returncode != 0
        for report in sorted(self.html.glob("reports/**/*.log")):  # tracebacks of cells that raised
            print(f"\n--- {report.relative_to(self.html)}\n{report.read_text()}", file=sys.stderr)
            failed = True
        if failed:
            print("The book was not built: see the warnings above.", file=sys.stderr)
            return False
        self.add_live_figures()
        self.built_from.write_text(digest)
        print(f"Built {self.html / 'index.html'} in {time.perf_counter() - start:.0f} s")
        return True

    def add_live_figures(self) -> None:
        """Put beside the pages what their live figures load: scripts, and networks and pictures from the package."""
        scripts, served = self.root / "book" / "live", self.html / "_static" / "live"
        if scripts.is_dir():
            shutil.copytree(scripts, served, dirs_exist_ok=True)
            live_weights.write(served)


def _execute_one(task: ProcessData) -> tuple[int, str]:
    status, uri = ExecutionWorkerLocalSerial(logging.getLogger(__name__))(task)
    return status, uri


BOOK = Book(ROOT)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.build_book", description="Build the executed book.")
    parser.add_argument("--jobs", type=int, default=1, help="chapters that are executed side by side (default: 1)")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1; got {options.jobs}")
    sys.exit(not BOOK.build(options.jobs))
