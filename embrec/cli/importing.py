"""Imports that take long: of TensorFlow and Keras, quick and beside what a command does meanwhile; of pandas, none."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from importlib.abc import MetaPathFinder

from embrec import config
from embrec.errors import TrainingError

# Keras imports these where they are installed, a third of its import. It draws, reads images and data frames, and wraps
# its models for scikit-learn with them, and none of embrec's models does.
_UNUSED = {"IPython", "PIL", "matplotlib", "pandas", "sklearn"}


@contextlib.contextmanager
def before_keras(
    purpose: str, models: Iterable[str], packages: str = "TensorFlow and Keras", extra: str = "train"
) -> Iterator[None]:
    """Import in this context all else that a command needs; then TensorFlow and Keras begin to be imported in a thread.

    Two threads had better not import the same modules, so the rest comes first. Without TensorFlow nothing is begun.

    Args:
        purpose: Purpose of the command, for a message.
        models: Names of the models that it uses.
        packages: Packages that it needs, for a message.
        extra: Name of the extra that has them.

    Raises:
        TrainingError: They are not installed.
    """
    from embrec.models import keras_import, registry

    try:
        with contextlib.nullcontext() if keras_import.begun() else importing_keras():
            yield
    except ImportError as error:
        raise TrainingError(f"{purpose} needs {packages}. Run: {config.install_command(extra)}") from error
    if not keras_import.begun():
        ours = all(model in registry.BUILT_IN for model in models)
        keras_import.begin(_importing_what_is_used(keras_import.THREAD) if ours else importing_keras())


@contextlib.contextmanager
def importing_keras() -> Iterator[None]:
    """Import TensorFlow and Keras quickly, and without their messages on stderr.

    There are half a million objects, and scanning them would take as long as the import itself, part of it when the
    process ends. The context may end in another thread.
    """
    config.quiet_tensorflow()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns about every model that is built
    _move_stderr()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        with without_collection():
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Import in this context without garbage collection, and freeze what was imported.

    Nothing that was imported becomes garbage. To scan it takes a third of the start and the end of a short command.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collecting:
            gc.enable()


@contextlib.contextmanager
def _importing_what_is_used(thread: str) -> Iterator[None]:
    """Import TensorFlow and Keras in a thread of this name without the packages that embrec's models do not use."""
    with importing_keras(), _without(_UNUSED, thread):
        yield


def keep_arrow_from_pandas() -> None:
    """Have pyarrow take plain values without importing pandas, which takes as long as reading a million rows.

    pyarrow imports pandas, if it is installed, when it is given the first value, to know whether that is a Series. It
    tries again when it makes a DataFrame.
    """
    import pyarrow as pa

    with _without({"pandas"}, threading.current_thread().name):
        pa.scalar(0)


@contextlib.contextmanager
def _without(packages: set[str], thread: str) -> Iterator[None]:
    """Have a thread of this name find in this context that packages are not installed; others may import them."""
    unused = _Unused(packages, thread)
    sys.meta_path.insert(0, unused)
    try:
        yield
    finally:
        sys.meta_path.remove(unused)


class _Unused(MetaPathFinder):
    """Finds for a thread of this name that packages are not installed."""

    def __init__(self, packages: set[str], thread: str) -> None:
        self._packages, self._thread = packages, thread

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if threading.current_thread().name == self._thread and name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


def _move_stderr() -> None:
    """Let Python write to another descriptor than 2, to which C++ writes: a command goes on during the import."""
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # a stream of a test has no descriptor
        if sys.stderr.fileno() == 2:
            descriptor, now = os.dup(2), sys.stderr
            sys.stderr = open(  # noqa: SIM115 - until the process ends
                descriptor, "w", 1, now.encoding, now.errors, closefd=False
            )
