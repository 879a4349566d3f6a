"""The peak performance of one core of this machine: ``python limits.py`` prints JSON. Pin it, with one thread."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np


def best(action: Callable[[], object], tries: int = 5) -> float:
    """Return the seconds of the quickest of several tries."""
    seconds = []
    for _ in range(tries):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    """Measure matrix products and memory."""
    size = 1536
    a, b, c = (np.ones((size, size), np.float32) for _ in range(3))
    source, target = np.ones(1 << 27, np.float32), np.empty(1 << 27, np.float32)
    found = {
        "sgemm_gflops": 2 * size**3 / best(lambda: np.matmul(a, b, out=c)) / 1e9,
        "copy_gb_per_second": 2 * source.nbytes / best(lambda: np.copyto(target, source)) / 1e9,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
