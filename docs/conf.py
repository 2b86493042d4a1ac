"""Sphinx's settings; the reference is made from geoseg itself before the pages are read."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import make_reference  # noqa: E402

import geoseg  # noqa: E402

project = "geoseg"
copyright = "geoseg's authors, Apache-2.0"
version = release = geoseg.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "myst.xref_missing"]  # tests/docs/test_pages.py looks at links
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
html_theme = "furo"
html_title = f"geoseg {version}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}

make_reference.write(HERE / "reference")
