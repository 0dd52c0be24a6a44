"""Modules that an answer does without: an import of them fails, as if they were not installed.

This gives the import its error, and is no wall: that stands before the files (``child``). An entry ``None`` in
``sys.modules`` would do the same, but some libraries look there for another one and take what they find for a module.
"""

import sys
from collections.abc import Iterable


class _Closed:
    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def close(names: Iterable[str]) -> None:
    """From now on these modules cannot be imported, nor what lies in them."""
    sys.meta_path.insert(0, _Closed(names))  # type: ignore[arg-type]
