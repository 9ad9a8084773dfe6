"""Sphinx configuration: ``sphinx-build -n -W docs docs/_build``.

Nothing is fetched: with ``-t online`` what other projects document is linked to their pages.
"""

import importlib.metadata
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "examples")]

# Kernels would compile for minutes; the gallery runs each a few times.
os.environ.setdefault("AUGSPEC_COMPILE", "0")

project = "augspec"
author = "the augspec authors"
copyright = "2026, the augspec authors"
release = importlib.metadata.version("augspec")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "building",
]
executed_pages = ["tutorial"]  # their output is shown below their code
if tags.has("online"):  # noqa: F821 - Sphinx puts it here
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
    }
exclude_patterns = ["_build", "results/*", "examples", "_pages"]
exclude_patterns += ["gallery/**/*.ipynb", "gallery/**/*.py", "gallery/*.ipynb", "gallery/*.py"]
html_theme = "furo"
html_title = "augspec"
html_static_path = ["_static"]
html_css_files = ["augspec.css"]
html_copy_source = False

autodoc_typehints = "none"  # names and defaults; the text says what each argument is
autodoc_member_order = "bysource"
default_role = "py:obj"
nitpicky = True
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "_pages",  # written by pages.py, a script for each class
    "thumbnail_size": (560, 420),
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "ignore_pattern": "showing",
    "image_scrapers": ("building",),
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": ("_repr_html_",),
    "abort_on_example_error": True,
    "write_computation_times": False,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,  # pages stay the same from build to build
    "remove_config_comments": True,
}
