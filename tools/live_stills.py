"""Take the stills of the live figures: what a page shows without JavaScript, in print, and in a notebook.

    python -m tools.live_stills [NAME …]      writes book/_static/live/NAME.png

Each still is the figure as it starts, seen by Chromium at the width of the book's column.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tools import live_weights
from tools.build_book import ROOT

STILLS = ROOT / "book" / "_static" / "live"
COLUMN = 688  # pixels
STARTS = {  # name -> the figure's attributes, and how much of its height the still keeps, in pixels
    "cue": ('data-figure="cue"', 735),
    "tour_cue": ('data-figure="cue" data-picture="7"', 735),
    "left_out": (
        'data-figure="cue" data-networks="cued_left_out_nal" data-picture="4" data-module="stage2.attention1"',
        735,
    ),
    "bench": ('data-figure="bench" data-network="attention56_scenes_nal" data-picture="6" data-force="mean"', 740),
    "tour": ('data-figure="tour" data-network="cued_arl" data-pictures="cued"', 400),
    "iou": ('data-figure="iou"', 800),
    "masks": ('data-figure="masks"', 1000),
    "walk": (
        'data-figure="masks" data-networks="cued_arl cued_nal" data-pictures="cued" data-picture="7" data-channel="26"',
        800,
    ),
    "field": ('data-figure="field"', 800),
    "fusion": ('data-figure="fusion"', 800),
    "backward": ('data-figure="backward"', 800),
    "path": ('data-figure="path"', 800),
    "depth": ('data-figure="depth"', 800),
}
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Still</title><link rel="icon" href="data:,">'
    "<style>body {{ font: 16px sans-serif; margin: 0; width: {width}px }}</style>"
    '<div class="live" {start}></div><script defer src="live.js"></script></html>'
)


def take(page: Page, folder: Path, name: str) -> None:
    """Write the still of one figure, in 128 colours, from the scripts in ``folder``."""
    start, height = STARTS[name]
    (folder / "still.html").write_text(PAGE.format(width=COLUMN, start=start), encoding="utf-8")
    page.goto((folder / "still.html").as_uri())
    page.wait_for_selector('.live[data-ready="yes"]', timeout=60_000)
    page.wait_for_timeout(15_000 if '"cue"' in start else 1_000)  # counts over all pictures come in bit by bit
    shot = Image.open(io.BytesIO(page.locator(".live-figure").screenshot())).convert("RGB")
    shot = shot.crop((0, 0, shot.width, min(shot.height, height * shot.width // COLUMN)))
    STILLS.mkdir(exist_ok=True)
    shot.quantize(128, dither=Image.Dither.NONE).save(STILLS / f"{name}.png", optimize=True)


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "live"
        shutil.copytree(ROOT / "book" / "live", folder)
        live_weights.write(folder)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": COLUMN, "height": 1600}, device_scale_factor=1.5)
        for name in names:
            take(page, folder, name)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.live_stills", description="Take stills of live figures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STARTS))
    main(parser.parse_args().names or list(STARTS))
