"""What a reader gets: the pages of the built book."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import PAGES, ROOT

from tools import book_labels
from tools import chapter_rules as rules

# What the browser fetches when the page opens; a plain link waits until the reader follows it.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
IN_SCRIPT = re.compile(r"""https?://[^\s"'`]+\.(?:js|mjs|css|woff2?)\b""")
TRACEBACK = "Traceback (most recent call last)"


@cache
def page(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(html: Path) -> list[Path]:
    """Every page that a reader can open (the theme leaves two templates of its own in _static)."""
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts]


def chapter_page(html: Path, chapter: Path) -> Path:
    return html / "notebooks" / f"{chapter.stem}.html"


def is_remote(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ws", "wss", "ftp")


def remote_loads(soup: BeautifulSoup) -> list[str]:
    """Addresses on other hosts that a browser would fetch when it opens the page."""
    fetched = [tag[key] for name, key in FETCHED.items() for tag in soup.find_all(name) if tag.get(key)]
    fetched += [tag["data"] for tag in soup.find_all("object") if tag.get("data")]
    fetched += [
        part.split()[0] for tag in soup.find_all(srcset=True) for part in tag["srcset"].split(",") if part.strip()
    ]
    fetched += [tag["href"] for tag in soup.find_all("link", href=True) if FETCHED_LINKS & set(tag.get("rel", []))]
    fetched += [tag.get("href") or tag.get("xlink:href", "") for tag in soup.find_all(["image", "use"])]
    inline = [tag.get_text() for tag in soup.find_all("style")] + [tag["style"] for tag in soup.find_all(style=True)]
    in_css = [found for text in inline for found in IN_CSS.findall(text)]
    scripts = [tag.get_text() for tag in soup.find_all("script") if not tag.get("src") and not _is_data(tag)]
    in_scripts = [found for text in scripts for found in IN_SCRIPT.findall(text)]
    return [address for address in fetched if is_remote(address)] + in_css + in_scripts


def _is_data(script) -> bool:
    return script.get("type", "text/javascript") not in ("text/javascript", "module")


def broken_links(html: Path) -> list[str]:
    """Links inside the book that lead to no page, or to no such place on it."""
    broken = []
    for path in pages(html):
        for link in page(path).find_all("a", href=True):
            target = urlsplit(link["href"])
            if target.scheme or target.netloc or link["href"] in ("", "#"):
                continue
            there = (path.parent / unquote(target.path)).resolve() if target.path else path
            if not there.is_file():
                broken.append(f"{path.relative_to(html)}: {link['href']}")
            elif target.fragment and there.suffix == ".html" and not _has_anchor(there, unquote(target.fragment)):
                broken.append(f"{path.relative_to(html)}: {link['href']} (no such place)")
    return broken


@cache
def _anchors(path: Path) -> set[str]:
    return {tag["id"] for tag in page(path).find_all(id=True)} | {
        tag["name"] for tag in page(path).find_all("a", attrs={"name": True})
    }


def _has_anchor(path: Path, fragment: str) -> bool:
    return fragment in _anchors(path)


# --- the book


def test_every_page_of_the_contents_is_there(html: Path) -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    entries = [page for entry in entries for page in (entry, *entry.get("sections", []))]
    files = [toc["root"]] + [entry["file"] for entry in entries]
    assert [name for name in files if not (html / f"{name}.html").is_file()] == []
    assert [name for name in files if name.startswith("notebooks/")] == [f"notebooks/{path.stem}" for path in PAGES]
    assert (html / "index.html").is_file() and (html / "searchindex.js").stat().st_size > 1000


def test_search_knows_the_chapters(html: Path) -> None:
    index = (html / "searchindex.js").read_text(encoding="utf-8")
    assert [chapter.stem for chapter in PAGES if f'"notebooks/{chapter.stem}"' not in index] == []


def test_nothing_is_loaded_from_another_host(html: Path) -> None:
    found = {str(path.relative_to(html)): loads for path in pages(html) if (loads := remote_loads(page(path)))}
    assert found == {}
    sheets = {
        str(path.relative_to(html)): loads
        for path in html.rglob("*.css")
        if (loads := IN_CSS.findall(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert sheets == {}


def test_local_files_that_a_page_loads_exist(html: Path) -> None:
    missing = []
    for path in pages(html):
        wanted = [tag[key] for name, key in FETCHED.items() for tag in page(path).find_all(name) if tag.get(key)]
        wanted += [
            tag["href"] for tag in page(path).find_all("link", href=True) if FETCHED_LINKS & set(tag.get("rel", []))
        ]
        for address in wanted:
            local = urlsplit(address).path
            if (
                not address.startswith("data:")
                and not is_remote(address)
                and not (path.parent / unquote(local)).is_file()
            ):
                missing.append(f"{path.relative_to(html)}: {address}")
    assert missing == []


def test_no_link_is_broken(html: Path) -> None:
    assert broken_links(html) == []


def test_every_image_has_a_description(html: Path) -> None:
    bare = [
        f"{path.relative_to(html)}: {image.get('src', '')[:80]}"
        for path in pages(html)
        for image in page(path).find_all("img")
        if len(image.get("alt", "").strip()) < 5
        or image["alt"] == image.get("src")
        or image["alt"].startswith(("../", "_images"))
    ]
    assert bare == []


def test_no_page_shows_a_traceback(html: Path) -> None:
    assert [str(path.relative_to(html)) for path in pages(html) if TRACEBACK in page(path).get_text()] == []


def test_no_page_shows_unread_markup(html: Path) -> None:
    marks = re.compile(
        r"\{(?:cite|eq|numref|ref|term|py|doc)(?::\w+)?\}`|\{(?:exercise|solution)-(?:start|end)\}|undefined label"
    )
    shown = {}
    for path in pages(html):
        article = page(path).find("article")
        if article is not None and "_modules" not in path.parts:
            text = " ".join(string for string in article.strings if string.find_parent(["pre", "code"]) is None)
            if found := marks.findall(text):
                shown[str(path.relative_to(html))] = found
    assert shown == {}


@pytest.mark.parametrize("chapter", PAGES, ids=lambda path: path.stem)
def test_chapter_page(html: Path, chapter: Path) -> None:
    nb = nbformat.read(chapter, as_version=4)
    soup = page(chapter_page(html, chapter))
    launch = [link["href"] for link in soup.find_all("a", href=True) if link["href"] == f"{rules.COLAB}{chapter.name}"]
    assert len(launch) >= 2, "the launch button and the link in the text lead to the chapter on Colab"
    labels = book_labels.labels(PAGES, ROOT / "book" / "references.bib")  # as the edition for Colab shows them
    for label in rules.equation_labels(nb):
        equation = soup.find(id=f"equation-{label}")
        assert equation is not None and f"({labels[label].number})" in equation.get_text(), label
    names = rules.figure_names(nb)
    for name in names:
        assert soup.find(id=name).get_text().strip().startswith(f"Fig. {labels[name].number}"), name
    for label in rules.exercise_labels(nb):
        assert soup.find(id=label).get_text().strip().startswith(f"Exercise {labels[label].number}"), label
    shown = [figure for figure in soup.find_all("figure") if figure.find("img", src=re.compile("_images/"))]
    assert len(shown) >= len(names) and [name for name in names if soup.find(id=name) is None] == []
    assert all(figure.find("figcaption").get_text(strip=True) for figure in shown)
    folded = soup.find_all(class_=re.compile(r"\bsolution\b"))
    assert len([box for box in folded if "dropdown" in box.get("class", [])]) == len(rules.exercise_labels(nb))


def test_run_times_are_published(html: Path) -> None:
    """How long they are is for a reader to see: a test that failed on a busy machine would say nothing about the
    book."""
    rows = [
        [cell.get_text(strip=True) for cell in row.find_all("td")]
        for row in page(html / "book" / "run_times.html").select("article table tbody tr")
    ]
    seconds = {row[0]: float(row[3]) for row in rows}
    chapters = {name for name in seconds if name.startswith("notebooks/")}  # the tour computes something too
    assert chapters == {f"notebooks/{path.stem}" for path in PAGES}
    assert min(seconds.values()) > 0


# --- the checks above catch what they are for


@pytest.mark.parametrize(
    "markup",
    [
        '<script src="https://example.org/a.js"></script>',
        '<script src="//example.org/a"></script>',
        '<link rel="stylesheet" href="https://example.org/font-awesome">',
        '<link rel="preconnect" href="https://example.org">',
        '<img alt="badge" src="http://example.org/badge.svg">',
        '<img alt="x" srcset="a.png 1x, https://example.org/b.png 2x">',
        '<iframe src="https://example.org"></iframe>',
        "<style>@import 'https://example.org/a';</style>",
        '<p style="background: url(//example.org/a.png)">x</p>',
        '<script>const THEBE = "https://example.org/thebe/index.js"</script>',
        '<svg><image href="https://example.org/a.png"/></svg>',
    ],
)
def test_remote_loads_catches(markup: str) -> None:
    assert remote_loads(BeautifulSoup(markup, "html.parser"))


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="https://example.org/a.js">a link</a>',
        '<script src="../_static/a.js"></script>',
        '<img alt="x" src="data:image/png;base64,abc">',
        '<link rel="canonical" href="https://example.org/">',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    ],
)
def test_remote_loads_lets_pass(markup: str) -> None:
    assert remote_loads(BeautifulSoup(markup, "html.parser")) == []


def test_broken_links_catches(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a> <a href="b.html#gone">2</a> <a href="c.html">3</a> <a href="#x">4</a>'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="https://example.org">5</a>')
    assert broken_links(tmp_path) == [
        "a.html: b.html#gone (no such place)",
        "a.html: c.html",
        "a.html: #x (no such place)",
    ]
