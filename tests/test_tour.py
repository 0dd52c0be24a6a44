"""The tour in English and in Chinese: two texts, one content."""

import re

import pytest
from conftest import CHAPTERS, ROOT

ENGLISH, CHINESE = ((ROOT / "book" / name).read_text(encoding="utf-8") for name in ("tour.md", "tour_zh.md"))
CELL = re.compile(r"^```\{code-cell\} python3\n(---\n.*?\n---\n)(.*?)^```", re.DOTALL | re.MULTILINE)


def cells(page: str) -> list[str]:
    """The code of a page's cells, without their captions and alternative texts."""
    return [code.replace('claims.table("zh")', 'claims.table("en")') for _, code in CELL.findall(page)]


def prose(page: str) -> str:
    return CELL.sub("", page)


def test_both_compute_the_same() -> None:
    assert cells(ENGLISH) == cells(CHINESE) and len(cells(ENGLISH)) == 3
    assert 'claims.table("zh")' in CHINESE and 'claims.table("zh")' not in ENGLISH


@pytest.mark.parametrize(
    "pattern",
    [
        r"\{glue:text\}`([\w-]+)`",  # numbers from cells
        r"notebooks/(\w+)\.ipynb",  # chapters
        r"\{cite:\w+\}`([\w,]+)`",
        r"\$\$\n(.*?)\n\$\$",  # equations
        r"<div class=\"live\"([^>]*)>",
    ],
)
def test_both_hold_the_same_in_the_same_order(pattern: str) -> None:
    found = [re.findall(pattern, prose(page), re.DOTALL) for page in (ENGLISH, CHINESE)]
    assert found[0] == found[1] != []


def test_both_have_the_same_sections() -> None:
    english, chinese = (
        [re.match("#+", line)[0] for line in re.findall(r"^#+ .+$", prose(page), re.MULTILINE)]
        for page in (ENGLISH, CHINESE)
    )
    assert english == chinese and english.count("##") >= 9
    assert ENGLISH.count("\n|") == CHINESE.count("\n|"), "tables have the same rows"
    assert ENGLISH.count("\n1. ") == CHINESE.count("\n1. ") and ENGLISH.count("\n3. ") == CHINESE.count("\n3. ")


def test_no_number_of_ours_is_typed() -> None:
    """Percentages and intervals come from cells; what the paper prints may stand."""
    for page in (ENGLISH, CHINESE):
        assert re.findall(r"\d[\d.]*\s?%", prose(page).replace("95 %", "")) == []
        assert "±" not in re.sub(r"(± is|± 是)", "", prose(page))


def test_the_tour_names_the_chapters_that_settle_it() -> None:
    named = set(re.findall(r"notebooks/(\w+)\.ipynb", prose(ENGLISH)))
    assert named <= {chapter.stem for chapter in CHAPTERS} and len(named) >= 8
