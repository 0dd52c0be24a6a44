"""What is done to the pages after Sphinx has written them: names, descriptions, and only what a page loads.

Sphinx and its theme leave a few things that a reader meets: controls whose spoken name is not the written one, the same
id twice on a page, no description for those who find the page by a search, two thirds of the files never loaded.
"""

import html
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from bs4 import BeautifulSoup, Tag

BOOK = "Residual Attention Network"
TITLE = f"{BOOK}: a tutorial book"
DESCRIPTION_LENGTH = 200

# Parts of MathJax that a page may load: the renderer, its letters, what \begin asks for, and speech in English.
MATHJAX_KEPT = ("tex-chtml.js", "input/tex/extensions/", "output/chtml/fonts/woff-v2/", "a11y/", "ui/menu.js", "sre/")
SPEECH_KEPT = ("base.json", "en.json")

GROUND = "#121212"  # of a dark page, by its theme

# Colours of matplotlib's drawings that a dark page turns round: ink, greys, and the white behind everything.
DARK = {
    "path": {
        "#ffffff": GROUND,
        "white": GROUND,
        "#eef1f4": "#2a313a",
        "#22272e": "#e6e9ed",
        "#6e7781": "#9aa5b1",
        "#d8dde2": "#333b45",  # lines of the grid
        "#dde2e7": "#333b45",
        "#c3c9d0": "#4a545f",
    },
    "g": {"#22272e": "#e6e9ed", "#6e7781": "#9aa5b1", "#000000": "#e6e9ed"},
    "use": {"#ffffff": GROUND, "#6e7781": "#9aa5b1", "#22272e": "#e6e9ed"},  # markers: an open one stays open
}


# Letters in a colour of the palette: a shade that can be read (4.5 to 1) on white, and where it needs one on black.
LETTERS = {
    "#d55e00": "#b34e00",
    "#cc79a7": "#a34e7f",
    "#009e73": "#007d5a",
    "#e69f00": "#8a6000",
    "#56b4e9": "#1b73a8",
}
LETTERS_DARK = {"#0072b2": "#4ba3dd"}

