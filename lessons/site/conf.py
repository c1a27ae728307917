"""Sphinx's configuration for the site; `build.py` makes the sources beside a copy of this file."""

from importlib.metadata import files

project = "minidl"
author = "the authors of minidl"
copyright = "the authors of minidl, MIT licence"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

nb_execution_mode = "off"  # the committed outputs are shown
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

MATHJAX = next(f.locate() for f in files("sphinx-mathjax-offline") if f.name == "tex-svg-full.js")
mathjax_path = "mathjax.js"  # one file, with its fonts; build.py copies it
mathjax_options = {"defer": "defer"}
mathjax3_config = {"options": {"enableMenu": False}, "startup": {"typeset": True}}

html_theme = "sphinx_book_theme"
html_title = "minidl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
html_context = {"default_mode": "auto"}  # as the reader's system has it
html_favicon = "_static/icon.svg"
html_theme_options = {
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "logo": {"text": "minidl"},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
