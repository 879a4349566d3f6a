"""The benchmark of movies that nobody rated: its split leaves them out, its measures by hand, and its page."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from data import named_movies, rating_frame

from embrec.data.files.sources import from_frame
from embrec.evaluation.data import read_data
from embrec.models.base import Ratings

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("new_movies")


def pairs(*rated: tuple[int, int], movies: int = 6) -> Ratings:
    users, of = (np.array(each, np.int32) for each in zip(*rated, strict=True))
    return Ratings(users, of, np.full(len(rated), 5, np.float32), 2, movies)


@pytest.mark.parametrize("halves", [False, True])
def test_nothing_of_a_left_out_movie_is_learned_from(benchmark: ModuleType, halves: bool) -> None:
    data = read_data(from_frame(rating_frame(), named_movies()))
    parts = benchmark.split(data, 0, halves)
    assert parts.left.sum() == 2
    assert not parts.left[parts.training.movies].any()
    assert parts.left[parts.cold.movies].all()
    keys = [{*zip(each.users.tolist(), each.movies.tolist(), strict=True)} for each in (parts.training, parts.held)]
    assert not keys[0] & keys[1]
    assert bool(len(parts.others.users)) == halves
    assert not set(parts.others.users.tolist()) & set(parts.training.users.tolist())


def test_ranks_are_those_counted_by_hand(benchmark: ModuleType) -> None:
    left = np.array([False, False, False, False, True, True])
    training, cold = pairs((0, 0), (1, 1)), pairs((0, 4), (1, 4), (1, 5))
    parts = benchmark.Split(training, left, cold, cold, training, training, cold)
    # User 0 ranks movie 4 third of five unseen; user 1 ranks it first, and ties movie 5 with two others for the last.
    scores = np.array([[9.0, 5, 4, 1, 3, 2], [3.0, 9, 1, 1, 5, 1]])
    found = benchmark.measure(scores, parts)
    assert found["rank"] == pytest.approx(np.mean([2 / 4, 0, 3 / 4]))
    assert found["rank, by movie"] == pytest.approx(np.mean([1 / 4, 3 / 4]))
    assert found["NDCG@10 of left-out"] == pytest.approx(1)
    third, last = 1 / np.log2(4), 1 / np.log2(6)
    both = 1 + 1 / np.log2(3)
    assert found["NDCG@10 of all"] == pytest.approx(np.mean([third, (1 + last) / both]))


def test_the_page_has_the_results(benchmark: ModuleType) -> None:
    results = json.loads(benchmark.RESULTS.read_text())
    page = benchmark.PAGE.read_text()
    for rows in results.values():
        assert "\n".join(benchmark.table(rows)) in page