# Code or a formula in a line of text, and the mark that follows it: a browser breaks the line between them, and code
# after a hyphen.
WITH_ITS_MARK = re.compile(
    r'(?:(<code class="docutils literal notranslate">(?:<span class="pre">[^<]*</span> ?)+</code>)([,.;:!?)]*)'
    r'|(<span class="math notranslate nohighlight">[^<]*</span>)([,.;:!?)]+))'
)
# The space between a number and %, or ± and a number, where a browser may break the line; and what is passed over.
NUMBER_AND_SIGN = re.compile(
    r"<(pre|code|script|style|title)\b.*?</\1>|<[^/][^>]*>|(\d(?:</\w+>)* (?=%)|± (?=\d))", re.DOTALL
)
SHORT = 16  # letters of code that always fit
START = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><title>{TITLE}</title>
<meta http-equiv="refresh" content="0; url=book/preface.html" /></head>
<body><p><a href="book/preface.html">{TITLE}</a></p></body></html>
"""

# The first figure of a chapter, a picture of pixels, and the drawing of its cell (tools/first_figures.py).
FIRST_PICTURE = re.compile(r'(?<=src=")[^"]*_images/\d\d\.png(?=")')
FIRST_DRAWING = re.compile(r'tag_first-figure\b.*?src="([^"]*_images/[^"/]+\.svg)"', re.DOTALL)

# A chapter of the contents with pages below it: its link, and the arrow that folds them.
FOLDED_PAGES = re.compile(r'(<li class="[^"]*has-children[^"]*"><a [^>]*>)([^<]*)(</a><details[^>]*>)<summary>')


def finish(site: Path) -> None:
    """Finish every page of the built book in ``site``, and drop the files that no page loads."""
    pages = [
        path for path in sorted(site.rglob("*.html")) if not {"_static", "_modules"} & {*path.relative_to(site).parts}
    ]
    texts = {path: finish_page(path.read_text(encoding="utf-8")) for path in pages}
    for path in texts:
        if path.stem.endswith("_zh"):
            texts[path] = texts[path].replace("<article ", '<article lang="zh-Hans" ', 1)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    for picture in site.glob("_images/*.svg"):
        picture.write_text(themed(picture.read_text(encoding="utf-8")), encoding="utf-8")
    drop_unused(site)
    keep_used_icons(site, texts.values())
    (site / "index.html").write_text(START, encoding="utf-8")


def finish_page(text: str) -> str:
    """One page with its description, with names for its controls, each id once, and figures that can be enlarged."""
    text = FOLDED_PAGES.sub(r'\1\2\3<summary aria-label="Deeper pages of \2">', text)  # the theme writes an arrow alone
    soup = BeautifulSoup(text, "html.parser")
    article = soup.find("article")
    if article is None:
        return text
    title = TITLE if f"<title>{BOOK} &#8212; {BOOK}</title>" in text else ""
    if title:
        text = text.replace(f"<title>{BOOK} &#8212; {BOOK}</title>", f"<title>{title}</title>")
    text = text.replace("</head>", f"{_meta(title or _plain(soup.title), describe(article))}</head>", 1)

    text = text.replace('<summary aria-label="Toggle hidden content">', "<summary>")  # its own words name it
    text = re.sub(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1", text)
    for what, name in (("primary", "Contents of the book"), ("secondary", "Contents of this page")):
        text = re.sub(rf'title="Toggle {what} sidebar"', f'title="{name}" aria-label="{name}"', text)
    text = re.sub(r' id="(exercise|solution)-content"', "", text)  # sphinx-exercise gives every box the same
    # A list whose items are no list items: the items name themselves as entries.
    text = text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    text = WITH_ITS_MARK.sub(_kept, text)
    text = NUMBER_AND_SIGN.sub(lambda found: found[0].replace(" ", "&#160;") if found[2] else found[0], text)
    if drawing := FIRST_DRAWING.search(text):  # sharp at every size, and it follows the theme
        text = FIRST_PICTURE.sub(drawing[1], text, count=1)
    return re.sub(r'(<figure\b[^>]*>\s*)((?:<div[^>]*>\s*)*)(<img\b[^>]*?src="([^"]+)"[^>]*/?>)', _enlarge, text)


def describe(article: Tag) -> str:
    """The first paragraph that says something, cut at the end of a word."""
    for paragraph in article.find_all("p"):
        words = _plain(paragraph)
        if len(words) > 60 and not words.startswith("Minutes:") and "$" not in words and "\\" not in words:
            return words if len(words) <= DESCRIPTION_LENGTH else words[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"
    return f"A page of the tutorial book on the {BOOK}."


def _plain(tag: Tag | None) -> str:
    return re.sub(r"\s+", " ", tag.get_text()).strip() if tag else BOOK


def _meta(title: str, description: str) -> str:
    title, description = html.escape(title, quote=True), html.escape(description, quote=True)
    return (
        f'<meta name="description" content="{description}" />\n'
        f'<meta property="og:type" content="article" />\n<meta property="og:title" content="{title}" />\n'
        f'<meta property="og:description" content="{description}" />\n'
    )


def _enlarge(found: re.Match[str]) -> str:
    before, wrappers, image, source = found.groups()
    return f'{before}{wrappers}<a class="enlarge" href="{source}">{image}</a>'


def _kept(found: re.Match[str]) -> str:
    code, _, formula, _ = found.groups()
    fits = formula or len(re.sub("<[^>]*>", "", code)) <= SHORT
    return f'<span class="kept">{found[0]}</span>' if fits else found[0]


def themed(drawing: str) -> str:
    """A drawing of matplotlib's that follows the theme of the page (a browser hands it on as color-scheme).

    >>> "prefers-color-scheme" in themed('<svg><!-- matplotlib --><path style="fill: #ffffff"/></svg>')
    True
    """
    if "matplotlib" not in drawing:
        return drawing
    rules = [
        f'{tag}[style*="{part}: {light}"] {{ {part}: {dark} !important; }}'
        for tag, colours in DARK.items()
        for light, dark in colours.items()
        for part in ("fill", "stroke")
        if (part, light) != ("stroke", "#ffffff")
        and not ((tag, light) == ("use", "#ffffff") and "<image" in drawing)  # white dots on a picture stay white
    ]
    rules.append(f'pattern > rect[fill="#ffffff"] {{ fill: {GROUND}; }}')  # the ground of a hatch
    # Letters without a colour of their own are black.
    rules.append('g[id^="text_"] > g:not([style]) { fill: #e6e9ed; }')
    rules += _letters(LETTERS_DARK)
    sheet = "<style>@media (prefers-color-scheme: dark) { %s } @media (prefers-color-scheme: light) { %s }</style>"
    return drawing.replace("</svg>", sheet % (" ".join(rules), " ".join(_letters(LETTERS))) + "</svg>")


def _letters(shades: dict[str, str]) -> list[str]:
    return [
        f'g[id^="text_"] > g[style*="fill: {colour}"] {{ fill: {shade} !important; }}'
        for colour, shade in shades.items()
    ]


def drop_unused(site: Path) -> None:
    """Remove what no page loads: source maps, translations of the theme, and MathJax for other inputs and outputs."""
    static = site / "_static"
    for path in static.rglob("*.map"):
        path.unlink()
    for path in (*static.glob("scripts/*.js"), *static.glob("styles/*.css")):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"/[/*]# sourceMappingURL=\S+\.map(?: ?\*/)?", "", text), encoding="utf-8")
    shutil.rmtree(static / "locales", ignore_errors=True)
    mathjax = static / "mathjax"
    for path in [path for path in mathjax.rglob("*") if path.is_file()]:
        name = path.relative_to(mathjax).as_posix()
        speech = not name.startswith("sre/mathmaps/") or path.name in SPEECH_KEPT
        if not (name.startswith(MATHJAX_KEPT) and speech):
            path.unlink()


ICON = re.compile(r'(?<=[{,])"?([a-z0-9-]+)"?:\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?')


def keep_used_icons(site: Path, texts: Iterable[str]) -> None:
    """Cut the theme's script of icons down to those that a page or a script of the theme names."""
    script = site / "_static" / "scripts" / "fontawesome.js"
    if not script.is_file():
        return
    scripts = [path.read_text(encoding="utf-8") for path in (site / "_static").rglob("*.js") if path != script]
    named = {name for text in (*texts, *scripts) for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    icons = script.read_text(encoding="utf-8")

    def kept(found: re.Match[str]) -> str:
        aliases = re.findall(r'"([a-z0-9-]+)"', found[0].split('],"', 1)[0])
        return found[0] if found[1] in named or named.intersection(aliases) else ""

    script.write_text(ICON.sub(kept, icons), encoding="utf-8")
