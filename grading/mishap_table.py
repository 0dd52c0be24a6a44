"""The table of mishaps on the instructor's page: python -m grading.mishap_table writes it anew.

What stock nbgrader gave stands in ``stock_nbgrader.json``; its fields say with which versions, and how it was run.
"""

import json
from pathlib import Path

from .assignments import ROOT, load
from .mishaps import FIRST, FULL, MISHAPS, REFUSED, expected_points

PAGE = ROOT / "book" / "instructor.md"
RECORD = Path(__file__).with_name("stock_nbgrader.json")
START, END = "<!-- mishaps -->\n", "<!-- end of mishaps -->"
HERE = {FULL: "full", FIRST: "first lost", REFUSED: "refused"}


def table() -> str:
    """One row a mishap: what this grader gives, and what stock nbgrader gave where it was run."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    most = load(record["assignment"]).points()
    rows = ["| what happened | here | points here | stock nbgrader |", "|---|---|---|---|"]
    for mishap in MISHAPS:
        points = expected_points(mishap, record["assignment"])
        stock = record["results"].get(mishap.says, "not run")
        if isinstance(stock, int):
            stock = f"{stock} of {most}" if stock == points else f"**{stock} of {most}**"
        rows.append(f"| {mishap.says} | {HERE[mishap.expected]} | {points} of {most} | {stock} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    head, rest = text.split(START)
    return head + START + "\n" + table() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
