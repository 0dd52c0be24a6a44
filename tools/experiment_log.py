"""The experiment log, a page of the book: every question, what was decided before its runs, what was run, its cost.

python -m tools.experiment_log          # write book/experiment_log.md
python -m tools.experiment_log --check  # exit with 1 if the page is not what the questions and records say
"""

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from experiments.runner import question
from experiments.train_zoo import ENTRIES
from resattn.analysis import claims, count_multiply_adds, cues, photographs, telling
from resattn.analysis import verdicts as verdicts_of
from resattn.analysis.runs import records
from resattn.figures.prose import typeset
from resattn.networks import NetworkConfig, ResidualAttentionNetwork
from resattn.zoo import checkpoints, pretrained

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "experiment_log.md"
HEAD = """# Experiment log

Every grid of trainings behind this book: what was asked, what was written down before the first run, how much of it has
been run, what came out by rule, what it cost. A question whose runs are not all there decides nothing yet, and no
chapter concludes from it. The records come with the package: `resattn.zoo.load_records("cued")`; `python -m experiments
cued` makes the runs. The last two rows are [of another kind](#log-others).

*Outcome*: the words of the question's own rule or, where a row of [the table of claims](#tour-claims) rests on the
runs, its verdict; it stands in full below, under its question. *Not resolved* is said after Holm's correction, so an
interval without zero may still not be resolved. A dash says that the runs are not complete (their count is bold), or
that the chapter says what they decided. *≈*: estimated from the runs that were timed.
*PFLOP*: 10¹⁵ operations of training, that is multiply-adds of the network, times pictures seen, times three for the
ways forward and back, times two. A dash stands where nothing was trained. A plus behind a commit: the files had changes
that were not yet committed.
"""
OTHERS = """(log-others)=
## Runs without such a rule

`finetune` (the page [Your own pictures](own_pictures.md)) had its arms and its one comparison fixed before it ran;
`python -m experiments.finetune` makes its runs. `zoo` are the networks that come with the package beside those that a
question has kept, one training each: illustrations. Their records stand beside their weights, and
`python -m experiments.train_zoo` makes them.
"""
WITHDRAWN = """(log-withdrawn)=
## Withdrawn

*The first grid of wrong labels (chapter 9).* `label_noise`, 36 runs: three seeds of ARL, NAL and the equal twin at four
levels of noise, on 4,000 Scenes. It came with the package up to commit 94bc231, where its records and its code still
are. All seeds shared their training pictures, with noise the networks made 59 to 88 % errors, and the training loss of
some was that of guessing. `noise` asks the same of networks that learn. The level of 70 % was not taken over.

*The first grid of told masks (chapter 12).*
`mask_supervision`, 90 runs: five seeds of each arm, with 300 and with 3,000 labels. It came with the package up to
commit 81e1b3f, where its records and its code still are. All seeds of an arm shared their training pictures, so its
intervals were about first weights and order alone; masks were compared with a trunk of fewer parameters; what decides
had not been written down before it ran, and the weight of the mask's loss was not chosen on pictures of its own.
`supervision` asks the same with these mended. Two kinds of arm were not taken over: masks told another picture's
object, and the perfect mask at half strength.
"""


Run = dict[str, Any]
Verdict = tuple[str, str, str]  # a claim, the word, and the numbers that decide
DASH = "–"


@dataclass(frozen=True)
class Row:
    """A set of runs: where it is told, how many runs were planned and which are there, and what they decided."""

    name: str
    anchor: str
    planned: int
    runs: list[Run]
    outcome: str = DASH

    @property
    def state(self) -> str:
        return "not run" if not self.runs else "complete" if len(self.runs) >= self.planned else "under way"

    def __str__(self) -> str:
        dates = sorted({run["date"].removeprefix("2026-") for run in self.runs})
        when = "" if not dates else dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        made = f"{len(self.runs)}\u00a0of\u00a0{self.planned}"  # on one line
        cells = (
            f"[{self.name.replace('_', '_<wbr>')}](#{self.anchor})",
            made if self.state == "complete" else f"**{made}**",
            self.outcome,
            cost(self.runs),
            work(self.runs, "" if self.anchor == "log-others" else self.name),
            when,
        )
        return f"| {' | '.join(cells)} |"


def questions() -> list[str]:
    """The questions in the order of their files' names."""
    files = sorted((ROOT / "experiments").glob("[!_]*.py"))
    return [path.stem for path in files if "\nRUNS" in path.read_text(encoding="utf-8")]


def cost(runs: list[Run]) -> str:
    """Core-hours; where some runs were not timed, an estimate by those that were."""
    timed = [run.get("processor_seconds") or run["seconds"] for run in runs if run.get("seconds")]
    if len(timed) == len(runs):
        return f"{sum(timed) / 3600:.1f}" if runs else "0"
    return f"≈ {len(runs) * sum(timed) / len(timed) / 3600:.1f}" if timed else "not timed"


