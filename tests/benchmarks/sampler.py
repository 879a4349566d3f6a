"""Time a build's sampler: ``python sampler.py PARTS.npz SWEEPS`` prints the seconds of a sweep as JSON.

The rating model is fitted alone, from arrays in memory. The last sweeps are counted: they add to the posterior mean.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits


def main() -> None:
    """Fit, and print the seconds and processor seconds of a sweep."""
    path, counted = sys.argv[1], int(sys.argv[2])
    with np.load(path) as parts:
        columns = [parts[f"training_{column}"] for column in ("users", "movies", "ratings")]
    fit, options, ratings = build()
    training = ratings(*columns, *(int(side.max()) + 1 for side in columns[:2]))
    times: list[tuple[float, float]] = []
    with threadpool_limits(1, user_api="blas"):
        fit(
            training,
            None,
            options(draws=counted + 1),
            0,
            lambda _: times.append((time.perf_counter(), time.process_time())),
        )
    wall, cpu = (np.subtract(times[-1], times[-1 - counted]) / counted).tolist()
    print(json.dumps({"wall s": wall, "CPU s": cpu}))


def build() -> tuple[Any, Any, Any]:
    """Return the sampler's function, its options and its ratings: this checkout's, or those of the pinned commit."""
    try:
        from embrec.models.base import Ratings
        from embrec.models.bayesian.gibbs import Options, factorize
    except ImportError:
        import embrec.models
        from embrec.models import bayesian

        return bayesian.fit, bayesian.Options, embrec.models.Ratings
    return factorize, Options, Ratings


if __name__ == "__main__":
    main()
