"""The processor time of the sampler's sweeps by stage: ``python sweep.py USERS MOVIES RATINGS`` prints a table.

The conductor's share is what no further worker makes quicker: all of its time but that of compressing draws, which it
does while the workers draw users. Times are of the threads' own processor seconds.
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
from embrec.models.bayesian.average import PosteriorMean
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


def measure(size: Size, workers: int) -> dict[str, Any]:
    """Time sweeps after the burn-in; returns seconds of a sweep, and calls and seconds of each stage at the workers."""
    training = Ratings(*make_up(size, 1), size.users, size.movies)
    with Timed(Worker, workers) as engine, threadpool_limits(1, user_api="blas"):
        sampler = GibbsSampler(training, None, Options(), 0, engine)
        for _ in range(_BURN_IN):
            sampler.sweep()
        compress, beside = PosteriorMean.compress, 0.0

        def timed(average: PosteriorMean) -> Any:
            nonlocal beside
            begun = time.thread_time()
            try:
                return compress(average)
            finally:
                beside += time.thread_time() - begun

        PosteriorMean.compress = timed  # type: ignore[method-assign]
        engine.seconds.clear()
        engine.calls.clear()
        begun, own = time.process_time(), time.thread_time()
        for _ in range(_SWEEPS):
            sampler.sweep()
        whole = (time.process_time() - begun) / _SWEEPS
        conductor = (time.thread_time() - own - beside) / _SWEEPS
        stages = {name: (engine.calls[name] / _SWEEPS, each / _SWEEPS) for name, each in engine.seconds.items()}
    times = {"whole": whole, "conductor": conductor, "beside": beside / _SWEEPS}
    return {"ratings": len(training.ratings), **times, "stages": stages}


def main() -> None:
    """Print the table."""
    size = Size(*map(int, sys.argv[1:4]))
    workers = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    found = measure(size, workers)
    print(f"{found['ratings']} ratings, {size.users} users, {size.movies} movies, {workers} workers", end=", ")
    print(kernels.in_use())
    for method, (calls, seconds) in sorted(found["stages"].items(), key=lambda each: -each[1][1]):
        print(f"{method:32} {calls:6.1f} calls {seconds * 1000:9.2f} ms")
    whole, conductor = found["whole"], found["conductor"]
    workers_time = sum(seconds for _, seconds in found["stages"].values())
    print(
        f"a sweep: {whole * 1000:.1f} ms; workers {workers_time * 1000:.1f}, conductor {conductor * 1000:.1f}", end=" "
    )
    print(f"and {found['beside'] * 1000:.1f} beside the workers")
    print(f"the conductor's share: {conductor / whole:.3f}; threads: {threading.active_count()}")


if __name__ == "__main__":
    main()
