"""What a reader sees: the built book in Chromium, over http and from disk, with every other host cut off."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from browser import (
    CHROMIUM,
    DESKTOP,
    PHONE,
    axe,
    cut_formulas,
    hiding_boxes,
    invisible_focus,
    opened,
    overhang,
    served,
    small_letters,
    unfold,
    untypeset,
    visit,
)
from conftest import ROOT
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page
from sphinx_external_toc.parsing import parse_toc_yaml

from resattn.figures import plots
from tools.finish_pages import themed

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")

CONTENTS = list(parse_toc_yaml(ROOT / "_toc.yml"))
PAGES = [*CONTENTS, "genindex", "search"]
LETTERS = 11  # pixels, at least, on the desktop
PRINTED = ["notebooks/05_attention_module", "notebooks/10_stacked_attention"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with opened() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    with served(html) as address:
        yield address


@dataclass
class Seen:
    """What the browser found on one page."""

    name: str
    http: list[str]
    disk: list[str]
    untypeset: list[str]
    cut: list[str]
    hiding: list[str]
    letters: list[str]
    focus: list[str]
    axe: list[str]
    overhang: int
    cut_on_phone: list[str]


# Tests of one page stay together, in one process, so that it is looked at once.
@pytest.fixture(scope="module", params=[pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in PAGES])
def seen(request: pytest.FixtureRequest, chromium: Browser, html: Path, address: str) -> Seen:
    """One page, looked at once: the tests below ask for parts of it."""
    name = f"{request.param}.html"
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    wrong = visit(page, address + name)
    letters, unset = small_letters(page, LETTERS), untypeset(page)
    wrong = list(wrong)  # axe-core, below, asks for style sheets once more, by a wrong address
    focus = invisible_focus(page)
    unfold(page)
    cut, hiding = cut_formulas(page), hiding_boxes(page)
    broken = axe(page, "light") + axe(page, "dark")
    context.close()
    # Loaded anew, as on a telephone: what a preview still shows on a page made smaller would count as the page.
    context = chromium.new_context(viewport=PHONE)
    page = context.new_page()
    disk = visit(page, f"{html.as_uri()}/{name}")
    unfold(page)
    page.evaluate("() => new Promise((done) => setTimeout(done, 50))")  # what was folded is set to its width
    sideways, small = overhang(page), cut_formulas(page)
    context.close()
    return Seen(request.param, wrong, disk, unset, cut, hiding, letters, focus, broken, sideways, small)


def test_loads_over_http(seen: Seen) -> None:
    assert seen.http == []


def test_loads_from_disk(seen: Seen) -> None:
    assert seen.disk == []


def test_formulas_are_typeset(seen: Seen) -> None:
    assert seen.untypeset == []


def test_no_formula_is_cut(seen: Seen) -> None:
    assert seen.cut == []


def test_no_box_hides_text(seen: Seen) -> None:
    assert seen.hiding == []


def test_letters_in_figures_can_be_read(seen: Seen) -> None:
    assert seen.letters == []


def test_focus_is_visible(seen: Seen) -> None:
    assert seen.focus == []


def test_accessible_in_both_themes(seen: Seen) -> None:
    assert seen.axe == []


def test_phone_never_scrolls_sideways(seen: Seen) -> None:
    assert seen.overhang == 0


def test_no_formula_is_cut_on_a_phone(seen: Seen) -> None:
    """A formula that ends early may look complete, and say something else."""
    assert seen.cut_on_phone == []


# --- what moves


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport=DESKTOP)
    yield context.new_page()
    context.close()


def test_solutions_fold_and_unfold(page: Page, address: str) -> None:
    visit(page, f"{address}notebooks/05_attention_module.html")
    solution = page.locator(".solution.dropdown").first
    button, content = solution.locator(".toggle-button"), solution.locator(".admonition-title ~ *").first
    assert button.get_attribute("aria-expanded") == "false" and not content.is_visible()
    button.click()
    assert button.get_attribute("aria-expanded") == "true" and content.is_visible()
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "false" and not content.is_visible()


@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds_the_chapter_first(page: Page, html: Path, address: str, way: str) -> None:
    start = address if way == "http" else f"{html.as_uri()}/"
    wrong = visit(page, f"{start}search.html?q=mask+gradient")
    first = page.locator("#search-results ul.search li a").first
    first.wait_for()
    page.wait_for_load_state("networkidle")
    assert "06_mask_gradient" in (first.get_attribute("href") or "") and wrong == []


@pytest.mark.parametrize("way", ["http", "file"])
def test_a_reference_shows_what_it_leads_to(page: Page, html: Path, address: str, way: str) -> None:
    """By the pointer and by the focus; an equation typeset, an entry of the bibliography, a function's docstring."""
    start = address if way == "http" else f"{html.as_uri()}/"
    wrong = visit(page, f"{start}notebooks/06_mask_gradient.html")
    preview = page.locator(".tippy-box")
    for link, shown in (
        ("a[href='#equation-eq-gradient-filter']", "mjx-container"),
        ("a[href*='references.html#']", "div.citation"),
        ("a[href*='api.html#resattn']", "dt.sig"),
    ):
        reference = page.locator(f"article {link}:visible").first
        reference.hover()
        preview.locator(shown).first.wait_for()
        page.mouse.move(2, 2)
        preview.wait_for(state="detached")
        reference.focus()
        preview.locator(shown).first.wait_for()
        reference.blur()
        preview.wait_for(state="detached")
    assert wrong == []


