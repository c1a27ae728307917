"""The built site in headless Chromium: console, links, keyboard, widths, contrast, search, boxes, figures, no other host.

`MINIDL_SITE` may name a site that is built already; else one is built here.
"""

import functools
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NEEDED = ("playwright", "sphinx", "myst_nb", "sphinx_book_theme")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path"),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)),
        reason=f"needs {', '.join(NEEDED)}: the extra [site] and playwright",
    ),
]
PHRASES = (
    "transposed convolution",
    "checkerboard",
    "receptive field",
    "ROI Align",
    "mean field",
    "depthwise separable",
    "Winograd",
    "cross_entropy",
    "hypercolumn",
    "micro-kernel",
)
# what is too wide, if anything: scrolling inside a box is allowed, of the page it is not
WIDTH = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((k) => top[3] * top[k] + (1 - top[3]) * below[k]);
  const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (node) => {
    const layers = [];
    for (; node; node = node.parentElement) layers.push(rgb(getComputedStyle(node).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const bad = [];
  const parts = "p, li, td, h1, h2, summary, figcaption, label, button, a, pre span, dt";
  for (const node of document.querySelectorAll(`article :is(${parts})`)) {
    if (!node.innerText || !node.innerText.trim() || !node.offsetParent || node.closest("mjx-container")) continue;
    const back = ground(node), found = ratio(over(rgb(getComputedStyle(node).color), back), back);
    if (found < 4.5) bad.push(`${found.toFixed(2)} ${node.tagName} ${node.className} ${node.innerText.slice(0, 40)}`);
  }
  for (const text of document.querySelectorAll(".live-number, .live-on")) {
    const cell = text.previousElementSibling; // a number is drawn after its cell
    if (!cell || cell.tagName !== "rect" || !cell.classList.contains("live-cell")) continue;
    const back = rgb(getComputedStyle(text.closest("svg")).backgroundColor);
    const style = getComputedStyle(cell), fill = rgb(style.fill);
    const below = over([...fill.slice(0, 3), Number(style.fillOpacity)], back);
    const found = ratio(rgb(getComputedStyle(text).fill), below);
    if (found < 4.5) bad.push(`${found.toFixed(2)} number ${text.textContent} at ${style.fillOpacity}`);
  }
  return [...new Set(bad)].slice(0, 8);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    if os.environ.get("MINIDL_SITE"):
        return Path(os.environ["MINIDL_SITE"])
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, ROOT / "lessons/site/build.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def served(site):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, served):
    """A page that notes errors and requests to other hosts; both must be none at the end."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "request",
        lambda r: page.problems.append(r.url) if not r.url.startswith((served, "data:", "blob:", "file:")) else None,
    )
    page.on("response", lambda r: page.problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    yield page
    problems = page.problems
    page.close()
    assert problems == []


def pages_of(site):
    names = [p.relative_to(site).as_posix() for p in sorted(site.rglob("*.html")) if "_static" not in p.parts]
    return [name for name in names if not name.startswith("genindex")]


def test_size(site):
    assert sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) < 40e6


def test_every_page_at_every_width(site, page, served):
    """No error in the console, no other host, no page wider than its window from 320 to 1600 pixels."""
    wide = []
    for name in pages_of(site):
        page.goto(served + name, wait_until="load")
        for width in (320, 768, 1600):
            page.set_viewport_size({"width": width, "height": 900})
            if (more := page.evaluate(WIDTH)) > 0:
                wide.append(f"{name} at {width}: {more} px too wide")
    assert wide == []


def test_links_lead_somewhere(site):
    wrong = []
    for name in pages_of(site):
        text = (site / name).read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:|//", target):
                continue
            file = (site / name).parent.joinpath(path.split("?")[0]) if path else site / name
            if not file.is_file():
                wrong.append(f"{name}: {target}")
            elif anchor and file.suffix == ".html" and f'id="{anchor}"' not in file.read_text(encoding="utf-8"):
                wrong.append(f"{name}: {target} (no such place)")
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page, served, scheme):
    page.emulate_media(color_scheme=scheme)
    for name in (
        "index.html",
        "figures.html",
        "lessons/05_upsampling_and_checkerboards.html",
        "try.html",
        "glossary.html",
        "api/minidl_crf.html",
    ):
        page.goto(served + name)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
        assert page.evaluate(CONTRAST) == [], name


def test_boxes_open_by_click_by_keyboard_and_in_print(page, served):
    page.goto(served + "lessons/05_upsampling_and_checkerboards.html")
    boxes = page.locator("details.see")
    assert boxes.count() > 8
    assert not boxes.first.evaluate("box => box.open")
    assert not boxes.first.locator("img").is_visible()
    boxes.first.locator("summary").click()
    assert boxes.first.locator("img").is_visible()
    assert len(boxes.first.locator("img").get_attribute("alt")) > 40
    boxes.nth(1).locator("summary").focus()
    page.keyboard.press("Enter")
    assert boxes.nth(1).evaluate("box => box.open")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") > 5


def test_mathematics_is_drawn(page, served):
    page.goto(served + "lessons/01_the_tape.html")
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-container[jax=SVG]").count() > 15
    assert page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("phrase", PHRASES)
def test_search_finds(page, served, phrase):
    page.goto(f"{served}search.html?q={phrase.replace(' ', '+')}")
    page.wait_for_selector("#search-results ul.search li a", timeout=20000)
    page.wait_for_function(
        "document.querySelector('#search-results .search-summary')?.innerText.includes('found')", timeout=20000
    )
    titles = page.locator("#search-results ul.search li").all_inner_texts()
    assert any(phrase.split()[0].lower()[:8] in text.lower() for text in titles), titles[:5]


def test_reading_on(page, served):
    """Previous and next, the switch between light and dark, and the keyboard's way to the text."""
    page.goto(served + "lessons/05_upsampling_and_checkerboards.html")
    page.locator("a.right-next").click()
    assert page.url.endswith("06_receptive_field.html")
    page.locator("a.left-prev").click()
    assert page.url.endswith("05_upsampling_and_checkerboards.html")
    before = page.evaluate("document.documentElement.dataset.theme")
    for _ in range(2):
        page.locator("button.theme-switch-button:visible").click()
    assert page.evaluate("document.documentElement.dataset.mode") != "auto" or before
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.matches('input[type=search]')")


def says(page, name):
    return page.locator(f"#figure-{name} .live-says").inner_text()


def test_live_figures_obey_the_keyboard(page, served):
    page.goto(served + "figures.html")
    assert says(page, "overlap").startswith(
        "Kernel 3, stride 2: away from the border, the most painted pixel gets 2.00"
    )
    page.locator("#figure-overlap input").first.press("ArrowRight")
    assert "Kernel 4, stride 2: away from the border, even" in says(page, "overlap")
    page.locator("#figure-paint button", has_text="Next").press("Enter")
    assert "Output: 2, 20, 203, 30, 300" in says(page, "paint")
    assert "sees 40 pixels" in says(page, "field")
    page.locator("#figure-field button", has_text="Add").press("Enter")
    assert "sees 40 pixels" not in says(page, "field")
    assert "49 of 169 pixels are seen" in says(page, "gridding")
    page.locator("#figure-gridding input").first.press("ArrowLeft")
    assert says(page, "gridding").startswith("Dilations 1, 2, 2")
    before = says(page, "roi")
    box = page.locator("#figure-roi .live-box")
    box.press("ArrowRight")
    assert says(page, "roi") != before and "(2.5, 2.2," in says(page, "roi")
    place = box.bounding_box()
    page.mouse.move(place["x"] + 20, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(place["x"] + 52, place["y"] + 20, steps=4)
    page.mouse.up()
    assert float(re.search(r"\(([\d.]+),", says(page, "roi"))[1]) > 3
    assert "108 of 144" in says(page, "crf")
    page.locator("#figure-crf button").press("Enter")
    assert "After 1 iteration " in says(page, "crf") and int(re.search(r"(\d+) of 144", says(page, "crf"))[1]) > 120
    words = page.locator("figure.live svg").evaluate_all("all => all.map((svg) => svg.getAttribute('aria-label'))")
    assert len(words) == 6 and min(map(len, words)) > 20


def test_without_motion_the_end_is_shown(page, served):
    page.emulate_media(reduced_motion="reduce")
    page.goto(served + "figures.html")
    page.locator("#figure-paint button", has_text="Play").click()
    assert "Output: 2, 20, 203, 30, 301" in says(page, "paint")


def test_from_a_disk(site, page):
    """Pages, mathematics, figures and search work without a server; only the page to try exercises needs one, and says so."""
    page.goto((site / "lessons/05_upsampling_and_checkerboards.html").as_uri())
    page.wait_for_selector("mjx-container svg")
    assert "Kernel 3" in says(page, "overlap")
    page.goto((site / "search.html").as_uri() + "?q=checkerboard")
    page.wait_for_selector("#search-results ul.search li a", timeout=20000)
    page.goto((site / "try.html").as_uri())
    page.locator(".try button", has_text="Start").click()
    assert "it needs a web server" in page.locator(".try [role=status]").inner_text()
    page.problems.clear()  # Sphinx's search asks for the pages' text, which a disk does not give: results come without excerpts
