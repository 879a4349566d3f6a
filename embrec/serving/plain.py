"""Conversion of answers to plain values, for JSON and tables."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as dictionaries; a missing value is None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def json_value(value: Any) -> Any:
    """Convert a value for json.dumps: a timestamp to ISO 8601, a duration to seconds, a numpy number to Python's."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, dt.datetime) else value.item()  # otherwise a numpy number
