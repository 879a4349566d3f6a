"""Movies that nobody rated: their vectors by a run's maps, beside float64 numpy, and which content a run reads."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import MOVIE_PARTS, load_frame

from embrec.data import ratings
from embrec.data.files.movies import Movie
from embrec.runs.publishing import publish
from embrec.serving import predict, recommend, similar
from embrec.training import train

USERS, MOVIES, DIMENSIONS = 60, 80, 6
GENRES = (["Comedy"], ["Drama"], ["Comedy", "Drama"], [])
NEW = [
    Movie("alike", "Alike", ["Comedy"], 1983),
    Movie("of labels alone", "Plain", ["Drama"], 1987),
    Movie("unknown labels", "Strange", ["Opera"], 2020),
    Movie("nothing known"),
]
TOLD = ("alike", "unknown labels")


def tastes() -> tuple[pd.DataFrame, np.ndarray]:
    """Return ratings of users who like what is near to them, and the movies' places, by which they are near."""
    random = np.random.default_rng(0)
    places = random.normal(size=(MOVIES + len(NEW), DIMENSIONS)).astype(np.float32)
    wanted = random.normal(size=(USERS, DIMENSIONS))
    liking = wanted @ places[:MOVIES].T + 0.3 * random.normal(size=(USERS, MOVIES))
    users, movies = np.nonzero(random.random((USERS, MOVIES)) < 0.4)
    given = np.clip(np.round(3 + liking[users, movies]), 1, 5)
    return pd.DataFrame({"user_id": [f"u{user}" for user in users], "movie_id": movies + 100, "rating": given}), places


