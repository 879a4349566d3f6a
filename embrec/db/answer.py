"""The rows that a query answers with: plain values, and a DataFrame for those who want one.

Importing pandas takes longer than most answers, so it is imported when the first DataFrame is made.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ParamSpec

import sqlalchemy as sa

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")


@dataclass(frozen=True)
class Answer:
    """The rows of a query.

    Attributes:
        columns: Names of the columns.
        rows: The rows, as tuples of Python's own values.
        whole: Columns that are of pandas' Int64 in a DataFrame, because integers may be missing there.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    whole: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """Return the values of a column."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def with_whole(self, *columns: str) -> Answer:
        """Return the same with columns that are of pandas' Int64 in a DataFrame."""
        return replace(self, whole=columns)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries; a missing value, also NaN, is None."""
        return [
            {name: value if value == value else None for name, value in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(self.columns)).astype(dict.fromkeys(self.whole, "Int64"))


def answer(connection: sa.Connection, statement: str, /, **values: Any) -> Answer:
    """Return the rows of a query, with its columns."""
    found = connection.execute(sa.text(statement), values)
    return Answer(list(found.keys()), found.fetchall())


def as_frame(ask: Callable[P, Answer]) -> Callable[P, pd.DataFrame]:
    """Make a function that returns a DataFrame of one that returns an answer; :func:`plain` gives the latter back."""

    @functools.wraps(ask)
    def framed(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        return ask(*args, **kwargs).frame()

    # Types and not their names, which have no meaning in this module.
    framed.__annotations__ = {**typing.get_type_hints(ask), "return": "pandas.DataFrame"}
    asked = inspect.signature(ask)
    parameters = [each.replace(annotation=framed.__annotations__[name]) for name, each in asked.parameters.items()]
    signature = asked.replace(parameters=parameters, return_annotation="pandas.DataFrame")
    framed.__signature__ = signature  # type: ignore[attr-defined]
    return framed


def plain(framed: Callable[P, pd.DataFrame]) -> Callable[P, Answer]:
    """Return the function of :func:`as_frame` that returns plain values, for those who need no DataFrame."""
    asked: Callable[P, Answer] = inspect.unwrap(framed)
    return asked


def json_value(value: Any) -> Any:
    """Convert a value for json.dumps: a timestamp to ISO 8601, a duration to seconds, a numpy number to Python's."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, dt.datetime) else value.item()  # otherwise a numpy number
