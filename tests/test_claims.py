"""The table of claims: verdicts follow from records by rule, in both languages alike."""

import math
import re
import string

import pytest
from conftest import CHAPTERS, ROOT

from resattn import zoo
from resattn.analysis import claims, gradient_judges, judges, saliency_judges
from resattn.analysis.never_worse import Comparison
from resattn.analysis.statistics import Difference


def claim(key: str) -> claims.Claim:
    return next(claim for claim in claims.CLAIMS if claim.key == key)


def cued(network: str, seed: int, cued: float, other: float, error: float = 0.06, found: int = 8) -> dict:
    history = [{"answers": [0.4, 0.4]}] * (found - 1) + [{"answers": [0.8, 0.1]}]
    swaps = {"stage1.attention1": [cued, other], "stage2.attention1": [0.9, 0.01], "all": [0.0, 1.0]}
    return {"network": network, "seed": seed, "swaps": swaps, "test_error": error, "history": history}


def grid(swap=(0.01, 0.93), better=0.0, seeds: int = 8) -> list[dict]:
    """Cued runs whose swap gives these shares; ARL and NAL have ``better`` less error than the twin, about."""
    runs = []
    for seed in range(seeds):
        wobble = 0.001 * (seed % 3)
        runs += [cued(name, seed, *swap, error=0.07 - better + wobble) for name in ("arl", "nal")]
        runs.append(cued("twin", seed, 0.9, 0.0, error=0.07))
    return runs


def test_one_mask_carries_the_choice_by_the_rule_of_its_experiment():
    word, numbers = judges.one_mask_carries_the_choice(grid())
    assert word == "holds" and numbers["arl"] == numbers["nal"] == 8
    assert math.isclose(numbers["cued"], 1.0) and math.isclose(numbers["other"], 93.0)
    assert judges.one_mask_carries_the_choice(grid((0.06, 0.93)))[0] == "did not show"
    assert judges.one_mask_carries_the_choice(grid((0.01, 0.79)))[0] == "did not show"
    runs = grid()
    for run in runs:
        if run["network"] == "nal" and run["seed"] < 2:  # six of eight are not enough
            run["swaps"]["stage1.attention1"] = [0.5, 0.4]
    assert judges.one_mask_carries_the_choice(runs)[0] == "holds in part"


@pytest.mark.parametrize(("better", "word"), [(0.05, "holds"), (0.001, "did not show"), (-0.05, "did not show")])
def test_masks_against_units(better, word):
    assert judges.masks_beat_units(grid(better=better))[0] == word


def test_no_difference_on_one_task_does_not_refute_a_claim_about_all():
    assert judges.masks_beat_units(grid(better=0.001))[1]["inside"] == 2
    assert judges.masks_beat_units(grid(better=0.05))[1]["inside"] == 0


def test_unfinished_grids_are_not_judged(monkeypatch):
    runs = grid(seeds=7)
    with pytest.raises(judges.Unfinished, match="7 / 8"):
        judges.one_mask_carries_the_choice(runs)
    monkeypatch.setattr(zoo, "list_records", lambda: ["cued"])
    monkeypatch.setattr(zoo, "load_records", lambda name: runs)
    assert claims.verdict(claim("top-down")) == claims.Verdict("not tested yet", "7 / 8 runs made")
    assert claims.verdict(claim("top-down"), "zh").word == "尚未检验"


def test_without_records_nothing_is_said(monkeypatch):
    monkeypatch.setattr(zoo, "list_records", list)
    for one in claims.CLAIMS:
        if one.records or one.judge is None:
            assert claims.verdict(one) == claims.Verdict("not tested yet", "")


def noise(effect: dict[str, float], between: float, wobble: float = 0.001) -> list[dict]:
    runs = []
    for seed in range(8):
        for level in (0.0, 0.3, 0.5):
            for network in ("arl", "nal", "twin"):
                error = 0.2 - effect.get(network, 0.0) * level + wobble * ((seed * 7 + len(network)) % 5)
                wobbly = between + 0.001 * (seed % 3)
                filtered = {"filter": {"stage1.attention1": {"between": 9.0}, "stage2.attention1": {"between": wobbly}}}
                run = {"network": network, "noise": level, "seed": seed, "test_error": error}
                runs.append(run | {"history": [{}, filtered if network != "twin" else {}]})
    return runs


