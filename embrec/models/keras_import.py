"""Import TensorFlow and Keras in a thread, beside what a training does before it makes a Keras model.

Importing them takes seconds of a processor, and neither reading ratings nor the solvers need them.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec

from embrec import config
from embrec.errors import TrainingError
from embrec.models.beside import beside

_MODULE = "embrec.models.recommender"
THREAD = "importing Keras"  # name of the thread
_imported: Callable[[], None] | None = None


def begun() -> bool:
    """Return whether they are imported, or begin to be."""
    return _imported is not None or _MODULE in sys.modules


def begin(around: contextlib.AbstractContextManager[object] | None = None) -> None:
    """Begin to import them, unless that was begun before.

    Python's end waits for the thread, because ending amid the import of a C++ library may crash.

    Args:
        around: A context that is entered now, and left in the thread after the import.

    Raises:
        TrainingError: They are not installed.
    """
    global _imported
    if begun():
        return
    if find_spec("keras") is None or find_spec("tensorflow") is None:
        raise _absent()
    stack = contextlib.ExitStack()
    if around is not None:
        stack.enter_context(around)

    def run() -> None:
        with stack:
            importlib.import_module(_MODULE)

    _imported = beside(run, THREAD, daemon=False)


def wait() -> None:
    """Wait until they are imported.

    Raises:
        TrainingError: They cannot be imported.
    """
    begin()
    if _imported is not None:
        try:
            _imported()
        except ImportError as error:
            raise TrainingError(f"TensorFlow and Keras cannot be imported: {error}. Run: {_command()}") from error


def _absent() -> TrainingError:
    return TrainingError(f"Training needs TensorFlow and Keras. Run: {_command()}")


def _command() -> str:
    return config.install_command("train")
