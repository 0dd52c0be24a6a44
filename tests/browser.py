"""A headless Chromium that sees no host but this machine, and what it finds on a page of the book."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
MILLISECONDS = 180_000  # before a wait fails: long, since tests run beside others on a busy machine
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()


@contextmanager
def opened() -> Iterator[Browser]:
    """The system's Chromium, for which no other host has an address."""
    with sync_playwright() as playwright:
        # Without a sandbox, as containers that run as root have none.
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over http, at the address that is given."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def visit(page: Page, address: str) -> list[str]:
    """Opens the address and waits until its formulas are set; gives what goes wrong, a list that goes on filling."""
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(f"console: {message.text}")

    def requested(request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme not in ("file", "data", "blob") and target.hostname != "127.0.0.1":
            wrong.append(f"outside: {request.url}")

    page.on("console", console)
    page.on("request", requested)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status}: {answer.url}") if answer.status > 399 else None)
    page.set_default_timeout(MILLISECONDS)
    page.goto(address, wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    return wrong


def unfold(page: Page) -> None:
    """Opens every folded cell and solution."""
    page.evaluate("""() => {
        document.querySelectorAll("details").forEach((box) => { box.open = true; });
        document.querySelectorAll(".toggle-button-hidden").forEach((button) => button.click());
    }""")


def untypeset(page: Page) -> list[str]:
    """Formulas that stand as TeX, or as an error."""
    return page.evaluate("""() => [...document.querySelectorAll("article .math")]
        .filter((math) => !math.querySelector("mjx-container") || math.querySelector("mjx-merror"))
        .map((math) => math.textContent.slice(0, 80))""")


def cut_formulas(page: Page) -> list[str]:
    """Displayed formulas that are wider than their box, or run into their number; formulas in a line that are wider
    than their paragraph."""
    return page.evaluate("""() => [...document.querySelectorAll("article div.math")].filter((math) => {
        const formula = math.querySelector("mjx-container > mjx-math, mjx-mtable") ?? math;
        const number = math.querySelector(".eqno");
        const drawn = formula.getBoundingClientRect(), beside = number?.getBoundingClientRect();
        const room = beside && beside.bottom > drawn.top ? beside.left : math.getBoundingClientRect().right;
        return math.clientWidth > 0 && (math.scrollWidth > math.clientWidth + 1 || drawn.right > room + 1);
    }).concat([...document.querySelectorAll("article span.math")].filter((math) => {
        const formula = math.querySelector("mjx-container > mjx-math"), box = math.closest("p, li, dd, figcaption");
        if (!formula || !box?.clientWidth || box.closest("td, th")) return false;
        return formula.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
    })).map((math) => math.id || math.textContent.slice(0, 40))""")


def hiding_boxes(page: Page) -> list[str]:
    """Boxes of code, of what it printed and of tables that must be scrolled sideways to be read."""
    return page.evaluate("""() => [...document.querySelectorAll("article pre, article .cell_output .output, "
            + "article .pst-scrollable-table-container, article table")]
        .filter((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1)
        .map((box) => box.textContent.trim().slice(0, 60))""")


def overhang(page: Page) -> int:
    """By how many pixels the page itself can be scrolled sideways."""
    return page.evaluate("""() => {
        const page = document.scrollingElement, main = document.querySelector("main") ?? page;
        return Math.max(page.scrollWidth - page.clientWidth, main.getBoundingClientRect().right - innerWidth, 0);
    }""")


def axe(page: Page, theme: str) -> list[str]:
    """What axe-core calls serious or critical in the theme "light"; in "dark", of the colours, which alone differ."""
    # Links and buttons change their colour slowly: without this the colours between would be measured.
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    page.evaluate(AXE)
    found = page.evaluate(
        """(rules) => {
        // Formulas and code have thousands of letters, coloured alike: of each kind of code one piece is looked at.
        const kinds = new Set(), exclude = [["mjx-container"]];
        for (const code of document.querySelectorAll("article pre")) {
            const kind = code.closest("div[class*='highlight']")?.className;
            code.dataset.seen = kinds.has(kind) ? "again" : "first";
            kinds.add(kind);
        }
        exclude.push(["pre[data-seen=again]"]);
        return axe.run({ exclude }, { resultTypes: ["violations"], ...rules }).then((result) => result.violations);
    }""",
        {"runOnly": ["color-contrast"]} if theme == "dark" else {},
    )
    return [
        f"{theme}: {rule['id']}: {node['target']} {json.dumps(node['any'][:1])[:300]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def invisible_focus(page: Page) -> list[str]:
    """Controls that look the same with and without the keyboard's focus; of those that are made alike, one is tried."""
    page.keyboard.press("Tab")  # from now on focus is the keyboard's, and :focus-visible holds
    return page.evaluate("""() => {
        const look = (node) => {
            const parts = [node, node.nextElementSibling, node.parentElement].filter((part) => part);
            return parts.map((part) => {
                const style = getComputedStyle(part);
                return [style.outlineStyle === "none" ? "" : style.outline, style.boxShadow, style.borderColor];
            }).join();
        };
        const all = "a[href], button, input, select, summary, [tabindex='0']";
        const shown = [...document.querySelectorAll(all)].filter((node) => !node.disabled && node.tabIndex >= 0
            && node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width > 1);
        const kind = (node) => [node.tagName, node.className, node.parentElement.className].join();
        const kinds = new Map(shown.map((node) => [kind(node), node]));
        return [...kinds.values()].filter((node) => {
            document.activeElement.blur();
            const before = look(node);
            node.focus({ preventScroll: true });
            return document.activeElement === node && look(node) === before;
        }).map((node) => `${kind(node)}: ${node.title} ${node.textContent.trim().slice(0, 30)}`);
    }""")


def small_letters(page: Page, least: float) -> list[str]:
    """Drawn figures whose smallest letters are lower than so many pixels as they are shown, with that height."""
    return page.evaluate(
        """async (least) => {
        const small = [];
        for (const image of document.querySelectorAll("article figure img[src$='.svg']")) {
            const text = await (await fetch(image.src)).text();
            const box = /viewBox="0 0 ([\\d.]+)/.exec(text);
            // Matplotlib draws letters as outlines, in units of a hundredth of the size of the letter.
            const sizes = [...text.matchAll(/scale\\(([\\d.]+) -[\\d.]+\\)/g)].map((found) => 100 * found[1]);
            if (!box || !sizes.length) continue;
            const height = Math.min(...sizes) * image.clientWidth / box[1];
            if (height < least - 0.05) small.push(`${height.toFixed(1)} px: ${image.alt.slice(0, 60)}`);
        }
        return small;
    }""",
        least,
    )
