"""Movies that came after a training: their vectors beside float64 numpy, and a refresh of what has changed alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import MOVIE_PARTS, SERVING, WEIGHTS, load_frame, rating_frame, two_part_run

from embrec.data import ratings
from embrec.data.files.movies import Movie
from embrec.runs.embeddings import read
from embrec.serving import predict, recommend, similar
from embrec.training import train

GENRES = ["Comedy", "Drama", "War", "Horror"]
MOVIES = [
    Movie(
        str(100 + number),
        f"Movie {number}",
        GENRES[: number % 4] or ["Horror"],
        1980 + number % 7 if number % 5 else None,
    )
    for number in range(90)
]
NEW = [
    Movie("described", "Described", ["Comedy", "War"], 1983),
    Movie("same description", "Same", ["Comedy", "War"], 1983),
    Movie("of another century", "Old", ["Drama"], 1700),
    Movie("of no known genre", "Strange", ["Opera"], 1985),
    Movie("without anything", None, [], None),
    Movie("rated", "Rated", ["Drama"], 1981),
    Movie("rated by a stranger", "Rated too", ["Horror"], 1990),
]
NEW_USER = "signed up a second ago"


@pytest.fixture
def vectors(engine: sa.Engine, request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Ratings of 40 users of 90 movies, and a published two-part run with random vectors."""
    load_frame(engine, rating_frame(40, 90, 900), MOVIES)
    return two_part_run(engine, half=getattr(request, "param", False))


def add_newcomers(engine: sa.Engine) -> None:
    """Load movies that the run does not know, some of them rated, and a user whom it does not know."""
    rows = [("u1", "rated", 5.0), ("u2", "rated", 4.0), (NEW_USER, "rated", 1.0), (NEW_USER, "101", 2.0)]
    rows += [(NEW_USER, "103", 5.0), ("a stranger", "rated by a stranger", 4.0)]
    load_frame(engine, pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]), NEW)


def stored(engine: sa.Engine, folded_in: bool = True) -> pd.DataFrame:
    """Return the vectors of run 1 that a refresh has added, or the others, as text and so to the last bit."""
    columns = "movie_id, part, bias, embedding, spread, fingerprint"
    query = (
        f"SELECT {columns} FROM embrec.movie_embeddings JOIN embrec.movies USING (movie_index)"
        f" WHERE model_run_id = 1 AND folded_in = {folded_in} ORDER BY part, movie_id"
    )
    with engine.connect() as connection:
        return pd.read_sql(sa.text(query), connection)


def folded(engine: sa.Engine, movie: str) -> dict[str, np.ndarray]:
    """Return a movie's vectors by part; the bias of the rating vector is its last coordinate."""
    found = stored(engine)
    rows = found[found.movie_id == movie].set_index("part")
    vectors = {part: np.array(json.loads(rows.embedding[part])) for part in rows.index}
    vectors["rating"] = np.append(vectors["rating"], rows.bias["rating"])
    return vectors