@cache
def multiply_adds(config: str, size: int) -> int:
    """Of a network, by its settings as JSON, for one picture of so many pixels a side."""
    fields: Run = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(config).items()}
    with torch.device("meta"):  # shapes and no memory
        return count_multiply_adds(ResidualAttentionNetwork(NetworkConfig(**fields)), size)


@cache
def multiply_adds_of(name: str, run: Any) -> tuple[int, int]:
    """Of the network of a run, by the ``work`` of its question, and the number of pictures that it is trained on."""
    network, size, pictures = question(name).work(run)
    return count_multiply_adds(network, size), pictures


def operations(run: Run, name: str = "") -> float | None:
    """Of one training: back costs twice as much as forward, and nothing where all but the classifier is frozen. None
    where nothing was trained."""
    if "history" in run and "config" in run:
        pictures = run["history"][-1]["step"] * run["recipe"]["batch_size"] * run["world"]
        size = run["data"].get("size", 32)  # older records do not name it; they are of Scenes and of CIFAR-10
        return 2 * (1 if run.get("frozen") else 3) * pictures * multiply_adds(json.dumps(run["config"]), size)
    if not name or not hasattr(question(name), "work"):
        return None
    (planned,) = (planned for planned in question(name).RUNS if planned.key == run["key"])
    alike = {"seed": 0, "rate": None, "weight": None}  # what changes nothing in the count
    present = {field.name for field in fields(planned)}
    each, pictures = multiply_adds_of(name, replace(planned, **{k: v for k, v in alike.items() if k in present}))
    return 6 * pictures * each


def work(runs: list[Run], name: str = "") -> str:
    """PFLOP of all trainings; a dash where nothing was trained."""
    counted = [operations(run, name) for run in runs]
    found = [each for each in counted if each is not None]
    return f"{sum(found) / 1e15:.2g}" if found and len(found) == len(counted) else DASH


def told(runs: list[Run]) -> Iterator[Verdict]:
    for fusion, found in telling.decisions(runs).items():
        numbers = f"steps {found.steps}, less those told of both objects {found.beyond_objects}, answers {found.right}"
        yield f"Telling brings the cue sooner, {fusion.upper()}", found.sooner, numbers
        yield f"Telling gives more right answers, {fusion.upper()}", found.better, numbers


def told56(runs: list[Run]) -> Iterator[Verdict]:
    names = {"untold": "untold", "last": "told at the last mask", "all": "told at all masks"}
    for (arm, against), (difference, word) in telling.which_masks(runs).items():
        yield f"Right answers of Attention-56, {names[arm]} less {names[against]}", word, f"{difference} points"


def one_module(runs: list[Run]) -> Iterator[Verdict]:
    for (ours, theirs), (difference, word) in cues.modules_alone(records("cued"), runs).items():
        yield f"Right answers, {cues.MODULES[ours]} less {cues.MODULES[theirs]}", word, f"{difference} points"


def three_objects(runs: list[Run]) -> Iterator[Verdict]:
    for network in ("arl", "nal"):
        found = cues.of(runs, network)
        count, holds = cues.among_three(found)
        word = "holds" if holds else "did not show"
        yield f"One mask carries the choice among three, {network.upper()}", word, f"{count} of {len(found)}"


POOR = ", by a measure that takes a wrong name for a wrong object (above)"


def unseen(runs: list[Run]) -> Iterator[Verdict]:
    for (ours, theirs), (difference, word) in cues.attention_carries_over(runs).items():
        text = f"Carries the cue over to classes left out, {ours.upper()} less {theirs}"
        yield text, word, f"{difference} points{POOR}"
    for network in ("arl", "nal"):
        fresh = [run for run in cues.of(runs, network) if run["seed"] >= cues.SEEN]
        count, holds = cues.masks_carry_over(fresh)
        text = f"The mask carries the cue over, and the answer does not, {network.upper()}"
        yield text, "holds" if holds else "did not show", f"{count} of {len(fresh)}{POOR}"


def cued56(runs: list[Run]) -> Iterator[Verdict]:
    for network in ("arl", "nal"):
        found = [cues.figure_1(run) for run in cues.of(runs, network)]
        modules = ", ".join(name.split(".")[0] if name else "none alone" for name, _ in found)
        count = sum(told for _, told in found)
        word = "holds" if count == len(found) else "did not show"
        numbers = f"{count} of {len(found)}; by seed the choice is carried by {modules}"
        yield f"Fig. 1 told again: the mask that carries moves, its trunk does not, {network.upper()}", word, numbers


def cifar(runs: list[Run]) -> Iterator[Verdict]:
    for rival, (difference, word) in photographs.less_error(runs).items():
        yield f"Test error, ARL less {photographs.RIVALS[rival]}", word, f"{difference} points"


def additions(runs: list[Run]) -> Iterator[Verdict]:
    for (arm, before), (difference, word) in verdicts_of.additions(runs).items():
        yield f"Right answers, {arm} less {before}", word, f"{difference} points"


