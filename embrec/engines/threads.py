"""An engine whose workers are threads of this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from types import TracebackType
from typing import Any

from embrec.engines.protocol import number_of_workers

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
    """Workers that are threads, as :class:`embrec.engines.protocol.Engine` describes.

    Args:
        make: Makes a worker, given its number and the number of workers.
        workers: Number of workers.
    """

    may_lose = False

    def __init__(self, make: Callable[[int, int], Any], workers: int) -> None:
        self.workers, self._make = workers, make
        self._begin()

    def _begin(self) -> None:
        self._shares = [self._make(number, self.workers) for number in range(self.workers)]
        self._threads = [ThreadPoolExecutor(1, "worker") for _ in self._shares]

    def __enter__(self) -> Threads:
        """Return the engine, whose threads end with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for calls that run, drop those that wait, and end the threads."""
        self._end()

    def _end(self) -> None:
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)

    def put(self, value: Any) -> Any:
        """Return a reference to a value that several calls need."""
        return value

    def one(self, worker: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        """Call a method of one worker."""
        call = self._threads[worker].submit(self._run, worker, method, arguments)
        return call if returns is None else [_Item(call, place) for place in range(returns)]

    def all(self, method: str, *arguments: Any, returns: int | None = None) -> list[Any]:
        """Call a method of every worker with the same arguments; return what :meth:`one` returns for each."""
        return [self.one(worker, method, *arguments, returns=returns) for worker in range(self.workers)]

    def get(self, references: Iterable[Any]) -> list[Any]:
        """Wait for the values of references."""
        return [_value(each) for each in references]

    def renew(self) -> None:
        """End all workers, and make new ones."""
        self._end()
        self._begin()

    def _run(self, worker: int, method: str, arguments: Sequence[Any]) -> Any:
        return attrgetter(method)(self._shares[worker])(*map(_value, arguments))


def _value(reference: Any) -> Any:
    return reference.result() if isinstance(reference, Future | _Item) else reference


class OnThreads:
    """Fits on threads of this process, the default.

    Args:
        workers: Number of threads; None for as many as make a fit quickest.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers

    def __enter__(self) -> OnThreads:
        """Return itself: threads begin with each fit."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing: threads end with each fit."""

    def start(self, make: Callable[[int, int], Any], shards: int, rating_count: int) -> Threads:
        """Start workers, as :meth:`embrec.engines.protocol.Pool.start` describes."""
        return Threads(make, number_of_workers(self._workers, shards, useful(rating_count)))


# The default of all fits.
THREADS = OnThreads()
