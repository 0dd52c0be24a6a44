"""All of CIFAR-10, at about ten per cent error: the verdict of ``experiments/cifar.py`` (chapter 11)."""

from collections.abc import Mapping, Sequence
from typing import Any

from .statistics import Difference, by_seed, holm, in_words, paired

BOUND = 1.0  # points of error: "no difference" inside it
RIVALS = {"nal": "NAL", "trunk": "its trunk", "twin": "the equal twin"}


def less_error(runs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Difference, str]]:
    """Test error of ARL less that of each rival, in points, paired over seeds, and the word for it after Holm's
    correction over the three: "no difference" where the interval lies inside ± ``BOUND``, else "less", "more" or "not
    resolved". Raises ValueError if the networks have not the same seeds, two or more."""
    errors = {
        network: {run["seed"]: 100 * run["test_error"] for run in runs if run["network"] == network}
        for network in ("arl", *RIVALS)
    }
    values = by_seed(errors)
    found = {rival: paired(values["arl"], values[rival]) for rival in RIVALS}
    stands = holm(found)
    return {rival: (d, in_words(d, stands[rival], ("less", "more"), BOUND)) for rival, d in found.items()}
