"""Half precision (IEEE 754 binary16, pgvector's ``halfvec``), in which a run may store its users' vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.errors import RunError

# Rounding to 11 bits moves a vector by 2**-11 of its length at most. If it moves all of them by more than twice that,
# coordinates are below the range of half precision (6e-5), which keeps fewer bits of them.
_MOST_LOST = 2.0**-10
# Vectors whose rounding is measured at a time, in double precision.
_BLOCK = 1 << 16


def rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors whose coordinates are the nearest numbers of half precision.

    Args:
        vectors: float32 of shape (n, dimensions).

    Returns:
        float32 of the same shape, which float16 holds bit for bit.

    Raises:
        RunError: Coordinates are beyond 65,504, or too small to keep their digits.
    """
    with np.errstate(over="ignore"):
        found = vectors.astype(np.float16).astype(np.float32)
    lost = total = 0.0
    for begin in range(0, len(vectors), _BLOCK):
        exact = vectors[begin : begin + _BLOCK].astype(np.float64)
        lost += float(np.square(found[begin : begin + _BLOCK] - exact).sum())
        total += float(np.square(exact).sum())
    if np.isfinite(total) and not lost <= _MOST_LOST**2 * total:
        largest = float(np.abs(vectors).max())
        raise RunError(
            f"The users' vectors, whose largest coordinate is {largest:.3g}, are out of the range of half precision, "
            "6e-5 to 65504; such a run is not stored. Train again without half precision."
        )
    return found
