"""Links lead somewhere, and nothing is fetched unless that is asked for.

Links between pages of the Sphinx documentation are checked by its build, too (``-n -W``); the
README and what GitHub shows of ``docs/`` are checked here.
"""

import re
import runpy
from types import SimpleNamespace

import pytest
from guides import DOCS, PAGES, ROOT, anchors, prose

LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)|^:link: (\S+)$", re.MULTILINE)


def target_of(page, path):
    """Give the file that a relative link means; a page of the gallery is made from its script."""
    target = (page.parent / path).resolve() if path else page
    if target.parent == DOCS / "gallery":
        if target.stem == "index":
            return DOCS / "examples" / "GALLERY_HEADER.rst"
        return DOCS / "examples" / f"{target.stem}.py"
    return target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_resolves(page):
    for link in filter(None, sum(LINK.findall(prose(page.read_text(encoding="utf-8"))), ())):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = target_of(page, path)
        assert target.exists(), f"{link} leads to no file"
        assert ROOT in target.parents, f"{link} leads out of the repository"
        if anchor:
            text = target.read_text(encoding="utf-8")
            assert anchor in anchors(text), f"{link}: no such heading"


def test_the_readme_does_not_use_links_that_only_sphinx_fills_in():
    for page in ROOT.glob("*.md"):
        assert "[](" not in page.read_text(encoding="utf-8"), page.name


def configuration(monkeypatch, *tags):
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")  # as the file itself does, but for this test alone
    monkeypatch.syspath_prepend(str(DOCS))  # puts the path back as it was
    return runpy.run_path(
        str(DOCS / "conf.py"), {"tags": SimpleNamespace(has=lambda tag: tag in tags)}
    )


def test_the_docs_build_without_a_network_and_link_to_others_when_told(monkeypatch):
    offline = configuration(monkeypatch)
    assert "sphinx.ext.intersphinx" not in offline["extensions"]
    assert "intersphinx_mapping" not in offline
    online = configuration(monkeypatch, "online")
    assert "sphinx.ext.intersphinx" in online["extensions"]
    assert {"python", "torch", "numpy"} <= online["intersphinx_mapping"].keys()
