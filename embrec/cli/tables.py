"""Rows as tables on stdout: complete in a pipe, fitted to the width of a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embrec.cli.common import print_json
from embrec.db.answer import Answer

Rows = Sequence[Mapping[str, Any]]

# Columns that are truncated if the terminal is too narrow. Other text is wrapped; ids and numbers stay whole.
_CUT = ("title", "genres")
_SHORTEST_CUT = 8
# Words longer than 12 characters are wrapped too, or one of them would make its column too wide.
_LONGEST_WORD = 12
_NUMBER = re.compile(r"[\d.,:;%±()+-]*")
_GAP = 2


def print_rows(rows: Rows, columns: Sequence[str], as_json: bool = False) -> None:
    """Print rows as a table, or as a JSON array of objects."""
    if as_json:
        print_json([{column: row[column] for column in columns} for row in rows])
        return
    stdout = Console(highlight=False, markup=False, emoji=False)
    cells = {column: [_cell(row[column]) for row in rows] for column in columns}
    widths = _widths(cells, stdout.width if sys.stdout.isatty() else None)
    stdout.width = sum(widths.values()) + _GAP * (len(widths) - 1)  # or rich would shrink the columns
    table = Table(box=None, pad_edge=False, header_style="" if stdout.no_color else "bold", padding=(0, _GAP, 0, 0))
    for column, width in widths.items():
        table.add_column(
            column if cell_len(column) <= width else column.replace("_", " "),
            justify="right" if all(isinstance(row[column], int | float) for row in rows) else "left",
            overflow="fold",
            width=width,
        )
    for row in zip(*cells.values(), strict=True):
        table.add_row(*(_text(column, cell) for column, cell in zip(columns, row, strict=True)))
    stdout.print(table)


def _widths(cells: Mapping[str, Sequence[str]], room: int | None) -> dict[str, int]:
    """Return the width of each column: its widest cell, or less if the terminal is too narrow."""
    widths = {column: max(map(cell_len, [column, *texts])) for column, texts in cells.items()}
    excess = 0 if room is None else sum(widths.values()) + _GAP * (len(widths) - 1) - room
    if excess <= 0:
        return widths
    least = {column: _least(column, texts) for column, texts in cells.items()}
    # Wrap headers of several words first, before any cell is wrapped or truncated.
    for column, texts in cells.items():
        narrower = max(map(cell_len, [*column.split("_"), *texts]))
        excess -= widths[column] - narrower
        widths[column] = narrower
    for _ in range(excess):
        if not (wider := [column for column in widths if widths[column] > least[column]]):
            break
        widths[max(wider, key=widths.__getitem__)] -= 1
    return widths


def _least(column: str, texts: Sequence[str]) -> int:
    """Return the minimum width of a column."""
    if column in _CUT:
        return _SHORTEST_CUT
    if column.endswith("_id"):
        return max(map(cell_len, texts), default=0)
    words = [word for text in texts for word in text.split()]
    numbers = [word for word in words if _NUMBER.fullmatch(word)]
    longest = max(map(cell_len, [*words, *column.split("_")]))
    return max([*map(cell_len, numbers), min(longest, _LONGEST_WORD)])


def _text(column: str, cell: str) -> Text:
    # Replace unprintable characters: a title from a file may hold a terminal's control sequences.
    cell = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in cell)
    return Text(cell, no_wrap=True, overflow="ellipsis") if column in _CUT else Text(cell)


def print_answer(found: Answer, as_json: bool) -> None:
    """Print a query's rows as :func:`print_rows` does; a missing value is empty, or null in JSON."""
    print_rows(found.records(), found.columns, as_json)


def figures(metrics: Mapping[str, float | None]) -> str:
    """Format a run's metrics for a cell; what the fit chose, such as the best epoch and the penalty, is no metric."""
    return ", ".join(
        f"{name} none" if value is None else f"{name} {value:.4g}"
        for name, value in metrics.items()
        if not name.startswith(("kept_epoch", "penalty", "ranking_"))
    )


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return ", ".join(value) if isinstance(value, list) else str(value)