@pytest.mark.parametrize(
    ("effect", "word"),
    [
        ({"arl": 0.1, "nal": 0.1}, "holds"),
        ({"arl": -0.1, "nal": -0.1}, "refuted"),
        ({"arl": -0.1, "nal": 0.1}, "holds in part"),
        ({"nal": -0.1}, "refuted"),
        ({}, "refuted"),  # not a point apart
    ],
)
def test_attention_under_noise(effect, word):
    assert judges.helps_under_noise(noise(effect, 0.0))[0] == word


def test_networks_that_differ_from_seed_to_seed_decide_nothing_about_noise():
    assert judges.helps_under_noise(noise({}, 0.0, wobble=0.02))[0] == "did not show"


@pytest.mark.parametrize(  # the second leans: resolved, and its interval reaches above −0.02
    ("between", "word"), [(-0.2, "holds"), (-0.0215, "did not show"), (0.2, "did not show"), (0.001, "refuted")]
)
def test_a_filter_turns_down_mislabelled_pictures(between, word):
    assert judges.filters_wrong_labels(noise({}, between))[0] == word


def test_published_files_and_sizes():
    runs = [
        {"key": "Attention-56", "difference": 1e-15, "parameters": 31_900_000, "our_parameters": 31_900_000},
        {"key": "Attention-92", "difference": 1e-3, "parameters": 52_500_000, "our_parameters": 52_500_000},
    ]
    word, numbers = judges.as_published(runs)
    assert (word, numbers["equal"], numbers["worst"]) == ("holds in part", 1, 1e-3)
    word, numbers = judges.printed_sizes(runs)
    assert (word, numbers["agree"], numbers["name"]) == ("holds in part", 1, "Attention-92")


def test_activations_of_a_plain_network_against_contrast():
    word, numbers = saliency_judges.saliency_in_activations([])
    assert word == "holds in part" and numbers["iou"].startswith("+") and numbers["pointing"].startswith(("-", "−"))


def against_trunks(monkeypatch, arl: dict[str, Difference], nal: dict[str, Difference]) -> judges.Judgement:
    """The judgement where these are the differences from the trunk, by task; a twin stands beside them, far below."""
    twin = Comparison("Cued Scenes", "equal twin", 90.0, Difference(-30.0, 1.0, 1e-6, 8))

    def compared(network: str) -> list[Comparison]:
        found = {"arl": arl, "nal": nal}[network]
        return [twin, *(Comparison(task, "its trunk", 90.0, difference) for task, difference in found.items())]

    monkeypatch.setattr(judges.never_worse, "comparisons", compared)
    return judges.no_worse_than_trunk([])


def test_no_worse_is_judged_by_the_trunk_and_by_nothing_else(monkeypatch):
    better, open_, worse = (Difference(mean, 1.5, p, 8) for mean, p in ((3.0, 1e-3), (-1.0, 0.2), (-4.0, 1e-4)))
    assert against_trunks(monkeypatch, {"a": better, "b": better}, {})[0] == "holds"
    word, numbers = against_trunks(monkeypatch, {"a": better, "b": open_}, {"a": worse, "b": open_})
    assert word == "holds in part", "a loss of two points is not excluded; NAL decides nothing about M = 0"
    assert (numbers["excluded"], numbers["n"], numbers["against"]) == (1, 2, 0)
    assert (numbers["low"], numbers["high"]) == (str(open_), str(better))
    assert (numbers["nal_against"], numbers["nal_n"]) == (1, 2)
    assert against_trunks(monkeypatch, {"a": better, "b": worse}, {})[0] == "refuted"
    with pytest.raises(judges.Unfinished):
        against_trunks(monkeypatch, {}, {})


