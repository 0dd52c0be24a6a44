"""Every live figure by mouse and by keys: after each move it shows what PyTorch says.

On bare pages that hold nothing else, from a server and from disk; and on each page of the built book that has one.
"""

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import CHROMIUM, DESKTOP, opened, served, visit
from conftest import ROOT
from live_checks import check_bench, check_cue, check_iou, check_masks, check_tour
from live_checks_plain import check_backward, check_depth, check_field, check_fusion, check_path
from live_driver import Figure
from live_reference import compare, in_pytorch, pictures
from playwright.sync_api import Browser, Route

from resattn import zoo
from tools import live_stills, live_weights

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")

CHECKS: dict[str, Callable[[Figure], None]] = {
    "cue": check_cue,
    "bench": check_bench,
    "tour": check_tour,
    "iou": check_iou,
    "masks": check_masks,
    "field": check_field,
    "fusion": check_fusion,
    "backward": check_backward,
    "path": check_path,
    "depth": check_depth,
}


# --- where they stand


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with opened() as browser:
        yield browser


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page for each figure, as it starts where its still was taken."""
    folder = tmp_path_factory.mktemp("live") / "live"
    shutil.copytree(ROOT / "book" / "live", folder)
    live_weights.write(folder)
    for name, (start, _) in live_stills.STARTS.items():
        (folder / f"{name}.html").write_text(live_stills.PAGE.format(width=live_stills.COLUMN, start=start))
    return folder


def try_figures(chromium: Browser, address: str, wanted: str) -> None:
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    wrong = visit(page, address)
    places = page.locator(f'.live[data-figure="{wanted}"]').all()
    assert places != []
    for place in places:
        CHECKS[wanted](Figure(place))
    context.close()
    assert wrong == []


def test_each_figure_has_a_check() -> None:
    files = {path.stem for path in (ROOT / "book" / "live" / "figures").glob("*.js")}
    started = {re.search(r'data-figure="(\w+)"', start)[1] for start, _ in live_stills.STARTS.values()}  # type: ignore[index]
    assert files == set(CHECKS) == started


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("name", CHECKS)
def test_on_a_bare_page(chromium: Browser, bare: Path, name: str, way: str) -> None:
    if way == "file":
        try_figures(chromium, f"{bare.as_uri()}/{name}.html", name)
    else:
        with served(bare) as address:
            try_figures(chromium, f"{address}{name}.html", name)


RUN = """async ([name, size, data]) => {
    const answer = (await live.network(name)).run(live.map(3, size, size, data));
    const numbers = [answer.logits, ...answer.modules.map((module) => module.mask.data)].flatMap((part) => [...part]);
    const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("name", ["attention56_scenes", "attention56_scenes_nal", "attention56_cifar10", "cued_arl"])
def test_logits_and_masks_in_chromium_are_those_of_pytorch(chromium: Browser, bare: Path, name: str, way: str) -> None:
    images = pictures(zoo.load_pretrained(name))
    logits, kept = in_pytorch(name, images, {})
    with served(bare) as address:
        page = chromium.new_page()
        visit(page, f"{bare.as_uri() if way == 'file' else address.rstrip('/')}/depth.html")
        size = images.shape[2]
        answers = [page.evaluate(RUN, [name, size, image.flatten().tolist()]) for image in images]
        page.close()
    numbers = np.stack([np.frombuffer(base64.b64decode(answer), dtype="<f4") for answer in answers])
    compare(torch.from_numpy(numbers), logits, {key: (mask,) for key, (mask, *_) in kept.items()})


@pytest.mark.parametrize(
    ("name", "slow", "pressed", "shown"),
    [
        ("cue", "cued_nal", ("NAL", "ARL"), "how much M raises T here"),
        ("masks", "attention56_scenes_nal", ("NAL", "ARL"), "how much M raises T here"),
        ("bench", "attention56_cifar10", ("ARL, CIFAR-10", "NAL"), "lighthouse"),
    ],
)
def test_the_network_asked_for_last_is_shown(
    chromium: Browser, bare: Path, name: str, slow: str, pressed: tuple[str, str], shown: str
) -> None:
    with served(bare) as address:
        page = chromium.new_page()
        held: list[Route] = []
        page.route(f"**/{slow}.js", lambda route: held.append(route))
        visit(page, f"{address}{name}.html")
        figure = Figure(page.locator(f'.live[data-figure="{name}"]').first)
        for words in pressed:
            figure.by_mouse(words)
        page.wait_for_timeout(200)
        assert len(held) == 1, "the first network is still on its way"
        held[0].fulfill(path=bare / "networks" / f"{slow}.js")
        page.wait_for_timeout(1_000)
        figure.node.get_by_text(shown).first.wait_for(timeout=2_000)
        page.close()


def in_the_book() -> list[tuple[str, str]]:
    """Each page of the book and each kind of figure that its source embeds."""
    sources = [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/[0-9][0-9]_*.ipynb")]
    found = {
        (str(path.relative_to(ROOT).with_suffix("")), name)
        for path in sources
        for name in re.findall(r'class=\\?"live\\?" data-figure=\\?"(\w+)', path.read_text(encoding="utf-8"))
    }
    return sorted(found)


@pytest.mark.parametrize(("page", "name"), in_the_book())
def test_in_the_book(chromium: Browser, html: Path, page: str, name: str) -> None:
    try_figures(chromium, f"{html.as_uri()}/{page}.html", name)
