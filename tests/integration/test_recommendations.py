"""Recommendations, predictions and explanations in SQL, from ratings as they are now, against float64 numpy."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import SERVING, load_frame, rating_frame, stored_run, two_part_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from embrec import db
from embrec.data import ratings
from embrec.data.event_arrays import EventArrays
from embrec.data.extraction import RatingArrays
from embrec.data.files.movies import Movie
from embrec.db.resources import sql_text
from embrec.errors import DatabaseError, DataError, NoPublishedRunError, RunError, UnknownMovieError, UnknownUserError
from embrec.runs import publishing, records
from embrec.serving import explain, predict, recommend
from embrec.training import train

MOVIES = [
    Movie(str(number), f"Movie {number}", ["Comedy", "Drama", "War"][: number % 4] or ["Horror"], 1980 + number % 7)
    for number in range(100, 120)
]
# Ids that are no numbers, because ids are text.
NEW_USER, NEW_MOVIE = "signed up a second ago", "unheard of"


@pytest.fixture
def vectors(engine: sa.Engine, request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """Ratings of 30 users of 20 movies, and a published two-part run with random vectors."""
    load_frame(engine, rating_frame(), MOVIES)
    return two_part_run(engine, half=getattr(request, "param", False))


def tables(engine: sa.Engine) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the ratings, and the movies by their index."""
    with engine.connect() as connection:
        query = (
            "SELECT * FROM embrec.ratings JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)"
        )
        rated = pd.read_sql(sa.text(query), connection)
        movies = pd.read_sql(sa.text("SELECT * FROM embrec.movies"), connection).set_index("movie_index").sort_index()
    return rated, movies


def unsigned_weights(values: np.ndarray) -> np.ndarray:
    place = (np.clip(values, 1, 5) - 1) / 4
    return (0.2 + 0.8 * place) ** 1.5


def weights(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 1, -0.2, np.where(values <= 2, -0.1, unsigned_weights(values)))


def preference_scores(vectors: dict[str, np.ndarray], own: pd.DataFrame) -> np.ndarray:
    """Return the scores of all movies for a user with these ratings, by the ranking model."""
    profiles = vectors["movie profile"].astype(np.float64)[own.movie_index]
    return vectors["movie preference"].astype(np.float64) @ (weights(own.rating.to_numpy()) @ profiles)


def ridge(vectors: dict[str, np.ndarray], own: pd.DataFrame, run: dict[str, float] = SERVING) -> np.ndarray:
    """Return the rating vector of a user with these ratings; its last element is the bias over the bias feature."""
    movies = own.movie_index.to_numpy()
    features = np.column_stack(
        [vectors["movie rating"].astype(np.float64), np.full(len(vectors["movie rating"]), run["bias_feature"])]
    )[movies]
    unexplained = own.rating.to_numpy(np.float64) - run["mean"] - vectors["movie bias"][movies]
    penalty = run["ridge_constant"] + run["ridge_per_rating"] * len(own)
    return np.linalg.solve(features.T @ features + penalty * np.eye(features.shape[1]), features.T @ unexplained)


def predicted(vectors: dict[str, np.ndarray], solution: np.ndarray, movie: int) -> float:
    feature = np.append(vectors["movie rating"][movie].astype(np.float64), SERVING["bias_feature"])
    return float(np.clip(SERVING["mean"] + vectors["movie bias"][movie] + feature @ solution, 1, 5))


def test_the_best_movies_are_numpys_and_none_that_was_rated(engine: sa.Engine, vectors) -> None:
    rated, movies = tables(engine)
    for user, own in rated.groupby("user_id"):
        scores = preference_scores(vectors, own)
        unseen = np.setdiff1d(movies.index, own.movie_index)
        expected = unseen[np.argsort(-scores[unseen], kind="stable")]
        frame = recommend.recommend_movies(engine, user, 100)
        assert frame.movie_id.tolist() == movies.movie_id[expected].tolist()
        assert np.allclose(frame.score, scores[expected], atol=1e-5)
        assert frame["rank"].tolist() == list(range(1, len(unseen) + 1))
        assert set(frame.basis) <= {"ratings"}  # one user rated all
        everything = recommend.recommend_movies(engine, user, 100, include_rated=True)
        assert everything.movie_id.tolist() == movies.movie_id[np.argsort(-scores, kind="stable")].tolist()


