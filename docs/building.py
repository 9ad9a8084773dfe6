"""What Sphinx does beyond its extensions: pages that run, links to the gallery, its pictures."""

import contextlib
import io
import os
import re
import tempfile
import textwrap
from pathlib import Path

from found import complete_catalogue, expand_reference, limits_of, write_more_examples
from pages import link_names, llms_text, shown, write_pages
from sphinx_gallery.scrapers import matplotlib_scraper

write_more_examples()
write_pages()
SHOWN = shown()  # where the gallery shows a class

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run_blocks(text, name):
    """Give a page with the output of its blocks; they run in a folder that goes afterwards."""
    names = {"__name__": name}

    def shown(block):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block[1], name, "exec"), names)  # noqa: S102 - pages of this repository
        output = printed.getvalue().rstrip()
        if not output:
            return block[0]
        return f"{block[0]}\n\n```{{code-block}} text\n:class: printed\n\n{output}\n```\n"

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return _BLOCK.sub(shown, text)
        finally:
            os.chdir(before)


def add_to_class(_app, what, name, obj, _options, lines):
    """Say below a class the limits of its ranges, and where it is seen and heard."""
    module, _, own = name.rpartition(".")
    limits = limits_of(obj) if what == "class" else []
    if limits:
        lines += ["", "Limits:", "", *limits]
    if what == "class" and module in ("augspec.transforms", "augspec.features") and own in SHOWN:
        lines += ["", f"`In the gallery <../gallery/{SHOWN[own]}.html>`__", ""]


class Pictures:
    """Sphinx-gallery's scraper, with each picture in a box that scrolls on a phone."""

    def __call__(self, block, block_vars, gallery_conf):
        """Save the figures of a block, and give the ReST that shows them."""
        shown = matplotlib_scraper(block, block_vars, gallery_conf)
        if not shown.strip():
            return shown
        return "\n.. container:: picture\n\n" + textwrap.indent(shown, "    ") + "\n"

    def __repr__(self):
        """Stay the same from build to build."""
        return "Pictures()"


def _get_sg_image_scraper():
    return Pictures()


def setup(app):
    def read(app, page, source):
        if page in app.config.executed_pages:
            source[0] = run_blocks(source[0], page)
        if page.startswith("reference/"):
            source[0] = expand_reference(source[0])
        if page == "catalogue":
            source[0] = complete_catalogue(source[0])
        if page in ("catalogue", "migration"):
            source[0] = link_names(source[0])

    def finish(app, error):
        if error is None and app.builder.format == "html":
            titles = {name: title.astext() for name, title in app.env.titles.items()}
            (Path(app.outdir) / "llms.txt").write_text(llms_text(titles), encoding="utf-8")

    app.add_config_value("executed_pages", [], "env")
    app.connect("source-read", read)
    app.connect("build-finished", finish)
    app.connect("autodoc-process-docstring", add_to_class)
    return {"version": "1", "parallel_read_safe": True}
