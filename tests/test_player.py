"""The frame player: all that it needs is in it, and it shows the frames that were drawn."""

import base64
import re
from collections.abc import Callable, Iterator
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from PIL import Image
from test_book import remote_loads

from resattn import data
from resattn.figures import plots
from resattn.figures.mask_plots import mask_view
from resattn.figures.player import WORDS, player


@pytest.fixture(autouse=True)
def headless() -> Iterator[None]:
    plt.switch_backend("agg")
    plt.close("all")
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def grey(level: float) -> Figure:
    """A figure of 100 × 50 pixels at 80 dpi, all of one grey."""
    figure = plt.figure(figsize=(1.25, 0.625))
    figure.add_axes((0, 0, 1, 1)).imshow([[level]], cmap="gray", vmin=0, vmax=1, aspect="auto")
    return figure


def pixels(address: str) -> np.ndarray:
    picture = Image.open(BytesIO(base64.b64decode(address.split(",", 1)[1])))
    return np.asarray(picture.convert("RGBA"))  # [H, W, 4]


def pictures(page: str) -> list[np.ndarray]:
    """The frames, in the order of the script."""
    found = re.findall(r'frames\[(\d+)\] = "([^"]*)"', page)
    assert [int(number) for number, _ in found] == list(range(len(found)))
    return [pixels(address) for _, address in found]


@pytest.mark.parametrize("frames", [[0.0], [0.0, 0.5, 1.0], range(2)])
def test_frames_are_the_figures_in_order(frames: list[float]) -> None:
    page = player(grey, frames, alt="A grey area that becomes lighter.").data
    drawn = pictures(page)
    assert len(drawn) == len(frames)
    for picture, level in zip(drawn, frames, strict=True):
        assert picture.shape == (50, 100, 4)
        assert abs(int(picture[25, 50, 0]) - 255 * level) <= 1 and picture[..., 3].min() == 255
    assert f"new Array({len(frames)})" in page
    assert plt.get_fignums() == []


def test_figures_that_are_transparent_become_white() -> None:
    mpl.rcParams["savefig.transparent"], mpl.rcParams["figure.facecolor"] = True, "black"
    (picture,) = pictures(player(lambda _: plt.figure(figsize=(1, 1)), [0], alt="Nothing at all.").data)
    assert picture.min() == 255


def test_nothing_comes_from_another_host() -> None:
    page = player(grey, [0, 1], alt="Black, then white.").data
    assert remote_loads(BeautifulSoup(page, "html.parser")) == []
    without_frames = re.sub(r'"data:image/png;base64,[^"]*"', '""', page)
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", without_frames) == []
    assert "font-awesome" not in page and not re.search(r"<(link|i)\b", page)


def test_buttons_are_words_that_call_the_player() -> None:
    soup = BeautifulSoup(player(grey, [0, 1], alt="Black, then white.").data, "html.parser")
    buttons = {button.get_text(strip=True): button for button in soup.find_all("button")}
    assert set(buttons) == set(WORDS.values()) and len(buttons) == 9
    for word, method in (("play", "play_animation"), ("back", "previous_frame"), ("faster", "faster")):
        assert re.fullmatch(rf"anim\w+\.{method}\(\)", buttons[word]["onclick"])
        assert buttons[word]["type"] == "button" and "aria-label" not in buttons[word].attrs


def test_words_say_what_is_seen() -> None:
    alt = 'Masks <of> a "balloon" & its sky.'
    soup = BeautifulSoup(player(grey, [0.25, 1], alt=alt).data, "html.parser")
    (image,) = soup.find_all("img")
    assert image["alt"] == alt == soup.find(class_="animation")["aria-label"]
    assert abs(int(pixels(image["src"])[25, 50, 0]) - 64) <= 1  # the first frame, also where no script runs
    assert soup.find("input", type="range")["aria-label"] == "frame"


