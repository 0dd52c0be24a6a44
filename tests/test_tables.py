"""Tables of results: what the page shows and what the plain text shows are the same."""

import pytest
from bs4 import BeautifulSoup

from resattn.figures import Table

COLUMNS = {
    "fusion": ["none", "ARL <1 + M>", "NAL"],
    "accuracy, %": ["70.3", "71.0 ± 0.4", "−"],
    "parameters": [1_030_000, 990, 0],
    "verdict": ["", "1st", "no"],
}


def parsed(table: Table) -> BeautifulSoup:
    return BeautifulSoup(table._repr_html_(), "html.parser")


def test_page_and_plain_text_hold_the_same_cells() -> None:
    table = Table(COLUMNS, marked=[1], caption="Over 5 seeds")
    soup = parsed(table)
    cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]
    assert cells == [
        list(COLUMNS),
        ["none", "70.3", "1,030,000", ""],
        ["ARL <1 + M>", "71.0 ± 0.4", "990", "1st"],
        ["NAL", "−", "0", "no"],
    ]
    assert soup.caption.get_text() == "Over 5 seeds"
    assert repr(table).splitlines() == [
        "Over 5 seeds",
        "  fusion       accuracy, %  parameters  verdict",
        "  none                70.3   1,030,000",
        "→ ARL <1 + M>   71.0 ± 0.4         990  1st",
        "  NAL                    −           0  no",
    ]


def test_numbers_stand_right_and_the_deciding_row_is_bold() -> None:
    soup = parsed(Table(COLUMNS, marked=[1]))
    for row in soup.find_all("tr"):
        sides = ["right" if "text-align: right" in cell["style"] else "left" for cell in row.find_all(["th", "td"])]
        assert sides == ["left", "right", "right", "left"]
    assert [row.get("class") for row in soup.tbody.find_all("tr")] == [None, ["marked"], None]
    bold = [
        all("font-weight: bold" in cell["style"] for cell in row.find_all(["th", "td"]))
        for row in soup.tbody.find_all("tr")
    ]
    assert bold == [False, True, False]


def test_a_ratio_without_bound_stands_among_the_numbers() -> None:
    assert Table({"arm": ["a", "b"], "ratio": ["1.4", "∞"]}).right == [False, True]


def test_headings_are_headings_for_a_screen_reader() -> None:
    soup = parsed(Table(COLUMNS))
    assert [cell["scope"] for cell in soup.thead.find_all("th")] == ["col"] * 4
    assert all([cell.get("scope") for cell in row.find_all("th")] == ["row"] for row in soup.tbody.find_all("tr"))


@pytest.mark.parametrize(
    ("columns", "marked", "sentence"),
    [
        ({}, (), "needs columns of one length"),
        ({"a": ["x"], "b": []}, (), "needs columns of one length; got {'a': 1, 'b': 0}"),
        ({"a": ["x"]}, [1], r"rows to mark must be from 0 to 0; got \[1\]"),
        ({"a": ["x"]}, [-1], "rows to mark"),
        ({"a": ["x"], "b": [0.5]}, (), "'b' has 0.5"),
    ],
)
def test_what_is_no_table_is_refused(columns, marked, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        Table(columns, marked)