def test_a_changed_rating_changes_the_next_answer(engine: sa.Engine, vectors) -> None:
    before = recommend.recommend_movies(engine, "u1", 100).set_index("movie_id").score
    best = before.index[0]
    ratings.add_rating(engine, "u1", best, 5)
    after = recommend.recommend_movies(engine, "u1", 100).set_index("movie_id").score
    assert best not in after.index
    rated, movies = tables(engine)
    scores = pd.Series(preference_scores(vectors, rated[rated.user_id == "u1"]), movies.movie_id)
    assert np.allclose(after, scores[after.index], atol=1e-5)
    assert ratings.remove_rating(engine, "u1", best)
    again = recommend.recommend_movies(engine, "u1", 100).set_index("movie_id").score
    assert again.index.tolist() == before.index.tolist()
    assert np.allclose(again, before, atol=1e-6)
    assert not ratings.remove_rating(engine, "u1", best)


@pytest.mark.parametrize("vectors", [False, True], indirect=True, ids=["single", "half"])
def test_a_prediction_is_the_stored_one_until_the_ratings_change(engine: sa.Engine, vectors) -> None:
    rated, movies = tables(engine)
    user = int(rated.user_index[rated.user_id == "u1"].iloc[0])
    stored = np.append(vectors["user rating"][user], vectors["user bias"][user] / SERVING["bias_feature"])
    for number, movie in movies.movie_id.items():
        assert predict.predict_rating(engine, "u1", movie) == pytest.approx(
            predicted(vectors, stored, number), abs=1e-5
        )
    other = movies.movie_id[19]
    ratings.add_rating(engine, "u1", other, 1.5)
    rated, _ = tables(engine)
    solution = ridge(vectors, rated[rated.user_id == "u1"])
    for number, movie in movies.movie_id.items():
        assert predict.predict_rating(engine, "u1", movie) == pytest.approx(
            predicted(vectors, solution, number), abs=1e-4
        )


def test_somebody_new_is_solved_for_and_nobody_is_average(engine: sa.Engine, vectors) -> None:
    ratings.add_rating(engine, NEW_USER, "100", 5)
    ratings.add_rating(engine, NEW_USER, NEW_MOVIE, 1)
    rated, _movies = tables(engine)
    own = rated[(rated.user_id == NEW_USER) & (rated.movie_id == "100")]
    movie = int(own.movie_index.iloc[0])
    assert predict.predict_rating(engine, NEW_USER, "100") == pytest.approx(
        predicted(vectors, ridge(vectors, own), movie), abs=1e-4
    )
    frame = recommend.recommend_movies(engine, NEW_USER, 100)
    assert len(frame) == 19
    assert NEW_MOVIE not in set(frame.movie_id), "it has no vector yet"
    with pytest.raises(UnknownMovieError, match="has no vector"):
        predict.predict_rating(engine, NEW_USER, NEW_MOVIE)
    assert ratings.remove_rating(engine, NEW_USER, "100")
    nobody = np.zeros(6)
    assert predict.predict_rating(engine, NEW_USER, "100") == pytest.approx(predicted(vectors, nobody, movie), abs=1e-5)


@pytest.mark.parametrize("vectors", [False, True], indirect=True, ids=["single", "half"])
def test_pairs_are_predicted_from_stored_vectors_and_the_new_are_solved_for(engine: sa.Engine, vectors) -> None:
    ratings.add_rating(engine, NEW_USER, "100", 5)
    rated, movies = tables(engine)
    users = rated.drop_duplicates("user_id").set_index("user_id").user_index
    pairs = pd.DataFrame(
        [(user, movie) for user in users.index for movie in movies.movie_id], columns=["user", "movie"]
    )
    frame = predict.predict_ratings(engine, pairs.user, pairs.movie).set_index(["user_id", "movie_id"]).predicted_rating
    assert len(frame) == len(pairs)
    solution = ridge(vectors, rated[rated.user_id == NEW_USER])
    for user, index in users.items():
        vector = solution
        if user != NEW_USER:
            vector = np.append(vectors["user rating"][index], vectors["user bias"][index] / SERVING["bias_feature"])
        expected = [predicted(vectors, vector, number) for number in movies.index]
        assert np.allclose(frame[user][movies.movie_id], expected, atol=1e-4)
    assert predict.predict_ratings(engine, ["u1", "nobody"], ["nothing", "100"]).empty
    with pytest.raises(ValueError, match="2 users and 1 movies"):
        predict.predict_ratings(engine, ["u1", "u2"], ["100"])


