"""Where the repository lives: one setting, ``[project.urls] Source`` in pyproject.toml.

    python -m tools.repository                say where it lives
    python -m tools.repository OWNER/NAME     set it, and rewrite every address: badges, set-up cells, README, citation

Who forks the book sets it once. A test compares: no file names another repository than the setting.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "pyproject.toml",
    "_config.yml",
    "CITATION.cff",
    "README.md",
    "CONTRIBUTING.md",
    "book/*.md",
    "notebooks/**/*.ipynb",
)
# What stands in front of OWNER/NAME: in the address of a page, of a notebook on Colab, of a file.
HOST = r"(https://github\.com/|https://colab\.research\.google\.com/github/|https://raw\.githubusercontent\.com/)"
FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
ADDRESS = re.compile(HOST + r"([A-Za-z0-9-]+/[A-Za-z0-9._-]*[A-Za-z0-9_-])")


def lives_at(root: Path = ROOT) -> str:
    """The setting, as OWNER/NAME."""
    address: str = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
    return address.removeprefix("https://github.com/")


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file that may hold an address of the repository."""
    return (path for pattern in FILES for path in sorted(root.glob(pattern)) if ".ipynb_checkpoints" not in path.parts)


def move(new: str, root: Path = ROOT) -> list[Path]:
    """Rewrite every address of the present repository to ``new``; the files that changed. Addresses of other
    repositories stay. Raises ValueError if ``new`` is not OWNER/NAME."""
    if not FORM.fullmatch(new):
        raise ValueError(f"the repository must be given as OWNER/NAME; got {new!r}")
    old, changed = lives_at(root), []
    for path in files(root):
        text = path.read_text(encoding="utf-8")
        moved = ADDRESS.sub(lambda found: found[1] + (new if found[2] == old else found[2]), text)
        if moved != text:
            aside = path.with_name(f".{path.name}.partial")
            aside.write_text(moved, encoding="utf-8")
            aside.replace(path)
            changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.repository", description="Say or set where it lives.")
    parser.add_argument("new", nargs="?", metavar="OWNER/NAME", help="where it lives from now on")
    options = parser.parse_args(arguments)
    if options.new is None:
        print(lives_at())
        return 0
    try:
        changed = move(options.new)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.new}: {len(changed)} files rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