def test_the_object_that_does_not_count_is_not_heard(monkeypatch):
    word, numbers = gradient_judges.unheard_object([])
    assert word == "holds in part" and numbers["networks"] >= 2
    assert numbers["arl_own"] < 5 < 20 < numbers["arl_factor"] < numbers["arl_flat"] < 50
    assert numbers["arl_swapped"] > 50
    assert numbers["carrying"] == numbers["networks"] - 1  # all but the ARL network of seed 2
    assert 0 < numbers["twin"] < 5
    for shares, expected in (
        ({"own": 1.0, "swapped": 99.0, "flat": 40.0, "factor": 2.0}, "holds"),
        ({"own": 1.0, "swapped": 60.0, "flat": 40.0, "factor": 2.0}, "did not show"),
        ({"own": 9.0, "swapped": 99.0, "flat": 40.0, "factor": 2.0}, "did not show"),
    ):
        monkeypatch.setattr(gradient_judges, "_shares", lambda model, shares=shares: shares | {"named": 90.0})
        assert gradient_judges.unheard_object([])[0] == expected
    few = iter([60.0] * 3 + [99.0] * 3)  # three of six are not most
    monkeypatch.setattr(
        gradient_judges.zoo, "list_pretrained", lambda: [f"cued_{f}{i}" for f in ("arl", "nal") for i in range(3)]
    )
    monkeypatch.setattr(gradient_judges.zoo, "load_pretrained", lambda name: name)
    shares = {"own": 1.0, "flat": 40.0, "factor": 9.0, "named": 90.0}
    monkeypatch.setattr(gradient_judges, "_shares", lambda model: shares | {"swapped": next(few)})
    assert gradient_judges.unheard_object([])[0] == "did not show"
    turning = iter([90.0, 90.0, 60.0] * 2)  # the third of each arm is not among those whose mean is told
    monkeypatch.setattr(
        gradient_judges,
        "_shares",
        lambda model: shares | {"swapped": 99.0, "named": (named := next(turning)), "own": 1.0 if named > 70 else 4.0},
    )
    numbers = gradient_judges.unheard_object([])[1]
    assert (numbers["carrying"], numbers["arl_own"], numbers["nal_own"]) == (4, 1.0, 1.0)


def labels(last: float, lead: float = 1.0, networks: int = 10) -> list[dict]:
    first = {"rank": [0.1, 0.3, 0.5], "lead": [0.0, 0.1, 0.9]}
    modules = {"a": first, "b": first, "c": {"rank": [last, 0.3, 1e-9], "lead": [lead, 0.2, 1e-9]}}
    return [{"network": f"n{i}", "pictures": 300, "modules": modules} for i in range(networks)]


def test_the_right_label_is_preferred_by_the_rule_of_its_experiment():
    assert gradient_judges.right_label_preferred(labels(-1.5))[0] == "holds in part"
    assert gradient_judges.right_label_preferred(labels(-1.5, lead=8.0))[0] == "holds"
    assert gradient_judges.right_label_preferred(labels(1.5))[0] == "did not show"
    two = [run | {"network": f"two {run['network']}"} for run in labels(1.5)]
    for run in two:
        run["modules"] = {name: run["modules"][name] for name in ("a", "c")}
    two[0] = two[0] | {"modules": labels(-1.5)[0]["modules"] | {}}
    del two[0]["modules"]["b"]
    word, numbers = gradient_judges.right_label_preferred(labels(-1.5) + two)
    assert word == "holds in part" and (numbers["of_two"], numbers["two"], numbers["preferring"]) == (1, 10, 10)
    runs = labels(-1.5)
    runs[0]["modules"] = runs[0]["modules"] | {"c": {"rank": [-0.2, 0.3, 0.2], "lead": [0.1, 0.2, 0.3]}}
    assert gradient_judges.right_label_preferred(runs)[0] == "did not show"
    with pytest.raises(judges.Unfinished, match="7 / 10"):
        gradient_judges.right_label_preferred(labels(-1.5, networks=7))


@pytest.mark.parametrize("one", claims.CLAIMS, ids=lambda one: one.key)
def test_a_claim_says_the_same_in_both_languages(one):
    assert one.chapter in [chapter.stem for chapter in CHAPTERS]
    assert re.search("[一-鿿]", one.text[1]) and not re.search("[一-鿿]", one.text[0] + one.reading[0])
    fields = [{name for _, name, _, _ in string.Formatter().parse(reading) if name} for reading in one.reading]
    assert fields[0] == fields[1] and bool(fields[0]) == (one.judge is not None)


def test_tables_have_a_row_for_every_claim(monkeypatch):
    monkeypatch.setattr(zoo, "list_records", list)  # quick: nothing that needs records is judged
    quick = [one for one in claims.CLAIMS if one.records or one.judge is None or one.key in ("imagenet", "units")]
    monkeypatch.setattr(claims, "CLAIMS", quick)
    english, chinese = claims.table(), claims.table("zh")
    assert english.count("<tr>") == chinese.count("<tr>") == 1 + len(quick)
    assert ">not tested</strong>" in english and ">未检验</strong>" in chinese
    assert english.count("†</strong>") == chinese.count("†</strong>") == sum(one.late for one in quick) > 0
    assert re.findall(r"0\.\d+ ± 0\.\d+", english) == re.findall(r"0\.\d+ ± 0\.\d+", chinese) != []
    with pytest.raises(ValueError, match="language must be one of en, zh; got 'fr'"):
        claims.table("fr")