@pytest.mark.parametrize("times", [1, 100], ids=["few pairs", "many"])
def test_pairs_are_answered_as_often_as_they_are_asked_for(engine: sa.Engine, vectors, times: int) -> None:
    ratings.add_rating(engine, NEW_USER, "100", 5)
    ratings.add_rating(engine, "u1", NEW_MOVIE, 1)  # it has no vector yet
    pairs = [("u2", "101"), (NEW_USER, "101"), ("u3", "100")]
    expected = sorted([(*pair, predict.predict_rating(engine, *pair)) for pair in pairs] * 2 * times)
    without = [
        ("nobody", "100"),
        ("u1", "nothing"),
        (None, "100"),
        ("u1", None),
        ("u1", NEW_MOVIE),
        (NEW_USER, NEW_MOVIE),
    ]
    statement = "SELECT user_id, movie_id, predicted_rating FROM embrec.predict_ratings(:users, :movies)"
    users, movies = (list(ids) * times for ids in zip(*pairs, *without, *pairs, strict=True))
    with engine.connect() as connection:
        for more in ([], ["u1"]):  # a user without a movie is no pair
            found = connection.execute(sa.text(statement), {"users": users + more, "movies": movies})
            rows = sorted(tuple(row) for row in found)
            assert [row[:2] for row in rows] == [row[:2] for row in expected]
            assert [row[2] for row in rows] == pytest.approx([row[2] for row in expected], abs=1e-5)
        for nothing in ([], None):
            assert not connection.execute(sa.text(statement), {"users": nothing, "movies": ["100"]}).all()


def test_the_uncertainty_is_the_product_of_the_spreads(engine: sa.Engine, vectors) -> None:
    rated, movies = tables(engine)
    users = rated.drop_duplicates("user_id").set_index("user_id").user_index
    expected = np.outer(vectors["user spread"][users].astype(np.float64), vectors["movie spread"].astype(np.float64))
    pairs = pd.DataFrame(
        [(user, movie) for user in users.index for movie in movies.movie_id], columns=["user", "movie"]
    )
    frame = predict.predict_ratings(engine, pairs.user, pairs.movie).set_index(["user_id", "movie_id"])
    assert np.allclose(frame.uncertainty[pd.MultiIndex.from_frame(pairs)], expected.ravel(), rtol=1e-12)
    query = (
        "SELECT embrec.rating_uncertainty(u.user_id, m.movie_id) FROM embrec.users AS u, embrec.movies AS m"
        " ORDER BY u.user_index, m.movie_index"
    )
    with engine.connect() as connection:
        found = np.array(list(connection.scalars(sa.text(query))))
    assert np.allclose(found, expected[np.argsort(users)].ravel(), rtol=1e-12)


def test_the_uncertainty_of_newcomers_is_the_runs(engine: sa.Engine, vectors) -> None:
    ratings.add_rating(engine, "9000", "100", 5)
    ratings.add_rating(engine, "u1", "9001", 4)
    mine = {name: float(vectors[f"{name} spread"][0]) for name in ("user", "movie")}
    with engine.connect() as connection:
        first = connection.scalar(sa.text("SELECT user_id FROM embrec.users WHERE user_index = 0"))
        known = connection.scalar(sa.text("SELECT movie_id FROM embrec.movies WHERE movie_index = 0"))

    def uncertainty(user: str, movie: str) -> float | None:
        statement = "SELECT embrec.rating_uncertainty(CAST(:user AS text), CAST(:movie AS text))"
        with engine.connect() as connection:
            alone = connection.scalar(sa.text(statement), {"user": user, "movie": movie})
        frame = predict.predict_ratings(engine, [user], [movie])
        assert frame.uncertainty.tolist() == ([] if alone is None else [alone])
        return alone

    assert uncertainty("9000", known) == pytest.approx(1.25 * mine["movie"], rel=1e-12)
    assert uncertainty(first, "9001") is None, "it has no vector yet"
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT embrec.refresh()"))
    assert uncertainty(first, "9001") == pytest.approx(mine["user"] * 0.75, rel=1e-12)
    assert uncertainty("9000", "9001") == 1.25 * 0.75
    assert uncertainty("nobody", known) is None
    assert uncertainty(first, "nothing") is None
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT embrec.rating_uncertainty(9000, 9001)")) == 1.25 * 0.75


