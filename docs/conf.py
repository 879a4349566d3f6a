"""Sphinx's configuration: `make docs` builds these pages into build/docs, without a network."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pandas
from pygments.lexers import PostgresLexer
from sphinx.highlighting import lexers

from embrec import config
from embrec.data import describing, loading
from embrec.data.files import sources

sys.path.append(str(Path(__file__).parent / "extensions"))
config.quiet_tensorflow()  # reference/python.md imports it
for module in (describing, loading, sources):
    module.pd = pandas  # which they import for their annotations alone

lexers["sql"] = PostgresLexer()  # it knows what is between $$ and $$

project = "embrec"
author = "The embrec developers"
release = importlib.metadata.version("embrec")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "sql_functions"]

# The pages are read on the repository's own pages too, so anchors are those that it makes of headings.
myst_heading_anchors = 4
# The notebook is committed as it was run on MovieLens 100K, and run again by tests/integration/test_notebook.py.
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# No other project's index is fetched, so what is theirs has no page to lead to; nor have rows on their way in.
nitpick_ignore_regex = [
    ("py:class", r"(click|collections\.abc|datetime|keras|numpy|pandas|pathlib|scipy|sqlalchemy|uuid)\..*"),
    ("py:class", r"embrec\.data\.files\.validate\.RawRows"),
    # Arrays of the inside, which public classes hand on.
    ("py:class", r"embrec\.(data\.event_arrays|models\.(event_pairs|interactions|next\.base|sequences))\..*"),
    ("py:mod", r"embrec\.models\.next\..*"),
]

smartquotes = False  # an option is --so
html_theme = "furo"
html_title = "embrec"
html_static_path = ["static"]
html_css_files = ["embrec.css"]
html_js_files = ["embrec.js"]
html_copy_source = False
html_show_copyright = False
