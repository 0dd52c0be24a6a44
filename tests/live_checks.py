"""What a live figure with a trained network must do, move by move: what it shows is what PyTorch says."""

import re
from functools import cache
from itertools import pairwise

import torch
from live_driver import Figure
from live_reference import in_pytorch, rounded
from torch import Tensor

from resattn import data
from tools import live_weights

WATCH = """(note) => {
    globalThis.watched = [];
    new MutationObserver(() => watched.push(note.textContent)).observe(note, { childList: true });
}"""
TOLERANCE = 2e-4  # of a probability
BLUE = torch.tensor([48, 98, 194], dtype=torch.uint8)  # of the brush


@cache
def scenes() -> data.ImageSet:
    return data.scenes("test", live_weights.SAMPLES)


@cache
def cued(cue: int) -> data.CuedSet:
    drawn = data.cued_scenes("test", live_weights.SAMPLES)
    return drawn.recued(torch.full_like(drawn.cues, cue))


def picture(options: dict[str, str], index: int) -> Tensor:
    """One of the pictures that a figure offers: [1, 3, H, W]."""
    images = cued(0).images if options.get("pictures") == "cued" else scenes().images
    return images[index : index + 1]


def names(options: dict[str, str], *default: str) -> list[str]:
    return options["networks"].split() if "networks" in options else list(default)


def shares(logits: Tensor) -> Tensor:
    return logits[0].softmax(0)


def percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.005 else f"{int(100 * share + 0.5)} %"


def check_cue(figure: Figure) -> None:
    models = names(figure.options, "cued_arl", "cued_nal")
    index, name, cue, by = int(figure.options.get("picture", 0)), models[0], 0, "other"
    classes = cued(0).classes
    module = figure.options.get("module", "stage1.attention1")  # the busiest of both networks
    stage = f"stage {module[len('stage')]}"

    def replaced() -> dict[str, object]:
        other = in_pytorch(name, cued(1 - cue).images[index : index + 1], {})[1][module][0]
        return {module: {"other": {"data": other.flatten().tolist()}, "zero": 0, "mean": "mean"}[by]}

    def agrees() -> None:
        for view in (0, 1, 2):
            of = view if view < 2 else cue
            image = cued(of).images[index : index + 1]
            logits, parts = in_pytorch(name, image, replaced() if view == 2 else {})
            assert torch.equal(figure.drawn(2 * view), image[0])
            assert figure.shows(2 * view + 1, parts[module][0][0].mean(0), "mask", 0, 1)
            first = int(logits.argmax())
            said = figure.node.locator(".live-answer").nth(view).inner_text()
            assert said == f"says {classes[first]} ({percent(float(shares(logits)[first]))})"

    figure.by_mouse(stage)
    figure.slide_by_keys("Channel of the mask", "Home")
    agrees()
    figure.by_mouse("Flip the cue of the third picture")
    cue = 1
    agrees()
    figure.by_keys("Flip the cue of the third picture")
    cue = 0
    agrees()
    select = figure.node.get_by_label("It is replaced by")
    select.select_option("zero")
    by = "zero"
    agrees()
    select.press("ArrowUp")
    by = "mean"
    agrees()
    select.select_option("other")
    by = "other"
    buttons = figure.node.locator(".live-gallery button")
    buttons.nth(3).click()
    index = 3
    agrees()
    buttons.nth(4).press("Enter")
    index = 4
    agrees()
    if len(models) > 1:
        figure.by_keys("NAL")
        figure.node.get_by_text("of T passes here").wait_for()
        name = models[1]
        figure.by_mouse(stage)
        figure.slide_by_keys("Channel of the mask", "Home")
        agrees()

    # A channel that one stage has and the other has not.
    figure.by_mouse("stage 2" if stage == "stage 1" else "stage 1")
    figure.slide_by_keys("Channel of the mask", "End")
    figure.by_mouse(stage)
    masks = {key: part[0][0] for key, part in in_pytorch(name, cued(0).images[index : index + 1], {})[1].items()}
    fewest = min(mask.shape[0] for mask in masks.values())
    assert figure.shows(1, masks[module][fewest - 1], "mask", 0, 1)

    # The count over all pictures and both cues: as it is, and with the mask swapped, for each object of the pair.
    counted = figure.node.locator("p[role=status][aria-busy=false]", has_text=re.compile("^All"))
    counted.wait_for()
    found = [int(number) for number in re.findall(r"\d+", counted.inner_text().replace(stage, ""))]
    own, swapped = [0, 0], [0, 0]
    for cue in (0, 1):
        views = [in_pytorch(name, cued(c).images, {}) for c in (cue, 1 - cue)]
        for i in range(live_weights.SAMPLES):
            mask = {module: {"data": views[1][1][module][0][i].flatten().tolist()}}
            answers = (views[0][0][i], in_pytorch(name, cued(cue).images[i : i + 1], mask)[0][0])
            for count, logits in zip((own, swapped), answers, strict=True):
                pair = cued(0).pair_labels[i]
                count[0] += int(logits.argmax() == pair[cue])
                count[1] += int(logits.argmax() == pair[1 - cue])
    assert found == [live_weights.SAMPLES, 2 * live_weights.SAMPLES, *own, *swapped]


