"""A frame player for pages that have no Python behind them (chapter 10).

Sliders of :mod:`resattn.figures.widgets` need a running kernel. The player is their counterpart in the built book: all
frames are drawn beforehand and stand in the page as PNGs, with buttons and a slider to go through them.
"""

import html
import re
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.animation import HTMLWriter
from matplotlib.figure import Figure

from .plots import COLOURS

Frame = TypeVar("Frame")

# matplotlib's icons come from a font on another host; words need none.
WORDS = {
    "fa fa-minus": "slower",
    "fa fa-fast-backward": "first",
    "fa fa-step-backward": "back",
    "fa fa-play fa-flip-horizontal": "reverse",
    "fa fa-pause": "pause",
    "fa fa-play": "play",
    "fa fa-step-forward": "next",
    "fa fa-fast-forward": "last",
    "fa fa-plus": "faster",
}
# White in both themes of a page; "important" where a dark theme would frame and dim the pictures.
STYLE = f"""<style>
.animation {{ display: block; background: white; color: {COLOURS["ink"]}; color-scheme: light; }}
.animation img {{ max-width: 100%; height: auto; padding: 0 !important; filter: none !important; }}
input[type=range].anim-slider {{ max-width: 90%; }}
.anim-buttons button {{ width: auto; padding: 1px 7px; margin: 1px; border: 1px solid {COLOURS["grey"]}; }}
</style>
"""


def player(
    draw: Callable[[Frame], Figure],
    frames: Iterable[Frame],
    *,
    alt: str,
    interval: int = 700,
    dpi: int = 80,
) -> HTML:
    """The frames as one piece of HTML that loads nothing, starts at the first frame and stands still until played.

    ``draw`` is called once for each of ``frames``, in order, and returns a Figure; all must have one size. The player
    closes it. ``alt`` says what the frames show, for those who do not see them; ``interval`` is the time between
    frames in milliseconds; ``dpi`` times the figure's inches gives the pixels, and so the size of the page:
    :func:`resattn.figures.mask_plots.mask_view` takes about 25 kB a frame at 80. Buttons and script are matplotlib's
    (:class:`matplotlib.animation.HTMLWriter`, as in ``to_jshtml``). Chapter 10 walks through masks with it.

    Raises ValueError if there are no frames, sizes differ, ``alt`` is empty or ``interval`` below 1.

    >>> def draw(height):
    ...     figure, ax = plt.subplots(figsize=(1, 1))
    ...     ax.bar(["a"], [height])
    ...     return figure
    >>> page = player(draw, [1, 2, 3], alt="A bar that grows from 1 to 3.")
    >>> page.data.count("data:image/png") - 1  # the first frame is there twice: it also shows where no script runs
    3
    """
    if not alt.strip():
        raise ValueError("alt must say in words what the frames show")
    if interval < 1:
        raise ValueError(f"interval must be at least 1 millisecond; got {interval}")
    writer = HTMLWriter(
        fps=Fraction(1000, interval),  # type: ignore[arg-type]  # a float would give 699 for 700
        embed_frames=True,
        embed_limit=1024,
        default_mode="once",
    )
    size = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "player.html"
        for frame in frames:
            figure = draw(frame)
            try:
                if size is None:
                    size = tuple(figure.get_size_inches())
                    writer.setup(figure, path, dpi)
                if tuple(figure.get_size_inches()) != size:
                    raise ValueError(f"all frames must have one size; frame {frame!r} differs from the first")
                writer.fig = figure
                with mpl.rc_context({"savefig.bbox": None}):  # a tight box would give every frame a size of its own
                    writer.grab_frame(facecolor="white", transparent=False, pil_kwargs={"optimize": True})
            finally:
                plt.close(figure)
        if size is None:
            raise ValueError("there are no frames to play")
        writer.finish()
        page = path.read_text(encoding="utf-8")
    return HTML(_self_contained(page, alt))


def _self_contained(page: str, alt: str) -> str:
    """matplotlib's page without what it loads, with words on the buttons and for screen readers."""
    alt = html.escape(alt, quote=True)
    page = re.sub(r"<link\b[^>]*>\s*", "", page)
    page = re.sub(r'<i class="([\w -]+)"></i>', lambda icon: WORDS[icon[1]], page)
    page = re.sub(r'(<button title="[^"]*") aria-label="[^"]*"', r'\1 type="button"', page)  # the word names it
    first = re.search(r'frames\[0\] = "([^"]*)"', page)
    assert first is not None
    source = first[1].replace("\\\n", "")
    page = page.replace('<img id="_anim_img', f'<img alt="{alt}" src="{source}" id="_anim_img')
    page = page.replace('type="range"', 'type="range" aria-label="frame"')
    page = page.replace('<div class="animation">', f'<div class="animation" role="group" aria-label="{alt}">')
    return page.replace("</style>", "</style>" + STYLE, 1)  # after matplotlib's, so that it wins
