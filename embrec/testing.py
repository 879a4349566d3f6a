"""Tests that any model must pass, embrec's own and others': inherit them in a test class, and run it by pytest.

The class says which model it is; the tests take a fixture ``engine``, an SQLAlchemy engine for a database that has the
schema and no rows::

    class TestMyModel(embrec.testing.ModelTests):
        model = my_model
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import sqlalchemy as sa

from embrec.data.extraction import extract
from embrec.data.loading import load
from embrec.errors import DataError
from embrec.models import registry
from embrec.models.base import FittedModel, Ratings
from embrec.runs import records
from embrec.serving.recommend import recommend_movies
from embrec.serving.similar import similar_movies, similar_users
from embrec.training import train

_USERS, _MOVIES = 30, 20

# Every SQL function that answers, with arguments that a published run must have rows for.
ANSWERS = {
    "similar_movies": "similar_movies('103', 5)",
    "similar_users": "similar_users('u1', 5)",
    "recommend_movies": "recommend_movies('u1', 5)",
    "recommend_for": """recommend_for('{"103": 5, "104": 2}', 5)""",
    "predict_rating": "(SELECT predict_rating('u1', '103') AS rating) AS one WHERE rating IS NOT NULL",
    "predict_ratings": "predict_ratings(ARRAY['u1', 'u2'], ARRAY['103', '104'])",
    "popular_movies": "popular_movies(5)",
    "best_rated_movies": "best_rated_movies(5)",
    "trending_movies": "trending_movies('1990-01-01', 5)",
    "trained_runs": "trained_runs()",
    "map_movies": "map_movies(5)",
}
# Those that may have no answer: a run need not know how sure it is, or which ratings a score is made of.
OPTIONAL = (
    "rating_uncertainty('u1', '103')",
    "explain_recommendation('u1', '103', 5)",
    """explain_for('{"103": 5, "104": 2}', '105', 5)""",
)


def example_ratings(seed: int = 0) -> pd.DataFrame:
    """Make 300 ratings of 30 users and 20 movies, each at least once: columns user_id, movie_id, rating, rated_at."""
    random = np.random.default_rng(seed)
    pairs = np.concatenate(
        [random.permutation(_USERS * _MOVIES)[:300], np.arange(_USERS) * _MOVIES, np.arange(_MOVIES)]
    )
    pairs = np.unique(pairs)
    users, movies = np.divmod(pairs, _MOVIES)
    # Users of two tastes; were it a sum of a user's and a movie's part, biases would be all there is to learn.
    ratings = 3 + (movies % 3 - 1) + np.where(users % 2 == movies // 3 % 2, 1, -1)
    return pd.DataFrame(
        {
            "user_id": [f"u{pair // _MOVIES}" for pair in pairs],
            "movie_id": [str(100 + pair % _MOVIES) for pair in pairs],
            "rating": ratings.astype(float),
            "rated_at": 900_000_000 + pairs * 1000,
        }
    )


def example_events(seed: int = 0) -> pd.DataFrame:
    """Make plays of the users and movies of :func:`example_ratings`: its ratings above 3, without the rating."""
    liked = example_ratings(seed).query("rating > 3")
    events = liked.assign(event_type="play").rename(columns={"rated_at": "occurred_at"})
    return events[["user_id", "movie_id", "event_type", "occurred_at"]].reset_index(drop=True)


def _learns_events(model: Any) -> bool:
    return bool(getattr(registry.get(model), "learns_events", False))


class ModelTests:
    """The conformance tests.

    Attributes:
        model: The model: a name, ``package.module:object``, or a model as :class:`embrec.models.protocol.Model`
            describes.
        options: Options for the tests, such as few epochs.
    """

    model: ClassVar[Any]
    options: ClassVar[dict[str, Any]] = {}

    def fitted(self, seed: int = 0, users: int = _USERS, movies: int = _MOVIES) -> FittedModel:
        """Fit the model to the example ratings, with room for users and movies that have none."""
        frame, model = example_ratings(), registry.get(self.model)
        ratings = Ratings(
            frame["user_id"].str[1:].to_numpy().astype(np.int32),
            (frame["movie_id"].astype(int) - 100).to_numpy().astype(np.int32),
            frame["rating"].to_numpy(np.float32),
            users,
            movies,
        )
        return model.fit(ratings, None, registry.make_options(model, self.options), seed, lambda epoch: None)

    @classmethod
    @functools.cache
    def _fitted_once(cls) -> FittedModel:
        """Fit the model as :meth:`fitted` does, once for all tests that only read it."""
        return cls().fitted()

    def test_it_has_a_name_and_options_with_defaults(self) -> None:
        model = registry.get(self.model)
        assert model.name
        assert all(field.default is not dataclasses.MISSING for field in dataclasses.fields(model.options()))

    def test_what_it_learns_is_finite_and_of_the_right_shape(self) -> None:
        fitted = self._fitted_once()
        assert fitted.user_vectors.shape == (_USERS, fitted.movie_vectors.shape[1])
        assert fitted.movie_vectors.shape[0] == _MOVIES
        users, movies = np.divmod(np.arange(_USERS * _MOVIES, dtype=np.int32), _MOVIES)
        for array in (fitted.user_vectors, fitted.movie_vectors, fitted.predict(users, movies)):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()

    def test_it_is_a_keras_model_with_weights(self) -> None:
        model = self.fitted().keras_model
        assert sum(layer.count_params() for layer in model.layers) > 0
        users = movies = np.arange(5, dtype=np.int32)
        assert np.isfinite(model.predict([users, movies], verbose=0)).all()

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        first, again = self._fitted_once(), self.fitted()
        assert first.user_vectors.tobytes() == again.user_vectors.tobytes()
        assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()

    def test_users_and_movies_without_ratings_have_rows(self) -> None:
        fitted = self.fitted(users=_USERS + 2, movies=_MOVIES + 3)
        assert (len(fitted.user_vectors), len(fitted.movie_vectors)) == (_USERS + 2, _MOVIES + 3)
        for vectors in (fitted.user_vectors, fitted.movie_vectors):
            assert np.isfinite(vectors).all()

    def test_it_is_trained_stored_published_and_every_sql_function_answers(self, engine: sa.Engine) -> None:
        load(engine, example_ratings())
        result = train(engine, self.model, self.options)
        assert result.published, result.withheld
        with engine.connect() as connection:
            connection.execute(sa.text("SET LOCAL search_path = embrec, public"))
            for name, call in ANSWERS.items():
                found = connection.execute(sa.text(f"SELECT * FROM {call}".replace(":", r"\:"))).all()
                assert found, f"{name} has no answer"
            for call in OPTIONAL:
                connection.execute(sa.text(f"SELECT * FROM {call}".replace(":", r"\:"))).all()
            basis = connection.scalars(sa.text("SELECT basis FROM recommend_movies('u1', 5)")).all()
            assert set(basis) == {"ratings"}, "a user of the training is not answered by popularity"
            unknown = "SELECT predict_rating('nobody', '103'), predict_rating('u1', 'nothing')"
            assert connection.execute(sa.text(unknown)).one() == (None, None)
        assert set(similar_movies(engine, "103")["model_run_id"]) == {result.model_run_id}
        assert len(similar_users(engine, "u1", 3)) == 3

    def test_a_user_with_events_alone_is_answered_without_what_they_watched(self, engine: sa.Engine) -> None:
        ratings, events = example_ratings(), example_events()
        load(engine, ratings[ratings["user_id"] != "u1"])
        load(engine, events[events["user_id"] == "u1"])
        result = train(engine, self.model, self.options, what_next=False)
        assert result.published, result.withheld
        found = recommend_movies(engine, "u1", _MOVIES)
        expected = "history" if _learns_events(self.model) else "popularity"
        assert set(found["basis"]) == {expected}, "nothing is learned of a user without ratings, unless from events"
        assert not set(found["movie_id"]) & set(events["movie_id"][events["user_id"] == "u1"])

    def test_events_alone_are_learned_from_or_refused(self, engine: sa.Engine) -> None:
        load(engine, example_events())
        if not _learns_events(self.model):
            with contextlib.suppress(DataError):
                train(engine, self.model, self.options)
                raise AssertionError("a model that learns from ratings alone was trained without any")
            return
        result = train(engine, self.model, self.options, what_next=False)
        assert result.published, result.withheld
        assert not result.model.predicts_ratings
        assert set(recommend_movies(engine, "u1", 5)["basis"]) == {"history"}
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT embrec.predict_rating('u1', '103')")) is None

    def test_sql_predicts_as_the_model_does(self, engine: sa.Engine) -> None:
        load(engine, example_ratings())
        result = train(engine, self.model, self.options, publish=False)
        run, arrays = records.get_run(engine, result.model_run_id), extract(engine)
        expected = result.model.predict(arrays.users, arrays.movies)
        query = """
            SELECT p.predicted_rating
            FROM embrec.ratings AS r JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)
            CROSS JOIN LATERAL embrec.predict_ratings(ARRAY[user_id], ARRAY[movie_id]) AS p
            ORDER BY r.user_index, r.movie_index"""
        with engine.begin() as connection:
            connection.execute(sa.text(f"SET LOCAL embrec.model_run_id = {result.model_run_id}"))
            found = np.array(connection.scalars(sa.text(query)).all())
        assert np.allclose(found, np.clip(expected, run.lowest_rating, run.highest_rating), atol=1e-3)
