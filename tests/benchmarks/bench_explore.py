"""How long the explorer takes from a move of a slider to the changed sound and pictures.

Run ``python tests/benchmarks/bench_explore.py`` on a machine at rest. It starts the explorer with
the embedded notes, opens its page in Debian's chromium, and moves a slider of `PitchShift`. The
first moves warm the kernels up and do not count.
"""

import argparse
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import environment
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import launch

SERVE = [sys.executable, "-m", "augspec.explore", "--port", "0", "--no-browser"]
HEARD = "before => document.querySelectorAll('audio')[1]?.src !== before"
WARMUP = 3


def move(page: Page, by: int) -> tuple[float, float]:
    """Drag the slider; give the seconds until the new sound and until the new pictures."""
    box = page.locator(".q-range .q-slider__thumb").first.bounding_box()
    before = page.evaluate("document.querySelectorAll('audio')[1].src")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y)
    start = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(HEARD, arg=before, polling=5)
    heard = time.perf_counter() - start
    page.locator("[aria-busy=false]").wait_for()
    return heard, time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    with (
        subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        address = re.search(r"http://[\d.]+:\d+/", server.stdout.readline())[0]
        try:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(address)
            page.locator(
                ".q-range"
            ).first.wait_for()  # of the `PitchShift` that the page begins with
            page.locator("[aria-busy=false]").wait_for()
            seconds = [move(page, 12 if i % 2 else -12) for i in range(WARMUP + rounds)]
            browser.close()
        finally:
            server.send_signal(signal.SIGINT)
    print(environment("nicegui", "playwright"))
    print("\n| from a move of a slider | median, s | spread |\n|---|---:|---:|")
    for name, values in zip(
        ("until the sound", "until the pictures"), zip(*seconds[WARMUP:], strict=True), strict=True
    ):
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"| {name} | {statistics.median(values):.2f} | {spread} |")


if __name__ == "__main__":
    main()
