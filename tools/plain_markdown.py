"""MyST as plain Markdown, for readers whose notebook knows no MyST: Colab, Kaggle, JupyterLab without an extension.

What it cannot turn into plain Markdown it refuses by name, so nothing half-read reaches a reader.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from tools.book_labels import KINDS, Labels, address

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?(?P<argument>.*)$")
OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
SPAN = re.compile(r"(?:\{(?P<role>[\w:.-]+)\})?(?P<ticks>`+)(?P<text>.+?)(?<!`)(?P=ticks)(?!`)", re.DOTALL)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\((?P<target>[^()\s]+)\)")
DISPLAYED = re.compile(
    r"^\$\$[ \t]*\n(?P<body>.*?)\n\$\$[ \t]*(?:\((?P<label>[\w-]+)\))?[ \t]*$", re.MULTILINE | re.DOTALL
)
DROPPED = re.compile(r"^(?:\([\w-]+\)=|%.*|\+\+\+.*|</?div\b[^>]*>|<script\b.*</script>)[ \t]*\n?", re.MULTILINE)
CITED = {"cite:t", "cite:p"}
BOXES = {
    "admonition": "", "note": "Note", "tip": "Tip", "hint": "Hint", "important": "Important", "warning": "Warning",
    "caution": "Caution", "attention": "Attention", "seealso": "See also", "dropdown": "", "toggle": "",
}  # fmt: skip
CODE = {"code-block", "code", "sourcecode"}
LIVE_PAGE, LIVE_STILLS = "../book/try_it.md", "../book/_static/live/"  # what moves in the page, and in no notebook
IN_THE_PAGE = re.compile(r"\s*In the page:? [^.]*\.")


@dataclass
class Page:
    """What the text of one chapter refers to, and the solution it is in the middle of."""

    name: str  # the chapter's file name
    labels: Labels
    repository: str  # OWNER/NAME
    glued: Mapping[str, str] = field(default_factory=dict)
    solution: str = ""  # "Solution to Exercise 5.2" between solution-start and solution-end
    begun: set[str] = field(default_factory=set)  # the solutions of which a part has been folded

    @property
    def book(self) -> str:
        return f"[built book](https://github.com/{self.repository}#read-and-run)"

    def edition(self, name: str) -> str:
        """Where a chapter opens on Colab."""
        return f"https://colab.research.google.com/github/{self.repository}/blob/main/notebooks/colab/{name}"

    def file(self, path: str, raw: bool = False) -> str:
        """Where a file of the repository, named from the folder of the chapters, can be read."""
        path = posixpath.normpath(posixpath.join("notebooks", path))
        if raw:  # an SVG needs the question to be served as a picture
            asked = "?sanitize=true" if path.endswith(".svg") else ""
            return f"https://raw.githubusercontent.com/{self.repository}/main/{path}{asked}"
        return f"https://github.com/{self.repository}/blob/main/{path}"

    def reference(self, name: str) -> str:
        """A label as the page shows it, with a link where it stands in another chapter."""
        label = self.labels[name]
        text = label.title if label.kind == "heading" else f"{KINDS[label.kind]} {label.number}".strip()
        return self.linked(text, label.page)

    def linked(self, text: str, chapter: str) -> str:
        """A text that names something, with a link where it stands in another chapter."""
        return text if chapter == self.name else f"[{text}]({self.edition(chapter)})"


def _title_and_target(text: str) -> tuple[str, str]:
    """("some words", "label") of ``some words <label>``; ("", "label") of ``label``."""
    found = re.fullmatch(r"(.*?)\s*<([^<>]+)>", text, re.DOTALL)
    return (found[1], found[2]) if found else ("", text)


def _cited(role: str, keys: str, page: Page) -> str:
    works = []
    for key in keys.split(","):
        entry = page.labels.work(key.strip())
        names, year = page.labels.cited(key.strip())
        works.append(
            f"[{names} ({year})]({address(entry)})" if role == "cite:t" else f"[{names}, {year}]({address(entry)})"
        )
    return ", ".join(works) if role == "cite:t" else f"({'; '.join(works)})"


def _role(role: str, text: str, page: Page) -> str:
    title, target = _title_and_target(text)
    if role in CITED:
        return _cited(role, text, page)
    if role == "eq":
        return page.linked(f"({page.labels[target].number})", page.labels[target].page)
    if role == "numref":
        number = page.labels[target].number
        return re.sub(r"%s|\{number\}", number, title) if title else page.reference(target)
    if role == "ref":
        return title or page.reference(target)
    if role.startswith("py:"):
        return f"`{title or (target.rsplit('.', 1)[-1] if target.startswith('~') else target.lstrip('!'))}`"
    if role in ("glue:", "glue:text"):
        name = target.split(":")[0]
        if name not in page.glued:
            raise ValueError(f"{page.name} glues no {name!r}; run the chapter")
        return page.glued[name]
    if role == "term":
        return title or target
    if role == "doc":
        return f"[{title or target}]({page.file(target)})"
    if role == "math":
        return f"${text}$"
    raise ValueError(f"{page.name} uses the role {{{role}}}, which has no plain form")


def _link(found: re.Match[str], page: Page) -> str:
    text, target = found["text"], found["target"]
    if found["image"]:
        return (
            found[0] if "://" in target or target.startswith("data:") else f"![{text}]({page.file(target, raw=True)})"
        )
    if "://" in target or target.startswith("mailto:"):
        return found[0]
    if target.startswith("#"):
        return text or page.reference(target[1:])
    path = target.split("#")[0]
    if path == LIVE_PAGE:
        return f"{text} (in the {page.book})"
    if re.fullmatch(r"\d\d_\w+\.ipynb", path):
        return f"[{text}]({page.edition(path)})"
    return f"[{text}]({page.file(path)})"


def _inline(text: str, page: Page) -> str:
    """Text without fences: roles, links, numbered formulas, labels."""

    def formula(found: re.Match[str]) -> str:
        tag = f" \\tag{{{page.labels[found['label']].number}}}" if found["label"] else ""
        return f"$$\n{found['body']}{tag}\n$$"

    return _spans(DISPLAYED.sub(formula, DROPPED.sub("", text)), page)


def _spans(text: str, page: Page) -> str:
    """Roles become text, links get their address; code spans stay as they are, also inside the text of a link."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(_role(found["role"], found["text"], page) if found["role"] else found[0])
        return f"\0{len(kept) - 1}\0"

    text = LINK.sub(lambda found: _link(found, page), SPAN.sub(keep, text))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)


