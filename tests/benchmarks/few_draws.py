"""Measure the rating model where few draws are allowed, on made-up sparse ratings: ``python few_draws.py``.

Means of draws are compared with users that are solved for after ten draws, as is done where there are more than four
million ratings. Here a million stand for them. The table is written into docs/accuracy-elsewhere.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from data import Size, make_up, split
from page_parts import DOCS, between

from embrec import metrics
from embrec.evaluation.contenders import named
from embrec.models.base import Ratings
from embrec.models.bayesian import gibbs

SIZES = [Size(200_000, 40_000, 1_000_000), Size(100_000, 20_000, 1_000_000), Size(50_000, 5_000, 1_000_000)]
TASTE = 2.0


def rows(size: Size) -> Iterator[tuple[str, float, float]]:
    """Yield a name, the error of held-out ratings and the processor time of each way."""
    training, test = split(make_up(size, 1, TASTE), 0.1, 0)
    given = Ratings(*training, size.users, size.movies)
    scale = float(training[2].min()), float(training[2].max())

    def error(predicted: np.ndarray) -> float:
        return metrics.rmse(np.clip(predicted, *scale).astype(np.float32), test[2])

    biases = named("biases").rate
    assert biases is not None
    begin = time.process_time()
    yield "biases", error(biases(given, 0)(test[0], test[1])), time.process_time() - begin
    for name, visits, draws in (("mean of 20 draws", None, 20), ("mean of 80 draws", None, 80), ("solved", 1, None)):
        begin = time.process_time()
        with mock.patch.object(gibbs, "_VISITS", visits or gibbs._VISITS):
            found = gibbs.factorize(given, None, gibbs.Options(draws=draws), 0)
        took = time.process_time() - begin
        products = np.einsum("nk,nk->n", found.user_vectors[test[0]], found.movie_vectors[test[1]])
        yield name, error(found.mean + found.user_biases[test[0]] + found.movie_biases[test[1]] + products), took


def main() -> None:
    """Measure, and write the table."""
    lines = ["| users | movies | ratings | way | RMSE | fit, CPU s |", "|---|---|---|---|---|---|"]
    for size in SIZES:
        for name, error, took in rows(size):
            lines.append(f"| {size.users:,} | {size.movies:,} | {size.ratings:,} | {name} | {error:.4f} | {took:.1f} |")
            print(lines[-1], flush=True)
    between(DOCS / "accuracy-elsewhere.md", Path(__file__).name, lines)


if __name__ == "__main__":
    main()
