"""Rows cut into the leaves of a fixed binary tree, and sums over them.

The cuts depend on the data alone. A worker has consecutive leaves, sums whole branches of the tree, and whoever needs
the sum adds the branches of all workers in the tree's order. Floating-point addition is not associative, but this order
does not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Sums of several quantities, arrays or numbers, over the leaves from the first to below the last.
Terms = tuple[Any, ...]
Branch = tuple[int, int, Terms]
_BEYOND = (-1, 0)


@dataclass(frozen=True)
class Share:
    """The leaves of one worker.

    Attributes:
        leaves: Numbers of the leaves.
        rows: Their rows, among all.
        spans: The rows of each leaf, among those of the worker.
        branches: The largest whole branches of the tree, each a range of leaves.
    """

    leaves: range
    rows: slice
    spans: list[slice]
    branches: list[range]

    def span(self, leaves: range) -> slice:
        """Return the rows of consecutive leaves, among those of the worker."""
        first, last = (self.spans[leaf - self.leaves.start] for leaf in (leaves.start, leaves.stop - 1))
        return slice(first.start, last.stop)

    def sums(self, terms: Callable[[int, slice], Terms]) -> list[Branch]:
        """Return the sums of each branch, given a function of a leaf's number and rows, whose arrays may be changed."""
        return [(leaves.start, leaves.stop, self._sum(terms, leaves)) for leaves in self.branches]

    # A method: a function in a function that calls itself is a reference cycle, which waits for the garbage collector.
    def _sum(self, terms: Callable[[int, slice], Terms], leaves: range) -> Terms:
        if len(leaves) == 1:
            return terms(leaves.start, self.span(leaves))
        middle = (leaves.start + leaves.stop) // 2
        left, right = range(leaves.start, middle), range(middle, leaves.stop)
        return tuple(map(_add, self._sum(terms, left), self._sum(terms, right)))


@dataclass(frozen=True)
class Leaves:
    """The cuts of rows into leaves.

    Attributes:
        ends: The leaves' boundaries, int64 of shape (leaves + 1,). The number of leaves is a power of two.
    """

    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self.ends) - 1

    def longer(self, rows: int) -> Leaves:
        """Return the leaves with further rows in the last."""
        return Leaves(np.append(self.ends[:-1], self.ends[-1] + rows))

    def share(self, worker: int, workers: int) -> Share:
        """Return the leaves of one of a number of workers."""
        first, last = (number * len(self) // workers for number in (worker, worker + 1))
        begin = int(self.ends[first])
        spans = [slice(*pair) for pair in pairwise((self.ends[first : last + 1] - begin).tolist())]
        return Share(
            range(first, last), slice(begin, int(self.ends[last])), spans, list(_branches(first, last, 0, len(self)))
        )


def equal(count: int, least: int, most: int) -> Leaves:
    """Cut rows into a power of two of leaves of equal length, of at least ``least`` rows, and at most ``most``."""
    leaves = min(power_of_two(count // least), most)
    return Leaves(np.linspace(0, count, leaves + 1).astype(np.int64))


def weighted(ends: NDArray[np.int64], leaves: int) -> Leaves:
    """Cut rows into leaves of about equal weight; ``ends`` are the boundaries of the rows' weights."""
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], leaves + 1)[1:-1])
    return Leaves(np.concatenate([[0], cuts, [len(ends) - 1]]).astype(np.int64))


def power_of_two(number: int) -> int:
    """Return the largest power of two up to a number; at least 1."""
    return 1 << (max(number, 1).bit_length() - 1)


def total(parts: Iterable[Iterable[Branch]]) -> Terms:
    """Add the branches of all workers, and last the :func:`beyond` of one of them, if there is one.

    The arrays may be changed: one that came from another process is read-only, and is copied unless it was added to.
    """
    known = {(low, high): terms for branches in parts for low, high, terms in branches}
    whole = _total(known, 0, max(high for _, high in known))
    if _BEYOND in known:
        return _added(whole, known[_BEYOND])
    return tuple(term.copy() if isinstance(term, np.ndarray) and not term.flags.writeable else term for term in whole)


def _total(known: dict[tuple[int, int], Terms], low: int, high: int) -> Terms:
    if (low, high) in known:
        return known[low, high]
    middle = (low + high) // 2
    return _added(_total(known, low, middle), _total(known, middle, high))


def beyond(*terms: Any) -> Branch:
    """Return terms of no leaf, which one worker adds to its branches."""
    return *_BEYOND, terms


def _branches(first: int, last: int, low: int, high: int) -> Iterable[range]:
    if first <= low and high <= last:
        yield range(low, high)
    elif low < last and first < high:
        middle = (low + high) // 2
        yield from _branches(first, last, low, middle)
        yield from _branches(first, last, middle, high)


def _add(left: Any, right: Any) -> Any:
    left += right  # in place if it is an array, for a new one would have to be mapped into memory
    return left


def _added(left: Terms, right: Terms) -> Terms:
    return tuple(one + other for one, other in zip(left, right, strict=True))
