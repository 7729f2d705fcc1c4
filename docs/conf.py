"""The site: ``python -m sphinx -W docs build/site``, with ``pip install -e ".[docs]"`` before."""

import re

import pymc_bnn

project, author = "pymc_bnn", "pymc_bnn's developers"
version = release = pymc_bnn.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]
autodoc_typehints = "none"  # the docstrings' own types have shapes and units
autodoc_member_order = "bysource"
autosummary_generate = False
myst_heading_anchors = 4  # as GitHub's
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 1200
nb_output_stderr = "remove"  # of other libraries, with paths of this machine
html_theme = "pymc_sphinx_theme"
html_title = "pymc_bnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"**": ["globaltoc"]}
html_theme_options = {
    "google_analytics_id": "",  # the theme's own counts visits for PyMC
    "navbar_center": [],
    "navbar_end": [],  # the accounts of PyMC
    "secondary_sidebar_items": ["page-toc"],
}


def as_on_the_site(app, docname, source):
    """Have links to the README lead to the first page, and name other files of the repository."""
    up = "../" * docname.count("/")
    text = source[0].replace("](../README.md", f"]({up}index.md")
    text = text.replace(f"[← pymc_bnn]({up}index.md)\n", "")
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./([^)#]*)[^)]*\)", r"\1 (`\2`)", text)


def setup(app):
    """Let Sphinx read the pages as they are on GitHub."""
    app.connect("source-read", as_on_the_site)