def followed(network: str, sky: float = -0.3, top: float = 0.3, edges=(0.5, 0.3, 0.1), trunk=(0.5, 0.3, 0.1)) -> dict:
    modules = {}
    for i, (mean_sky, mean_object) in enumerate(((sky, 0.0), (0.0, 0.0), (0.0, top))):
        fits = {"mask": {"edges": edges[i], "object": 0.6 - edges[i]}, "trunk": {"edges": trunk[i], "object": 0.2 + i}}
        modules[f"stage{i + 1}"] = {"shares": fits, "mean": {"sky": mean_sky, "object": mean_object}}
    return {"network": network, "modules": modules}


def test_sky_below_and_object_above_needs_every_network_and_the_control():
    judge = judges.sky_below_object_above
    level = (0.3, 0.3, 0.5)  # of edges: no order
    flat = [followed("trunk", trunk=level)] * 3
    networks = ("arl",) * 3 + ("nal",) * 3
    good = [followed(network, trunk=level) for network in networks]
    assert judge([*good, *flat])[0] == "holds"
    assert judge([*good, *flat[1:], followed("trunk")])[0] == "holds in part", "without masks the order is the same"
    assert judge([followed("arl"), *good[1:], *flat])[0] == "holds in part", "a trunk beside the masks shows it"
    bad = [followed(network, sky=0.1, top=-0.3, trunk=level) for network in networks]
    assert judge([*bad, *flat])[0] == "holds in part", "the order alone, as no network without masks has it"
    assert judge([*bad, *flat[1:], followed("trunk")])[0] == "did not show", "the order is there, and not about masks"
    word, numbers = judge([*good[:5], followed("nal", sky=0.1, trunk=level), *flat])
    assert word == "holds in part" and (numbers["sky"], numbers["top"], numbers["n"]) == (5, 6, 6)
    assert judge([*good[:5], followed("nal", edges=(0.1, 0.3, 0.2), trunk=level), *flat])[0] == "holds in part"
    with pytest.raises(judges.Unfinished, match="6 / 9"):
        judge(good)
    photographs = {"network": "arl", "modules": {"stage1": {"gain": -0.5}}}
    assert judge([*good, *flat, photographs])[1]["n"] == 6, "without true pixels nothing is counted"


def stacked(own: float, held: float, won: float, half: float = 0.5, blind: tuple = (0.9, 0.6, 20), **more: str) -> dict:
    accuracy = {"own": own, "held 1": held, "blind, own first": blind[0], "blind 1": blind[1]}
    return {"task": "scenes", "accuracy": accuracy, "won 1": [won, half], "won 1, blind": [blind[2], 3], **more}


def test_stacking_repairs_by_the_rule_of_its_experiment():
    good, bad, nothing = stacked(0.98, 0.9, 5), stacked(0.98, 0.9, 1), stacked(0.98, 0.97, 0.9)
    assert [judges.later_masks(run) for run in (good, bad, nothing)] == ["repair", "do not", "nothing to repair"]
    assert judges.later_masks(stacked(0.98, 0.9, -1)) == "make it worse"
    assert judges.later_masks(stacked(0.98, 0.9, 5, half=6)) == "do not", "the interval holds zero"
    assert judges.later_masks(stacked(0.994, 0.974, -1)) == "make it worse", "two points are not less than two"
    judge = judges.stacking_repairs
    assert judge([good] * 11 + [nothing])[0] == "holds"
    assert judge([good] * 11 + [bad])[0] == "holds in part"
    harm = stacked(0.98, 0.9, -1)
    found = judge([bad] * 12)[0], judge([harm] * 12)[0]
    assert found == ("did not show", "did not show"), "not to beat undisturbed masks refutes nothing"
    word, numbers = judge([nothing] * 12)
    assert word == "did not show" and (numbers["good"], numbers["asked"], numbers["lost"]) == (0, 0, 0)
    with pytest.raises(judges.Unfinished, match="9 / 12"):
        judge([good] * 9)


def test_later_masks_against_masks_that_do_not_look():
    bad = (0.98, 0.9, -1)
    runs = [stacked(*bad), stacked(*bad, blind=(0.9, 0.88, 1)), stacked(*bad, blind=(0.9, 0.881, -3))]
    runs += [stacked(*bad, blind=(0.9, 0.1, 70), task="cued")] * 9
    assert [judges.cost_blind(run) for run in runs[:4]] == [30, 2, 1.9, 80]
    word, numbers = judges.stacking_repairs(runs)
    assert word == "did not show", "by the rule, against undisturbed masks"
    assert (numbers["blind_low"], numbers["blind_high"], numbers["blind_asked"]) == (1, 20, 2)


