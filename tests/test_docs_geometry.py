"""The pages of the documentation as a reader sees them, on a laptop and on a telephone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from browser import launch, needs_chromium
from geometry import WIDTHS, faults
from guides import DOCS, ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Give the built pages: those that ``AUGSPEC_SITE`` names, or else they are built here."""
    if named := os.environ.get("AUGSPEC_SITE"):
        return Path(named)
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-n", "-q", str(DOCS), str(built)]
    subprocess.run(command, check=True, cwd=ROOT)
    return built


@pytest.mark.slow
@needs_chromium
def test_every_page_can_be_read_at_both_widths(site):
    from playwright.sync_api import sync_playwright

    pages = [p for p in sorted(site.rglob("*.html")) if "_modules" not in p.parts]
    assert len(pages) > 30
    wrong = {}
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        page.set_default_timeout(300_000)  # no bar: machines that test are busy
        for path in pages:
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 844})
                page.goto(path.as_uri())
                if found := faults(page):
                    wrong[path.relative_to(site).as_posix(), width] = found[:5]
        browser.close()
    assert wrong == {}


# What people type, and a page that answers it.
SEARCHES = {
    "csv": "howto/tables.html",
    "ASR": "howto/speech.html",
    "SED": "howto/events.html",
    "fine-tune": "howto/finetune.html",
    "44100": "howto/stereo.html",
}


@pytest.mark.slow
@needs_chromium
def test_search_finds_the_words_that_people_type(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        page.set_default_timeout(60_000)  # for a page that is not found
        for words, answer in SEARCHES.items():
            page.goto(f"{(site / 'search.html').as_uri()}?q={words}")
            page.locator(f"#search-results a[href*='{answer}']").first.wait_for()
        browser.close()


BAD = {
    "off": ("<p style='width:2000px'>wide</p>", "off the screen"),
    "cut": ("<p style='width:90px;overflow:hidden;white-space:nowrap'>"
            "a long line that does not fit</p>", "cut"),
    "clipped": ("<div style='width:90px;overflow:hidden'><p style='width:300px'>text</p></div>",
                "cut by what is around"),
    "low": ("<p style='height:8px;overflow:hidden'>text</p>", "cut"),
    "small": ("<p style='font-size:5px'>text</p>", "too small"),
    "squeezed": ("<table style='width:60px'><tr><td>many words that want room</table>", "narrow"),
}  # fmt: skip
GOOD = {
    "scrolls": "<div style='overflow-x:auto'><p style='width:2000px'>wide</p></div>",
    "drawer": "<p style='position:fixed;left:-300px;width:200px'>closed</p>",
    "plain": "<p>text</p><table><tr><td>many words that have room</table>",
}


@pytest.mark.slow
@needs_chromium
def test_what_cannot_be_read_is_found():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        for content, said in BAD.values():
            page.set_content(content)
            assert any(said in fault for fault in faults(page)), content
        for content in GOOD.values():
            page.set_content(content)
            assert faults(page) == [], content
        browser.close()
