"""Steps of a fit that are made again if a worker is lost in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from embrec.engines.protocol import Engine
from embrec.errors import LostWorkerError

T = TypeVar("T")
# A worker that is lost three times in a step is killed by the step, as by too little memory.
_ATTEMPTS = 3


def made(engine: Engine, step: Callable[[], T], again: Callable[[], object]) -> T:
    """Make a step of a fit. If a worker is lost in it, make all workers anew, and then the step again.

    Every worker begins anew, not the lost one alone: the others have gone on into the step, and would wait for it.

    Args:
        engine: The workers.
        step: Makes the step. It changes nothing here until it has succeeded.
        again: Brings new workers to where they were before the step.

    Raises:
        LostWorkerError: Workers were lost in every attempt.
    """
    for attempt in range(_ATTEMPTS):
        try:
            if attempt:
                engine.renew()
                again()
            return step()
        except LostWorkerError as error:
            lost = error
    raise lost