def tables(engine: sa.Engine) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the ratings, and the movies in the order of their indexes."""
    with engine.connect() as connection:
        query = sa.text("SELECT * FROM embrec.ratings JOIN embrec.movies USING (movie_index)")
        rated = pd.read_sql(query, connection)
        movies = pd.read_sql(sa.text("SELECT * FROM embrec.movies ORDER BY movie_index"), connection)
    return rated, movies


def by_description(vectors: dict[str, np.ndarray], movies: pd.DataFrame, number: int) -> dict[str, np.ndarray]:
    """Return the means of the trained movies that are most like a movie in genres and year, in float64."""
    count, own = len(vectors["movie rating"]), movies.iloc[number]
    weights = []
    for genres, year in zip(movies.genres[:count], movies.release_year[:count], strict=True):
        both, either = set(genres) & set(own.genres), set(genres) | set(own.genres)
        apart = 0 if np.isnan(year) or np.isnan(own.release_year) else min(abs(year - own.release_year), 100)
        weights.append(((len(both) / len(either) if either else 0) ** 2 + 1e-6) * np.exp(-apart / 5))
    weight = np.array(weights)
    near = weight >= np.sort(weight)[-50] * (1 - 1e-12)
    share = weight[near] / weight[near].sum()
    rating = np.column_stack([vectors["movie rating"], vectors["movie bias"]]).astype(np.float64)
    preference, profile, similarity = (vectors[f"movie {part}"].astype(np.float64)[near] for part in MOVIE_PARTS[1:])
    lengths = np.linalg.norm(profile, axis=1).mean() / np.linalg.norm(preference, axis=1).mean()
    short = 0.1 * share @ preference
    return {
        "rating": share @ rating[near],
        "preference": short,
        "profile": lengths * short,
        "similarity": share @ similarity,
    }


def user_rating(vectors: dict[str, np.ndarray], own: pd.DataFrame) -> np.ndarray:
    """Return the rating vector of a user whom the run does not know, with the bias over the bias feature."""
    movies = own.movie_index.to_numpy()
    features = np.insert(vectors["movie rating"].astype(np.float64)[movies], 5, SERVING["bias_feature"], axis=1)
    unexplained = own.rating.to_numpy(np.float64) - SERVING["mean"] - vectors["movie bias"][movies]
    return np.linalg.solve(features.T @ features + SERVING["ridge_constant"] * np.eye(6), features.T @ unexplained)


def by_ratings(
    vectors: dict[str, np.ndarray], rated: pd.DataFrame, number: int, described: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the ridge regressions of a movie's ratings on the vectors of those who rated it, in float64.

    The vector that a movie has by its description is the prior of the rating vector, and counts in the ranking vector
    as much as forty ratings.
    """
    count = len(vectors["movie rating"])
    known = rated[rated.movie_index < count]
    ranking = {
        user: WEIGHTS.of(own.rating.to_numpy()) @ vectors["movie profile"].astype(np.float64)[own.movie_index]
        for user, own in known.groupby("user_index")
    }
    prior = described["rating"]
    features, targets, moment = [], [], np.zeros(5)
    for user, rating in rated.loc[rated.movie_index == number, ["user_index", "rating"]].itertuples(index=False):
        if user not in ranking:
            continue
        vector = user_rating(vectors, known[known.user_index == user])
        if user < len(vectors["user rating"]):
            vector = np.append(vectors["user rating"][user], vectors["user bias"][user] / SERVING["bias_feature"])
        features.append(np.append(vector[:-1], 1.0))
        targets.append(rating - SERVING["mean"] - SERVING["bias_feature"] * vector[-1])
        moment += WEIGHTS.unsigned(np.array([rating]))[0] * ranking[user]
    x, trained = (
        np.array(features),
        np.column_stack([vectors["movie rating"], vectors["movie bias"]]).astype(np.float64),
    )
    penalty = np.diag(SERVING["ridge_constant"] / trained.var(axis=0))
    users = np.array([ranking[user] for user in sorted(ranking) if user < len(vectors["user rating"])])
    gram = users.T @ users
    gram += 10 * np.trace(gram) / len(users) / 5 * np.eye(5)
    preference = np.linalg.solve(gram, moment)
    preference += 40 / (40 + len(targets)) * described["preference"]
    others = vectors["movie preference"].astype(np.float64)
    cosine = others @ preference / np.linalg.norm(others, axis=1) / np.linalg.norm(preference)
    raters = np.count_nonzero(rated.movie_index == number)
    shorter = raters / (raters + 1)
    near = np.argsort(-cosine)[:20]
    weight = np.maximum(cosine[near], 1e-3) ** 4
    lengths = [np.linalg.norm(vectors[f"movie {part}"][near], axis=1).mean() for part in ("profile", "preference")]
    return {
        "rating": prior + np.linalg.solve(x.T @ x + penalty, x.T @ (np.array(targets) - x @ prior)),
        "preference": preference,
        "profile": preference * lengths[0] / lengths[1],
        "similarity": weight @ vectors["movie similarity"].astype(np.float64)[near] / weight.sum() * shorter,
    }


@pytest.mark.parametrize("vectors", [False, True], indirect=True, ids=["single", "half"])
def test_new_movies_get_the_vectors_of_float64_numpy(engine: sa.Engine, vectors) -> None:
    before = stored(engine, folded_in=False)
    add_newcomers(engine)
    assert ratings.refresh(engine) == len(NEW)
    pd.testing.assert_frame_equal(stored(engine, folded_in=False), before)
    rated, movies = tables(engine)
    for number in range(90, 90 + len(NEW)):
        expected = by_description(vectors, movies, number)
        if movies.movie_id[number] == "rated":
            expected = by_ratings(vectors, rated, number, expected)
        found = folded(engine, movies.movie_id[number])
        assert sorted(found) == sorted(MOVIE_PARTS)
        for part, vector in found.items():
            assert np.allclose(vector, expected[part], rtol=1e-3, atol=1e-4), (movies.movie_id[number], part)
    # All functions answer about such a movie.
    assert similar.similar_movies(engine, "rated", 5)["rank"].tolist() == [1, 2, 3, 4, 5]
    assert "rated" in set(recommend.recommend_movies(engine, "u5", 100).movie_id)
    assert 1 <= predict.predict_rating(engine, "u5", "described") <= 5


