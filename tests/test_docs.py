"""What the README and the book say is so: their code runs, their commands parse, their lists match what is there."""

import importlib
import inspect
import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import CHAPTERS, PAGES, ROOT

import resattn
from resattn.__main__ import parser
from tools import chapter_rules as rules

PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("book/*.md"))]
MODULES = sorted(
    ".".join(path.relative_to(ROOT / "resattn").with_suffix("").parts) for path in ROOT.glob("resattn/**/[!_]*.py")
)
ROOMS = ("data", "zoo", "training", "analysis", "figures")
PYTHON_TO_RUN = [
    ROOT / "README.md",
    *(ROOT / "book" / f"{name}.md" for name in ("how_to", "own_pictures", "beyond_one_machine")),
]


def blocks(path: Path, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(r" *\\\n *", " ", block) for block in found] if language == "sh" else found


def words(chapter: Path) -> str:
    """All that a chapter says, in prose and code."""
    return "\n".join(cell.source for cell in nbformat.read(chapter, as_version=4).cells)


@pytest.mark.parametrize("path", PYTHON_TO_RUN, ids=lambda path: path.name)
def test_python_examples_run(path: Path) -> None:
    examples = blocks(path, "python")
    assert examples
    exec(compile("\n".join(examples), str(path), "exec"), {})


def commands(path: Path) -> list[str]:
    lines = [line for block in blocks(path, "sh") for line in block.splitlines()]
    lines = [re.sub(r"^torchrun .*? -m resattn ", "python -m resattn ", line) for line in lines]
    inline = re.findall(r"`(python -m resattn [^`]+)`", path.read_text(encoding="utf-8"))
    return [line for line in lines + inline if line.startswith("python -m resattn ") and "--help" not in line]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_commands_parse(path: Path) -> None:
    for line in commands(path):
        options = parser().parse_args(shlex.split(line, comments=True)[3:])
        assert getattr(options, "network", None) in (None, *resattn.list_models()), line


def test_readme_shows_the_command_line() -> None:
    assert len(commands(ROOT / "README.md")) >= 4


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_make_targets_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_linked_files_exist(path: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    own = [target.replace(f"{rules.COLAB}", "notebooks/") for target in targets]
    missing = [target for target in own if "://" not in target and not (ROOT / target).exists()]
    assert missing == []


def test_preface_and_contents_list_the_chapters() -> None:
    preface = (ROOT / "book" / "preface.md").read_text(encoding="utf-8")
    listed = re.findall(r"\(\.\./notebooks/(\w+)\.ipynb\)", preface.split("## The chapters")[1])
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    in_toc = [entry["file"] for part in toc["parts"] for entry in part["chapters"] if "notebooks/" in entry["file"]]
    names = [chapter.stem for chapter in CHAPTERS]
    assert listed == names, "the preface lists every chapter once, in order"
    assert in_toc == [f"notebooks/{name}" for name in names]


def test_preface_gives_the_titles_of_the_chapters() -> None:
    preface = (ROOT / "book" / "preface.md").read_text(encoding="utf-8")
    for chapter in CHAPTERS:
        title = words(chapter).splitlines()[0].removeprefix("# ")
        assert f"[{title}](../notebooks/{chapter.name})" in preface


def test_api_page_has_every_module() -> None:
    text = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    called = [name for name in MODULES if not name.startswith("commands.")]  # these are run; --help documents them
    assert sorted(set(re.findall(r"automodule:: resattn\.([\w.]+)", text)) - set(ROOMS)) == called


def documented(module_name: str) -> list[tuple[str, str]]:
    """Names and docstrings: of what is public in a module, and of the module, which any of its names stands for."""
    module = importlib.import_module(f"resattn.{module_name}")
    found = []
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            found.append((name, inspect.getdoc(thing) or ""))
    anything = "|".join([*module_name.split("."), *(name for name, _ in found)])
    return [(anything, module.__doc__ or ""), *found]


def chapter_numbers(text: str) -> list[int]:
    found = []
    for numbers in re.findall(r"[Cc]hapters? (\d+(?:(?:, | and | to )\d+)*)", text):
        ends = [int(number) for number in re.findall(r"\d+", numbers)]
        found += range(ends[0], ends[1] + 1) if " to " in numbers else ends
    return found


@pytest.mark.parametrize("module", MODULES)
def test_code_that_names_a_chapter_is_named_there(module: str) -> None:
    chapters = dict.fromkeys((int(path.name[:2]) for path in PAGES), "")
    for path in PAGES:
        chapters[int(path.name[:2])] += words(path)
    unmentioned = [
        f"chapter {number} does not mention {name}"
        for name, doc in documented(module)
        for number in chapter_numbers(doc)
        if number in chapters and not re.search(rf"\b({name})\b", chapters[number])
    ]
    assert unmentioned == []


def test_chapter_numbers_are_read() -> None:
    assert chapter_numbers("(Fig. 3; chapter 4), see chapters 5 and 6, and Chapter 9.") == [4, 5, 6, 9]
    assert chapter_numbers("chapters 2, 4 and 7; chapters 9 to 11") == [2, 4, 7, 9, 10, 11]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_links_the_code(chapter: Path) -> None:
    assert re.search(r"\{py:\w+\}`~?resattn", words(chapter)), "link what the chapter explains: {py:class}`resattn.…`"


def test_bibliography_entries_are_whole() -> None:
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^@", text, flags=re.MULTILINE)[1:]
    keys = [re.match(r"\w+\{([^,]+),", entry)[1] for entry in entries]
    assert len(keys) == len(set(keys)) > 0
    for key, entry in zip(keys, entries, strict=True):
        assert all(re.search(rf"^\s*{field}\s*=", entry, re.MULTILINE) for field in ("author", "title", "year")), key


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == resattn.__version__ == citation["version"]
    assert project["urls"]["Source"] == citation["repository-code"] == rules.REPOSITORY
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"] == rules.REPOSITORY


def test_tested_environment_is_the_one_that_runs() -> None:
    """Every pin of requirements.txt is installed as it says, and covers what the package needs."""
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = dict(line.split("==") for line in lines if line)
    assert {name: metadata.version(name) for name in pins} == pins
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {need.split(">=")[0] for need in needs} <= set(pins)
    assert all(">=" in need and "==" not in need and "<" not in need.replace(">=", "") for need in needs)
