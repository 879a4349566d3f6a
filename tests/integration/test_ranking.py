"""Ranking by bound: movies are looked at from the longest vector on, and the answer is that of comparing all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import _temporary_database
from data import FAKE_RUN, SERVING, load_frame, rating_frame, two_part_run

from embrec import db
from embrec.config import parse_database_url
from embrec.data import ratings
from embrec.data.extraction import extract
from embrec.data.files.movies import Movie
from embrec.runs import cleanup, embeddings, publishing, records
from embrec.runs.embeddings import Vectors
from embrec.runs.records import TrainedRun
from embrec.serving import recommend

GENRES = ("Comedy", "Drama", "War")
# Every hundredth movie is of a rare genre, and every seventh has no year.
MOVIES = [
    Movie(
        str(number),
        f"Movie {number}",
        ["Rare"] if number % 100 == 0 else [GENRES[number % 3]],
        1950 + number % 70 if number % 7 else None,
    )
    for number in range(100, 2_100)
]
EACH_FILTER = pytest.mark.parametrize(
    "filters",
    [
        {},
        {"genres": ["Comedy"]},
        {"without_genres": ["Comedy"], "released_from": 1960, "released_to": 2010, "min_ratings": 2},
        {"include_rated": True},
        {"genres": ["Rare"]},
        {"genres": ["Rare"], "released_from": 2005},
        {"genres": ["a genre of no movie"]},
        {"genres": []},
        {"released_to": 1950},
    ],
)


def publish(engine: sa.Engine, serving: str, movies: dict[str, np.ndarray], bias: np.ndarray | None = None) -> int:
    """Publish a run of given movie vectors, by part, that ranks by the predicted rating or by preferences."""
    arrays = extract(engine)
    users = np.random.default_rng(3).normal(size=(len(arrays.user_indexes), movies["rating"].shape[1]))
    run = records.start(engine, replace(FAKE_RUN, architecture=serving))
    biases = np.zeros(len(arrays.movie_indexes), np.float32) if bias is None else bias.astype(np.float32)
    with engine.begin() as connection:
        own = Vectors(arrays.user_indexes, users.astype(np.float32), np.zeros(len(users), np.float32))
        embeddings.store(connection, run, "user", {"rating": own})
        parts = {name: Vectors(arrays.movie_indexes, part.astype(np.float32)) for name, part in movies.items()}
        parts["rating"] = parts["rating"]._replace(biases=biases)
        embeddings.store(connection, run, "movie", parts)
        fields = SERVING | {"serving": serving, "dimensions": movies["rating"].shape[1]}
        records.finish(connection, run, TrainedRun(movie_similarity="rating", **fields))
    publishing.publish(engine, run)
    return run


def of_lengths(count: int, width: int, seed: int = 7) -> np.ndarray:
    """Return vectors in random directions whose lengths differ as much as those of trained runs."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * random.lognormal(-2, 1.2, (count, 1))


def compare_with_all(engine: sa.Engine, filters: dict, users: range = range(0, 40, 6)) -> None:
    """Hold answers against those for every movie named as a candidate, which are all compared."""
    everything = [str(movie.movie_id) for movie in MOVIES]
    for number in users:  # the first user rated all
        for n in (1, 10, 700):
            exact = recommend.recommend_movies(engine, f"u{number}", n, movie_ids=everything, **filters)
            pd.testing.assert_frame_equal(recommend.recommend_movies(engine, f"u{number}", n, **filters), exact)


