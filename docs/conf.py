"""Sphinx configuration: ``sphinx-build -n -W docs docs/_build``."""

import importlib.metadata

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
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "augspec"

autodoc_typehints = "none"  # signatures show them
autodoc_member_order = "bysource"
default_role = "py:obj"
nitpicky = True