def test_a_run_without_spreads_does_not_know_how_sure_it_is(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    for architecture in ("matrix-factorization", "outer-product"):
        train(engine, architecture, {"epochs": 1})
        frame = predict.predict_ratings(engine, ["u1", "u2"], ["100", "101"])
        assert len(frame) == 2
        assert frame.uncertainty.isna().all()
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT embrec.rating_uncertainty('u1', '100')")) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    genres=st.none() | st.lists(st.sampled_from(["Comedy", "Drama", "War", "Horror", "None such"]), max_size=2),
    without_genres=st.none() | st.lists(st.sampled_from(["Comedy", "War", "Horror"]), max_size=2),
    released_from=st.none() | st.integers(1978, 1988),
    released_to=st.none() | st.integers(1978, 1988),
    min_ratings=st.none() | st.integers(0, 25),
    movie_ids=st.none() | st.lists(st.integers(95, 120), max_size=12),
    n=st.integers(0, 25),
)
def test_filters_let_through_what_they_say(engine: sa.Engine, vectors, movie_ids, n: int, **filters) -> None:
    rated, movies = tables(engine)
    counts = rated.groupby("movie_index").size()

    def passes(index: int) -> bool:
        movie = movies.loc[index]
        tests = {
            "genres": lambda wanted: bool(set(wanted) & set(movie.genres)),
            "without_genres": lambda unwanted: not set(unwanted) & set(movie.genres),
            "released_from": lambda year: movie.release_year >= year,
            "released_to": lambda year: movie.release_year <= year,
            "min_ratings": lambda least: counts[index] >= least,
        }
        asked = all(tests[name](value) for name, value in filters.items() if value is not None)
        return asked and (movie_ids is None or movie.movie_id in map(str, movie_ids))

    for user, whole in (("u1", recommend.recommend_movies(engine, "u1", 100)), (NEW_USER, None)):
        if whole is None:
            whole = recommend.recommend_movies(engine, user, 100)
        numbers = movies.reset_index().set_index("movie_id").movie_index
        expected = [movie for movie in whole.movie_id if passes(numbers[movie])]
        found = recommend.recommend_movies(engine, user, n, movie_ids=movie_ids, **filters)
        assert found.movie_id.tolist() == expected[:n]
    popular = recommend.popular_movies(engine, 100, **filters)
    if movie_ids is None:
        assert popular.movie_id.tolist()[:n] == found.movie_id.tolist()


def test_a_visitor_gets_what_a_user_with_the_same_ratings_gets(engine: sa.Engine, vectors) -> None:
    rated, _ = tables(engine)
    own = rated[rated.user_id == "u7"]
    given_ratings = dict(zip(own.movie_id, own.rating, strict=True))
    as_user = recommend.recommend_movies(engine, "u7", 7, genres=["Comedy"])
    as_visitor = recommend.recommend_for(engine, {**given_ratings, "nothing": 3.0}, 7, genres=["Comedy"])
    pd.testing.assert_frame_equal(as_user, as_visitor, atol=1e-6)
    assert set(recommend.recommend_for(engine, {}, 3).basis) == {"popularity"}
    with pytest.raises(ValueError, match="give a finite number"):
        recommend.recommend_for(engine, {"100": float("nan")})