def units(runs: list[Run]) -> Iterator[Verdict]:
    for ((arm, n), (against, m)), (difference, word) in verdicts_of.units(runs).items():
        chain, rival = f"{n} units {arm} the addition", f"{m} units {against} it"
        yield f"Right answers, {chain} less {rival}", word, f"{difference} points"


def turned(runs: list[Run]) -> Iterator[Verdict]:
    for (arm, against), (difference, word) in verdicts_of.turned(runs, records("depth")).items():
        yield f"Errors, {arm} less {against}", word, f"{difference} points"


CONTROL = {
    "mark": ("Marked wrong labels less unmarked ones, log gain at the last module", "%"),
    "named": ("Share of the signal on the object that a wrong label names, behind the mask less before it", "points"),
    "lead, mark": ("Right answers under marked wrong labels, less the twin's", "points"),
    "lead, other": ("Right answers under labels of the other object, less the twin's", "points"),
}


NOISE = {
    "more": ("Accuracy less the twin's, half of the labels wrong less clean", "points"),
    "within": ("True label less its nine others, half of the labels wrong, log gain at the last module", "%"),
}
LATER_WORDS = ("leans", "more lies there", "less lies there")  # of the control; its rule has none for these cases


def by_network(
    found: dict[tuple[str, str], verdicts_of.Decided], asked: dict[str, tuple[str, str]]
) -> Iterator[Verdict]:
    """Verdicts by what was asked and network, each with its unit."""
    for (key, network), (difference, word) in found.items():
        claim, unit = asked[key]
        late = ". The rule has no word for this; it was chosen when the runs had been read" * (word in LATER_WORDS)
        yield f"{claim}, {network.upper()}", word, f"{difference} {unit}{late}"


def noise(runs: list[Run]) -> Iterator[Verdict]:
    return by_network(verdicts_of.noise(runs), NOISE)


def noise_control(runs: list[Run]) -> Iterator[Verdict]:
    return by_network(verdicts_of.noise_control(runs), CONTROL)


CUED = (told, told56, one_module, three_objects, unseen, cued56)
READERS = (*CUED, cifar, additions, units, turned, noise, noise_control)
VERDICTS = {read.__name__: read for read in READERS}  # by question


def verdicts(name: str) -> list[Verdict]:
    """What the complete runs of a question decide."""
    found = []
    for claim in claims.CLAIMS:
        if claim.records == name:
            verdict = claims.verdict(claim)
            late = ". The rule for this word was set or changed when the runs had been read" * claim.late
            found.append((claim.text[0], verdict.word, verdict.reading + late))
    if name in VERDICTS:
        found += VERDICTS[name](records(name))
    return found


def commits(runs: list[Run]) -> str:
    """Which commits made how many runs; a plus behind a commit: with changes that were not yet committed."""
    counts = Counter(run["commit"][:7] + "+" * run["commit"].endswith("+") for run in runs)
    return ", ".join(f"{commit} ({count})" for commit, count in counts.items())


def words(found: list[Verdict]) -> str:
    """The words of verdicts, each once, with how many have it."""
    counts = Counter(word for _, word, _ in found)
    return ", ".join(word if count == 1 else f"{word} ({count})" for word, count in counts.items()) or DASH


def asked(name: str) -> tuple[Row, str]:
    """The row of a question, and its section."""
    doc = ast.get_docstring(ast.parse((ROOT / "experiments" / f"{name}.py").read_text(encoding="utf-8"))) or ""
    title, _, body = doc.partition("\n\n")
    row = Row(name, "log-" + name.replace("_", "-"), len(question(name).RUNS), records(name))
    found = verdicts(name) if row.state == "complete" else []
    if found:
        row = replace(row, outcome=words(found))
    outcome = "".join(
        typeset(f"\n- {claim}: **{word}**. {numbers[:1].upper()}{numbers[1:]}.") for claim, word, numbers in found
    )
    section = f"({row.anchor})=\n## {title.strip()}\n\n{body.strip()}\n"
    if row.runs:
        section += f"\n*Commits*, and how many runs each made: {commits(row.runs)}.\n"
    return row, section + (f"\n*Outcome*\n{outcome}\n" if outcome else "")


def others() -> list[Row]:
    """The sets of runs that no question of this form has asked for."""
    zoo = [checkpoints.read_json(pretrained.WEIGHTS / f"{name}.json") for name in ENTRIES]
    return [
        Row("finetune", "log-others", 12, records("finetune")),
        Row("zoo", "log-others", len(ENTRIES), zoo),
    ]


def page() -> str:
    rows, sections = zip(*map(asked, questions()), strict=True)
    head = "| question | runs | outcome | core-hours | PFLOP | in 2026 |\n|:--|--:|:--|--:|--:|:--|"
    table = "\n".join([head, *map(str, [*rows, *others()])])
    return "\n".join([HEAD, table, "", *sections, OTHERS, WITHDRAWN]).rstrip() + "\n"


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