@pytest.fixture(scope="module")
def loaded_template(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[str]:
    """A database with ratings of all movies, to copy from."""
    with _temporary_database(admin, server_url, migrated_template) as url:
        with _engine_of(url) as engine:
            load_frame(engine, rating_frame(40, 2_000, 3_000), MOVIES)
        yield parse_database_url(url, "the test").parameters["dbname"]


@contextlib.contextmanager
def _engine_of(url: str) -> Iterator[sa.Engine]:
    engine = db.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def loaded(admin: sa.Engine, server_url: str, loaded_template: str) -> Iterator[sa.Engine]:
    """A copy of the database with ratings."""
    with _temporary_database(admin, server_url, loaded_template) as url, _engine_of(url) as engine:
        yield engine


@pytest.fixture(scope="module", params=["equal lengths", "preferences", "ratings"])
def published(
    admin: sa.Engine, server_url: str, loaded_template: str, request: pytest.FixtureRequest
) -> Iterator[sa.Engine]:
    """A database with a published run, for tests that only read."""
    with _temporary_database(admin, server_url, loaded_template) as url, _engine_of(url) as engine:
        if request.param == "equal lengths":
            two_part_run(engine)
        elif request.param == "preferences":
            widths = {"rating": (7, 7), "preference": (9, 7), "profile": (9, 8)}
            publish(engine, "two_part", {part: of_lengths(2_000, *width) for part, width in widths.items()})
        else:
            bias = np.random.default_rng(2).normal(scale=0.4, size=2_000)
            publish(engine, "dot_product", {"rating": of_lengths(2_000, 7)}, bias)
        yield engine


@EACH_FILTER
def test_ranking_by_bound_finds_what_comparing_all_does(published: sa.Engine, filters) -> None:
    compare_with_all(published, filters)


def test_near_ties_and_ties_are_in_the_order_of_all(loaded: sa.Engine) -> None:
    # Of one direction and of lengths that differ in the last bits of single precision, many of them by nothing.
    random = np.random.default_rng(4)
    lengths = (1 + 2.0**-23 * random.integers(0, 4, (2_000, 1))).astype(np.float32)
    vectors = np.ones((1, 200), np.float32) / np.sqrt(np.float32(200)) * lengths
    publish(loaded, "two_part", {"rating": of_lengths(2_000, 3), "preference": vectors, "profile": vectors})
    compare_with_all(loaded, {}, range(1, 40, 9))
    compare_with_all(loaded, {"genres": ["Comedy"]}, range(1, 40, 9))


def test_few_rows_are_read(loaded: sa.Engine) -> None:
    vectors = {"rating": of_lengths(2_000, 7), "preference": of_lengths(2_000, 9), "profile": of_lengths(2_000, 9, 8)}
    publish(loaded, "two_part", vectors)

    def rows_read(connection: sa.Connection) -> int:
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'movie_ranking'"
        found = connection.scalar(sa.text(query))
        connection.commit()
        return int(found)

    with loaded.connect() as connection:
        connection.execute(sa.text("SET enable_seqscan = off"))  # whatever there is for so few rows
        before = rows_read(connection)
        recommend.recommend_movies(connection, "u1", 10)
        assert rows_read(connection) - before < 1_000


def test_few_tables_are_opened(loaded: sa.Engine) -> None:
    # A new connection reads the catalogue for each. Those of filters and of ties are left out if they decide nothing.
    vectors = {"rating": of_lengths(2_000, 7), "preference": of_lengths(2_000, 9), "profile": of_lengths(2_000, 9, 8)}
    publish(loaded, "two_part", vectors)
    locked = sa.text(
        "SELECT c.relname FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND c.relkind <> 'i' AND c.relnamespace = 'embrec'::regnamespace"
    )
    opened = {"users", "ratings", "events", "experiments", "publications", "model_runs", "movie_ranking", "movies"}
    with loaded.connect() as connection:
        assert connection.execute(sa.text("SELECT * FROM embrec.recommend_movies('u1')")).all()
        assert set(connection.scalars(locked)) == opened
        connection.execute(sa.text("SELECT * FROM embrec.recommend_movies('u1', min_ratings => 1)")).all()
        assert set(connection.scalars(locked)) == opened | {"movie_counts"}


@pytest.mark.parametrize("kind", ["two_part", "dot_product"])
def test_a_movie_that_is_folded_in_is_found(loaded: sa.Engine, kind: str) -> None:
    parts = ("rating",) if kind == "dot_product" else ("rating", "preference", "profile", "similarity")
    publish(loaded, kind, {part: of_lengths(2_000, 7, seed) for seed, part in enumerate(parts)})
    for number in range(8):
        ratings.add_rating(loaded, f"u{number}", "brand new", 5)
    for _ in range(2):  # the second folds it in anew
        assert ratings.refresh(loaded) == 1
        frame = recommend.recommend_movies(loaded, "u20", 2_100)
        exact = recommend.recommend_movies(loaded, "u20", 1, movie_ids=["brand new"])
        assert frame[frame.movie_id == "brand new"].score.tolist() == exact.score.tolist() != []


def test_a_movie_with_a_profile_alone_speaks_for_others(loaded: sa.Engine) -> None:
    vectors = {"rating": of_lengths(2_000, 5), "preference": of_lengths(2_000, 5), "profile": of_lengths(2_000, 5, 8)}
    publish(loaded, "two_part", vectors)
    favourite = [str(extract(loaded).movie_ids[7])]
    before = recommend.recommend_for(loaded, dict.fromkeys(favourite, 5), 20)
    with loaded.begin() as connection:
        gone = "DELETE FROM embrec.movie_embeddings WHERE part = 'preference' AND movie_index = 7"
        connection.execute(sa.text(gone))
    pd.testing.assert_frame_equal(recommend.recommend_for(loaded, dict.fromkeys(favourite, 5), 20), before)
    every = recommend.recommend_for(loaded, dict.fromkeys(favourite, 5), 3_000, include_rated=True)
    assert len(every) == 1_999
    assert favourite[0] not in set(every.movie_id)


def titles(engine: sa.Engine, **filters) -> set[str]:
    return set(recommend.recommend_movies(engine, "u1", 3_000, include_rated=True, **filters).movie_id)


def test_filters_follow_movies_that_are_edited(loaded: sa.Engine) -> None:
    two_part_run(loaded)
    two_part_run(loaded, 2)
    assert "101" not in titles(loaded, genres=["Rare"]) | titles(loaded, released_from=2030)
    with loaded.begin() as connection:
        edit = "UPDATE embrec.movies SET genres = '{Rare}', release_year = 2031 WHERE movie_id = '101'"
        connection.execute(sa.text(edit))
        connection.execute(
            sa.text("UPDATE embrec.movies SET genres = '{}', release_year = NULL WHERE movie_id = '200'")
        )
    for run in (2, 1):
        assert "101" in titles(loaded, genres=["Rare"]) & titles(loaded, released_from=2030)
        assert "200" not in titles(loaded, genres=["Rare"]) | titles(loaded, released_to=2050)
        if run == 2:
            publishing.rollback(loaded)


def test_a_run_that_is_stored_meanwhile_has_the_edit(loaded: sa.Engine) -> None:
    with loaded.connect() as editing:
        edit = "UPDATE embrec.movies SET genres = '{Rare}' WHERE movie_id = '101'"
        two_part_run(loaded)  # otherwise there is nothing to copy the edit to
        editing.execute(sa.text(edit))
        storing = threading.Thread(target=two_part_run, args=(loaded, 2))
        storing.start()
        storing.join(2)
        assert storing.is_alive(), "it waits for the edit"
        editing.commit()
        storing.join()
    assert "101" in titles(loaded, genres=["Rare"])


def test_a_changed_vector_counts_at_once_and_a_deleted_run_leaves_nothing(loaded: sa.Engine) -> None:
    two_part_run(loaded)
    with loaded.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE embrec.movie_embeddings SET embedding = (SELECT l2_normalize(p.embedding) FROM"
                " embrec.movie_embeddings AS p WHERE p.part = 'profile' AND p.movie_index = 7) * '[99,99,99,99,99]'"
                " WHERE part = 'preference' AND movie_index = 7"
            )
        )
    compare_with_all(loaded, {}, range(1, 2))
    two_part_run(loaded, 2)
    publishing.delete(loaded, 1)
    with loaded.begin() as connection:
        assert connection.scalars(sa.text("SELECT DISTINCT model_run_id FROM embrec.movie_ranking")).all() == [2]
        connection.execute(sa.text("INSERT INTO embrec.movie_ranking SELECT 1, 0, 1, NULL, 0, NULL, '[1]'"))
    assert [garbage.model_run_id for garbage in cleanup.collect_garbage(loaded)] == [1]