def test_a_figure_is_enlarged_by_mouse_and_keys(page: Page, address: str) -> None:
    visit(page, f"{address}notebooks/02_network_overview.html")
    link, large = page.locator("article figure a.enlarge").first, page.locator("dialog.enlarged")
    shown = link.locator("img").bounding_box()
    link.click()
    assert large.locator("img").bounding_box()["width"] > shown["width"]
    page.keyboard.press("Escape")
    assert not large.is_visible()
    link.press("Enter")
    assert large.is_visible()
    large.click()
    assert not large.is_visible()


def test_icons_are_drawn(page: Page, address: str) -> None:
    """The script of the theme's icons is cut down to those in use."""
    visit(page, f"{address}notebooks/05_attention_module.html")
    assert page.locator("svg.svg-inline--fa:has(path)").count() >= 10
    missing = page.locator("[class*='fa-']:not(svg):not(:has(svg)), svg[data-icon='circle-question']")
    assert [node.get_attribute("class") for node in missing.all()] == []


@pytest.mark.parametrize("name", PRINTED)
def test_print(page: Page, address: str, name: str) -> None:
    visit(page, f"{address}{name}.html")
    page.set_viewport_size({"width": 718, "height": 1047})  # A4 less margins of 1 cm, at 96 pixels an inch
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert hiding_boxes(page) == [] and cut_formulas(page) == [] and overhang(page) == 0
    assert not any(button.is_visible() for button in page.locator("button").all())
    assert all(box.is_visible() for box in page.locator(".solution.dropdown .admonition-title ~ *").all())
    pdf = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "1cm"))
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 60


def drawn(fig: Figure, chromium: Browser, scheme: str) -> Page:
    """A figure as the book shows it, alone on a page of its own."""
    drawing = io.StringIO()
    fig.savefig(drawing, format="svg")
    plt.close(fig)
    page = chromium.new_context(color_scheme=scheme).new_page()
    page.set_content(themed(drawing.getvalue()))
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_marker_is_open_in_both_themes(chromium: Browser, scheme: str) -> None:
    """It has the colour of the page behind it, and a filled one that of the ink."""
    fig, ax = plt.subplots()
    ink = plots.COLOURS["ink"]
    for gid, face in (("open", "white"), ("filled", ink)):
        ax.plot([0], [0], "o", color=ink, markerfacecolor=face, gid=gid)
    page = drawn(fig, chromium, scheme)
    fill = {
        name: page.eval_on_selector(at, "element => getComputedStyle(element).fill")
        for name, at in (("page", "#patch_2 path"), ("open", "#open use"), ("filled", "#filled use"))
    }
    page.context.close()
    assert fill["open"] == fill["page"] != fill["filled"]


def test_a_white_marker_on_a_picture_stays_white(chromium: Browser) -> None:
    fig, ax = plt.subplots()
    ax.imshow([[0.0, 1.0]])
    ax.plot([0], [0], "o", color="white", gid="dot")
    page = drawn(fig, chromium, "dark")
    assert page.eval_on_selector("#dot use", "element => getComputedStyle(element).fill") == "rgb(255, 255, 255)"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_in_every_colour_of_the_palette_can_be_read(chromium: Browser, scheme: str) -> None:
    """4.5 to 1, but for the pale one, which is a ground and no ink."""
    names = [name for name in plots.COLOURS if name != "pale"]
    fig = plt.figure()
    for name in names:
        fig.text(0.5, 0.5, name, color=plots.COLOURS[name], gid=f"text_{name}")
    page = drawn(fig, chromium, scheme)
    fills = [page.eval_on_selector(f"#text_{name} > g", "letters => getComputedStyle(letters).fill") for name in names]
    ground = page.eval_on_selector("#patch_1 path", "path => getComputedStyle(path).fill")
    page.context.close()

    def luminance(colour: str) -> float:  # of WCAG
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for name, fill in zip(names, fills, strict=True):
        light, dark = sorted((luminance(fill), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{name}: {fill} on {ground}"
