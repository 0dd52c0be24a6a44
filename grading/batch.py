"""A batch of hand-ins: found in a folder, graded side by side, kept one by one, so that a stopped batch goes on."""

import dataclasses
import hashlib
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tqdm import tqdm

from resattn.zoo.checkpoints import write_json

from . import by_hand, reports
from .assignments import NAMES, load
from .find import BESIDE, is_hand_in
from .marks import Key, Line, Marks, grade, key
from .run import Server

LONGEST = 200  # bytes of a page's name, without what a file that is being written has beside it
LIST = "marks.json"  # the rows of marks.csv, whole: students without a file included, earlier students not


def hand_ins(folder: Path, name: str) -> list[tuple[str, Path | None, str]]:
    """Students and their files for an assignment: ``folder/STUDENT.zip``, or what is below ``folder/STUDENT``.

    Where nbgrader's ``folder/STUDENT/ASSIGNMENT`` is there, only what lies in it; never what lies in such a folder of
    another assignment. The newest file of a student counts. Where there is none, the file is None, and a sentence says
    what is there instead: so every entry of the folder that is not hidden has its student. Raises ValueError for no
    students.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found: dict[str, list[Path]] = {}
    refused: dict[str, str] = {}
    others = set(NAMES) - {name}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        student = _text(entry.name if entry.is_dir() else entry.stem)
        if entry.is_symlink():
            found.setdefault(student, [])
            refused[student] = f"a link to another file, and not a notebook or a zip file: {_text(entry.name)}"
        elif entry.is_dir():
            own = entry / name
            inside = own if own.is_dir() and not own.is_symlink() else entry
            files = [p for p in inside.rglob("*") if is_hand_in(p) and p.is_file() and not p.is_symlink()]
            elsewhere = others | BESIDE
            files = [p for p in files if elsewhere.isdisjoint(p.relative_to(inside).parts)]
            found.setdefault(student, []).extend(files)
        elif is_hand_in(entry):
            found.setdefault(student, []).append(entry)
        else:
            found.setdefault(student, [])
            refused[student] = f"not a notebook or a zip file: {_text(entry.name)}"
    if not found:
        raise ValueError(f"{folder} holds no hand-ins: a folder or a file (.ipynb, .zip) for each student")
    why = dict.fromkeys(found, "there is no notebook in the folder") | refused
    newest = {
        student: max(paths, key=lambda p: (p.stat().st_mtime, str(p)), default=None) for student, paths in found.items()
    }
    return [(student, path, "" if path else why[student]) for student, path in sorted(newest.items())]


def _text(name: str) -> str:
    """The name of a file, also one in another encoding, as old archives have them."""
    return name.encode("utf-8", "replace").decode()


def grade_all(name: str, variant: str, folder: Path, out: Path, jobs: int = 1) -> list[Marks]:
    """The marks of every hand-in in ``folder``; writes results and what :func:`report` writes.

    The inputs of the tests are drawn once for a batch, with a number kept in ``out/batch.json``: all students meet the
    same. What was graded before is kept, unless the hand-in or anything that marks it has changed.
    """
    assignment = load(name)
    assignment.values(variant)
    students = hand_ins(folder, name)
    by_hand.read(out / "written.csv", assignment)  # a row that does not fit is said now, and not after the batch
    seed = _seed(out, name, variant)
    answers = key(name, variant, seed)
    known = sorted(answers.release.ids), sorted(answers.release.heads.items()), answers.honour and answers.honour.text
    made_of = name, assignment.exact(variant), seed, answers.given, answers.blanks, answers.tasks, known, answers.calls
    about = hashlib.sha256(repr(made_of).encode())
    for path in sorted(Path(__file__).parent.glob("**/*.py")):
        about.update(path.read_bytes())
    servers: SimpleQueue[Server] = SimpleQueue()
    everything = [Server() for _ in range(jobs)]
    for server in everything:
        servers.put(server)

    def one(student: str, path: Path | None, why: str) -> Marks:
        if path is None:
            return _none(student, answers, why)
        try:
            digest = hashlib.sha256(about.digest() + path.read_bytes()).hexdigest()
        except OSError as error:
            return _none(student, answers, f"the file cannot be read ({type(error).__name__})")
        kept = out / "results" / f"{hashlib.sha256(student.encode()).hexdigest()[:16]}.json"
        marks = _kept(kept, digest)
        if marks is None:
            server = servers.get()
            try:
                marks = grade(path, student, answers, server)
            except Exception as error:  # one hand-in never stops the others
                return _none(student, answers, f"the grader stopped at it ({type(error).__name__}): look at it by hand")
            finally:
                servers.put(server)
            write_json(kept, {"made_of": digest, "marks": dataclasses.asdict(marks)})
        return marks

    (out / "results").mkdir(parents=True, exist_ok=True)
    pool = ThreadPoolExecutor(jobs)
    try:
        found = pool.map(lambda entry: one(*entry), students)
        batch = list(tqdm(found, total=len(students), desc=name, unit="hand-in"))
    finally:
        pool.shutdown(cancel_futures=True)
        for server in everything:
            server.stop()
    report(name, batch, out)
    return batch


def report(name: str, batch: list[Marks], out: Path) -> None:
    """Write ``marks.csv``, ``written.csv``, ``written.html``, ``feedback/``, and the list that the gradebook gets.

    The points of ``written.csv`` are taken over as far as they are filled in, for the texts that they are for.
    """
    assignment = load(name)
    sheet = by_hand.matched(by_hand.read(out / "written.csv", assignment), batch)
    written = sheet.points
    write_json(out / LIST, {"marks": [dataclasses.asdict(marks) for marks in batch]})
    reports.table(out / "marks.csv", assignment, batch, written)
    by_hand.write(out / "written.csv", assignment, batch, sheet)
    reports.answers(out / "written.html", assignment, batch)
    (out / "feedback").mkdir(exist_ok=True)
    for marks in batch:
        path = out / "feedback" / f"{short(marks.student)}.html"
        own = written.get(marks.student, {}), sheet.comments.get(marks.student, {})
        reports.feedback(path, assignment, marks, *own)


def short(student: str) -> str:
    """A name for a student's page: a file's name may have 255 bytes, and the page is written under a longer one."""
    whole = student.encode()
    if len(whole) <= LONGEST:
        return student
    return f"{whole[:LONGEST].decode('utf-8', 'ignore')}-{hashlib.sha256(whole).hexdigest()[:8]}"


def _none(student: str, answers: Key, why: str) -> Marks:
    assignment = load(answers.name)
    marks = Marks(student, refused=why)
    each = [(question, part) for question in assignment.questions for part in question.parts]
    marks.lines = [Line(q.name, p.name, p.says, 0, p.points, marks.refused) for q, p in each]
    marks.texts = {w.name: "" for w in assignment.written}
    return marks


def _seed(out: Path, name: str, variant: str) -> int:
    """The number of the batch in ``out``, which is drawn for a new one.

    Where every hand-in was refused, as after a variant that was forgotten, another batch may take the folder.
    """
    path = out / "batch.json"
    if path.exists():
        kept = _about(path)
        same = kept["assignment"] == name and load(name).exact(kept["variant"]) == load(name).exact(variant)
        if same:
            return int(kept["seed"])
        if _anything_graded(out):
            raise ValueError(f"{out} holds the marks of {kept['assignment']}, {kept['variant']}: choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    seed = secrets.randbelow(2**31)
    write_json(path, {"assignment": name, "variant": variant, "seed": seed})
    return seed


def _about(path: Path) -> dict[str, Any]:
    """What a folder's batch.json says. Raises ValueError where it says nothing."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {"assignment": str(kept["assignment"]), "variant": str(kept["variant"]), "seed": int(kept["seed"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged: delete it to grade all hand-ins anew, or choose another folder"
        ) from error