def greedy(scores: np.ndarray, similarity: np.ndarray, n: int, diversity: float) -> list[int]:
    """Rerank the top 10 * n by maximal marginal relevance (MMR)."""
    best = np.argsort(-scores, kind="stable")[: 10 * n]
    relevance = (scores[best] - scores[best].min()) / (scores[best].max() - scores[best].min())
    chosen: list[int] = []
    while len(chosen) < n:
        near = similarity[best][:, best[chosen]].max(axis=1) if chosen else np.full(len(best), -1.0)
        value = (1 - diversity) * relevance - diversity * near
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
    return best[chosen].tolist()


@pytest.mark.parametrize("diversity", [0.2, 0.5, 1.0])
def test_diversity_is_maximal_marginal_relevance(engine: sa.Engine, vectors, diversity: float) -> None:
    rated, movies = tables(engine)
    unit = vectors["movie similarity"].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for user in ("u1", "u2", "u3"):
        own = rated[rated.user_id == user]
        scores = preference_scores(vectors, own)
        frame = recommend.recommend_movies(engine, user, 8, include_rated=True, diversity=diversity)
        expected = greedy(scores, unit @ unit.T, 8, diversity)
        assert frame.movie_id.tolist() == movies.movie_id[expected].tolist()
        assert np.allclose(frame.score, scores[expected], atol=1e-5)


def test_contributions_add_up_to_the_score(engine: sa.Engine, vectors) -> None:
    rated, _movies = tables(engine)
    own = rated[rated.user_id == "u4"].set_index("movie_id")
    best = recommend.recommend_movies(engine, "u4", 1).iloc[0]
    frame = explain.explain_recommendation(engine, "u4", best.movie_id, None).set_index("movie_id")
    assert sorted(frame.index) == sorted(own.index)
    assert frame.contribution.sum() == pytest.approx(best.score, abs=1e-5)
    assert np.allclose(frame.score, best.score, atol=1e-5)
    number = int(tables(engine)[1].reset_index().set_index("movie_id").movie_index[best.movie_id])
    profiles = vectors["movie profile"].astype(np.float64)[own.movie_index]
    alone = weights(own.rating.to_numpy()) * (profiles @ vectors["movie preference"][number].astype(np.float64))
    assert np.allclose(frame.contribution[own.index], alone, atol=1e-5)
    assert frame.contribution.abs().is_monotonic_decreasing
    assert len(explain.explain_recommendation(engine, "u4", best.movie_id, 2)) == 2


def test_the_best_rated_movies_are_a_bayesian_average(engine: sa.Engine, vectors) -> None:
    rated, movies = tables(engine)
    each = rated.groupby("movie_index").rating.agg(["sum", "count", "mean"])
    weight, mean = len(rated) / len(each), rated.rating.mean()
    expected = ((each["sum"] + weight * mean) / (each["count"] + weight)).sort_values(ascending=False, kind="stable")
    frame = recommend.best_rated_movies(engine, 100)
    assert frame.movie_id.tolist() == movies.movie_id[expected.index].tolist()
    assert np.allclose(frame.adjusted_rating, expected)
    assert np.allclose(frame.mean_rating, each["mean"][expected.index])
    assert frame.rating_count.tolist() == each["count"][expected.index].tolist()


def test_popular_movies_have_the_most_likes(engine: sa.Engine, vectors) -> None:
    rated, _movies = tables(engine)
    each = rated.groupby("movie_id").rating.agg(["count", "mean"])
    each["likes"] = rated[rated.rating >= 4].groupby("movie_id").size()
    assert each.likes.nunique() < len(each), "some are equal"
    order = ["likes", "count", "mean", "movie_id"]
    expected = each.reset_index().sort_values(order, ascending=[False, False, False, True])
    frame = recommend.popular_movies(engine, 100)
    assert frame.movie_id.tolist() == expected.movie_id.tolist()
    assert frame.popularity.tolist() == expected.likes.tolist()
    assert np.allclose(frame.mean_rating, expected["mean"])
    assert frame.rating_count.tolist() == expected["count"].tolist()
    ratings.add_rating(engine, "u1", NEW_MOVIE, 5)
    assert NEW_MOVIE not in set(recommend.popular_movies(engine, 100).movie_id), "as of the last refresh"
    assert ratings.refresh_statistics(engine)
    assert NEW_MOVIE in set(recommend.popular_movies(engine, 100).movie_id)