def do(engine: sa.Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def tell(engine: sa.Engine, content: dict[str, np.ndarray]) -> None:
    """Store content of movies."""
    for movie, vector in content.items():
        do(
            engine,
            "INSERT INTO embrec.movie_content AS c (movie_index, embedding)"
            " SELECT movie_index, CAST(:vector AS vector) FROM embrec.movies WHERE movie_id = :movie"
            " ON CONFLICT (movie_index) DO UPDATE SET embedding = excluded.embedding, changed_at = clock_timestamp()",
            movie=movie,
            vector=json.dumps(vector.tolist()),
        )


@pytest.fixture
def places(engine: sa.Engine) -> np.ndarray:
    """A published run of ratings that follow from the movies' content, and movies that came later."""
    frame, found = tastes()
    movies = [Movie(str(100 + each), f"M {each}", GENRES[each % 4], 1980 + each % 9) for each in range(MOVIES)]
    load_frame(engine, frame, movies)
    tell(engine, {movie.movie_id: found[number] for number, movie in enumerate(movies) if number % 10})
    train(engine, options={"dimensions": 5, "draws": 4, "penalty": 20.0})
    load_frame(engine, frame.head(1), NEW)
    tell(engine, {movie.movie_id: found[MOVIES + number] for number, movie in enumerate(NEW) if movie.movie_id in TOLD})
    return found


def folded(engine: sa.Engine) -> dict[str, dict[str, np.ndarray]]:
    """Refresh, and return the vectors of new movies by part; the bias of a rating vector is its last coordinate."""
    ratings.refresh(engine)
    query = (
        "SELECT movie_id, part, bias, embedding FROM embrec.movie_embeddings JOIN embrec.movies USING (movie_index)"
        " WHERE folded_in"
    )
    found: dict[str, dict[str, np.ndarray]] = {}
    with engine.connect() as connection:
        for movie, part, bias, vector in connection.execute(sa.text(query)):
            found.setdefault(movie, {})[part] = np.array(json.loads(vector) + ([] if bias is None else [bias]))
    return found


def by_maps(engine: sa.Engine, movie: Movie, content: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the products of the run's maps and a movie's features, in float64."""
    with engine.connect() as connection:
        labels = connection.scalar(sa.text("SELECT content_labels FROM embrec.model_runs"))
        query = sa.text(
            "SELECT matrix, embedding FROM embrec.run_matrices WHERE matrix <> 'fold_in' ORDER BY row_number"
        )
        rows = pd.read_sql(query, connection)
    mine = {f"genre {genre}" for genre in movie.genres or []}
    mine |= {f"period {movie.release_year // 5}"} if movie.release_year else set()
    features = np.array([1, *(label in mine for label in labels), *([] if content is None else content)], float)
    basis = "genres" if content is None else "content"
    return {
        part: np.array([json.loads(row) for row in rows.embedding[rows.matrix == f"{basis}_{part}"]]) @ features
        for part in MOVIE_PARTS
    }


def test_new_movies_get_what_the_maps_say_of_them(engine: sa.Engine, places: np.ndarray) -> None:
    found = folded(engine)
    assert set(found) == {movie.movie_id for movie in NEW}
    for number, movie in enumerate(NEW, MOVIES):
        expected = by_maps(engine, movie, places[number] if movie.movie_id in TOLD else None)
        for part in MOVIE_PARTS:
            np.testing.assert_allclose(found[movie.movie_id][part], expected[part], rtol=1e-4, atol=1e-6)


def test_a_movie_that_nobody_rated_is_near_those_whose_content_is_like_its_own(
    engine: sa.Engine, places: np.ndarray
) -> None:
    """The content is all that is known of it that the ratings depend on."""
    cosine = places[:MOVIES] @ places[MOVIES] / np.linalg.norm(places[:MOVIES], axis=1)
    nearest = {str(100 + each) for each in np.argsort(-cosine)[:10]}
    folded(engine)
    assert len(nearest & set(similar.similar_movies(engine, "alike", 10).movie_id)) >= 5
    frame, _ = tastes()
    liked = frame[frame.movie_id.astype(str).isin(nearest)].groupby("user_id").rating.mean()
    likers, others = liked[liked >= 4].index, liked[liked <= 2].index
    predicted = [
        np.mean([predict.predict_rating(engine, user, "alike") for user in users]) for users in (likers, others)
    ]
    assert predicted[0] > predicted[1] + 0.5
    scores = [
        np.mean([recommend.recommend_movies(engine, user, 1, movie_ids=["alike"]).score[0] for user in users])
        for users in (likers, others)
    ]
    assert scores[0] > scores[1]


CHANGES = {
    "nothing": ({}, set()),
    "its own": ({"alike": 3}, {"alike"}),
    "the first": ({"of labels alone": 4}, {"of labels alone"}),
    "a trained movie's": ({"101": 3}, set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_refresh_follows_a_movies_own_content_alone(engine: sa.Engine, places: np.ndarray, change: str) -> None:
    given, changed = CHANGES[change]
    before = folded(engine)
    tell(engine, {movie: places[number] for movie, number in given.items()})
    after = folded(engine)
    differ = {
        movie for movie in after if any((after[movie][part] != before[movie][part]).any() for part in MOVIE_PARTS)
    }
    assert differ == changed


@pytest.mark.parametrize("reason", ["loaded anew", "of another length", "not told"])
def test_content_that_a_run_did_not_learn_from_is_not_read(engine: sa.Engine, places: np.ndarray, reason: str) -> None:
    """Vectors of another model mean something else, even if they are as long."""
    folded(engine)
    if reason == "loaded anew":
        tell(engine, {str(100 + number): places[number] + 1 for number in range(1, MOVIES * 6 // 10)})
    elif reason == "of another length":
        tell(engine, {"alike": np.ones(3)})
    else:
        do(engine, "DELETE FROM embrec.movie_content WHERE movie_index >= :first", first=MOVIES)
    expected, found = by_maps(engine, NEW[0], None), folded(engine)
    for part in MOVIE_PARTS:
        np.testing.assert_allclose(found["alike"][part], expected[part], rtol=1e-4, atol=1e-6)


def test_a_training_again_reads_content_of_another_length(engine: sa.Engine, places: np.ndarray) -> None:
    do(engine, "DELETE FROM embrec.movie_content")
    tell(engine, {str(100 + number): places[number, :3] for number in range(40)} | {"alike": places[MOVIES, :3]})
    tell(engine, {"unknown labels": places[0]})
    result = train(engine, options={"dimensions": 5, "draws": 4, "penalty": 20.0}, publish=False)
    publish(engine, result.model_run_id, force=True)
    with engine.connect() as connection:
        dimensions = connection.scalars(
            sa.text("SELECT content_dimensions FROM embrec.model_runs ORDER BY model_run_id")
        )
        assert dimensions.all() == [DIMENSIONS, 3]