def _anything_graded(out: Path) -> bool:
    """Whether a hand-in was graded and not refused; a result that cannot be read counts as one."""
    for path in (out / "results").glob("*.json"):
        try:
            if not json.loads(path.read_text(encoding="utf-8"))["marks"]["refused"]:
                return True
        except (ValueError, KeyError, TypeError):
            return True
    return False


def _kept(path: Path, digest: str) -> Marks | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] != digest:
            return None
        return _marks(kept["marks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _marks(kept: dict[str, Any]) -> Marks:
    return Marks(**(kept | {"lines": [Line(**line) for line in kept["lines"]]}))


def finished(out: Path, name: str) -> tuple[str, list[Marks]]:
    """The variant and the marks of the last batch that came to its end: who stands in ``marks.csv``, and nobody else.

    Raises ValueError where there is none in ``out``, or one of another assignment.
    """
    if not (out / LIST).exists():
        raise ValueError(f"{out} holds no marks of a whole batch: run the grade command first")
    kept = _about(out / "batch.json")
    if kept["assignment"] != name:
        raise ValueError(f"{out} holds the marks of {kept['assignment']}, and not of {name}")
    return str(kept["variant"]), [_marks(marks) for marks in json.loads((out / LIST).read_text("utf-8"))["marks"]]