@dataclass
class Block:
    """A fence with what stands inside. ``name`` is the directive, or empty for a plain piece of code."""

    fence: str
    name: str
    argument: str
    options: dict[str, str]
    body: str


def _read_options(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the start of a directive, as ``:key: value`` lines or between lines of dashes, and the rest."""
    if lines and lines[0].strip() == "---":
        end = next(number for number, line in enumerate(lines[1:], start=1) if line.strip() == "---")
        return {key: str(value) for key, value in yaml.safe_load("\n".join(lines[1:end])).items()}, lines[end + 1 :]
    options = {}
    while lines and (found := OPTION.match(lines[0])):
        options[found[1]] = found[2].strip()
        lines = lines[1:]
    return options, lines


def _blocks(text: str) -> Iterator[str | Block]:
    """Text and fences in turn. A fence ends at a line of as many of its marks, so that others can stand inside."""
    lines, plain = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        opened = FENCE.match(line)
        if opened is None:
            plain.append(line)
            continue
        yield "\n".join(plain)
        plain, body = [], []
        while lines and not (lines[0].startswith(opened["fence"]) and not lines[0].strip(opened["fence"][0] + " ")):
            body.append(lines.pop(0))
        lines = lines[1:]
        options, rest = _read_options(body) if opened["name"] else ({}, body)
        yield Block(
            opened["fence"], opened["name"] or "", opened["argument"].strip(), options, "\n".join(rest).strip("\n")
        )
    yield "\n".join(plain)


def folded(title: str, body: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{body.strip()}\n\n</details>"


def _figure(block: Block, page: Page) -> str:
    lines = []
    if block.name == "figure":
        lines.append(f"![{block.options.get('alt', '')}]({page.file(block.argument, raw=True)})")
    number = f"{page.reference(block.options['name'])}. " if "name" in block.options else ""
    caption = " ".join(_inline(block.body, page).split())
    if block.argument.startswith(LIVE_STILLS):
        caption = IN_THE_PAGE.sub("", caption).strip() + f" (Here a still; in the {page.book} it answers to your hand.)"
    return "\n\n".join([*lines, f"*{number}{caption}*"] if number or caption else lines)


def _box(block: Block, page: Page) -> str:
    title, body = block.argument or BOXES[block.name], convert(block.body, page)
    if block.name in ("dropdown", "toggle") or "dropdown" in block.options.get("class", ""):
        return folded(_spans(title or "More", page), body)
    title = f"**{_spans(title, page)}**\n\n" if title else ""
    return "\n".join(f"> {line}".rstrip() for line in (title + body).split("\n"))


def _exercise(block: Block, page: Page) -> str:
    heading = f"### {page.reference(block.options['label'])}: {_spans(block.argument, page)}"
    return f"{heading}\n\n{convert(block.body, page)}".strip()


def _directive(block: Block, page: Page) -> str:
    if block.name in CODE or not block.name:
        return f"{block.fence}{block.argument}\n{block.body}\n{block.fence}"
    if block.name == "math":
        tag = f" \\tag{{{page.labels[block.options['label']].number}}}" if "label" in block.options else ""
        return f"$$\n{block.body}{tag}\n$$"
    if block.name in ("figure", "glue:figure"):
        return _figure(block, page)
    if block.name in BOXES:
        return _box(block, page)
    if block.name in ("exercise", "exercise-start"):
        return _exercise(block, page)
    if block.name == "solution":
        return folded(f"Solution to {page.reference(block.argument)}", convert(block.body, page))
    if block.name == "raw" or block.name == "exercise-end":  # raw HTML is the live figure around a still
        return ""
    raise ValueError(f"{page.name} uses the directive {{{block.name}}}, which has no plain form")


def convert(text: str, page: Page) -> str:
    """One Markdown cell in plain Markdown; what belongs to a solution is folded. Empty if nothing is left.

    Raises ValueError for a role, a directive or a label that it does not know, with the chapter's name.
    """
    parts: list[str] = []
    hidden: list[str] = []
    for block in _blocks(text):
        if isinstance(block, Block) and block.name == "solution-start":
            page.solution = f"Solution to {page.reference(block.argument)}"
        elif isinstance(block, Block) and block.name == "solution-end":
            parts, hidden = [*parts, *_fold(hidden, page)], []
            page.solution = ""
        else:
            plain = _directive(block, page) if isinstance(block, Block) else _inline(block, page).strip("\n")
            (hidden if page.solution else parts).append(plain)
    parts += _fold(hidden, page)
    return "\n\n".join(part for part in parts if part.strip())


def _fold(hidden: list[str], page: Page) -> list[str]:
    body = "\n\n".join(part for part in hidden if part.strip())
    title = f"{page.solution}, continued" if page.solution in page.begun else page.solution
    if body:
        page.begun.add(page.solution)
    return [folded(title, body)] if body else []
