"""What is done to the pages after Sphinx: lines that are not broken in a wrong place, languages, the first page."""

from pathlib import Path

import pytest

from tools.finish_pages import finish, finish_page

PAGE = '<html lang="en"><head><title>A</title></head><body><article class="bd">%s</article></body></html>'


def code(*words: str) -> str:
    pieces = " ".join(f'<span class="pre">{word}</span>' for word in words)
    return f'<code class="docutils literal notranslate">{pieces}</code>'


FORMULA = '<span class="math notranslate nohighlight">\\(T\\)</span>'


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (code("--device", "cpu") + " runs", code("--device", "cpu")),
        (code("T") + ", as", code("T") + ","),
        (FORMULA + "), and", FORMULA + "),"),
        (FORMULA + " alone", None),  # nothing that could be torn off
        (code("resattn.analysis.following.plain_maps") + ".", None),  # must be broken on a phone
    ],
)
def test_a_line_is_not_broken_before_a_mark_or_inside_short_code(text: str, kept: str | None) -> None:
    page = finish_page(PAGE % f"<p>{text}</p>")
    assert page.count('<span class="kept">') == (kept is not None)
    assert kept is None or f'<span class="kept">{kept}</span>' in page


def test_a_number_stays_beside_its_sign_but_not_in_code_or_a_name() -> None:
    text = '<p title="5 % of">92.9 % ± 5 %, <b>3</b> % of <code>56 % 7</code></p><pre>9 % 2, ± 1</pre>'
    page = finish_page(PAGE % text)
    assert '<p title="5 % of">92.9&#160;% ±&#160;5&#160;%, <b>3</b>&#160;% of ' in page
    assert "<code>56 % 7</code></p><pre>9 % 2, ± 1</pre>" in page


def test_the_first_figure_is_the_drawing_of_its_cell() -> None:
    figure = '<figure><img alt="a" src="../_images/07.png" /></figure><img src="../_images/walk.png" />'
    other = '<div class="cell tag_hide-cell"><img src="../_images/ab.svg" /></div>'
    cell = '<div class="cell tag_first-figure tag_hide-cell"><img src="../_images/cd.svg" /></div>'
    page = finish_page(PAGE % (figure + other + cell + other))
    assert '<a class="enlarge" href="../_images/cd.svg"><img alt="a" src="../_images/cd.svg" /></a>' in page
    assert "walk.png" in page and "07.png" not in page
    assert "07.png" in finish_page(PAGE % (figure + other)), "no cell, no drawing"


def test_a_translated_page_says_its_language_and_the_first_page_has_a_link(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    for name in ("tour", "tour_zh"):
        (tmp_path / "book" / f"{name}.html").write_text(PAGE % "<p>text</p>", encoding="utf-8")
    (tmp_path / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=book/preface.html" />')
    finish(tmp_path)
    languages = {
        name: '<article lang="zh-Hans" ' in (tmp_path / "book" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("tour", "tour_zh")
    }
    assert languages == {"tour": False, "tour_zh": True}
    start = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<a href="book/preface.html">' in start and "<title>" in start and "url=book/preface.html" in start
