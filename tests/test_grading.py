"""The grader: what it gives to solutions, blanks and wrong answers, and the releases that it was made for."""

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import scipy.stats
import torch
from conftest import ROOT

import resattn.mask
from grading import notebooks, prove
from grading.__main__ import main
from grading.assignments import NAMES, load
from grading.marks import key, same
from grading.run import Arrays
from resattn.analysis import best_iou, pointing_game
from resattn.analysis.statistics import one_sample
from resattn.zoo.grids import load_records

VARIANTS = [(name, variant) for name in NAMES for variant in load(name).variants]


@pytest.fixture(scope="module")
def server():
    with prove.Remembering() as server:
        yield server


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_solution_release_and_wrong_answers_get_what_they_should(name: str, variant: str, server) -> None:
    assert prove.failures(name, variant, server) == []


@pytest.mark.parametrize("name", NAMES)
def test_at_least_eight_wrong_answers_meet_every_variant(name: str) -> None:
    assignment = load(name)
    assert len(assignment.variants) >= 4
    for variant in assignment.variants:
        assert sum(not wrong.variants or variant in wrong.variants for wrong in assignment.wrong) >= 8
    known = {(q.name, part.name) for q in assignment.questions for part in q.parts}
    assert {(wrong.question, part) for wrong in assignment.wrong for part in wrong.loses} == known, (
        "each part is lost once"
    )


@pytest.mark.parametrize("name", NAMES)
def test_constant_of_the_courses_own(name: str, server) -> None:
    """Also the smallest and the largest; and other inputs: what a wrong answer loses hangs on none of these."""
    for seed, constant in ((8, "0.05"), (9, "0.35"), (10, "0.95")):
        assert prove.failures(name, f"scaled:{constant}", server, seed=seed) == [], constant


@pytest.mark.parametrize("name", NAMES)
def test_the_courses_own_constant_changes_what_is_asked_and_what_is_right(name: str) -> None:
    texts, rights = [], []
    for variant in ("scaled:0.35", "scaled:0.65"):
        texts.append(notebooks.written_out(notebooks.release(load(name), variant)))
        rights.append(key(name, variant, 7).right)
    assert "0.35" in texts[0] and "0.65" in texts[1]
    assert any(
        not same(Arrays(one), other)
        for part in rights[0]
        for one, other in zip(rights[0][part], rights[1][part], strict=True)
    )


def test_comparison() -> None:
    """As many arrays, of these shapes, of numbers, and near enough."""
    want = [np.array([[1.0, -2.0]]), np.array(3.0)]
    near = [np.array([[1.00005, -2.0]]), np.array(3)]  # half of what is allowed
    assert same(Arrays(near), want)
    for wrong in (
        near[:1],
        [*near, np.array(0.0)],
        [near[1], near[0]],
        [near[0][0], near[1]],
        [near[0] * 1.001, near[1]],
        [np.array([[1.0, np.nan]]), near[1]],
        [near[0].astype(complex), near[1]],
        [near[0].astype(str), near[1]],
    ):
        assert not same(Arrays(wrong), want)
    assert not same("KeyError", want) and not same(near, want)
    nothing = [np.array([np.nan])]
    assert not same(Arrays(nothing), nothing)  # a reference that is no number must show: its own solution loses
    for size, near_zero, error in ((1.0, 5e-7, 1e-5), (1e-6, 5e-7, 1e-5), (1e6, 0.5, 5.0)):  # beside the largest number
        want = [np.array([0.0, size])]
        assert same(Arrays([np.array([near_zero, size])]), want)
        assert not same(Arrays([np.array([error, size])]), want)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_committed_release_is_the_one_that_the_source_makes(name: str, variant: str) -> None:
    path = notebooks.RELEASES / f"{notebooks.file_stem(load(name), variant)}.ipynb"
    assert path.read_text(encoding="utf-8") == notebooks.written_out(notebooks.release(load(name), variant)), (
        f"run: python -m tools.releases ({path.name})"
    )


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_release_holds_no_solution_and_no_hidden_test(name: str, variant: str) -> None:
    assignment = load(name)
    nb = notebooks.release(assignment, variant)
    text = notebooks.written_out(nb)
    for word in ("SOLUTION", "HIDDEN TESTS", "grading.", "/work/", "{py:", "{ref}", "{cite", "```{", ":::"):
        assert word not in text, word
    solved = {c.id: c.source for c in notebooks.with_solutions(assignment, variant).cells}
    code = [c for c in nb.cells if c.cell_type == "code"]
    given = [c.source for c in code if not c.metadata.nbgrader.get("solution")]  # such as a fault to repair
    for question in assignment.questions:
        answer = prove.cell(nb, question.name)
        assert "raise NotImplementedError" in answer.source
        inside = notebooks.SOLUTION.findall(solved[answer.id])
        for line in {line.strip() for _, body in inside for line in body.splitlines() if len(line.strip()) > 24}:
            assert line not in text or any(line in source for source in given), line
    nbformat.validate(nb)


