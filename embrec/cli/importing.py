"""The import of TensorFlow and Keras: quick, without their messages, and beside what a command does meanwhile."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator

from embrec import config
from embrec.errors import TrainingError


@contextlib.contextmanager
def before_keras(purpose: str, packages: str = "TensorFlow and Keras", extra: str = "train") -> Iterator[None]:
    """Import in this context all else that a command needs; then TensorFlow and Keras begin to be imported in a thread.

    Two threads had better not import the same modules, so the rest comes first. Without TensorFlow nothing is begun.

    Args:
        purpose: Purpose of the command, for a message.
        packages: Packages that it needs, for a message.
        extra: Name of the extra that has them.

    Raises:
        TrainingError: They are not installed.
    """
    from embrec.models import keras_import

    try:
        with contextlib.nullcontext() if keras_import.begun() else importing_keras():
            yield
    except ImportError as error:
        raise TrainingError(f"{purpose} needs {packages}. Run: {config.install_command(extra)}") from error
    if not keras_import.begun():
        keras_import.begin(importing_keras())


@contextlib.contextmanager
def importing_keras() -> Iterator[None]:
    """Import TensorFlow and Keras quickly, and without their messages on stderr.

    Garbage collection is off meanwhile, and their half a million objects are then frozen. Scanning them would take as
    long as the import itself, part of it when the process ends. The context may end in another thread.
    """
    config.quiet_tensorflow()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns about every model that is built
    _move_stderr()
    saved, collecting = os.dup(2), gc.isenabled()
    gc.disable()
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
        gc.freeze()
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        if collecting:
            gc.enable()


def _move_stderr() -> None:
    """Let Python write to another descriptor than 2, to which C++ writes: a command goes on during the import."""
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # a stream of a test has no descriptor
        if sys.stderr.fileno() == 2:
            descriptor, now = os.dup(2), sys.stderr
            sys.stderr = open(  # noqa: SIM115 - until the process ends
                descriptor, "w", 1, now.encoding, now.errors, closefd=False
            )
