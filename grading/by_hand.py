"""The sheet of the points that a person gives: ``written.csv``, read, matched with what was handed in, written anew.

Points belong to a text, and not to a student: whoever hands in another text waits for points again. So each row carries
a mark of its text. Points of a text that is not the present one do not count, and stay at the end of the sheet, marked
as earlier: should the text come back, so do they.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resattn.zoo.checkpoints import write_aside

from .marks import Marks
from .spec import Assignment

COLUMNS = ("student", "question", "of", "words", "text", "points", "comment")  # the last two are for the person
NEEDED = ("student", "question", "words", "points")  # what a sheet of an earlier version has, too
EARLIER = "earlier"


@dataclass(frozen=True)
class Row:
    """A row with points or a comment. ``text`` is the mark of the text that they are for; older sheets have none."""

    student: str
    question: str
    words: str
    text: str
    points: float | None
    comment: str


@dataclass(frozen=True)
class Sheet:
    """The points and comments that count, by student and question, and the rows of texts that are not the present."""

    points: dict[str, dict[str, float]]
    comments: dict[str, dict[str, str]]
    earlier: list[Row]


def text_mark(text: str) -> str:
    """A short mark of a text. It starts with a letter: a spreadsheet would take 12e45678 for a number."""
    return f"t{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def read(path: Path, assignment: Assignment) -> list[Row]:
    """The rows with points or a comment; none where there is no sheet. ValueError says what does not fit."""
    if not path.exists():
        return []
    most = {w.name: w.points for w in assignment.written}
    found = []
    for number, row in enumerate(_lines(path), start=2):
        points, comment = ((row.get(column) or "").strip() for column in ("points", "comment"))
        if row["words"] == "0" and not points.strip("0."):  # the 0 of an empty answer was given by the grader
            points = ""
        if not points and not comment:
            continue
        try:
            given = float(points or 0)
            fits = 0 <= given <= most[row["question"]]
        except (ValueError, KeyError):
            fits = False
        if not fits:
            raise ValueError(f"{path.name}, row {number}: points must lie between 0 and those of its question")
        own = row["student"] or "", row["question"], row["words"] or "", row.get("text") or ""
        found.append(Row(*own, given if points else None, comment))
    return found


def is_older(path: Path) -> bool:
    """Whether a sheet is of a version that did not keep which text its points were for."""
    if not path.exists():
        return False
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        return "text" not in next(csv.reader(file), [])


def _lines(path: Path) -> Iterator[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # with the mark that some spreadsheets put first
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            if not set(NEEDED) <= set(names) <= set(COLUMNS):
                raise ValueError(
                    f"{path.name} must have the columns {', '.join(COLUMNS)}, separated by commas, and no others; "
                    f"it has {', '.join(names) or 'none'}"
                )
            yield from reader
    except (UnicodeError, csv.Error) as error:
        raise ValueError(f"{path.name} is no table in UTF-8, separated by commas: save it as one") from error


def matched(rows: list[Row], batch: list[Marks]) -> Sheet:
    """The points of each text that is the present one; 0 for an answer that is empty, until a person says otherwise."""
    left = {(row.student, row.question, row.text or row.words): row for row in rows if row.text or row.points}
    lost = [row for row in rows if not row.text and not row.points]  # it may be the 0 of an answer once empty
    points: dict[str, dict[str, float]] = {}
    comments: dict[str, dict[str, str]] = {}
    for marks in batch:
        for question, text in marks.texts.items():
            words = marks.words[question]
            row = left.pop((marks.student, question, text_mark(text)), None)
            row = row or left.pop((marks.student, question, str(words)), None)
            if row is not None and row.comment:
                comments.setdefault(marks.student, {})[question] = row.comment
            if row is not None and row.points is not None:
                points.setdefault(marks.student, {})[question] = row.points
            elif not words:
                points.setdefault(marks.student, {})[question] = 0.0
    return Sheet(points, comments, [*left.values(), *lost])


def write(path: Path, assignment: Assignment, batch: list[Marks], sheet: Sheet) -> None:
    """A row for each written answer, with columns for its points and a comment; below them what was earlier."""

    def rows() -> Iterator[list[object]]:
        yield list(COLUMNS)
        for marks in batch:
            for w in assignment.written:
                text = marks.texts.get(w.name, "")
                points = sheet.points.get(marks.student, {}).get(w.name)
                comment = sheet.comments.get(marks.student, {}).get(w.name, "")
                yield [marks.student, w.name, w.points, len(text.split()), text_mark(text), _number(points), comment]
        most = {w.name: w.points for w in assignment.written}
        for row in sheet.earlier:
            own = row.student, row.question, most[row.question], EARLIER, row.text, _number(row.points), row.comment
            yield list(own)

    def fill(partial: Path | str) -> None:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows())

    write_aside(path, fill)


def _number(points: float | None) -> str:
    return "" if points is None else str(int(points)) if points == int(points) else str(points)