def check_bench(figure: Figure) -> None:
    name = figure.options.get("network", "attention56_scenes")
    forced: dict[str, object] = {"stage1.attention1": figure.options.get("force", "mean")}
    index = int(figure.options.get("picture", 0))
    image = picture({}, index)

    def agrees() -> None:
        figure.finding()
        by = {key: mask for key, mask in forced.items() if rounded(name).config.fusion != "none"}
        logits, parts = in_pytorch(name, image, by)
        assert (figure.shares() - shares(logits)).abs().max() <= TOLERANCE
        marks = figure.node.locator(".live-mark:not([hidden])").all()
        if by:
            stood = [float(mark.evaluate("(mark) => parseFloat(mark.style.left)")) / 100 for mark in marks]
            assert (torch.tensor(stood) - shares(in_pytorch(name, image, {})[0])).abs().max() <= TOLERANCE
        assert torch.equal(figure.drawn(0), image[0])
        for place, (mask, _, _) in enumerate(parts.values(), start=1):
            assert mask is None or figure.shows(place, mask[0].mean(0), "mask", 0, 1)

    agrees()
    select = figure.node.get_by_label("Its mask is").first
    for value, key in (("0", 0), ("0.5", 0.5), ("1", 1)):
        select.select_option(value)
        forced["stage1.attention1"] = key
        agrees()
    select.press("ArrowUp")
    forced["stage1.attention1"] = 0.5
    agrees()
    other = figure.node.get_by_label("Its mask is").nth(1)
    other.select_option("other")
    donated = in_pytorch(name, picture({}, 1), {})[1]["stage2.attention1"][0]
    forced["stage2.attention1"] = {"data": donated.flatten().tolist()}
    agrees()
    figure.by_mouse("Start over")
    forced.clear()
    agrees()
    buttons = figure.node.locator(".live-gallery button")
    buttons.nth(3).click()
    image = picture({}, 3)
    agrees()
    buttons.nth(5).press("Enter")
    image = picture({}, 5)
    agrees()

    # Draw: one stroke with the mouse, one with the keys.
    figure.by_keys("blue")
    figure.point(0, 10, 20)
    painted = figure.drawn(0)
    changed = (painted != image[0]).any(dim=0)
    assert 0 < changed.sum() <= 16 and torch.equal(painted[:, changed].unique(dim=1)[:, 0], BLUE)
    image = painted[None]
    agrees()
    figure.point_by_keys(0, "ArrowLeft", "ArrowLeft", "ArrowDown", " ")
    assert not torch.equal(figure.drawn(0), image[0])
    image = figure.drawn(0)[None]
    agrees()
    figure.by_mouse("ARL")
    figure.node.get_by_text("how much M raises T here").wait_for()
    name = "attention56_scenes"
    agrees()

    # Asked twice, the count is made once.
    answers = in_pytorch(name, scenes().images, {})[0].argmax(1)
    right = int((answers == scenes().labels).sum())
    note = figure.node.get_by_role("button", name="Count over all 20 Scenes").locator("xpath=following-sibling::p")
    note.evaluate(WATCH)
    for _ in range(2):
        figure.by_mouse("Count over all 20 Scenes")
    counted = figure.node.get_by_text(f"All 20 Scenes: {right} answers that are right.")
    counted.wait_for()
    figure.page.wait_for_timeout(500)
    assert counted.is_visible()
    places = [int(found[1]) for text in note.evaluate("() => watched") if (found := re.search(r" of (\d+) ", text))]
    assert sum(now < before for before, now in pairwise(places)) <= 1, "one count gave way to one"
    figure.slide_by_keys("Channel", "End")
    figure.by_mouse("Start over")
    image = picture({}, 5)
    agrees()


