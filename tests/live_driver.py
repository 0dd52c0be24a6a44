"""A live figure under a reader's hands: what is drawn and said in it, and its controls by mouse and by keys."""

import re

import torch
from playwright.sync_api import Locator

# Both frames: a figure draws before the next one, however often it is asked to.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PIXELS = """(canvas) => {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return [canvas.height, canvas.width, [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
}"""
COLOURED = """(_, [values, H, W, ramp, low, high]) => {
    const canvas = live.parts.paintMap(document.createElement("canvas"), values, H, W, ramp, low, high);
    return [...canvas.getContext("2d").getImageData(0, 0, W, H).data];
}"""


class Figure:
    """One figure of a page, `node`, ready to be used; `options` are its data attributes."""

    def __init__(self, place: Locator) -> None:
        place.scroll_into_view_if_needed()
        place.page.wait_for_function("(place) => place.dataset.ready", arg=place.element_handle())
        assert place.get_attribute("data-ready") == "yes"
        self.options = place.evaluate("(place) => ({ ...place.dataset })")
        self.node = place.locator(".live-figure")
        self.page = place.page

    # --- what a reader sees

    def finding(self) -> str:
        self.page.evaluate(FRAMES)
        return self.node.locator(".live-finding").first.inner_text()

    def numbers(self) -> list[float]:
        """The numbers of the finding, in order."""
        return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", self.finding().replace(",", ""))]

    def canvas(self, index: int) -> Locator:
        """A picture or map, in the order of the figure; the small ones of a gallery do not count."""
        return self.node.locator("canvas.live-picture").nth(index)

    def drawn(self, index: int) -> torch.Tensor:
        """What stands in a picture: bytes, [3, H, W]."""
        self.page.evaluate(FRAMES)
        height, width, data = self.canvas(index).evaluate(PIXELS)
        return torch.tensor(data, dtype=torch.uint8).view(height, width, 4)[..., :3].permute(2, 0, 1)

    def shows(self, index: int, values: torch.Tensor, ramp: str, low: float, high: float) -> bool:
        """Whether a map shows these numbers, [H, W], in the colours of the ramp: to one step of a colour."""
        arguments = [values.flatten().tolist(), *values.shape, ramp, low, high]
        wanted = torch.tensor(self.node.evaluate(COLOURED, arguments)).view(*values.shape, 4)[..., :3].permute(2, 0, 1)
        drawn = self.drawn(index)
        return drawn.shape == wanted.shape and bool((drawn.int() - wanted).abs().max() <= 1)

    def shares(self) -> torch.Tensor:
        """The probabilities of the bars, as long as they are drawn: [K]."""
        self.page.evaluate(FRAMES)
        fills = self.node.locator(".live-answers .live-fill").all()
        return torch.tensor([float(fill.evaluate("(bar) => parseFloat(bar.style.width)")) / 100 for fill in fills])

    # --- what a reader does

    def by_mouse(self, words: str) -> None:
        """Press the button, or choose the one of a few, that is named so."""
        self._named(words).click()

    def by_keys(self, words: str) -> None:
        """The same from the keyboard: Enter on a button; among a few, from its neighbour with an arrow key."""
        control = self._named(words)
        if control.get_attribute("type") != "radio":
            control.press("Enter")
            return
        group = self.node.locator(f'input[name="{control.get_attribute("name")}"]')
        values = [radio.get_attribute("value") for radio in group.all()]
        place = values.index(control.get_attribute("value"))
        neighbour, key = (place - 1, "ArrowRight") if place else (1, "ArrowLeft")
        group.nth(neighbour).focus()
        self.page.keyboard.press(key)
        assert control.is_checked()

    def _named(self, words: str) -> Locator:
        name = re.compile(rf"^{re.escape(words)}$")
        return self.node.get_by_role("button", name=name).or_(self.node.get_by_role("radio", name=name)).first

    def slide(self, label: str, share: float) -> float:
        """Press a slider at this share of its length; gives its value then."""
        slider = self.node.get_by_label(label, exact=True)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        return float(slider.input_value())

    def slide_by_keys(self, label: str, *keys: str) -> float:
        slider = self.node.get_by_label(label, exact=True)
        for key in keys:
            slider.press(key)
        assert slider.get_attribute("aria-valuetext") == slider.locator("xpath=../output").inner_text()
        return float(slider.input_value())

    def point(self, index: int, row: float, column: float) -> None:
        """Press the place of a map, by mouse."""
        canvas = self.canvas(index)
        canvas.scroll_into_view_if_needed()
        height, width, _ = canvas.evaluate(PIXELS)
        box = canvas.bounding_box()
        self.page.mouse.click(
            box["x"] + (column + 0.5) * box["width"] / width, box["y"] + (row + 0.5) * box["height"] / height
        )

    def point_by_keys(self, index: int, *keys: str) -> None:
        places = self.canvas(index).locator("xpath=..")
        for key in keys:
            places.press(key)
