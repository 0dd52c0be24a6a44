"""The rooms of the package stand in an order, and a room imports only from rooms before it."""

import ast
import itertools
from pathlib import Path

import pytest
from conftest import ROOT

import resattn

PACKAGE = ROOT / "resattn"
NETWORK = ("units", "mask", "attention", "networks")
# The four files of the network stand between the data and what is done with a network.
ORDER = ("data", *NETWORK, "zoo", "training", "analysis", "figures", "commands", "__main__")
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    """The room that a file stands in, or the file's own name where it stands on top."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The rooms and top files of the package that a file imports, wherever in the file."""
    found = set()
    here = ("resattn", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [name.name.split(".") for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = list(here[: len(here) - node.level + 1]) if node.level else []
            module = start + (node.module.split(".") if node.module else [])
            targets = [[*module, name.name] for name in node.names]
        else:
            continue
        found |= {target[1] for target in targets if target[0] == "resattn" and len(target) > 1}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_arrow_runs_back_up(path: Path) -> None:
    own = ORDER.index(room(path))
    later = [name for name in imported(path) if name in ORDER and ORDER.index(name) > own]
    assert later == [], f"{room(path)} must not import from {', '.join(later)}"


def test_every_file_and_room_has_its_place() -> None:
    assert {room(path) for path in FILES} == set(ORDER)
    assert {path.stem for path in PACKAGE.glob("[!_]*.py")} == set(NETWORK), "the network is what stands on top"


def test_imports_are_seen() -> None:
    assert imported(PACKAGE / "training" / "loop.py") >= {"data", "networks", "zoo"}
    assert imported(PACKAGE / "networks.py") == {"attention", "mask", "units"}


def test_modules_of_a_room_import_without_a_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        if path.name == "__init__.py":
            continue
        siblings = {other.stem for other in path.parent.glob("[!_]*.py")} - {path.stem}
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        own = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
        names = itertools.chain.from_iterable([node.module or "", *(name.name for name in node.names)] for node in own)
        arrows[str(path)] = {str(path.with_name(f"{name}.py")) for name in names if name in siblings}
    left = dict(arrows)
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("name", [name for name in ORDER if (PACKAGE / name).is_dir()])
def test_a_room_says_what_it_is_for_and_hands_on_names(name: str) -> None:
    text = (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text))
    assert doc and len(doc) > 80
    assert "__all__" in text


def test_public_names() -> None:
    assert callable(resattn.data.scenes), "the function, not the folder of the same name"
    for name in ("cifar10", "cifar100", "corrupt_labels"):
        assert callable(getattr(resattn.data, name))