@pytest.mark.parametrize("name", NAMES)
def test_release_runs_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    """Blank, and filled in: the checks say so in one line each, and the last cell says what is in the hand-in."""
    monkeypatch.chdir(tmp_path)
    assignment = load(name)
    for make, verdict, state in (
        (notebooks.release, "not written yet", "blank"),
        (notebooks.filled_in, "agrees on this example", "filled in"),
    ):
        nb = make(assignment, "paper")
        (tmp_path / f"{name}_paper.ipynb").write_text(notebooks.written_out(nb), encoding="utf-8")
        names: dict = {}
        for cell in nb.cells:
            if cell.cell_type == "code":
                source = cell.source
                if "setup" in cell.metadata.get("tags", []):
                    source = source.replace("%pip", "pass  # %pip")
                exec(source, names)
        lines = capsys.readouterr().out.splitlines()
        for question in assignment.questions:
            assert f"{question.name}: {verdict}" in lines
            assert f"  {question.name}: {state}" in lines
        assert (tmp_path / f"{name}_paper.zip").exists()


def test_unknown_variant_and_constant_are_refused() -> None:
    with pytest.raises(ValueError, match="no variant 'other'"):
        load("soft_mask").values("other")
    with pytest.raises(ValueError, match=r"between 0\.05 and 0\.95"):
        load("soft_mask").values("scaled:7")
    with pytest.raises(ValueError, match="no constant"):
        load("soft_mask").values("paper:0.5")


# --- the solutions of the paper's variant against what the project has, which was written apart from them


def solved(name: str, variant: str = "paper") -> dict:
    names: dict = {}
    for cell in notebooks.with_solutions(load(name), variant).cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and (about.grade_id == "given" or (about.solution and not about.grade)):
            exec(cell.source, names)
    return names


