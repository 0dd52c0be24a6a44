"""What the labels of the book stand for: the numbers of figures, equations and exercises, and the cited works.

Read from the sources alone, by the rules of the pages: within a chapter everything is counted in the order in which it
stands (``tools/sphinx_chapters.py``). A test compares the numbers with those of the built book.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from urllib.parse import quote_plus

import nbformat
from nbformat import NotebookNode
from pybtex.database import Entry, parse_file

from tools.sphinx_chapters import Count, chapter_of

KINDS = {"fig": "Fig.", "table": "Table", "equation": "", "exercise": "Exercise", "solution": "Solution to Exercise"}
DIRECTIVES = {"figure": "fig", "glue:figure": "fig", "table": "table", "list-table": "table", "csv-table": "table"}
LABELLED = re.compile(
    r"^\$\$[ \t]*\((?P<dollar>[\w-]+)\)[ \t]*$"
    r"|^\((?P<target>[\w-]+)\)=\s*\n+#+ (?P<heading>.+)$"
    r"|^(?P<fence>`{3,}|:{3,})\{(?P<directive>[\w:-]+)\}(?P<argument>[^\n]*)\n(?P<options>(?:---\n.*?\n---\n|(?::[\w-]+:[^\n]*\n)*))",
    re.MULTILINE | re.DOTALL,
)
OPTION = re.compile(r"^:?(label|name): *(\S+) *$", re.MULTILINE)


@dataclass(frozen=True)
class Label:
    """What a label names: its kind, its number as the page shows it ("5.2"), its title, and the file it stands in."""

    kind: str
    number: str
    title: str
    page: str


@dataclass
class Labels:
    """All labels of the book, by name."""

    found: dict[str, Label] = field(default_factory=dict)
    works: dict[str, Entry] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Label:
        if name not in self.found:
            raise ValueError(f"no figure, equation, exercise or heading has the label {name!r}")
        return self.found[name]

    def work(self, key: str) -> Entry:
        if key not in self.works:
            raise ValueError(f"no work in references.bib has the key {key!r}")
        return self.works[key]

    def cited(self, key: str) -> tuple[str, str]:
        """Authors and year, with a letter, in the order of the file, where other works have the same."""
        names, year = authors_and_year(self.work(key))
        alike = [other for other, entry in self.works.items() if authors_and_year(entry) == (names, year)]
        return names, year + (ascii_lowercase[alike.index(key)] if len(alike) > 1 else "")


def labelled(nb: NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Kind, label and title of everything in a chapter that has a label, in the order in which it stands."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                yield "fig", name, ""
            continue
        for found in LABELLED.finditer(cell.source):
            if found["dollar"]:
                yield "equation", found["dollar"], ""
            elif found["target"]:
                yield "heading", found["target"], found["heading"]
            elif option := OPTION.search(found["options"]):
                directive = found["directive"]
                kind = DIRECTIVES.get(directive) or {"math": "equation"}.get(directive) or directive.split("-")[0]
                yield kind, option[2], found["argument"].strip()


def labels(chapters: Iterable[Path], bibliography: Path) -> Labels:
    """The labels of the ``chapters``, which are given in the order of the contents."""
    found, count = Labels(works=dict(parse_file(bibliography).entries)), Count()
    for path in chapters:
        for kind, name, title in labelled(nbformat.read(path, as_version=4)):
            if kind in ("fig", "table", "equation", "exercise"):
                number = ".".join(map(str, count.next(chapter_of(f"notebooks/{path.stem}"), kind)))
            elif kind == "solution":
                number = found[title].number  # a solution is named after its exercise
            else:
                number = ""
            found.found[name] = Label(kind, number, title, path.name)
    return found


def authors_and_year(entry: Entry) -> tuple[str, str]:
    """("Wang et al.", "2017"), ("He and Sun", "2015"), ("Nesterov", "1983")."""
    people = [" ".join(person.prelast_names + person.last_names) for person in entry.persons["author"]]
    names = [name.replace("{", "").replace("}", "") for name in people]
    first = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
    return first, entry.fields["year"]


def address(entry: Entry) -> str:
    """Where the work can be read: its own address, its DOI, arXiv; failing these, a search for its title."""
    if "url" in entry.fields:
        return str(entry.fields["url"])
    if "doi" in entry.fields:
        return f"https://doi.org/{entry.fields['doi']}"
    if "eprint" in entry.fields:
        return f"https://arxiv.org/abs/{entry.fields['eprint']}"
    title = re.sub(r"[{}\\]", "", entry.fields["title"])
    return f"https://scholar.google.com/scholar?q={quote_plus(title)}"
