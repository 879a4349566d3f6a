"""Columns of any Arrow type as text or bytes, which are checked row by row."""

from __future__ import annotations

import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embrec.data.files.columns import TIMES
from embrec.errors import DataError

# Types that a column may have, for messages.
WANTED = {
    "user_id": "integers or text",
    "movie_id": "integers or text",
    "rating": "numbers",
    "rated_at": "timestamps, or seconds since 1970",
    "occurred_at": "timestamps, or seconds since 1970",
    "event_type": "text",
    "value": "numbers",
    "external_id": "integers or text",
}


def as_text(array: pa.Array, column: str) -> pa.Array:
    """Return a column as text or bytes, if its type can be what the column should be.

    Raises:
        DataError: It is of another type.
    """
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        return as_text(array.dictionary_decode(), column)
    if column.endswith("_id") and types.is_floating(kind):
        raise DataError(f"Column {column} holds floating-point ids. Convert them to integers or text.")
    if column.endswith("_id") and isinstance(kind, pa.UuidType):
        return _uuids(array.storage)
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    if binary or types.is_binary_view(kind):
        return array.cast(pa.binary())
    textual = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if column.endswith("_id"):
        numeric = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale == 0)
    timely = column in TIMES and (types.is_timestamp(kind) or types.is_date(kind))
    if not (textual or numeric or timely or types.is_null(kind)):
        raise DataError(f"Column {column} holds values of the type {kind}. Convert it to {WANTED[column]}.")
    if types.is_timestamp(kind) and kind.tz:
        array = array.cast(pa.timestamp(kind.unit, "UTC"))  # else the zone is looked up, which may not be installed
    return array.cast(pa.string())


def _uuids(storage: pa.Array) -> pa.Array:
    """Return UUIDs, each of 16 bytes, as PostgreSQL writes them: in lower case, with hyphens."""
    digits = np.frombuffer(binascii.hexlify(b"".join(pc.fill_null(storage, bytes(16)).to_pylist())), np.uint8)
    written = np.full((len(storage), 36), ord("-"), np.uint8)
    written[:, [place for place in range(36) if place not in (8, 13, 18, 23)]] = digits.reshape(-1, 32)
    texts = pa.array(written.view("S36").ravel().astype("U36"), pa.string())
    return pc.if_else(storage.is_valid(), texts, None)
