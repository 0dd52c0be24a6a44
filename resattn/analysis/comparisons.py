"""The comparisons that the paper's tables make, and the records of the package that make them at a small size.

A comparison is two printed numbers, one less the other. A trial is a record in which two arms ask the same. Trials are
listed best first; the first whose runs are all there, and whose networks have learned, is taken, so that a larger
experiment takes the place of a smaller one as soon as it is complete. Chapter 11 reads its table of small experiments,
and the words of its ledger, from this one list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from statistics import fmean
from typing import Any

from . import runs as of_records
from .printed import FIG_4, TABLE_1, TABLE_3, TABLE_4, TABLE_5, TABLE_6
from .statistics import Difference, paired

SEEDS = 3  # at least, for an interval
LEARNED = 80.0  # per cent of error; who guesses among ten classes makes 90, and is right half as often
TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet"}  # as records write the data sets
Place = tuple[str, str, str]  # table, what, quantity: an entry of the ledger
records = cache(of_records.records)  # the ledger asks for the same few again and again


@dataclass(frozen=True)
class Trial:
    """Two arms of a record: ``arm`` less ``against``, in the runs whose fields are as in ``where``.

    ``planned`` is how many such runs its experiment lists, of all arms; ``value`` what a run must have.
    """

    record: str
    arm: str
    against: str
    planned: int
    where: Mapping[str, Any] = field(default_factory=dict, hash=False)
    value: str = "test_error"

    @property
    def runs(self) -> dict[str, dict[int, of_records.Run]]:
        """The runs that are there, by arm and seed."""
        return of_records.by_arm(records(self.record), self.where, self.value)

    def on(self, data: str) -> bool:
        """Whether every run learned a data set, by what its record says of its training pictures."""
        runs = [run for by_seed in self.runs.values() for run in by_seed.values()]
        return all(run["data"]["train"].startswith(f"{TITLES[data]} train") for run in runs)

    @property
    def complete(self) -> bool:
        """Whether all planned runs are there, both arms with the same seeds, three or more."""
        runs = self.runs
        seeds = [set(runs.get(arm, {})) for arm in (self.arm, self.against)]
        return sum(map(len, runs.values())) >= self.planned and seeds[0] == seeds[1] and len(seeds[0]) >= SEEDS

    @property
    def learned(self) -> bool:
        """Whether the networks of both arms have begun to learn, on average: an error of less than ``LEARNED`` per
        cent."""
        return all(fmean(self.errors(arm)) < LEARNED for arm in (self.arm, self.against))

    def errors(self, arm: str) -> list[float]:
        """In per cent, in the order of the seeds."""
        return [100 * run["test_error"] for _, run in sorted(self.runs[arm].items())]

    @property
    def by_seed(self) -> list[float]:
        """The differences in points, seed by seed."""
        return [a - b for a, b in zip(self.errors(self.arm), self.errors(self.against), strict=True)]

    @property
    def difference(self) -> Difference:
        return paired(self.errors(self.arm), self.errors(self.against))


@dataclass(frozen=True)
class Comparison:
    """Two printed numbers, ``more`` less ``less``: by how much the second network does better, as the paper has it."""

    name: str
    more: Place
    less: Place
    printed: float
    trials: tuple[Trial, ...] = ()

    @property
    def trial(self) -> Trial | None:
        """The first of its trials that is complete and whose networks have learned."""
        return next((trial for trial in self.trials if trial.complete and trial.learned), None)


def _grid(arm: str, against: str, where: str = "cifar_tables") -> Trial:
    return Trial(where, arm, against, {"cifar": 12, "cifar_tables": 32}[where])


def _noise(level: int) -> Trial:
    """ARL against the equal twin on Scenes with wrong labels, the grid of chapter 9."""
    return Trial("noise", "twin", "arl", 24, {"noise": level / 100})


def _response(arm: str) -> Trial:
    """The responses of stages with three modules each, on Scenes, after the longest training of chapter 7."""
    return Trial("depth", arm, "arl", 20, {"modules": 3, "steps": 4000}, "response")


A56, A128, A92 = "Attention-56", "Attention-128", "Attention-92"
MIXED, TABLE_4_CHOICE = ("1", "mixed", "error"), ("4", "encoder-decoder", "error")

COMPARISONS = (
    *(
        Comparison(
            f"{kind} attention less mixed",
            ("1", kind, "error"),
            MIXED,
            TABLE_1[kind] - TABLE_1["mixed"],
            (_grid(kind, "arl"),),
        )
        for kind in ("channel", "spatial")
    ),
    Comparison(
        "NAL less ARL, one module a stage",
        ("3", A56, "NAL error"),
        ("3", A56, "ARL error"),
        TABLE_3[A56][1] - TABLE_3[A56][0],
        (_grid("nal", "arl", "cifar"), _grid("nal", "arl")),
    ),
    Comparison(
        "NAL less ARL, three modules a stage",
        ("3", A128, "NAL error"),
        ("3", A128, "ARL error"),
        TABLE_3[A128][1] - TABLE_3[A128][0],
        (_grid("nal-m3", "arl-m3"),),
    ),
    Comparison(
        "ARL, one module a stage less three",
        ("3", A56, "ARL error"),
        ("3", A128, "ARL error"),
        TABLE_3[A56][0] - TABLE_3[A128][0],
        (_grid("arl", "arl-m3"),),
    ),
    Comparison(
        "local convolutions less encoder-decoder",
        ("4", "local convolutions", "error"),
        TABLE_4_CHOICE,
        TABLE_4["local convolutions"] - TABLE_4["encoder-decoder"],
        (_grid("local", "arl"),),
    ),
    Comparison(
        "residual network less attention, of one size",
        ("6", "ResNet-164", "CIFAR-10 error"),
        ("6", A92, "CIFAR-10 error"),
        TABLE_6["ResNet-164"][1] - TABLE_6[A92][1],
        (_grid("twin", "arl", "cifar"), _grid("twin", "arl")),
    ),
    *(
        Comparison(
            f"residual network less attention, {noise} % noise",
            ("5", "ResNet-164", f"error, {noise} % noise"),
            ("5", A92, f"error, {noise} % noise"),
            resnet - attention,
            (_noise(noise),),
        )
        for noise, (resnet, attention) in TABLE_5.items()
    ),
    *(
        Comparison(
            f"{what} less ARL, response of stage {stage}",
            ("Fig. 4", what, f"response, stage {stage}"),
            ("Fig. 4", "ARL", f"response, stage {stage}"),
            FIG_4[what][stage - 2] - FIG_4["ARL"][stage - 2],
            (_response(arm),),
        )
        for what, arm in (("NAL", "nal"), ("ResNet-164", "plain"))
        for stage in (2, 3)
    ),
)