def versions(engine: sa.Engine) -> dict[str, str]:
    """Return the transactions that wrote the vectors that a refresh has added, by movie."""
    query = (
        "SELECT movie_id, min(e.xmin::text) FROM embrec.movie_embeddings AS e JOIN embrec.movies USING (movie_index)"
        " WHERE folded_in GROUP BY movie_id"
    )
    with engine.connect() as connection:
        return dict(connection.execute(sa.text(query.replace("::", r"\:\:"))).all())


CHANGES = {
    "nothing": ("SELECT 1", set()),
    "a rating": ("SELECT embrec.add_rating('u5', 'described', 4)", {"described"}),
    "another rating": ("SELECT embrec.add_rating('u1', 'rated', 2)", {"rated"}),
    "a rating is gone": ("SELECT embrec.remove_rating('u2', 'rated')", {"rated"}),
    "the last rating is gone": (
        "SELECT embrec.remove_rating('a stranger', 'rated by a stranger')",
        {"rated by a stranger"},
    ),
    "a rater's other rating": (f"SELECT embrec.add_rating('{NEW_USER}', '105', 5)", {"rated"}),
    "somebody else's rating": ("SELECT embrec.add_rating('u7', '105', 5)", set()),
    "a rater is forgotten": (f"SELECT embrec.forget_user('{NEW_USER}')", {"rated"}),
    "a description": (
        "UPDATE embrec.movies SET genres = '{War}' WHERE movie_id = 'described' RETURNING movie_id",
        {"described"},
    ),
    "a trained movie's description": (
        "UPDATE embrec.movies SET release_year = 1983 WHERE movie_id = '100' RETURNING movie_id",
        {movie.movie_id for movie in NEW},
    ),
    "a new movie": (
        "INSERT INTO embrec.movies (movie_index, movie_id) SELECT max(movie_index) + 1, 'newest' FROM embrec.movies"
        " RETURNING movie_id",
        {"newest"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_refresh_folds_in_what_has_changed_alone_as_all_anew_would(engine: sa.Engine, vectors, change: str) -> None:
    add_newcomers(engine)
    ratings.refresh(engine)
    statement, changed = CHANGES[change]
    before = versions(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    count = ratings.refresh(engine)
    after = versions(engine)
    assert {movie for movie, version in after.items() if before.get(movie) != version} == changed
    found = stored(engine)
    assert count == len(after) == len(found) / 4
    with engine.begin() as connection:
        for table, added in (("movie_embeddings", "folded_in"), ("movie_neighbours", "neighbours IS NULL")):
            connection.execute(sa.text(f"DELETE FROM embrec.{table} WHERE {added}"))
    assert ratings.refresh(engine) == count
    pd.testing.assert_frame_equal(stored(engine), found)


def test_a_run_that_has_users_ranking_vectors_and_no_matrix_folds_in_by_those(engine: sa.Engine, vectors) -> None:
    """Runs that were trained by an earlier version are such."""
    add_newcomers(engine)
    ratings.refresh(engine)
    expected = folded(engine, "rated")
    rated, _ = tables(engine)
    known = rated[(rated.movie_index < 90) & (rated.user_index < 40)]
    sums = np.zeros((40, 5))
    for user, own in known.groupby("user_index"):
        sums[user] = WEIGHTS.of(own.rating.to_numpy()) @ vectors["movie profile"].astype(np.float64)[own.movie_index]
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.run_matrices"))
        connection.execute(sa.text("DELETE FROM embrec.movie_embeddings WHERE folded_in"))
        connection.execute(sa.text("DELETE FROM embrec.movie_neighbours WHERE neighbours IS NULL"))
        leaf, parent = "embrec.user_embeddings_run_1_preference", "embrec.user_embeddings_run_1"
        connection.execute(sa.text(f"CREATE TABLE {leaf} PARTITION OF {parent} FOR VALUES IN ('preference')"))
        connection.execute(
            sa.text(
                "INSERT INTO embrec.user_embeddings (model_run_id, part, user_index, embedding)"
                " SELECT 1, 'preference', u, CAST(v AS vector)"
                " FROM unnest(CAST(:users AS integer[]), CAST(:texts AS text[])) AS t (u, v)"
            ),
            {"users": list(range(40)), "texts": [str(row.tolist()) for row in sums]},
        )
        connection.execute(sa.text("UPDATE embrec.model_runs SET user_count = 40"))
    assert ratings.refresh(engine) == len(NEW)
    for part, vector in folded(engine, "rated").items():
        assert np.allclose(vector, expected[part], rtol=1e-3, atol=1e-5), part


def test_a_refresh_passes_over_raters_whom_the_run_knows_nothing_of(engine: sa.Engine, vectors) -> None:
    ratings.add_rating(engine, "u1", "newer", 4)
    alone = ratings.refresh(engine), recommend.recommend_movies(engine, "u2", 1, movie_ids=["newer"]).score.tolist()
    ratings.add_rating(engine, NEW_USER, "newer", 5)  # the user rated nothing else
    again = ratings.refresh(engine), recommend.recommend_movies(engine, "u2", 1, movie_ids=["newer"]).score.tolist()
    assert alone == again


def test_a_refresh_names_the_movies_that_it_has_no_vectors_for(engine: sa.Engine, vectors) -> None:
    ratings.add_rating(engine, "u1", "newer", 4)
    ratings.add_rating(engine, "u2", "spoilt", 4)
    with engine.begin() as connection:
        huge = sa.text(
            "UPDATE embrec.user_embeddings SET embedding = (SELECT array_fill(3e38::real, ARRAY[5])::vector)"
            " WHERE part = 'rating' AND user_index = (SELECT user_index FROM embrec.users WHERE user_id = 'u2')"
        )
        connection.execute(sa.text(str(huge).replace("::", r"\:\:")))
    told: list[str] = []
    assert ratings.refresh(engine, told.append) == 1
    assert len(told) == 1
    assert told[0].startswith("movie spoilt gets no vectors in model run 1: ")
    assert told[0].endswith("embrec train")
    assert similar.similar_movies(engine, "newer", 3)["rank"].tolist() == [1, 2, 3]
    with engine.connect() as connection:
        counted = "SELECT count(*) FROM embrec.movie_statistics WHERE rating_count = 1"
        assert connection.scalar(sa.text(counted)) == 2, "the statistics are refreshed"


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("two-part", {"draws": 0}),
        ("two-part", {"draws": 2, "dimensions": 8}),
        ("two-part", {"draws": 2}),
        ("outer-product", {"epochs": 1, "hidden_units": 20}),
    ],
)
def test_a_refresh_takes_parts_of_any_length(engine: sa.Engine, model: str, options: dict[str, int]) -> None:
    load_frame(engine, rating_frame(40, 20, 500), MOVIES[:20])
    run = train(engine, model, options).model_run_id
    ratings.add_rating(engine, "u1", "rated", 5)
    load_frame(engine, pd.DataFrame({"user_id": ["stranger"], "movie_id": ["by a stranger"], "rating": [4.0]}))
    assert ratings.refresh(engine) == 2
    parts = {part: read(engine, run, "movie", part) for part in MOVIE_PARTS}
    for part, found in parts.items():
        assert len(found.vectors) == (22 if model == "two-part" or part == "rating" else 0), part
    assert "rated" in set(recommend.recommend_movies(engine, "u2", 100).movie_id)


def test_a_refresh_of_matrix_factorisation_is_its_own_sweep(engine: sa.Engine) -> None:
    """A fold-in of a trained movie gives nearly the vector of the next ALS sweep."""
    frame = rating_frame(60, 20, 800)
    load_frame(engine, frame, MOVIES[:20])
    result = train(engine, "matrix-factorization", {"dimensions": 5, "epochs": 30})
    with engine.begin() as connection:
        for table in ("movie_embeddings", "movie_neighbours"):
            connection.execute(sa.text(f"DELETE FROM embrec.{table} WHERE movie_index = 3"))
    assert ratings.refresh(engine) == 1
    vectors = read(engine, result.model_run_id, "movie")
    assert np.allclose(vectors.vectors[3], result.model.movie_vectors[3], atol=0.02)
    assert vectors.biases is not None
    assert vectors.biases[3] == pytest.approx(result.model.movie_biases[3], abs=0.02)
