"""The format of binary COPY: whole columns of numbers, vectors, text and arrays as the bytes of rows."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import psycopg
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

# An array without NULLs, a masked one, whose masked values are NULL, or Arrow's large_string.
Column: TypeAlias = "NDArray[Any] | np.ma.MaskedArray[Any, Any] | pa.LargeStringArray"

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# A row of lists may have hundreds of elements, so a block of them has fewer rows.
_LISTS_ROWS = 1 << 10
# PostgreSQL counts microseconds from 2000-01-01; this is it in microseconds since 1970.
_POSTGRES_EPOCH = 946_684_800_000_000


def timestamps(microseconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn microseconds since 1970 into PostgreSQL's binary timestamptz (microseconds since 2000)."""
    return microseconds - _POSTGRES_EPOCH


def encoded(arrays: Sequence[Column]) -> bytes:
    """Return rows in the format: the number of columns, then each value's length and its bytes.

    All rows are laid out alike. Bytes of a field that a shorter value or NULL leaves over are then left out.

    Args:
        arrays: The columns, as :func:`embrec.db.binary_copy.copy_arrays` describes them, of at least one row.
    """
    columns = [_values_and_lengths(array) for array in arrays]
    fields: list[tuple[Any, ...]] = [("count", ">i2")]
    for position, (values, _) in enumerate(columns):
        fields.append((f"length{position}", ">i4"))
        fields.append((f"value{position}", _field(values)))
    layout = np.dtype(fields)
    buffer = np.zeros(len(arrays[0]), layout)
    buffer["count"] = len(arrays)
    for position, (values, lengths) in enumerate(columns):
        value = buffer[f"value{position}"]
        buffer[f"length{position}"] = value.nbytes // len(value) if lengths is None else lengths
        if values.ndim == 1:
            value[:] = values
        elif values.dtype.kind == "f":
            value["dimensions"] = values.shape[1]
            value["elements"] = values
        else:
            value["header"] = 1, 0, psycopg.adapters.types["int4"].oid, values.shape[1], 1
            value["elements"]["length"] = 4
            value["elements"]["value"] = values
    if all(lengths is None for _, lengths in columns):
        return buffer.tobytes()
    kept = np.ones((len(buffer), layout.itemsize), dtype=bool)
    for position, (_, lengths) in enumerate(columns):
        if lengths is not None:
            field, offset = layout.fields[f"value{position}"][:2]  # type: ignore[index]
            kept[:, offset : offset + field.itemsize] = np.arange(field.itemsize) < lengths[:, None]
    return buffer.view(np.uint8).reshape(kept.shape)[kept].tobytes()


def encoded_lists(
    keys: Sequence[NDArray[Any]], starts: NDArray[np.int64], lists: Sequence[NDArray[Any]]
) -> Iterator[bytes]:
    """Yield blocks of rows that end with arrays of different lengths.

    Args:
        keys: The columns before the arrays, as :func:`embrec.db.binary_copy.copy_lists` describes them.
        starts: The position of each row's first element, and the number of all.
        lists: For each array the elements of all rows.
    """
    heads = np.zeros(
        len(starts) - 1, [("count", ">i2"), *((str(place), _keyed(key)) for place, key in enumerate(keys))]
    )
    heads["count"] = len(keys) + len(lists)
    for place, key in enumerate(keys):
        heads[str(place)]["length"], heads[str(place)]["value"] = key.itemsize, key
    elements = [np.zeros(len(values), _keyed(values)) for values in lists]
    for element, values in zip(elements, lists, strict=True):
        element["length"], element["value"] = values.itemsize, values
    oids = [psycopg.adapters.types["int4" if values.dtype.kind == "i" else "float4"].oid for values in lists]
    for block in range(0, len(heads), _LISTS_ROWS):
        pieces = []
        for row in range(block, min(block + _LISTS_ROWS, len(heads))):
            begin, end = int(starts[row]), int(starts[row + 1])
            pieces.append(heads[row].tobytes())
            for element, oid in zip(elements, oids, strict=True):
                value = element[begin:end].tobytes()
                pieces += struct.pack(">6i", 20 + len(value), 1, 0, oid, end - begin, 1), value
        yield b"".join(pieces)


def _keyed(values: NDArray[Any]) -> list[tuple[str, Any]]:
    """Return the dtype of a value of fixed width with its length before it."""
    return [("length", ">i4"), ("value", values.dtype.newbyteorder(">"))]


def _values_and_lengths(array: Column) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return a column's values, and the bytes of each, -1 for NULL; None instead if all have the same number."""
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        return array.data, np.where(mask, -1, array.dtype.itemsize) if mask.any() else None
    if isinstance(array, np.ndarray):
        return array, None
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    padded = np.zeros((len(array), max(int(lengths.max()), 1)), np.uint8)
    if offsets[-1] > offsets[0]:
        letters = np.frombuffer(array.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = letters
    absent = np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    return padded.view(f"S{padded.shape[1]}").ravel(), np.where(absent, -1, lengths)


def _field(values: NDArray[Any]) -> Any:
    """Return the dtype of a column's value."""
    if values.ndim == 1:
        return values.dtype.newbyteorder(">")
    if values.dtype.kind == "f":
        elements = ("elements", values.dtype.newbyteorder(">"), (values.shape[1],))
        return [("dimensions", ">i2"), ("nothing", ">i2"), elements]
    # Dimensions, whether there are NULLs, the type, how many, the first's number; then each element with its length.
    return [("header", ">i4", (5,)), ("elements", [("length", ">i4"), ("value", ">i4")], (values.shape[1],))]