def test_soft_mask_solution_is_the_branch_of_the_package() -> None:
    names = solved("soft_mask")
    x = torch.randn(2, 3, 9, 13)
    assert torch.equal(names["pool"](x), torch.nn.MaxPool2d(3, stride=2, ceil_mode=True)(x))
    assert torch.equal(names["upsample"](x, (11, 20)), resattn.mask.Bilinear()(x, (11, 20)))
    assert torch.equal(names["activate"](x), resattn.mask.mixed_attention(x))

    class Unit(names["Unit"]):
        pre_activation = False

        def __init__(self, channels: int, _: int) -> None:
            super().__init__(channels)

    theirs = resattn.mask.SoftMaskBranch(Unit, 3, depth=3)
    theirs.tail = torch.nn.Conv2d(3, 3, 1, bias=False)
    ours = names["MaskBranch"](3, 3, names["pool"], names["upsample"], names["activate"])
    theirs.down[2] = theirs.down[2][:1]  # the package has two units at the lowest resolution, the assignment one
    ours.load_state_dict({re.sub(r"(down|up)\.(\d)\.0", r"\1.\2", k): v for k, v in theirs.state_dict().items()})
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("variant", load("mask_gradient").variants)
def test_mask_gradient_solution_agrees_with_autograd(variant: str) -> None:
    """The formula of the fusion, as the task prints it, differentiated by torch."""
    assignment, names = load("mask_gradient"), solved("mask_gradient", variant)
    fusion = assignment.values(variant)["fusion_code"]
    x, phi, theta, delta = (torch.randn(s, dtype=torch.float64) for s in ((2, 3, 4, 5), (3, 3), (3, 3), (2, 3, 4, 5)))
    inputs = [phi.requires_grad_(), theta.requires_grad_(), x.requires_grad_()]
    T, M = torch.einsum("kc,bchw->bkhw", phi, x), torch.einsum("kc,bchw->bkhw", theta, x).sigmoid()
    H = eval(fusion, {"M": M, "T": T})
    arrays = [a.detach().numpy() for a in (x, phi, theta, delta)]
    for mine, right in zip(
        names["module_gradients"](*arrays), torch.autograd.grad(H, inputs, delta, retain_graph=True), strict=True
    ):
        assert torch.allclose(torch.tensor(mine), right)
    to_mask, to_trunk = torch.autograd.grad(H, [M, T], delta)
    for name, right in (("to_mask", to_mask), ("to_trunk", to_trunk)):
        mine = names[name](*(a.detach().numpy() for a in (delta, M, T)))
        assert torch.allclose(torch.tensor(mine), right), name


@pytest.mark.parametrize("variant", load("mask_gradient").variants)
def test_the_students_detector_finds_the_fault_and_the_repair(variant: str, capsys) -> None:
    names: dict = {}
    for cell in notebooks.filled_in(load("mask_gradient"), variant).cells:
        if cell.cell_type == "code" and cell.metadata.nbgrader.grade_id != "collect":
            exec(cell.source, names)
    lines = [line for line in capsys.readouterr().out.splitlines() if "detector" in line]
    assert len(lines) == 2 and all("agrees on this example" in line for line in lines)
    pair, picture = names["WithMask"], names["picture"]
    assert names["mask_reads_trunk"](pair(names["filled"](names["Suspect"](2))), picture)
    assert not names["mask_reads_trunk"](pair(names["filled"](names["Repaired"](2))), picture)


@pytest.mark.parametrize("variant", load("residual_learning").variants)
def test_prediction_and_spread_agree_with_a_grid_of_masks(variant: str) -> None:
    names = solved("residual_learning", variant)
    code = load("residual_learning").values(variant)["weight_code"]
    w = eval(code, {"M": 0.2 + 0.5 * (np.arange(2000) + 0.5) / 2000})  # the uniform masks between 0.2 and 0.7
    pairs = np.outer(w, w)  # two modules
    assert names["predicted"](2, 0.2, 0.7, "here") == pytest.approx(pairs.mean(), rel=1e-5)
    assert names["spread"](2, 0.2, 0.7) == pytest.approx(pairs.std(), rel=1e-4)
    assert names["predicted"](3, 0.2, 0.7, "naive") == pytest.approx(0.45**3)


def test_read_attention_solution_scores_as_the_package_does() -> None:
    names = solved("read_attention")
    maps, truth = torch.rand(20, 6, 7).mul(8).round(), torch.rand(20, 6, 7) > 0.6
    for name, theirs in (("pointing", pointing_game), ("overlap", best_iou)):
        assert np.allclose(names[name](maps.numpy(), truth.numpy()), theirs(maps, truth).numpy()), name
    low, high = names["wilson"](7, 20)
    shares = np.linspace(0.001, 0.999, 99_999)  # Wilson's interval: shares whose own spread reaches as far as 7 in 20
    inside = shares[np.abs(7 / 20 - shares) <= 1.96 * np.sqrt(shares * (1 - shares) / 20)]
    assert (low, high) == pytest.approx((inside[0], inside[-1]), abs=2e-5)
    d = np.random.default_rng(0).normal(size=6)
    ends = scipy.stats.t.interval(0.95, 5, loc=d.mean(), scale=scipy.stats.sem(d))
    assert names["interval"](d)[1:] == pytest.approx(ends, rel=1e-3)


