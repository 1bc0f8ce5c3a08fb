"""Make the pictures of README.md: ``python docs/make_screenshots.py``, with Debian's or any other Chromium.

Runs quickstart against a Prefect server of its own, and looks at the report, the run page and a preview as a user does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1080, 1100  # px of a screen
QUALITY = 72
MOST = 400_000  # bytes of all together: they are in every clone


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on this machine: apt install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        environment = {**own(Path(folder)), "PREFECT_API_URL": f"{url}/api"}
        ran = json.loads(imagemill(environment, "run", "quickstart", "--output", f"{folder}/quickstart", "--json"))
        imagemill(environment, "preview", "quickstart", "-n", "5", "--output", f"{folder}/preview.png")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            report = Path(ran["report"]).as_uri()
            save("report-light", look(browser, report, "light", "#sum"))
            save("report-dark", look(browser, report, "dark", "#steps"))
            save("run-page", look_at_run(browser, ran["run_page"]))
            browser.close()
        save("preview", (Path(folder) / "preview.png").read_bytes())
    total = sum(path.stat().st_size for path in IMAGES.iterdir())
    print(f"{total:,} bytes in {IMAGES}")
    if total > MOST:
        sys.exit(f"more than {MOST:,} bytes: lower QUALITY")


def own(folder: Path) -> dict[str, str]:
    """The environment without the user's Prefect, and with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(ROOT)}


def imagemill(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start ``imagemill server`` on a free port, wait until it answers, and end it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "server", "--port", str(port)],
        cwd=folder,
        env=own(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        while not answers(f"{url}/api/health"):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit("the Prefect server did not start")
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def opened(browser: Browser, url: str, scheme: Any, height: int) -> Page:
    size: Any = {"width": WIDTH, "height": height}
    page = browser.new_context(color_scheme=scheme, viewport=size).new_page()
    page.goto(url)
    return page


def look(browser: Browser, url: str, scheme: str, start: str) -> bytes:
    """Take a picture of the report from the section ``start`` on."""
    page = opened(browser, url, scheme, HEIGHT)
    page.evaluate("one => document.querySelector(one).scrollIntoView({behavior: 'instant'})", start)
    return page.screenshot()


def look_at_run(browser: Browser, url: str) -> bytes:
    """Take a picture of Prefect's page of the run, with its artifacts."""
    page = opened(browser, url, "dark", 860)
    page.get_by_text("Artifacts").last.click()
    page.get_by_text("quickstart-summary").first.wait_for()
    page.wait_for_timeout(4000)  # the graph is a canvas: nothing says when it is drawn
    return page.screenshot()


def save(name: str, picture: bytes) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(IMAGES / f"{name}.webp", "WEBP", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