def check_tour(figure: Figure) -> None:
    name, module = figure.options.get("network", "attention56_scenes"), "stage1.attention1"
    index = int(figure.options.get("picture", 0))

    def agrees() -> None:
        mask, T, product = (part[0] for part in in_pytorch(name, picture(figure.options, index), {})[1][module])
        activity = [part.abs().mean(0) for part in (T, product)]
        most = float(max(part.max() for part in activity))
        assert figure.node.locator(".live-title").inner_text().startswith("7 of 8.")
        assert figure.shows(0, activity[0], "features", 0, most)
        assert figure.shows(1, mask.mean(0), "mask", 0, 1)
        assert figure.shows(2, activity[1], "features", 0, most)

    agrees()
    figure.by_mouse("Back")
    assert figure.node.locator(".live-title").inner_text().startswith("6 of 8.")
    mask = in_pytorch(name, picture(figure.options, index), {})[1][module][0][0]
    channel = int(mask.var(dim=(1, 2)).argmax())
    assert figure.shows(0, mask.mean(0), "mask", 0, 1) and figure.shows(1, mask[channel], "mask", 0, 1)
    figure.node.get_by_role("button", name="Next", exact=True).press("ArrowRight")
    agrees()
    figure.node.get_by_role("button", name="Back", exact=True).press("Enter")
    figure.node.get_by_role("button", name=re.compile("^Step 7")).press(" ")
    agrees()
    buttons = figure.node.locator(".live-gallery button")
    buttons.nth(2).click()
    index = 2
    agrees()
    buttons.nth(3).press("Enter")
    index = 3
    agrees()


def check_iou(figure: Figure) -> None:
    name = figure.options.get("network", "attention56_scenes_trunk")
    module = figure.options.get("module", "stage2.attention1")
    index = int(figure.options.get("picture", 0))

    def agrees(threshold: float | None) -> None:
        T = in_pytorch(name, picture({}, index), {})[1][module][1][0].abs().mean(0)
        size = scenes().images.shape[-1]
        map_ = (T - T.min()) / (T.max() - T.min())
        map_ = map_.repeat_interleave(size // T.shape[0], 0).repeat_interleave(size // T.shape[1], 1)
        truth = scenes().object_masks[index].bool()
        found = [
            float(((map_ >= t / 100) & truth).sum() / max(1, ((map_ >= t / 100) | truth).sum())) for t in range(101)
        ]
        best = max(range(101), key=lambda t: found[t])
        at = round(100 * threshold) if threshold is not None else best
        said = figure.numbers()
        assert figure.shows(1, map_, "features", 0, 1)
        # An activity at the very threshold may fall on either side of it: a square of the map at most.
        assert said[1] == at / 100 and abs(said[0] - found[at]) <= 0.05 and abs(said[3] - found[best]) <= 0.005 + 1e-6

    agrees(None)
    agrees(figure.slide("Threshold", 0.25))
    agrees(figure.slide_by_keys("Threshold", "ArrowRight", "ArrowRight"))
    buttons = figure.node.locator(".live-gallery button")
    buttons.nth(2).click()
    index = 2
    agrees(figure.slide_by_keys("Threshold", "End", "Home", "PageUp"))
    buttons.nth(1).press("Enter")
    index = 1
    agrees(figure.slide("Threshold", 0.6))


def check_masks(figure: Figure) -> None:
    models = names(figure.options, "attention56_scenes", "attention56_scenes_nal")
    name, index = models[0], int(figure.options.get("picture", 0))

    def agrees(channel: int) -> None:
        logits, parts = in_pytorch(name, picture(figure.options, index), {})
        said = figure.finding()
        model = rounded(name)
        first = int(logits.argmax())
        answer = f"{model.record['data']['classes'][first]} ({percent(float(shares(logits)[first]))})"
        assert f"says {answer}." in said
        for stage, (mask, T, product) in enumerate(parts.values()):
            picked = slice(None) if channel < 0 else slice(*(min(channel, T.shape[1] - 1) + k for k in (0, 1)))
            M = mask[0, picked].mean(0)
            activity, passed = (part[0, picked].abs().mean(0) for part in (T, product))
            most = float(max(activity.max(), passed.max()))
            assert figure.shows(3 * stage + 1, activity, "features", 0, most)
            assert figure.shows(3 * stage + 2, M, "mask", 0, 1)
            assert figure.shows(3 * stage + 3, passed, "features", 0, most)

    agrees(int(figure.options.get("channel", 0)) - 1)
    agrees(int(figure.slide("Channel", 0.5)) - 1)
    agrees(int(figure.slide_by_keys("Channel", "ArrowRight")) - 1)
    buttons = figure.node.locator(".live-gallery button")
    buttons.nth(3).click()
    index = 3
    agrees(int(figure.slide_by_keys("Channel", "Home")) - 1)
    buttons.nth(2).press("Enter")
    index = 2
    agrees(-1)
    if len(models) > 1:
        figure.by_keys("NAL")
        figure.node.get_by_text("of T passes here").wait_for()
        name = models[1]
        agrees(-1)
