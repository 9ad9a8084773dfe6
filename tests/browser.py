"""The browser that pages are looked at in."""

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="the Debian package chromium is not installed"
)


def launch(playwright, *arguments):
    """Start it, with more arguments of its command line."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
