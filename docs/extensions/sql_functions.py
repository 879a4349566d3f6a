"""A directive that lists every SQL function, with its parameters and what its file under sql/ says of it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sql_declarations import functions


class SqlFunctions(SphinxDirective):
    """Puts in what :func:`functions` finds, a definition for each name."""

    def run(self) -> list[nodes.Node]:
        """The definitions."""
        listed, definitions = functions(), nodes.definition_list()
        for name in dict.fromkeys(each.name for each in listed):
            alike = [each for each in listed if each.name == name]
            declarations = "\n".join(each.declaration for each in alike)
            remarks = [nodes.paragraph("", remark) for remark in dict.fromkeys(each.remark for each in alike)]
            code = nodes.literal_block(declarations, declarations, language="text")
            term = nodes.term("", "", nodes.literal("", name), ids=[name])
            definitions += nodes.definition_list_item("", term, nodes.definition("", code, *remarks))
        return [definitions]


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the directive known."""
    app.add_directive("sql-functions", SqlFunctions)
    return {"parallel_read_safe": True}
