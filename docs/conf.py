"""How Sphinx builds the book: `make book`, or `python -m sphinx -c docs . build/book`.

The root of the checkout is the source, so the links of README and notebooks are those of the book.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "AOT-GAN"
author = "The authors of this companion"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "book"]
root_doc = "README"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "notebooks/*.ipynb",
    "figures/gpu/*.md",
    "figures/laptop/*.md",
    "figures/bench/bench.md",
    "aotgan/weights/*.md",
    "docs/running.md",
    "docs/api/*.rst",
]
exclude_patterns = [".*", "build", "runs", "tests", "tools"]

# Notebooks as committed: nothing is executed, no widget is looked for on another site.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_render_markdown_format = "gfm"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

# Docstrings are in Google's style, code in them stands between single backticks.
default_role = "code"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "set",  # matplotlib's, of every figure
}
napoleon_use_ivar = True  # fields of tuples are members as well
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True  # as they are written: a path is one of this machine
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# One script draws equations as SVG, without fonts.
mathjax = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax/tex-svg.js"
mathjax_path = mathjax.name
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "sphinx_book_theme"
html_title = "AOT-GAN, taken apart"
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the search stands in the sidebar
}
html_context = {"default_mode": "auto"}
html_static_path = ["static", str(mathjax)]
html_css_files = ["book.css"]
templates_path = ["templates"]
html_additional_pages = {"index": "redirect.html"}
html_show_search_summary = False  # it is read with fetch, which no browser allows from disk
html_show_copyright = False
html_show_sphinx = False
