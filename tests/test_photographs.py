"""The verdict on all of CIFAR-10 follows the rule of its experiment."""

import pytest

from resattn.analysis import photographs


def runs(network: str, error: float, spread: float = 0.001, seeds: int = 3) -> list[dict]:
    """The last seed first."""
    offsets = [spread * ((seed + len(network)) % 3 - 1) for seed in range(seeds)]
    return [{"network": network, "seed": s, "test_error": error + offsets[s]} for s in reversed(range(seeds))]


@pytest.mark.parametrize(
    ("rival", "word"),
    [
        (runs("twin", 0.15), "less"),
        (runs("twin", 0.07), "more"),
        (runs("twin", 0.102), "no difference"),
        (runs("twin", 0.13, spread=0.04), "not resolved"),
    ],
)
def test_error_of_arl_less_that_of_a_rival(rival: list[dict], word: str) -> None:
    found = photographs.less_error(runs("arl", 0.1) + runs("nal", 0.1, 0.03) + runs("trunk", 0.1, 0.03) + rival)
    assert found["twin"][1] == word and found["nal"][1] == "not resolved"
    mean = 100 * (0.1 - sum(run["test_error"] for run in rival) / 3)
    assert found["twin"][0].mean == pytest.approx(mean)


def test_pairs_are_of_one_seed_and_all_networks_have_the_same() -> None:
    """Networks whose errors rise and fall together over seeds, stored in another order."""
    together = [runs(name, 0.1, spread=0.05) for name in ("arl", "nal")]
    found = photographs.less_error(together[0] + together[1][::-1] + runs("trunk", 0.1) + runs("twin", 0.1))
    assert found["nal"][0].half == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="the same seeds"):
        photographs.less_error(together[0] + together[1][1:] + runs("trunk", 0.1) + runs("twin", 0.1))
