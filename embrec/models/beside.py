"""Work in a thread of its own, beside what the caller does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def beside(compute: Callable[[], T], name: str, daemon: bool) -> Callable[[], T]:
    """Begin a computation in a thread; the returned function waits for its result, or raises its error.

    An executor would wait for the thread if the caller is interrupted.

    Args:
        compute: The computation.
        name: The thread's name.
        daemon: Whether Python may end while the thread runs.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(compute())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, name=name, daemon=daemon).start()
    return result.result