def test_trending_movies_are_rated_more_than_before(engine: sa.Engine, vectors) -> None:
    rated, movies = tables(engine)
    since = rated.rated_at.sort_values().iloc[200]
    all_of, recent = (frame.groupby("movie_index").size() for frame in (rated, rated[rated.rated_at >= since]))
    expected = all_of[recent.index] * (recent.sum() / all_of.sum())
    trend = ((recent - expected) / np.sqrt(expected + 1)).sort_values(ascending=False)
    frame = recommend.trending_movies(engine, since.to_pydatetime(), 100)
    numbers = movies.reset_index().set_index("movie_id").movie_index
    assert np.allclose(frame.trend, trend[numbers[frame.movie_id]])
    assert frame.trend.is_monotonic_decreasing
    assert sorted(frame.recent_count) == sorted(recent)


def test_nobody_and_no_run_get_popular_movies(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), MOVIES)
    popular = recommend.popular_movies(engine, 5).movie_id.tolist()
    frame = recommend.recommend_movies(engine, NEW_USER, 5)
    assert (frame.movie_id.tolist(), set(frame.basis)) == (popular, {"popularity"})
    assert frame.model_run_id.isna().all()
    with pytest.raises(NoPublishedRunError):
        predict.predict_rating(engine, "u1", "100")
    two_part_run(engine)
    _rated, movies = tables(engine)
    assert set(recommend.recommend_movies(engine, NEW_USER, 5).basis) == {"popularity"}
    ratings.add_rating(engine, NEW_USER, NEW_MOVIE, 5)
    frame = recommend.recommend_movies(engine, NEW_USER, 30)
    assert set(frame.basis) == {"popularity"}, "the run knows none of the movies"
    assert len(frame) == len(movies)


def test_matrix_factorisation_ranks_by_predicted_ratings(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), MOVIES)
    result = train(engine, "matrix-factorization", {"dimensions": 5})
    run = records.get_run(engine, result.model_run_id)
    rated, movies = tables(engine)
    model = result.model
    vectors = {"movie rating": model.movie_vectors, "movie bias": model.movie_biases}
    serving = {name: getattr(run, name) for name in SERVING}
    for user in ("u1", "u2"):
        own = rated[rated.user_id == user]
        solution = ridge(vectors, own, serving)
        assert np.allclose(solution[:-1], model.user_vectors[own.user_index.iloc[0]], atol=1e-4), "as it was trained"
        scores = model.mean + model.movie_biases + model.movie_vectors @ solution[:-1]
        scores += run.bias_feature * solution[-1]
        frame = recommend.recommend_movies(engine, user, 100)
        unseen = np.setdiff1d(movies.index, own.movie_index)
        expected = unseen[np.argsort(-scores[unseen], kind="stable")]
        assert frame.movie_id.tolist() == movies.movie_id[expected].tolist()
        assert np.allclose(frame.score, scores[expected], atol=1e-4)
        why = explain.explain_recommendation(engine, user, frame.movie_id[0], None)
        assert why.contribution.sum() == pytest.approx(frame.score[0], abs=1e-3)
        assert pd.isna(why.movie_id[0])
        assert why.contribution[0] == pytest.approx(model.mean + model.movie_biases[expected[0]], abs=1e-5)


def test_the_outer_products_predictions_are_keras(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), MOVIES)
    result = train(engine, "outer-product", {"epochs": 2, "dimensions": 6, "hidden_units": 20})
    rated, movies = tables(engine)
    pairs = pd.DataFrame([(user, movie) for user in range(30) for movie in range(20)], columns=["user", "movie"])
    expected = result.model.predict(pairs.user.to_numpy(np.int32), pairs.movie.to_numpy(np.int32)).clip(1, 5)
    users = rated.drop_duplicates("user_index").set_index("user_index").user_id
    found = predict.predict_ratings(engine, users[pairs.user], movies.movie_id[pairs.movie])
    joined = found.set_index(["user_id", "movie_id"]).predicted_rating
    assert np.allclose(
        [joined[users[u], movies.movie_id[m]] for u, m in pairs.itertuples(index=False)], expected, atol=1e-4
    )
    for at in (0, 77, 599):
        user, movie = users[pairs.user[at]], movies.movie_id[pairs.movie[at]]
        assert predict.predict_rating(engine, user, movie) == pytest.approx(expected[at], abs=1e-4)
    frame = recommend.recommend_movies(engine, users[3], 100, include_rated=True)
    assert np.allclose(frame.score.clip(1, 5), np.sort(expected[pairs.user == 3])[::-1], atol=1e-4)
    with pytest.raises(RunError, match="cannot be taken apart"):
        explain.explain_recommendation(engine, users[3], frame.movie_id[0])
    ratings.add_rating(engine, NEW_USER, "100", 5)
    with pytest.raises(UnknownUserError, match="has no vector of the user"):
        predict.predict_rating(engine, NEW_USER, "101")
    publishing.publish(engine, stored_run(engine, np.eye(4)))
    publishing.delete(engine, result.model_run_id)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.run_matrices")) == 0


