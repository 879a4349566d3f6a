"""An engine whose workers are threads of this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from types import TracebackType
from typing import Any

# At most 16 workers: more compete for memory bandwidth, and each needs scratch memory of its own.
_MOST_WORKERS = 16
# With fewer ratings each, workers take longer to be told what to do than to do it, and wait for the interpreter's lock.
_RATINGS_OF_WORKER = 200_000


def useful(rating_count: int) -> int:
    """Return the number of threads that make a fit of so many ratings quickest: one for each core, or fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(cores, _MOST_WORKERS, rating_count // _RATINGS_OF_WORKER), 1)


class _Item:
    """A result of a call that returns several."""

    def __init__(self, call: Future[Any], place: int) -> None:
        self._call, self._place = call, place

    def result(self) -> Any:
        return self._call.result()[self._place]


class Threads:
    """Workers that are threads. Calls to a worker run one after another, in the order in which they were made.

    A call returns a reference at once. A reference may be an argument of a later call, to any worker: the value then
    passes between workers, and not through the caller. :meth:`get` waits for values.

    Args:
        make: Makes a worker, given its number and the number of workers.
        workers: Number of workers.
    """

    def __init__(self, make: Callable[[int, int], Any], workers: int) -> None:
        self.workers = workers
        self._shares = [make(number, self.workers) for number in range(self.workers)]
        self._threads = [ThreadPoolExecutor(1, "worker") for _ in self._shares]

    def __enter__(self) -> Threads:
        """Return the engine, whose threads end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for calls that run, drop those that wait, and end the threads."""
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)

    def put(self, value: Any) -> Any:
        """Return a reference to a value that several calls need."""
        return value

    def one(self, worker: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        """Call a method of one worker.

        Args:
            worker: The worker's number.
            method: The method's name, after the names of attributes of the worker that lead to it, joined by dots.
            arguments: Values or references.
            returns: Length of the list that the method returns, for as many references; None for a reference to all.
        """
        call = self._threads[worker].submit(self._run, worker, method, arguments)
        return call if returns is None else [_Item(call, place) for place in range(returns)]

    def all(self, method: str, *arguments: Any, returns: int | None = None) -> list[Any]:
        """Call a method of every worker with the same arguments; return what :meth:`one` returns for each."""
        return [self.one(worker, method, *arguments, returns=returns) for worker in range(self.workers)]

    def get(self, references: Iterable[Any]) -> list[Any]:
        """Wait for the values of references.

        Raises:
            Exception: A call failed with it.
        """
        return [_value(each) for each in references]

    def revive(self) -> list[int]:
        """Make lost workers anew, and return their numbers. Threads are never lost."""
        return []

    def _run(self, worker: int, method: str, arguments: Sequence[Any]) -> Any:
        return attrgetter(method)(self._shares[worker])(*map(_value, arguments))


def _value(reference: Any) -> Any:
    return reference.result() if isinstance(reference, Future | _Item) else reference
