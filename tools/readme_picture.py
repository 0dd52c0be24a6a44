"""Take the picture on which the README opens, from the built book: ``book/_static/try_it.png``.

    make book && python -m tools.readme_picture

The page "Try it" as a reader meets it: a picture, the masks of a trained network, the answer before and after one of
the masks was swapped. Needs Chromium.
"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools.build_book import BOOK

PICTURE = BOOK.root / "book" / "_static" / "try_it.png"
HEIGHT = 700  # pixels of the page: the picture, the answers and the masks, without what stands below them


def take(page: Path, picture: Path) -> None:
    """Draw the first live figure of ``page`` into ``picture``, at twice the size so that it is sharp everywhere."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=2)
        opened.goto(page.as_uri())
        figure = opened.locator(".live-figure").first
        figure.scroll_into_view_if_needed()  # only then is its network loaded
        figure.locator("canvas").first.wait_for()
        opened.wait_for_timeout(2000)  # until the network has answered
        opened.evaluate("scrollTo(0, 0)")
        box = figure.bounding_box()
        assert box is not None
        clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": min(box["height"], HEIGHT)}
        opened.screenshot(path=picture, clip=clip, full_page=True)  # type: ignore[arg-type]
        browser.close()


if __name__ == "__main__":
    take(BOOK.html / "book" / "try_it.html", PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")