def test_what_is_unknown_says_why(engine: sa.Engine, vectors) -> None:
    for ask in (predict.predict_rating, explain.explain_recommendation):
        with pytest.raises(UnknownUserError, match="no user with the id 'nobody'"):
            ask(engine, "nobody", "100")
        with pytest.raises(UnknownMovieError, match="no movie with the id 'nothing'"):
            ask(engine, "u1", "nothing")
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="diversity is"):
            recommend.recommend_movies(engine, "u1", diversity=wrong)
    for user, movie, rating in (("", "1", 3.0), ("1", "", 3.0), ("1", "1", float("inf")), ("1", "1", float("nan"))):
        with pytest.raises(DataError):
            ratings.add_rating(engine, user, movie, rating)


def test_a_refresh_needs_a_run_and_its_owner(engine: sa.Engine, url: str, role) -> None:
    with pytest.raises(NoPublishedRunError, match="embrec train"):
        ratings.refresh(engine)
    load_frame(engine, rating_frame(), MOVIES)
    two_part_run(engine)
    reader = db.create_engine(make_conninfo(url, user=role(*READS), password="p"))
    with pytest.raises(DatabaseError, match="permission denied"):
        ratings.refresh(reader)
    reader.dispose()


def test_sql_takes_text_bigint_names_and_defaults(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame.assign(user_id=frame.user_id.str[1:]), MOVIES)
    two_part_run(engine)

    def ask(call: str) -> list[tuple[object, ...]]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM embrec.{call}"))]

    expected = ask("recommend_movies('1')")
    assert ask("recommend_movies(1)") == ask("recommend_movies(user_id => 1, n => 10)") == expected
    assert ask("recommend_movies(1, n => 3, genres => '{Comedy}')") == ask("recommend_movies('1', 3, '{Comedy}')")
    assert ask("predict_rating(1, 100)") == ask("predict_rating('1', '100')") != [(None,)]
    assert ask("explain_recommendation(1, 100)") == ask("explain_recommendation('1', '100')") != []
    ask("add_rating(1, 100, 4)")
    ask("add_rating('1', '101', 4.5)")
    assert ask("remove_rating(1, 100)") == [(True,)] == ask("remove_rating('1', '101')")
    for unknown in ("predict_rating('x', '100')", "predict_rating(1, 999)", "predict_rating(NULL\\:\\:text, '1')"):
        assert ask(unknown) == [(None,)]
    assert ask("explain_recommendation('x', '100')") == []
    assert ask("recommend_movies(1, 0)") == []


def test_answers_do_not_depend_on_the_search_path(engine: sa.Engine, vectors) -> None:
    def answers(connection: sa.Connection) -> list[pd.DataFrame]:
        return [
            recommend.recommend_movies(connection, "u1", diversity=0.5, min_ratings=1),
            recommend.popular_movies(connection),
            explain.explain_recommendation(connection, "u1", "100"),
            predict.predict_ratings(connection, ["u1"], ["100"]),
            pd.DataFrame({"one": [predict.predict_rating(connection, "u1", "100")]}),
        ]

    with engine.connect() as connection:
        expected = answers(connection)
        connection.execute(sa.text("SET search_path = pg_catalog"))
        for found, wanted in zip(answers(connection), expected, strict=True):
            pd.testing.assert_frame_equal(found, wanted)
        ratings.add_rating(connection, NEW_USER, NEW_MOVIE, 3)
        assert ratings.remove_rating(connection, NEW_USER, NEW_MOVIE)


