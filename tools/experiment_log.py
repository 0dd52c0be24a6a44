"""The experiment log, a page of the book: every question, what was decided before its runs, what was run, its cost.

python -m tools.experiment_log          # write book/experiment_log.md
python -m tools.experiment_log --check  # exit with 1 if the page is not what the questions and records say
"""

import ast
import sys
from pathlib import Path
from typing import Any

from experiments.runner import question
from resattn.analysis.runs import records
from resattn.zoo import checkpoints

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "experiment_log.md"
HEAD = """# Experiment log

Every grid of trainings behind this book: what was asked, what was written down before the first run, how much of it has
been run, what it cost. A question whose runs are not all there decides nothing yet, and no chapter concludes from it.
The records come with the package: `resattn.zoo.load_records("cued")`; `python -m experiments cued` makes the runs.
"""
WITHDRAWN = """(log-withdrawn)=
## Withdrawn: the first grid of told masks (chapter 12)

`mask_supervision`, 90 runs: five seeds of each arm, with 300 and with 3,000 labels. It came with the package up to
commit 81e1b3f, where its records and its code still are. All seeds of an arm shared their training pictures, so its
intervals were about first weights and order alone; masks were compared with a trunk of fewer parameters; what decides
had not been written down before it ran, and the weight of the mask's loss was not chosen on pictures of its own.
`supervision` asks the same with these mended. Two kinds of arm were not taken over: masks told another picture's
object, and the perfect mask at half strength.
"""


def questions() -> list[str]:
    """The questions in the order of their files' names."""
    files = sorted((ROOT / "experiments").glob("[!_]*.py"))
    return [path.stem for path in files if "\nRUNS" in path.read_text(encoding="utf-8")]


def cost(runs: list[dict[str, Any]]) -> str:
    """Core-hours; where some runs were not timed, an estimate by those that were."""
    timed = [run["seconds"] for run in runs if run.get("seconds")]
    if len(timed) == len(runs):
        return f"{sum(timed) / 3600:.1f}" if runs else "0"
    return f"≈ {len(runs) * sum(timed) / len(timed) / 3600:.1f}" if timed else "not timed"


def page() -> str:
    sections, rows = [], []
    for name in questions():
        doc = ast.get_docstring(ast.parse((ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8"))) or ""
        title, _, body = doc.partition("\n\n")
        anchor = "log-" + name.replace("_", "-")
        planned = len(question(name).RUNS)
        runs = records(name)
        dates = sorted({run["date"] for run in runs})
        when = "" if not dates else dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        state = "not run" if not runs else "complete" if len(runs) >= planned else "under way"
        rows.append(f"| [{name}](#{anchor}) | {state} | {len(runs)} of {planned} | {cost(runs)} | {when} |")
        sections.append(f"({anchor})=\n## {title.strip()}\n\n{body.strip()}\n")
    table = "\n".join(["| question | state | runs | core-hours | dates |", "|:--|:--|--:|--:|:--|", *rows])
    return "\n".join([HEAD, table, "", *sections, WITHDRAWN]).rstrip() + "\n"


def main() -> int:
    made = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == made
        if not same:
            print("book/experiment_log.md is not up to date: run python -m tools.experiment_log", file=sys.stderr)
        return 0 if same else 1
    checkpoints.write_aside(PAGE, lambda partial: partial.write_text(made, encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
