"""Answers as plain values, for JSON and tables."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a DataFrame as objects; what is missing is None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def json_value(value: Any) -> Any:
    """What JSON has no word for, as json.dumps wants it: ISO 8601 for a time, seconds for a duration, or a number."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, dt.datetime) else value.item()  # else a numpy number