@pytest.fixture
def role(admin: sa.Engine, engine: sa.Engine) -> Callable[..., str]:
    """A function that creates a role with some grants; the role is dropped after the test."""
    name = f"embrec_app_{os.getpid()}"

    def make(*grants: str) -> str:
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p'"))
            for grant in grants:
                connection.execute(sa.text(f"GRANT {grant} TO {name}"))
        return name

    yield make
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {name}"))
        connection.execute(sa.text(f"DROP ROLE {name}"))


READS = ("embrec_reader",)


def test_a_reader_is_served_and_changes_nothing(engine: sa.Engine, url: str, vectors, role) -> None:
    """The grants are those of docs/deploy.md."""
    reader = db.create_engine(make_conninfo(url, user=role(*READS), password="p"))
    assert len(recommend.recommend_movies(reader, "u1", 3, genres=["Comedy"], min_ratings=2, diversity=0.3)) == 3
    assert len(recommend.recommend_for(reader, {"100": 5.0})) == 10
    assert len(recommend.popular_movies(reader, 3)) == 3
    predict.predict_rating(reader, "u1", "100")
    assert len(explain.explain_recommendation(reader, "u1", "100", 3)) == 3
    assert not ratings.refresh_statistics(reader)
    with pytest.raises(DatabaseError, match="permission denied"):
        ratings.add_rating(reader, "u1", "100", 3)
    reader.dispose()


def test_an_application_may_rate_with_the_grants_of_the_documentation(
    engine: sa.Engine, url: str, vectors, role
) -> None:
    writes = "EXECUTE ON FUNCTION embrec.refresh_statistics()"
    writer = db.create_engine(make_conninfo(url, user=role("embrec_api", writes), password="p"))
    ratings.add_rating(writer, NEW_USER, NEW_MOVIE, 3)
    ratings.add_rating(writer, NEW_USER, NEW_MOVIE, 4)
    assert ratings.refresh_statistics(writer)
    assert ratings.remove_rating(writer, NEW_USER, NEW_MOVIE)
    writer.dispose()


def test_many_who_rate_at_once_get_contiguous_indexes(engine: sa.Engine, vectors) -> None:
    def rate(number: int) -> None:
        for turn in range(10):
            ratings.add_rating(engine, f"new {turn}", f"movie {(turn + number) % 10}", 3)

    threads = [threading.Thread(target=rate, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        for side, count in (("user", 40), ("movie", 30)):
            query = sa.text(f"SELECT array_agg({side}_index ORDER BY {side}_index) FROM embrec.{side}s")
            assert connection.scalar(query) == list(range(count))
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.ratings WHERE user_index >= 30")) == 40


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 2**31 - 1)),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=20,
    )
)
def test_fingerprints_are_sqls(admin: sa.Engine, given_ratings) -> None:
    keys = np.array(sorted(given_ratings))
    users, numbers = np.unique(keys[:, 0], return_inverse=True)
    indexes, movies = np.unique(keys[:, 1], return_inverse=True)
    values = np.array([given_ratings[tuple(key)] for key in keys.tolist()], np.float32)
    arrays = RatingArrays(
        numbers.astype(np.int32),
        movies.astype(np.int32),
        values,
        users.astype(np.int32),
        indexes.astype(np.int32),
        [],
        [],
        [],
        np.empty((0, 0), np.float32),
        {},
        None,
        "",
        np.array([], np.int64),
        EventArrays.none(),
    )
    rows = ", ".join(f"({user}, {movie}, '{value!r}'::real)" for (user, movie), value in sorted(given_ratings.items()))
    body = sql_text("functions/ratings_fingerprint").split("BEGIN ATOMIC")[1].split("FROM")[0].replace("SELECT", "")
    values_of = f"(VALUES {rows}) AS r (user_index, movie_index, rating)"
    query = f"SELECT {body} FROM {values_of} GROUP BY user_index ORDER BY user_index"
    with admin.connect() as connection:
        assert list(connection.scalars(sa.text(query.replace(":", r"\:")))) == arrays.fingerprints().tolist()