def test_it_waits_to_be_played() -> None:
    page = player(grey, [0, 1], alt="Black, then white.", interval=350).data
    script = page.rsplit("<script", 1)[1]
    assert re.search(r"new Animation\(frames, img_id, slider_id, 350,", script)
    assert "play_animation()" not in script and "reverse_animation()" not in script
    constructor = re.search(r"function Animation\(.*?\n  }\n", page, re.DOTALL)
    assert constructor is not None and "set_frame" in constructor[0] and "play" not in constructor[0]
    checked = BeautifulSoup(page, "html.parser").find_all("input", checked=True)
    assert [box["value"] for box in checked] == ["once"]


def test_two_players_on_a_page_share_no_name() -> None:
    first, second = (player(grey, [0, 1], alt="Black, then white.").data for _ in range(2))
    for pattern in (r'\bid="([^"]+)"', r'\bname="(_anim[^"]+)"', r"\b(anim[0-9a-f]{32})\b"):
        mine, others = set(re.findall(pattern, first)), set(re.findall(pattern, second))
        assert mine and not mine & others
    assert len(re.findall(r'\bid="', first)) == len(set(re.findall(r'\bid="([^"]+)"', first)))


def test_it_is_white_in_a_dark_page() -> None:
    page = player(grey, [0], alt="A black area.").data
    styles = BeautifulSoup(page, "html.parser").find_all("style")
    assert ".animation" in styles[-1].get_text()  # after matplotlib's own, so that it wins
    for rule in ("background: white", f"color: {plots.COLOURS['ink']}", "color-scheme: light"):
        assert rule in styles[-1].get_text()


def test_a_frame_of_masks_is_small() -> None:
    scene = data.scenes("test", 1).images[0]
    masks = torch.nn.functional.interpolate(torch.rand(1, 4, 8, 8), size=(32, 32), mode="bilinear")[0]
    frames = [None, 0, 1, 2]
    page = player(
        lambda channel: mask_view(scene, masks, channel=channel, title="stage1.attention1"), frames, alt="Four masks."
    ).data
    assert max(len(address) for address in re.findall(r'frames\[\d+\] = "([^"]*)"', page)) < 27_000
    assert (
        len(page) < 27_000 * (len(frames) + 1) + 10_000
    )  # the first frame stands there twice, and there is the script


def test_draw_sees_the_settings_of_the_page_and_may_change_them() -> None:
    """What a notebook's backend sets when the first figure is made must outlive the player."""
    seen = []

    def draw(level: float) -> Figure:
        seen.append(mpl.rcParams["savefig.bbox"])
        mpl.rcParams["lines.linewidth"] = 7.5
        return grey(level)

    player(draw, [0, 1], alt="Black, then white.")
    assert seen == ["tight", "tight"]
    assert mpl.rcParams["lines.linewidth"] == 7.5 and mpl.rcParams["savefig.bbox"] == "tight"


def test_draw_may_reuse_one_figure() -> None:
    figure = plt.figure(figsize=(1.25, 0.625))
    ax = figure.add_axes((0, 0, 1, 1))

    def draw(level: float) -> Figure:
        ax.clear()
        ax.imshow([[level]], cmap="gray", vmin=0, vmax=1, aspect="auto")
        return figure

    first, second = pictures(player(draw, [0, 1], alt="Black, then white.").data)
    assert first[25, 50, 0] == 0 and second[25, 50, 0] == 255


def uneven(width: float) -> Figure:
    return plt.figure(figsize=(width, 1))


def fails(_: float) -> Figure:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("draw", "frames", "options", "error", "message"),
    [
        (grey, [], {}, ValueError, "there are no frames to play"),
        (uneven, [1, 2], {}, ValueError, "one size; frame 2 differs"),
        (grey, [1], {"alt": " "}, ValueError, "alt must say in words"),
        (grey, [1], {"interval": 0}, ValueError, "at least 1 millisecond; got 0"),
        (fails, [1], {}, ZeroDivisionError, None),
    ],
)
def test_bad_input_is_refused_and_leaves_no_figure(
    draw: Callable[[float], Figure], frames: list[float], options: dict, error: type[Exception], message: str | None
) -> None:
    with pytest.raises(error, match=message):
        player(draw, frames, **{"alt": "Some words.", **options})
    assert plt.get_fignums() == []
