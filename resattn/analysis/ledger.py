"""The ledger of chapter 11: every printed result of the paper, and one word for what this package has beside it.

No word is typed by hand. For a count, the word follows from our count, the printed digits and the authors' published
files. For a result of training it follows from the comparison that the number takes part in: does a record make this
comparison, and on which data?

- *equal*: we count the same. It rounds to what is printed.
- *as in the file*: our network equals the authors' published file to the last weight, and its count is not printed so.
- *fitted*: the layout was not published, and was chosen by this very count; it need not come out.
- *differs*: we count something else; the deviation stands beside it.
- *same data, smaller*: a record makes the comparison on the paper's data set, with smaller networks and less training.
- *analogue*: a record asks the same of other data. It reproduces nothing.
- *not run*: nothing here speaks about it. Networks that are still near guessing do not.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from .. import zoo
from ..networks import create
from .comparisons import COMPARISONS, Comparison
from .measures import count_multiply_adds, count_parameters
from .printed import FIG_4, TABLE_1, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7

WORDS = ("equal", "as in the file", "fitted", "differs", "same data, smaller", "analogue", "not run")
CIFAR = {name: name.lower().replace("-", "") for name in [*TABLE_3, *TABLE_6] if name.startswith("Attention")}
CIFAR |= {"ResNet-164": "preact_resnet164"}
IMAGENET = {name: name.lower().replace("-", "") + "_imagenet" for name in TABLE_7 if name.startswith("Attention")}
FITTED = {"attention92", "attention236", "attentioninception56_imagenet"}  # by these very counts, see chapter 2


@dataclass(frozen=True)
class Entry:
    """A printed number: where it stands, and of which network of ours it is, if we have it.

    ``settings`` are overrides of the registered network, as the command line takes them, and ``noise`` is the share of
    wrong labels in per cent.
    """

    table: str
    what: str
    quantity: str
    printed: float
    network: str | None = None
    data: str = "cifar10"
    settings: tuple[str, ...] = ()
    noise: int = 0
    side: int = field(default=32, compare=False)  # of the test image

    @property
    def place(self) -> tuple[str, str, str]:
        return self.table, self.what, self.quantity

    @property
    def ours(self) -> float | None:
        """Our count, in the unit of the printed one; None for what is not counted here."""
        if self.network is None or self.quantity not in COUNTS:
            return None
        count, unit = COUNTS[self.quantity]
        return count(self.network) / unit

    @property
    def deviation(self) -> float | None:
        """Our count relative to the printed one, less 1."""
        return None if self.ours is None else self.ours / self.printed - 1

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons that the number takes part in."""
        return [found for found in COMPARISONS if self.place in (found.more, found.less)]

    @property
    def word(self) -> str:
        """One of ``WORDS``."""
        if self.ours is not None:
            return count_word(self.network or "", self.quantity, self.printed)
        trials = [found.trial for found in self.comparisons]
        words = {"same data, smaller" if trial.on(self.data) else "analogue" for trial in trials if trial}
        return max(words, key=lambda word: word == "same data, smaller", default="not run")

    @property
    def command(self) -> str | None:
        """The command that would count, train or test it in full; None for networks that are not in the package."""
        if self.network is None:
            return None
        if self.quantity in COUNTS:
            return "python -m resattn models"
        if self.data == "imagenet":
            return f"python -m resattn evaluate runs/{self.network} --data imagenet --root imagenet --size {self.side}"
        marks = [setting.split("=")[1] for setting in self.settings]
        marks += ["cifar100"] * (self.data == "cifar100") + [f"noise{self.noise}"] * (self.noise > 0)
        words = [f"python -m resattn train {self.network} --data {self.data} --recipe paper"]
        words += [f"--set {setting}" for setting in self.settings]
        words += [f"--noise {self.noise / 100:g}"] * (self.noise > 0)
        return " ".join([*words, "--out", "runs/" + "-".join([self.network, *marks])])


@cache
def parameters(network: str) -> int:
    """Of a registered network."""
    with torch.device("meta"):  # shapes and no memory
        return count_parameters(create(network))


@cache
def multiply_adds(network: str) -> int:
    """Of a registered network, for one image of 32 pixels a side, or of 224 where it is made for ImageNet."""
    with torch.device("meta"):
        return count_multiply_adds(create(network), 224 if network.endswith("imagenet") else 32)


@cache
def published() -> Mapping[str, int]:
    """The parameters in the authors' files, by network: of those whose logits ours give when the file is run."""
    runs: list[dict[str, Any]] = zoo.load_records("authors_files")
    return {run["network"]: run["parameters"] for run in runs if run["difference"] <= 1e-12}


def count_word(network: str, quantity: str, printed: float) -> str:
    """The word for a count.

    >>> [count_word(name, "parameters (M)", 5.1) for name in ("attention236", "attention164", "attention56_imagenet")]
    ['fitted', 'differs', 'as in the file']
    """
    if network in FITTED:
        return "fitted"
    count, unit = COUNTS[quantity]
    if rounds_to(count(network) / unit, printed):
        return "equal"
    return "as in the file" if published().get(network) == parameters(network) else "differs"


COUNTS = {"parameters (M)": (parameters, 1e6), "multiply-adds (G)": (multiply_adds, 1e9)}  # how, and the unit


def rounds_to(value: float, printed: float) -> bool:
    """Whether a number becomes the printed one when rounded to one decimal, as the paper prints counts.

    >>> rounds_to(6.271, 6.3), rounds_to(31.81, 31.9)
    (True, False)
    """
    return math.isclose(round(value, 1), printed)


def ledger() -> list[Entry]:
    """All printed results, in the order of the paper, Fig. 4 at the end."""
    return list(_entries())


def _entries() -> Iterator[Entry]:
    for kind, error in TABLE_1.items():
        settings = () if kind == "mixed" else (f"mask_activation={kind}",)
        yield Entry("1", kind, "error", error, "attention56", settings=settings)
    for what, (arl, nal) in TABLE_3.items():
        yield Entry("3", what, "ARL error", arl, CIFAR[what])
        yield Entry("3", what, "NAL error", nal, CIFAR[what], settings=("fusion=nal",))
    for what, error in TABLE_4.items():
        settings = ("mask_branch=local",) if what.startswith("local") else ()
        yield Entry("4", what, "error", error, "attention56", settings=settings)
    for noise, errors in TABLE_5.items():
        for what, error in zip(("ResNet-164", "Attention-92"), errors, strict=True):
            yield Entry("5", what, f"error, {noise} % noise", error, CIFAR[what], noise=noise)
    for what, (parameters, ten, hundred) in TABLE_6.items():
        ours = CIFAR.get(what)
        yield Entry("6", what, "parameters (M)", parameters, ours)
        yield Entry("6", what, "CIFAR-10 error", ten, ours)
        yield Entry("6", what, "CIFAR-100 error", hundred, ours, data="cifar100")
    for what, (millions, billions, side, top1, top5) in TABLE_7.items():
        ours = IMAGENET.get(what)
        values = {"parameters (M)": millions, "multiply-adds (G)": billions, "top-1 error": top1, "top-5 error": top5}
        for quantity, value in values.items():
            if value is not None:
                yield Entry("7", what, quantity, value, ours, data="imagenet", side=side)
    for what, values_of in FIG_4.items():
        network = "preact_resnet164" if what == "ResNet-164" else "attention164"
        settings = ("fusion=nal",) if what == "NAL" else ()
        for stage, value in zip((2, 3), values_of, strict=True):
            yield Entry("Fig. 4", what, f"response, stage {stage}", value, network, settings=settings)
