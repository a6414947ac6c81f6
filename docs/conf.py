"""How Sphinx makes the site; the reference is written from the code before each build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

import jupyter_kf

project = "jupyter_kf"
author = "The jupyter_kf developers"
copyright = author
release = version = jupyter_kf.__version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
html_theme = "furo"
html_title = f"jupyter_kf {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
nitpicky = True


def setup(app):
    """Write the pages of the reference."""
    reference.write(Path(__file__).parent / "reference")
