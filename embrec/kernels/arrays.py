"""The arrays that the kernels take and return, and checks of them: compiled code would read beyond an array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.errors import ArgumentError

# A vector's length is a multiple of 16 single-precision numbers: a cache line.
LANES = 16
# At most 1,024 numbers: a row's sums then have half a million.
_LONGEST = 1 << 10


@dataclass(frozen=True)
class Groups:
    """The ratings of some rows, grouped by row. Its arrays must not be changed afterwards.

    A row's sum is made in the order of its ratings.

    Args:
        starts: Position of each row's first rating, and the number of ratings, int64 of shape (rows + 1,).
        others: The other side of each rating, int32 of shape (ratings,).
        values: The ratings, float32 of shape (ratings,); None if only :func:`embrec.kernels.gather` is called.

    Raises:
        ArgumentError: An array has a wrong type or shape, or its contents contradict the others'.
    """

    starts: NDArray[np.int64]
    others: NDArray[np.int32]
    values: NDArray[np.float32] | None = None
    # Number of rows that features need at least: the highest of the others, plus 1.
    needed: int = field(init=False)

    def __post_init__(self) -> None:
        """Check the arrays once, so that no call has to."""
        check("starts", self.starts, np.int64, (None,))
        check("others", self.others, np.int32, (None,))
        if self.values is not None:
            check("values", self.values, np.float32, self.others.shape)
        starts, count = self.starts, len(self.others)
        if not len(starts) or starts[0] != 0 or starts[-1] != count or (starts[1:] < starts[:-1]).any():
            raise ArgumentError(
                f"starts must ascend from 0 to the number of ratings, {count}. Count each row's ratings."
            )
        object.__setattr__(self, "needed", int(self.others.max()) + 1 if count else 0)
        if count and self.others.min() < 0:
            raise ArgumentError("others has a negative index. Number the other side from 0.")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    def rated(self) -> NDArray[np.float32]:
        """Return the values.

        Raises:
            ArgumentError: There are none.
        """
        if self.values is None:
            raise ArgumentError("The groups have no values, which sums need. Make Groups with the ratings.")
        return self.values

    def ratings_of(self, rows: slice) -> slice:
        """Return the positions of the ratings of some rows."""
        return slice(int(self.starts[rows.start]), int(self.starts[rows.stop]))

    def count(self, rows: slice) -> int:
        """Return the number of rows of a slice.

        Raises:
            ArgumentError: It is not a slice of these rows with a step of 1.
        """
        whole = isinstance(rows.start, int | np.integer) and isinstance(rows.stop, int | np.integer)
        if rows.step not in (None, 1) or not whole or not 0 <= rows.start <= rows.stop <= len(self):
            raise ArgumentError(f"rows is {rows}, which is no part of the {len(self)} rows. Pass slice(begin, end).")
        return int(rows.stop - rows.start)


class Sums(NamedTuple):
    """Weighted sums over the ratings of some rows; the target y is a rating minus the offset of its other.

    Attributes:
        products: Sums of the features' outer products, lower triangles in the order of :func:`numpy.tril_indices`,
            float32 of shape (rows, width * (width + 1) / 2).
        moments: Sums of features times y, float32 of shape (rows, width).
        squares: Sums of y squared, float32 of shape (rows,).
    """

    products: NDArray[np.float32]
    moments: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def empty(cls, rows: int, width: int) -> Sums:
        """Make sums without values."""
        packed = width * (width + 1) // 2
        return cls(*(np.empty(shape, np.float32) for shape in ((rows, packed), (rows, width), (rows,))))

    def part(self, rows: slice) -> Sums:
        """The same of some rows."""
        return Sums(*(each[rows] for each in self))

    def checked(self) -> tuple[int, int]:
        """Return the number of rows and the width.

        Raises:
            ArgumentError: An array has a wrong type or shape.
        """
        check("squares", self.squares, np.float32, (None,))
        rows = len(self.squares)
        width = check_vectors("moments", self.moments, rows)
        check("products", self.products, np.float32, (rows, width * (width + 1) // 2))
        return rows, width


class Drawn(NamedTuple):
    """Posterior draws of some rows.

    Attributes:
        vectors: The draws, float32 of shape (rows, width).
        expected: The posterior mean, float32 of shape (rows, width).
        squares: Weighted sum of squared residuals of the draw, float32 of shape (rows,).
    """

    vectors: NDArray[np.float32]
    expected: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def empty(cls, rows: int, width: int) -> Drawn:
        """Make draws without values."""
        return cls(*(np.empty(shape, np.float32) for shape in ((rows, width), (rows, width), (rows,))))


def check(name: str, array: NDArray[Any], dtype: type, shape: tuple[int | None, ...]) -> None:
    """Check an array's type, shape (None for any length) and order in memory.

    Raises:
        ArgumentError: One of them is wrong.
    """
    fits = len(shape) == array.ndim and all(
        wanted in (None, given) for wanted, given in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits or not array.flags.c_contiguous or not array.flags.aligned:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        order = "" if array.flags.c_contiguous else ", not contiguous"
        raise ArgumentError(
            f"{name} is {array.dtype} of shape {array.shape}{order}. "
            f"Pass it as {np.dtype(dtype)} of shape ({wanted}) in C order."
        )


def check_vectors(name: str, array: NDArray[Any], rows: int | None) -> int:
    """Check an array of vectors, and return their length.

    Raises:
        ArgumentError: It has a wrong type or shape.
    """
    check(name, array, np.float32, (rows, None))
    width = int(array.shape[1])
    if not 0 < width <= _LONGEST or width % LANES:
        raise ArgumentError(
            f"{name} has {width} columns. Pad it with zeros to a multiple of {LANES}, at most {_LONGEST}."
        )
    return width


def check_others(groups: Groups, name: str, array: NDArray[np.float32]) -> None:
    """Check that an array has a row for each other of the ratings.

    Raises:
        ArgumentError: It has too few.
    """
    if len(array) < groups.needed:
        raise ArgumentError(f"{name} has {len(array)} rows, and the ratings need {groups.needed}. Pass all of them.")
