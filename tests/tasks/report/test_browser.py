"""The report in a real browser, offline: what shows, what a click and a key do, and that names stay text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.report.page import write_report
from tasks.store.local import Store
from tests.tasks.run.serial import serial

pytest.importorskip("playwright", reason="playwright is not installed: pip install 'imagemill[dev]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium"),
]

SAMPLE = Path(__file__).parents[3] / "data" / "sample" / "quickstart"
HOSTILE = "<img src=x onerror=window.hacked=1>{{7*7}}&amp;\"'"
FILE = """
version: 1
pipelines:
  shown:
    description: "<b>bold</b> & {{7*7}}"
    source: {path: images}
    steps:
      - screen: {dark: {below: 0.32}, min_size: [16, 16]}
      - convert_color: {space: rgb}
      - deduplicate: {method: exact}
      - split: {train: 0.7, test: 0.3}
      - resize: {size: [64, 64], fit: crop}
        id: square
      - augment: {copies: 2, transforms: [hflip, {rotate: {degrees: [-10, 10]}}]}
        id: augmented
        where: {split: train}
      - color_histogram: {}
        id: colors
        needs: square
    outputs:
      images: {from: augmented}
      features: {from: colors}
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with everything that a page can show, some of it with names that would break out of bad HTML."""
    folder = tmp_path_factory.mktemp("browser")
    images = folder / "images"
    for kind in ("faces", "space", "textures"):
        shutil.copytree(SAMPLE / kind, images / kind)
    hostile = images / HOSTILE
    hostile.mkdir()
    rng = np.random.default_rng(7)
    for i in range(4):
        Image.fromarray(rng.integers(0, 255, (80, 80, 3), dtype=np.uint8)).save(hostile / f"{HOSTILE}{i}.png")
    shutil.copy(hostile / f"{HOSTILE}0.png", hostile / f"copy{HOSTILE}.png")
    Image.new("RGB", (50, 50), (1, 1, 1)).save(hostile / f"dark{HOSTILE}.png")
    (hostile / f"broken{HOSTILE}.png").write_bytes(b"no image")
    (folder / "pipelines.yaml").write_text(FILE)
    ran = serial(folder / "pipelines.yaml", "shown", folder / "out")
    paced = {"first": "2026-11-24T09:00:00+00:00", "seconds": 12.5, "images": [10, 30, 25, 28]}
    Store(folder / "out").commit({**ran.version, "version": 2, "parent": 1, "pace": paced})
    write_report(folder / "out")
    return folder / "out"


@dataclass
class Opened:
    """A page with what it complained of and asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


class Browser:
    """Opens the report anew, offline."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser, self.file = browser, file

    def open(self, **options: Any) -> Opened:
        context = self.browser.new_context(offline=True, viewport={"width": 1100, "height": 900}, **options)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.complaints.append(message.text))
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
        )
        opened.page.goto(self.file.as_uri())
        return opened


@pytest.fixture(scope="module")
def browser(dataset: Path) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Browser(chromium, dataset / "report.html")
        chromium.close()


@pytest.fixture(scope="module")
def light(browser: Browser) -> Opened:
    return browser.open(color_scheme="light")


def test_every_section_and_chart_is_there(light: Opened) -> None:
    sections = light.page.eval_on_selector_all("main > section", "all => all.map(one => one.id)")
    assert sections == [
        *("sum", "pipeline", "pace", "balance", "measures", "sizes", "samples", "steps", "copies"),
        *("rejected", "groups", "map", "history"),
    ]
    linked = light.page.eval_on_selector_all("nav a", "all => all.map(one => one.getAttribute('href').slice(1))")
    assert linked == sections
    for section in ("sum", "pipeline", "pace", "balance", "measures", "sizes", "map"):
        box = light.page.locator(f"#{section} svg").last.bounding_box()
        assert box["width"] > 10 and box["height"] > 5, section
    for section, least in (("samples", 20), ("steps", 12), ("copies", 6), ("rejected", 2), ("groups", 2)):
        pictures = f"#{section} img"
        assert light.page.locator(pictures).count() >= least, section
        assert light.page.eval_on_selector_all(pictures, "all => all.every(one => one.naturalWidth > 0)"), section


def test_no_request_leaves_the_file_and_nothing_complains(light: Opened) -> None:
    assert [url for url in light.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in light.requests if url.startswith("file:")]) == 1
    assert light.complaints == []


def test_names_are_only_ever_text(light: Opened) -> None:
    assert light.page.evaluate("window.hacked") is None
    assert light.page.locator("img[src=x], main b, header b").count() == 0
    text = light.page.inner_text("main")
    assert HOSTILE in text and "49" not in light.page.inner_text("header .description")


def test_a_click_leads_to_the_lineage_and_escape_back(light: Opened) -> None:
    button = light.page.locator("#copies button").nth(1)
    button.click()
    dialog = light.page.locator("dialog")
    assert dialog.is_visible()
    assert "augmented/rotate (rotate)" in dialog.inner_text() and "SHA-256" in dialog.inner_text()
    light.page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_the_keyboard_opens_the_lineage_too(light: Opened) -> None:
    light.page.locator("#samples button").first.focus()
    light.page.keyboard.press("Enter")
    assert light.page.locator("dialog").is_visible()
    light.page.keyboard.press("Enter")  # the close button has the focus
    assert not light.page.locator("dialog").is_visible()


PAINTED = """canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"""


def test_a_dot_of_the_map_shows_its_image(light: Opened) -> None:
    card = light.page.locator("#dot")
    assert not card.is_visible()
    light.page.locator("#map circle[data-dot='3']").hover()
    assert card.is_visible() and card.locator("strong").inner_text()
    assert light.page.eval_on_selector("#dot canvas", PAINTED) > 5
    light.page.locator("h1").hover()
    assert not card.is_visible()


def test_arrow_keys_walk_over_the_map(light: Opened) -> None:
    light.page.locator("#dots").focus()
    names = []
    for _ in range(3):
        light.page.keyboard.press("ArrowRight")
        names.append(light.page.locator("#dot strong").inner_text())
    assert len(set(names)) == 3
    light.page.keyboard.press("ArrowLeft")
    assert light.page.locator("#dot strong").inner_text() == names[1]
    light.page.keyboard.press("Escape")
    assert not light.page.locator("#dot").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser: Browser, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened = browser.open(color_scheme=scheme)
    found = axe.Axe().run(opened.page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]


def test_dark_is_dark_all_over(browser: Browser) -> None:
    opened = browser.open(color_scheme="dark")
    backgrounds = opened.page.eval_on_selector_all(
        "body, section, .frame, .map svg", "all => all.map(one => getComputedStyle(one).backgroundColor)"
    )
    for color in set(backgrounds):
        assert max(int(part) for part in color.strip("rgba()").split(",")[:3]) < 70, color


def test_it_reads_without_javascript_and_prints(browser: Browser) -> None:
    opened = browser.open(java_script_enabled=False)
    assert "Every image is accounted for" in opened.page.locator("main").inner_text()
    assert opened.page.locator("#steps img").first.is_visible()
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("nav").is_visible()
    assert opened.page.pdf().startswith(b"%PDF")


def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser) -> None:
    opened = browser.open()
    opened.page.set_viewport_size({"width": 390, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
