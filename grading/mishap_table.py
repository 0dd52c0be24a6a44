"""The tables of the instructor's page that are made from records: python -m grading.mishap_table writes them anew.

What stock nbgrader gave stands in ``stock_nbgrader.json`` (made by ``stock_run``), how long a batch took in
``batch_seconds.json`` (made by ``crowd``).
"""

from typing import Any

from resattn.zoo.checkpoints import read_json

from .assignments import NAMES, ROOT, load
from .crowd import TIMES
from .mishaps import FIRST, FULL, MISHAPS, REFUSED, expected_points
from .stock_run import RECORD

PAGE = ROOT / "book" / "instructor.md"
HERE = {FULL: "full", FIRST: "first lost", REFUSED: "refused"}


def _stock(found: Any, deserved: int, most: int) -> str:
    """What stock nbgrader gave, bold where it is not what the answers deserve."""
    if isinstance(found, str):
        return found
    points = found["points"]
    text = "no grade" if points is None else f"{points} of {most}"
    if (points or 0) != deserved or not found["goes_on"]:
        text = f"**{text}**"
    return text if found["goes_on"] else f"{text}, **the batch stops**"


def mishaps() -> str:
    """One row a mishap: what this grader gives, and what stock nbgrader gave."""
    record = read_json(RECORD)
    most = load(record["assignment"]).points()
    rows = ["| what happened | here | points here | stock nbgrader |", "|---|---|---|---|"]
    for mishap in MISHAPS:
        points = expected_points(mishap, record["assignment"])
        stock = _stock(record["results"].get(mishap.says, "not run"), points, most)
        rows.append(f"| {mishap.says} | {HERE[mishap.expected]} | {points} of {most} | {stock} |")
    return "\n".join(rows) + "\n"


def times() -> str:
    """One row an assignment: how long a batch took, by the clock and of the processor."""
    record = read_json(TIMES)
    number = record["hand_ins"]
    rows = [f"| assignment | minutes for {number} | seconds a hand-in | of the processor |", "|---|---|---|---|"]
    for name in NAMES:
        took = record["seconds"][name]
        each = f"{took['clock'] / number:.2f} | {took['processor'] / number:.2f}"
        rows.append(f"| `{name}` | {took['clock'] / 60:.1f} | {each} |")
    return "\n".join(rows) + "\n"


def with_tables(text: str) -> str:
    """The page with both tables as the records have them."""
    for name, make in (("mishaps", mishaps), ("times", times)):
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        head, rest = text.split(start)
        text = head + start + "\n" + make() + "\n" + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
