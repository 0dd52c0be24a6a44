"""Give the checkpoints and records of runs from before they carried a digest one, so that they can be read again.

    python -m tools.seal FOLDER…     every checkpoint.pt and every record below these folders

A digest says that a file is what it was when it got the digest, so seal only what you trust. Files that have one
already stay as they are, and so does what is no record or checkpoint.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from resattn.zoo import checkpoints


def seal(path: Path) -> bool:
    """Give one file its digest. False if it has one, or is no record or checkpoint."""
    if path.suffix == ".pt":
        content = path.read_bytes()
        if not content.startswith(b"PK") or checkpoints.MARK in content[-100:]:
            return False

        def write(partial: Path) -> None:
            shutil.copy(path, partial)
            checkpoints.append_digest(partial)

        checkpoints.write_aside(path, write)
        return True
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or checkpoints.DIGEST in value or not {"runs", "history"} & value.keys():
        return False
    checkpoints.write_json(path, value)
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.seal", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    for folder in parser.parse_args(arguments).folders:
        for path in sorted([*folder.rglob("checkpoint.pt"), *folder.rglob("*.json")]):
            if seal(path):
                print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
