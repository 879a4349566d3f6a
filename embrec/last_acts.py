"""Last acts: what is put right when a process ends without its ``finally`` clauses, and files that appear as a whole.

A signal's handler runs between two instructions of Python, so it waits for a long call of a library. The command line
then ends the process from a thread, and does these acts first.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_acts: dict[object, Callable[[str], object]] = {}


@contextlib.contextmanager
def last_act(act: Callable[[str], object]) -> Iterator[None]:
    """Register an act for the time of the context.

    Args:
        act: Called from another thread, with the reason why the process ends.
    """
    key = object()
    _acts[key] = act
    try:
        yield
    finally:
        del _acts[key]


def perform(reason: str) -> None:
    """Do all acts that are registered, the newest first."""
    for act in reversed(list(_acts.values())):
        with contextlib.suppress(Exception):  # each is for its own sake
            act(reason)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Make a context to write a file in: it takes its place when the context ends, and leaves nothing if that fails.

    Args:
        path: The file; one that is there is replaced.

    Returns:
        The context; its value is the file to write.
    """
    # In the same directory, because only a rename within a file system replaces a file atomically.
    with (
        tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as directory,
        last_act(lambda reason: shutil.rmtree(directory)),
    ):
        unfinished = Path(directory) / path.name
        yield unfinished
        unfinished.replace(path)
