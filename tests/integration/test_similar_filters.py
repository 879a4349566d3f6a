"""The filters of similar movies, against numpy: by listed neighbours, by all movies, and by an approximate index."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run

from embrec.data.files.movies import Movie
from embrec.data.ratings import add_rating, refresh
from embrec.errors import ArgumentError
from embrec.runs import embeddings
from embrec.runs.embeddings import Vectors
from embrec.runs.records import get_run
from embrec.serving.similar import similar_movies

MOVIES = 300
FILTERS: list[dict[str, Any]] = [
    {"genres": ["Comedy"]},
    {"genres": ["Sci-Fi", "Comedy"], "without_genres": ["Drama"]},
    {"released_from": 1950, "released_to": 1980},
    {"min_ratings": 6},
    {"genres": ["Drama"], "min_ratings": 4, "released_to": 1960},
    {"movie_ids": [str(100 + number) for number in range(0, MOVIES, 30)] + ["nobody"]},
    {"movie_ids": []},
]


@pytest.fixture
def likeness(engine: sa.Engine) -> np.ndarray:
    """The likeness of all pairs of movies of a published run, whose vectors have many lengths, in float64."""
    genres = (["Comedy"], ["Drama"], ["Comedy", "Drama"], ["Sci-Fi"])
    movies = [Movie(str(100 + each), f"Movie {each}", genres[each % 4], 1900 + each % 120) for each in range(MOVIES)]
    load_frame(engine, rating_frame(users=60, movies=MOVIES, count=1500), movies)
    vectors = two_part_run(engine)["movie similarity"].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    return (vectors / lengths[:, np.newaxis]) @ vectors.T


def expected(engine: sa.Engine, likeness: np.ndarray, movie: int, filters: dict[str, Any]) -> list[str]:
    """Return all movies that pass the filters, the most similar first."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT m.movie_id, m.genres, m.release_year, coalesce(c.rating_count, 0)"
                " FROM embrec.movies AS m LEFT JOIN embrec.movie_counts AS c USING (movie_index) ORDER BY movie_index"
            )
        ).all()
    return [
        rows[other][0]
        for other in np.argsort(-likeness[movie], kind="stable")
        if other != movie
        and ("genres" not in filters or set(rows[other][1]) & set(filters["genres"]))
        and not set(rows[other][1]) & set(filters.get("without_genres", []))
        and filters.get("released_from", 0) <= rows[other][2] <= filters.get("released_to", 9999)
        and rows[other][3] >= filters.get("min_ratings", 0)
        and ("movie_ids" not in filters or rows[other][0] in filters["movie_ids"])
    ]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("n", [1, 10, 200])
def test_they_are_the_nearest_of_those_that_pass(engine: sa.Engine, likeness, filters, n: int) -> None:
    with engine.connect() as connection:
        names = list(connection.scalars(sa.text("SELECT movie_id FROM embrec.movies ORDER BY movie_index")))
    for movie in (0, 7, 150):
        found = similar_movies(engine, names[movie], n, **filters)
        wanted = expected(engine, likeness, movie, filters)[:n]
        assert found.movie_id.tolist() == wanted
        places = [names.index(each) for each in wanted]
        assert np.allclose(found.similarity, likeness[movie][places], atol=1e-6)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_an_approximate_index_answers_with_those_that_pass_and_never_short(
    engine: sa.Engine, likeness, filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "INDEXED_FROM", MOVIES)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.movie_neighbours"))
        names = list(connection.scalars(sa.text("SELECT movie_id FROM embrec.movies ORDER BY movie_index")))
        assert get_run(connection, 1).shrunk_similarity
    assert embeddings.index(engine, 1, "movie", "similarity")
    with engine.connect() as connection:
        made = connection.scalar(
            sa.text("SELECT pg_get_indexdef('embrec.movie_embeddings_run_1_similarity_hnsw'::regclass)")
        )
    assert "halfvec_ip_ops" in made
    shared = []
    for movie in range(0, MOVIES, 25):
        found = similar_movies(engine, names[movie], 10, **filters)
        wanted = expected(engine, likeness, movie, filters)[:10]
        assert len(found) == len(wanted)
        assert set(found.movie_id) <= set(expected(engine, likeness, movie, filters))
        assert found.similarity.is_monotonic_decreasing
        shared.append(len(set(found.movie_id) & set(wanted)) / max(len(wanted), 1))
    assert np.mean(shared) > 0.95 or filters == {"movie_ids": []}


def test_movies_that_came_later_are_filtered_too(engine: sa.Engine, likeness) -> None:
    for number in range(15):
        add_rating(engine, f"u{number}", "later", 1 + number % 5)
    refresh(engine)
    assert "later" in set(similar_movies(engine, "107", 300).movie_id)
    assert "later" not in set(similar_movies(engine, "107", 300, genres=["Comedy"]).movie_id)
    assert similar_movies(engine, "107", 5, movie_ids=["later"]).movie_id.tolist() == ["later"]


def test_a_run_of_an_earlier_release_compares_by_cosine_alone(engine: sa.Engine, likeness) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET shrunk_similarity = NULL"))
        connection.execute(sa.text("DELETE FROM embrec.movie_neighbours"))
        names = list(connection.scalars(sa.text("SELECT movie_id FROM embrec.movies ORDER BY movie_index")))
        stored: Vectors = embeddings.read(connection, 1, "movie", "similarity")
    cosines = likeness / np.linalg.norm(stored.vectors.astype(np.float64), axis=1)
    order = [names[other] for other in np.argsort(-cosines[3], kind="stable") if other != 3]
    assert similar_movies(engine, names[3], 20).movie_id.tolist() == order[:20]


def test_wrong_filters_are_refused(engine: sa.Engine, likeness) -> None:
    with pytest.raises(ArgumentError, match="released_from"):
        similar_movies(engine, "107", released_from="late")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="decade"):
        similar_movies(engine, "107", decade=1980)  # type: ignore[call-arg]


def test_the_command_has_the_filters(
    engine: sa.Engine, likeness, url: str, embrec: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = embrec(
        "similar", "107", "-n", "3", "--genre", "Sci-Fi", "--from", "1950", "--json", "--database-url", url
    )
    assert code == 0
    wanted = similar_movies(engine, "107", 3, genres=["Sci-Fi"], released_from=1950)
    assert [movie["movie_id"] for movie in json.loads(out)] == wanted.movie_id.tolist()
    code, _, err = embrec("similar", "--user", "u1", "--genre", "Drama", "--database-url", url)
    assert code == 2
    assert "no filters" in err
