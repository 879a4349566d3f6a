"""Workers with a probe. A worker's process imports this module, so it imports nothing heavy."""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any

import threadpoolctl

import embrec
from embrec.models.bayesian import share


class Probe:
    """A worker that says what it finds in its process."""

    def __init__(self, number: int, workers: int) -> None:
        self.number = number

    def modules(self) -> list[str]:
        return sorted(sys.modules)

    def process(self) -> dict[str, Any]:
        threads = [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        return {"package": embrec.__file__, "blas": set(threads), "MB": memory, "pid": os.getpid()}

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(self, *before: Any) -> None:
        raise ValueError("too large for this worker")


class Worker(share.Worker, Probe):
    """A worker of the sampler with a probe."""

    def __init__(self, number: int, workers: int) -> None:
        share.Worker.__init__(self, number, workers)


class Broken(Probe):
    """A worker that cannot be made."""

    def __init__(self, number: int, workers: int) -> None:
        raise ModuleNotFoundError("No module named 'embrec'")
