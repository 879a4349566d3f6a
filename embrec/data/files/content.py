"""Content of movies as vectors: numbers that the host has, in any of the usual forms, or the words of a text."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# pgvector's vectors end at 16,000 numbers; a movie's features have its genres and periods beside its content.
LONGEST_CONTENT = 8_192
# Beyond a million, products of content vectors could overflow in single precision.
_LARGEST = 1e6
# Length of the vector of a text. On 161 movies with summaries 1,024 numbers predict no better.
WORDS_DIMENSIONS = 512
_WORD = re.compile(r"\w+")

Content = NDArray[np.float32]


def content_of(value: Any) -> Content:
    """Return a content vector.

    Args:
        value: Numbers in a list or an array, or a text that writes them out: [0.1,0.2] as JSON and pgvector do, or
            {0.1,0.2} as PostgreSQL's arrays.

    Raises:
        ValueError: It is none; the message is the reason.
    """
    try:
        if isinstance(value, str):
            value = json.loads(re.sub(r"^\{(.*)\}$", r"[\1]", value.strip(), flags=re.DOTALL))
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError, RecursionError, OverflowError):
        raise ValueError("no list of numbers") from None
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError("no list of numbers")
    if len(numbers) > LONGEST_CONTENT:
        raise ValueError(f"longer than {LONGEST_CONTENT:,} numbers")
    if not (np.abs(numbers) <= _LARGEST).all():
        raise ValueError(f"not all between -{_LARGEST:,.0f} and {_LARGEST:,.0f}")
    return numbers.astype(np.float32)


def words_of(text: str) -> Content | None:
    """Return a text's words as a vector of unit length, or None if it has no word.

    Each word adds 1 or -1 to one of the numbers, both by its hash (Weinberger et al., Feature hashing for large scale
    multitask learning, ICML 2009), however often it occurs. Nothing is learned, so the vector of a text never changes.

    Args:
        text: The text, in any language that puts something between words.

    Returns:
        float32 of shape (512,).
    """
    found = np.zeros(WORDS_DIMENSIONS, np.float32)
    for word in set(_WORD.findall(text.casefold())):
        code = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        found[code % WORDS_DIMENSIONS] += 1 - 2 * (code >> 16 & 1)
    length = np.linalg.norm(found)
    return np.asarray(found / length, np.float32) if length else None
