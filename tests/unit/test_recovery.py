"""Fits whose workers are lost: new ones come to the same bits, at whatever moment it was."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from test_bayesian import known
from test_matrix_factorization import made_up

from embrec.engines.protocol import Pool
from embrec.engines.threads import OnThreads, Threads
from embrec.errors import LostWorkerError
from embrec.models.als import model as als
from embrec.models.base import RatingFactors
from embrec.models.bayesian import gibbs, link
from embrec.models.shards import layout


class Losing(Threads):
    """Threads of which all are lost when values are asked for, at given numbers of that."""

    may_lose = True

    def __init__(self, make: Callable[[int, int], Any], workers: int, at: set[int]) -> None:
        super().__init__(make, workers)
        self.at, self.asked, self.renewed = at, 0, 0

    def get(self, references: Iterable[Any]) -> list[Any]:
        self.asked += 1
        if self.asked in self.at:
            raise LostWorkerError("lost")
        return super().get(references)

    def put(self, value: Any) -> Any:
        """Return a copy, as from another process: a worker that changes its arrays does not change it."""
        return copy.deepcopy(value)

    def renew(self) -> None:
        self.renewed += 1
        super().renew()


class OnLosing(OnThreads):
    """A pool of one engine that loses its workers."""

    def __init__(self, *at: int) -> None:
        super().__init__()
        self.at = set(at)

    def start(self, make: Callable[[int, int], Any], shards: int, rating_count: int) -> Threads:
        self.engine = Losing(make, 3, self.at)
        return self.engine


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LEAST_USERS", "_LEAST_MOVIES", "_RATINGS_OF_MOVIE"):
        monkeypatch.setattr(layout, name, 4)
    monkeypatch.setattr(gibbs, "_BURN_IN", 2)


def digest(found: RatingFactors) -> str:
    arrays = (found.user_vectors, found.movie_vectors, found.user_biases, found.movie_biases)
    arrays += (found.user_spreads, found.movie_spreads)  # type: ignore[assignment]
    errors = [(epoch.rmse, epoch.held_out_rmse) for epoch in found.history]
    return hashlib.sha256(b"".join(b"" if each is None else each.tobytes() for each in arrays)).hexdigest() + str(
        errors
    )


def sampled(workers: Pool) -> str:
    training = replace(made_up(60, 30, 600), **known(60, 30))
    return digest(gibbs.factorize(training, training, gibbs.Options(dimensions=8, draws=5), 1, workers=workers))


def solved(workers: Pool) -> str:
    training = made_up(60, 30, 600)
    return digest(als.factorize(training, training, als.Options(dimensions=3, epochs=3), 1, workers=workers))


@pytest.mark.parametrize(
    ("fit", "most", "every"), [(sampled, 10**9, 5), (sampled, 0, 11), (solved, 0, 1)], ids=["decomposed", "CG", "ALS"]
)
def test_a_fit_has_the_same_bits_wherever_its_workers_are_lost(
    fit: Callable[[Pool], str], most: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_BASIS_NUMBERS", most)
    expected, undisturbed = fit(OnThreads(2)), OnLosing()
    assert fit(undisturbed) == expected
    moments = range(1, undisturbed.engine.asked + 1)
    for moment in moments[::every]:
        disturbed = OnLosing(moment)
        assert fit(disturbed) == expected, moment
        assert disturbed.engine.renewed == 1


@pytest.mark.parametrize("fit", [sampled, solved])
def test_workers_may_be_lost_again_while_new_ones_catch_up(fit: Callable[[Pool], str]) -> None:
    undisturbed = OnLosing()
    expected = fit(undisturbed)
    late = undisturbed.engine.asked - 2
    twice = OnLosing(late, late + 1)
    assert fit(twice) == expected
    assert twice.engine.renewed == 2
    with pytest.raises(LostWorkerError):
        fit(OnLosing(late, late + 1, late + 2))


def test_nothing_is_noted_where_workers_are_never_lost() -> None:
    """The notes of a fit take hundreds of bytes for each movie and sweep."""
    training = made_up(60, 30, 600)
    with OnThreads(2).start(gibbs.Worker, 4, 0) as engine:
        sampler = gibbs.GibbsSampler(training, None, gibbs.Options(draws=2), 1, engine)
        sampler.sweep()
        assert (sampler._notes._told, sampler._notes._moved) == ([], [])
