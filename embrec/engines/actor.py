"""A worker in a process of its own, and the versions that decide which bits it computes."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from threadpoolctl import threadpool_limits

from embrec import kernels

_PACKAGES = ("embrec", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of Python, of the packages that a worker needs, and the kind of its kernels."""
    compiled = "NumPy" if kernels.in_use() == "NumPy" else "compiled"
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"Python": platform.python_version(), **packages, "kernels": compiled}


class Actor:
    """A worker, called by the names of its methods.

    Args:
        make: Makes the worker, given its number and the number of workers.
        number: Its number.
        workers: The number of workers.
    """

    def __init__(self, make: Callable[[int, int], Any], number: int, workers: int) -> None:
        # Each worker keeps a core busy; more BLAS threads would compete with them.
        threadpool_limits(1, user_api="blas")
        self._worker = make(number, workers)

    def versions(self) -> dict[str, str]:
        """Return the versions in this process."""
        return versions()

    def run(self, method: str, returns: int | None, *arguments: Any) -> Any:
        """Call a method of the worker.

        Args:
            method: The method's name, after the names of attributes of the worker that lead to it, joined by dots.
            returns: Length of the list that the method returns; None if what it returns is one value.
            arguments: The arguments.

        Returns:
            What the method returns; the value alone of a list of one.
        """
        found = attrgetter(method)(self._worker)(*arguments)
        return found[0] if returns == 1 else found
