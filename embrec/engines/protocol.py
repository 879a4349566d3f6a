"""The verbs by which a fit tells its workers what to do, and the pools that start the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol

from embrec.errors import ConfigError


class Engine(Protocol):
    """Workers of one fit. Calls to a worker run one after another, in the order in which they were made.

    A call returns a reference at once. A reference may be an argument of a later call, to any worker: the value then
    passes between workers, and not through the caller. :meth:`get` waits for values.

    Attributes:
        workers: Number of workers.
        may_lose: Whether a worker may be lost, because its process or its node may end by itself.
    """

    workers: int
    may_lose: bool

    def __enter__(self) -> Engine:
        """Return the engine, whose workers end with the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""

    def put(self, value: Any) -> Any:
        """Return a reference to a value that several calls need."""

    def one(self, worker: int, method: str, *arguments: Any, returns: int | None = None) -> Any:
        """Call a method of one worker.

        Args:
            worker: The worker's number.
            method: The method's name, after the names of attributes of the worker that lead to it, joined by dots.
            arguments: Values or references. The worker must not change their arrays.
            returns: Length of the list that the method returns, for as many references; None for a reference to all.
        """

    def all(self, method: str, *arguments: Any, returns: int | None = None) -> list[Any]:
        """Call a method of every worker with the same arguments; return what :meth:`one` returns for each."""

    def get(self, references: Iterable[Any]) -> list[Any]:
        """Wait for the values of references.

        Raises:
            LostWorkerError: A worker was lost.
            Exception: A call failed with it.
        """

    def renew(self) -> None:
        """End all workers, and make new ones, which have been told nothing."""


class Pool(Protocol):
    """A context in which fits start workers. What the workers run on begins and ends with it."""

    def __enter__(self) -> Pool:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def start(self, make: Callable[[int, int], Any], shards: int, rating_count: int) -> Engine:
        """Start the workers of a fit.

        Args:
            make: Makes a worker, given its number and the number of workers.
            shards: Number of shards of users that there are to share.
            rating_count: Number of ratings.

        Raises:
            ConfigError: More workers were asked for than there are shards.
        """


def number_of_workers(asked: int | None, shards: int, default: int) -> int:
    """Return the number of workers: the one asked for, or else the default.

    Raises:
        ConfigError: More were asked for than there are shards.
    """
    if asked is None:
        return default
    if asked > shards:
        raise ConfigError(
            f"{asked} workers cannot share the fit, because these ratings make no more than {shards} shards of users. "
            f"Train with --workers {shards} (workers={shards}) or fewer."
        )
    return asked
