"""Build the executed book into ``_build/html``, if anything that it is made from has changed.

    python -m tools.build_book

Warnings are errors, and so is a cell that raises. A build starts from nothing, so that it cannot pass because an
earlier, failed one had read the page with the warning; only executed notebooks are kept between builds, and those only
while the package, the tested environment and the data at hand stay the same.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
EXECUTED = BUILD / ".jupyter_cache"  # jupyter-book's own place for it
BUILT_FROM = BUILD / ".built-from"  # digest of the sources of the book in _build/html; written last
EXECUTED_WITH = BUILD / ".executed-with"  # digest of what executed notebooks depend on besides their own text


def _digest(paths: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    for text in more:
        digest.update(text.encode())
    return digest.hexdigest()


def _data_at_hand() -> str:
    from resattn import data  # here, because it takes seconds

    return data.at_hand()


def execution_digest() -> str:
    """Changes when an executed notebook may come out differently though its text is the same."""
    return _digest([*ROOT.glob("resattn/**/*.py"), ROOT / "requirements.txt"], sys.version, _data_at_hand())


def sources() -> list[Path]:
    """Every file that the book is made from, besides the package."""
    top = ["_config.yml", "_toc.yml", "tools/build_book.py"]
    pages = [path for path in ROOT.glob("book/**/*") if path.is_file() and "__pycache__" not in path.parts]
    return [*(ROOT / name for name in top), *pages, *ROOT.glob("notebooks/*.ipynb")]


def book_digest() -> str:
    return _digest(sources(), execution_digest())


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def is_current() -> bool:
    return _read(BUILT_FROM) == book_digest()


def build() -> bool:
    """Build the book; True if that went without a warning. Does nothing if the built book is current."""
    digest = book_digest()
    if _read(BUILT_FROM) == digest:
        print(f"{HTML / 'index.html'} is up to date")
        return True
    BUILT_FROM.unlink(missing_ok=True)
    for stale in (HTML, BUILD / ".doctrees"):
        shutil.rmtree(stale, ignore_errors=True)
    executed_with = execution_digest()
    if _read(EXECUTED_WITH) != executed_with:
        shutil.rmtree(EXECUTED, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    EXECUTED_WITH.write_text(executed_with)

    start = time.perf_counter()
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", "-W", "-n", "--keep-going", ROOT]
    failed = subprocess.run(command, cwd=ROOT).returncode != 0
    for report in sorted(HTML.glob("reports/**/*.log")):
        print(f"\n--- {report.relative_to(HTML)}\n{report.read_text()}", file=sys.stderr)
        failed = True
    if failed:
        print("The book was not built: see the warnings above.", file=sys.stderr)
        return False
    BUILT_FROM.write_text(digest)
    print(f"Built {HTML / 'index.html'} in {time.perf_counter() - start:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(not build())
