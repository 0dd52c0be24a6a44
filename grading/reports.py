"""What comes out of a batch: a table of marks, a page a student, the written answers, nbgrader's gradebook."""

import csv
import html
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resattn.zoo.checkpoints import write_aside

from .marks import Marks
from .spec import Assignment

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: {student}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #bbb; padding: .3rem; text-align: left }}
p {{ white-space: pre-line }}
</style></head><body>
<h1>{title}</h1><p>{student}</p>
<p><strong>{points} of {most} points</strong> for the parts that a machine can mark{written}.</p>
{body}
</body></html>
"""

ANSWERS = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: written answers</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ white-space: pre-wrap; font: inherit; border-left: 3px solid #bbb; padding-left: 1rem }}
</style></head><body>
<h1>{title}: written answers</h1>
{body}
</body></html>
"""


def _aside(path: Path, text: str) -> None:
    write_aside(path, lambda partial: Path(partial).write_text(text, encoding="utf-8"))


def feedback(
    path: Path, assignment: Assignment, marks: Marks, written: dict[str, float], comments: dict[str, str]
) -> None:
    """The page for one student: what each part asked for, what it gave, why not more, and what the person says who
    marks the written answers; nothing of the tests.
    """

    def row(cells: Iterable[str], tag: str = "td") -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    rows = [row(("question", "part", "points", ""), "th")]
    rows += [row((x.question, x.says, f"{x.points} of {x.most}", x.why)) for x in marks.lines]
    for w in assignment.written:
        points = f"{written[w.name]:g} of {w.points}" if w.name in written else f"of {w.points}"
        words = marks.words.get(w.name, 0)
        rows.append(row((w.name, w.says, points, f"{words} words" if words else "not written yet")))
    notes = "".join(f"<p>{html.escape(name)}: {html.escape(note)}.</p>" for name, note in marks.notes.items())
    said = "".join(f"<p>{html.escape(name)}: {html.escape(comment)}</p>" for name, comment in comments.items())
    table = f"<table>{''.join(rows)}</table>{notes}"
    body = (f"<p>Refused: {html.escape(marks.refused)}.</p>" if marks.refused else table) + said
    text = PAGE.format(
        title=html.escape(assignment.title),
        student=html.escape(marks.student),
        points=marks.points,
        most=assignment.points(),
        written="" if not written else f", {sum(written.values()):g} for the written ones",
        body=body,
    )
    _aside(path, text)


def answers(path: Path, assignment: Assignment, batch: list[Marks]) -> None:
    """The page that a person reads who marks the written answers: each question, the answers of all students.

    Above an answer stands whom and what the student says to have used.
    """
    found = []
    for w in assignment.written:
        found.append(f"<h2>{html.escape(w.says)} ({w.points} points)</h2>")
        for marks in batch:
            text = html.escape(marks.texts.get(w.name, "") or "not written")
            used = f"<p>Whom and what it used: {html.escape(marks.honour)}</p>" if marks.honour else ""
            found.append(f"<h3>{html.escape(marks.student)}</h3>{used}<pre>{text}</pre>")
    _aside(path, ANSWERS.format(title=html.escape(assignment.title), body="\n".join(found)))


def _cell(text: str) -> str:
    """A text that a spreadsheet will not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t" else text


def _table(path: Path, rows: Iterator[list[object]]) -> None:
    def write(partial: Path | str) -> None:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    write_aside(path, write)


def table(path: Path, assignment: Assignment, batch: list[Marks], written: dict[str, dict[str, float]]) -> None:
    """One row a student: every part, written parts as far as they are marked, the sum, why a hand-in was refused."""

    def rows() -> Iterator[list[object]]:
        parts = [f"{q.name}-{part.name}" for q in assignment.questions for part in q.parts]
        yield ["student", "points", "automatic", *parts, *(w.name for w in assignment.written), "refused"]
        for marks in batch:
            own = written.get(marks.student, {})
            hand = [own.get(w.name, "") for w in assignment.written]
            total = marks.points + sum(own.values())
            each = [line.points for line in marks.lines]
            yield [_cell(marks.student), f"{total:g}", marks.points, *each, *hand, marks.refused]

    _table(path, rows())


@contextmanager
def _opened(database: str) -> Iterator[Any]:
    """nbgrader's gradebook at this address. Raises ValueError where a database cannot be used."""
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with Gradebook(database) as gradebook:
            yield gradebook
    except (SQLAlchemyError, ModuleNotFoundError) as error:  # the latter for a kind of database without its driver
        raise ValueError(f"the gradebook {database} cannot be used: {str(error).splitlines()[0]}") from error


def to_gradebook(
    database: str, assignment: Assignment, notebook: str, batch: list[Marks], sheet: dict[str, dict[str, float]]
) -> int:
    """Put the marks into nbgrader's gradebook, where ``nbgrader generate_assignment`` has put the assignment.

    ``database`` is its address, such as sqlite:///gradebook.db. Returns how many students were entered. Raises
    ValueError if the gradebook cannot be used or does not have the assignment.
    """
    from nbgrader.api import MissingEntry
    from sqlalchemy.exc import SAWarning

    with _opened(database) as gradebook:
        try:
            gradebook.find_notebook(notebook, assignment.name)
        except MissingEntry as error:
            raise ValueError(
                f"{database} has no notebook {notebook} in the assignment {assignment.name}: run nbgrader "
                "generate_assignment first"
            ) from error
        for marks in batch:
            gradebook.update_or_create_student(marks.student)
            try:
                gradebook.find_submission(assignment.name, marks.student)
            except MissingEntry:
                with warnings.catch_warnings():  # nbgrader asks for a student's entries while it makes them
                    warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
                    gradebook.add_submission(assignment.name, marks.student)
            for line in marks.lines:
                grade = gradebook.find_grade(f"{line.question}-{line.part}", notebook, assignment.name, marks.student)
                grade.auto_score, grade.needs_manual_grade = line.points, False
            for written in assignment.written:
                grade = gradebook.find_grade(written.name, notebook, assignment.name, marks.student)
                points = sheet.get(marks.student, {}).get(written.name)
                grade.manual_score, grade.needs_manual_grade = points, points is None
            gradebook.db.commit()
    return len(batch)


def left_alone(database: str, assignment: Assignment, batch: list[Marks]) -> list[str]:
    """Who has marks for the assignment in the gradebook and is not in the batch."""
    with _opened(database) as gradebook:
        entered = {submission.student_id for submission in gradebook.assignment_submissions(assignment.name)}
    return sorted(entered - {marks.student for marks in batch})