def deep(harm: dict[int, float], arl: float = 0.0, spread: float = 0.01) -> list[dict]:
    """Runs with nine modules: NAL makes ``harm`` more errors than no masks at each length, ARL ``arl``."""
    runs = []
    for seed in range(5):
        for steps, more in harm.items():
            wobble = spread * (seed - 2)
            arms = {"plain": 0.1, "arl": 0.1 + arl + wobble, "nal": 0.1 + more + wobble}
            arms |= {"half": 0.1 + more + wobble / 2, "adam": 0.1 + more, "open": 0.1 + wobble / 2}
            run = {"modules": 3, "steps": steps, "seed": seed}
            runs += [run | {"arm": arm, "test_error": error} for arm, error in arms.items()]
            runs.append(run | {"arm": "nal", "modules": 1, "test_error": 0.9})
            runs.append(run | {"arm": "nal", "validation_accuracy": 0.1})  # chooses the rate
    return runs


LOST = dict.fromkeys((60, 250, 1000, 4000), 0.1)


@pytest.mark.parametrize(
    ("harm", "arl", "word"),
    [
        (LOST, 0.0, "holds"),
        (LOST, 0.05, "holds in part"),
        (LOST | {4000: 0.0}, 0.0, "holds in part"),
        (dict.fromkeys(LOST, 0.0), 0.0, "refuted"),
        (dict.fromkeys(LOST, 0.015), 0.0, "did not show"),
    ],
)
def test_naive_stacks_cost_by_the_rule_of_their_experiment(harm, arl, word):
    found, numbers = judges.naive_stacks_cost(deep(harm, arl, spread=0.005))
    assert found == word and numbers["nal4000"].startswith(f"{100 * harm[4000]:+.1f}")


def test_naive_stacks_are_judged_when_all_runs_are_there():
    runs = [run for run in deep(LOST) if (run["arm"], run["steps"], run["seed"]) != ("nal", 4000, 4)]
    with pytest.raises(judges.Unfinished, match="59 / 60"):
        judges.naive_stacks_cost(runs)


def told(effect: float, spread: float = 0.0, seeds: int = 10) -> list[dict]:
    runs = []
    for arm in ("arl", "twin", "added", "arl-all"):
        for labels in (100, 300, 1000, 3000):
            for seed in range(seeds):
                noise = (0.001 + spread) * ((7 * seed + 3 * len(arm)) % 5 - 2)
                accuracy = 0.2 * math.log10(labels / 10) + (effect if arm == "arl-all" else 0) + noise
                run = {"key": f"{arm}-n{labels}-seed{seed}", "arm": arm, "labels": labels, "seed": seed}
                runs.append(run | {"scores": {"accuracy": accuracy}})
    return runs


@pytest.mark.parametrize(
    ("effect", "spread", "word"),
    [(0.1, 0, "holds"), (0, 0, "refuted"), (-0.1, 0, "refuted"), (0.01, 0.1, "did not show")],
)
def test_telling_a_mask_by_the_rule_of_its_experiment(effect, spread, word):
    found, numbers = judges.telling_helps(told(effect, spread))
    assert found == word and "±" in numbers["at300"] and numbers["worth"][0] in "+-<>"


def test_telling_at_one_number_of_labels_holds_in_part():
    runs = told(0.1)
    for run in runs:
        if run["arm"] == "arl-all" and run["labels"] == 3000:
            run["scores"]["accuracy"] -= 0.1
    assert judges.telling_helps(runs)[0] == "holds in part"
    with pytest.raises(judges.Unfinished, match="9 / 10"):
        judges.telling_helps(told(0.1, seeds=9))


def test_the_preface_says_what_the_records_say():
    runs = zoo.load_records("cued")
    swaps = [run["swaps"] for run in runs if run["swaps"]]
    preface = " ".join((ROOT / "book" / "preface.md").read_text(encoding="utf-8").split())
    assert f"In {sum(map(judges.one_mask_carries, swaps))} of {len(swaps)} trained networks" in preface
    for fusion, word in (("nal", "naive"), ("arl", "residual")):
        own = [judges.one_mask_carries(run["swaps"]) for run in runs if run["network"] == fusion]
        assert f"{sum(own)} of {len(own)} {word}" in preface
    assert judges.masks_beat_units(runs)[1]["inside"] == 2 and "within two points" in preface
