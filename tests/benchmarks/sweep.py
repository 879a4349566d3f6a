"""The processor time of the sampler's sweeps by stage: ``python sweep.py USERS MOVIES RATINGS`` prints a table.

The conductor's share is what no further worker makes quicker. Times are of the threads' own processor seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from data import Size, make_up
from threadpoolctl import threadpool_limits

from embrec import kernels
from embrec.engines.threads import Threads
from embrec.models.base import Ratings
from embrec.models.bayesian.gibbs import _BURN_IN, GibbsSampler, Options
from embrec.models.bayesian.share import Worker

_SWEEPS = 20


class Timed(Threads):
    """Workers whose calls are timed."""

    def __init__(self, *arguments: Any) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        super().__init__(*arguments)

    def _run(self, worker: int, method: str, arguments: Sequence[Any]) -> Any:
        begun = time.thread_time()
        try:
            return super()._run(worker, method, arguments)
        finally:
            self.seconds[method] += time.thread_time() - begun
            self.calls[method] += 1


def main() -> None:
    """Time sweeps after the burn-in."""
    size = Size(*map(int, sys.argv[1:4]))
    workers = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    training = Ratings(*make_up(size, 1), size.users, size.movies)
    print(f"{len(training.ratings)} ratings, {size.users} users, {size.movies} movies, {workers} workers", end=", ")
    print(kernels.in_use())
    with Timed(Worker, workers) as engine, threadpool_limits(1, user_api="blas"):
        sampler = GibbsSampler(training, None, Options(), 0, engine)
        for _ in range(_BURN_IN):
            sampler.sweep()
        engine.seconds.clear()
        engine.calls.clear()
        begun, own = time.process_time(), time.thread_time()
        for _ in range(_SWEEPS):
            sampler.sweep()
        whole, conductor = (time.process_time() - begun) / _SWEEPS, (time.thread_time() - own) / _SWEEPS
        for method, seconds in sorted(engine.seconds.items(), key=lambda each: -each[1]):
            print(f"{method:32} {engine.calls[method] / _SWEEPS:6.1f} calls {seconds / _SWEEPS * 1000:9.2f} ms")
        workers_time = sum(engine.seconds.values()) / _SWEEPS
    print(f"a sweep: {whole * 1000:.1f} ms; workers {workers_time * 1000:.1f}, conductor {conductor * 1000:.1f}")
    print(f"the conductor's share: {conductor / whole:.3f}; threads: {threading.active_count()}")


if __name__ == "__main__":
    main()