@pytest.mark.parametrize("variant", load("read_attention").variants)
def test_one_map_for_both_cues_scores_what_the_instructors_page_says(variant: str) -> None:
    names, rng = solved("read_attention", variant), np.random.default_rng(5)
    one, other = np.zeros((40, 8, 9), dtype=bool), np.zeros((40, 8, 9), dtype=bool)
    one[:, 1:3, 1:4] = True
    other[:, 4:7, 4:8] = True

    def score(name: str, maps: np.ndarray) -> float:
        return float(np.mean([names[name](maps, one), names[name](maps, other)], axis=0).max())

    both = np.where(one | other, 1.0, 0.0)
    maps = [
        both,
        both + one,
        both + other,
        rng.uniform(size=both.shape),
        rng.integers(0, 3, size=both.shape).astype(float),
    ]
    maps += [noise * both for noise in maps[3:]]
    most = {name: max(score(name, m) for m in maps) for name in ("pointing", "overlap")}
    bounds = {"pointing": {"paper": 0.5, "scaled": 0.5, "balanced": 0.0}, "overlap": {"scaled": 0.5, "balanced": 0.5}}
    for name, bound in bounds.items():
        if variant in bound:
            assert most[name] == pytest.approx(bound[variant]), name
        else:
            assert most[name] > 0.7, name


@pytest.mark.parametrize("name", NAMES)
def test_what_the_answers_of_paper_win_elsewhere_stands_on_the_instructors_page(name: str, server) -> None:
    assignment = load(name)
    paper, won = notebooks.filled_in(assignment, "paper"), []
    for variant in list(assignment.variants)[1:]:
        handed_in = notebooks.filled_in(assignment, variant)
        for question in assignment.questions:
            prove.cell(handed_in, question.name).source = prove.cell(paper, question.name).source
        won.append(prove.marks_of(handed_in, key(name, variant, 7), server).points)
    row = f"| `{name}` | {assignment.points()} | {', '.join(map(str, won))} |"
    assert row in (ROOT / "book" / "instructor.md").read_text(encoding="utf-8")


def test_cost_of_constant_masks_is_the_one_that_chapter_7_measures() -> None:
    errors = {(r["arm"], r["steps"], r["seed"]): r["test_error"] for r in load_records("depth")
              if "test_error" in r and r["modules"] == 3}  # fmt: skip
    pages = (ROOT / "book" / "instructor.md", notebooks.SOURCES / "residual_learning.md")
    for steps in (1000, 4000):
        pairs = [100 * (errors["half", steps, seed] - errors["plain", steps, seed]) for seed in range(5)]
        found = str(one_sample(pairs)).removeprefix("+")
        for page in pages:
            assert found in page.read_text(encoding="utf-8"), (page.name, steps)


# --- the command line


def test_release_command_writes_both_notebooks(tmp_path: Path, capsys) -> None:
    assert main(["release", "soft_mask", "--variant", "scaled:0.25", "--out", str(tmp_path)]) == 0
    source = (tmp_path / "source" / "soft_mask" / "soft_mask_scaled_0_25.ipynb").read_text()
    assert "HIDDEN TESTS" in source and "0.25" in source
    assert "HIDDEN TESTS" not in (tmp_path / "release" / "soft_mask" / "soft_mask_scaled_0_25.ipynb").read_text()
    assert main(["release", "soft_mask", "--variant", "nothing", "--out", str(tmp_path)]) == 2
    assert "no variant 'nothing'" in capsys.readouterr().err


def test_inputs_differ_from_batch_to_batch() -> None:
    first, second = (key("soft_mask", "paper", seed).arrays["fuse"]["a0"] for seed in (1, 2))
    assert first.shape == second.shape and (first != second).any()


def test_the_grader_is_no_part_of_the_wheel() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 'include = ["resattn*"]' in text and json.dumps("grading") not in text.split("[tool.mypy]")[0]
