"""Lists from ratings and events together: live answers against a reference in double precision."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame
from numpy.typing import NDArray

from embrec.data.extraction import extract
from embrec.data.scale import are_counts
from embrec.errors import DataError, RunError, TrainingError, UnknownUserError
from embrec.models.base import RatingWeights
from embrec.runs import embeddings, lists, ranking_vectors, records
from embrec.serving import batch, explain, predict, recommend, similar
from embrec.training import train

DAY = dt.timedelta(days=1)
OPTIONS = {"draws": 2, "penalty": 5.0}
TYPES = "SELECT event_type, weight, extract(epoch FROM half_life)::float AS seconds, kind FROM embrec.event_types"


def camps(users: int = 90, movies: int = 48, seed: int = 0) -> pd.DataFrame:
    """Make pairs in four groups with a rating: users mostly know the movies of their own."""
    random = np.random.default_rng(seed)
    own = np.arange(users)[:, np.newaxis] % 4 == np.arange(movies) % 4
    user, movie = np.nonzero(random.random((users, movies)) < np.where(own, 0.6, 0.1))
    rating = np.where(own[user, movie], 4.0, 2.0) + random.integers(0, 2, len(user))
    return pd.DataFrame({"user_id": user.astype(str), "movie_id": movie.astype(str), "rating": rating})


def add_events(engine: sa.Engine, pairs: pd.DataFrame, seed: int = 1) -> None:
    """Add events of all kinds, some repeated, old, or without a time or a value, for new users and movies too."""
    random = np.random.default_rng(seed)
    repeated = pairs.iloc[random.integers(0, len(pairs), 2 * len(pairs))]
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "user": row.user_id,
            "movie": row.movie_id,
            "type": int(random.choice([1, 2, 4, 6, 7], p=[0.3, 0.2, 0.3, 0.1, 0.1])),
            "value": None if random.random() < 0.5 else float(random.integers(0, 1000)),
            "at": None if random.random() < 0.2 else now - DAY * int(random.integers(0, 400)),
        }
        for row in repeated.itertuples()
    ]
    with engine.begin() as connection:
        for side, column in (("user", "user"), ("movie", "movie")):
            ids = sorted({row[column] for row in rows})
            connection.execute(
                sa.text(
                    f"INSERT INTO embrec.{side}s ({side}_index, {side}_id)"
                    f" SELECT (SELECT coalesce(max({side}_index), -1) FROM embrec.{side}s) + row_number() OVER (), i"
                    " FROM unnest(CAST(:ids AS text[])) AS i"
                    f" WHERE i NOT IN (SELECT {side}_id FROM embrec.{side}s)"
                ),
                {"ids": ids},
            )
        connection.execute(
            sa.text(
                "INSERT INTO embrec.events (user_index, movie_index, event_type, value, occurred_at)"
                " SELECT u.user_index, m.movie_index, :type, :value, :at FROM embrec.users AS u, embrec.movies AS m"
                " WHERE u.user_id = :user AND m.movie_id = :movie"
            ),
            rows,
        )


class Reference:
    """The published run, and ratings and events as they are now, in double precision."""

    def __init__(self, connection: sa.Connection) -> None:
        run = records.get_run(connection, records.published_run_id(connection) or 0)
        self.weights = RatingWeights(run.lowest_rating or 0, run.highest_rating or 0, 1.5, run.dislike_weight or 0)
        self.movies = dict(connection.execute(sa.text("SELECT movie_index, movie_id FROM embrec.movies")).all())
        self.preference, self.profile = (
            dict(zip(found.indexes.tolist(), found.vectors.astype(float), strict=True))
            for found in (embeddings.read(connection, run.model_run_id, "movie", p) for p in ("preference", "profile"))
        )
        self.now = connection.scalar(sa.text("SELECT now()"))
        self.types = {row.event_type: row for row in connection.execute(sa.text(TYPES))}
        self.ratings = connection.execute(sa.text("SELECT user_index, movie_index, rating FROM embrec.ratings")).all()
        self.events = connection.execute(
            sa.text("SELECT user_index, movie_index, event_type, value, occurred_at FROM embrec.events")
        ).all()

    def interests(self, user: int) -> dict[int, float]:
        """Each pair by the definition, one event at a time."""
        amounts: dict[int, dict[bool, float]] = {}
        rated = {row.movie_index for row in self.ratings if row.user_index == user}
        for row in self.events:
            if row.user_index != user or row.movie_index in rated:
                continue
            kind = self.types[row.event_type]
            amount = kind.weight * (1 if row.value is None else row.value)
            if kind.seconds is not None and row.occurred_at is not None:
                amount *= 0.5 ** (max((self.now - row.occurred_at).total_seconds(), 0) / kind.seconds)
            of_pair = amounts.setdefault(row.movie_index, {})
            of_pair[kind.kind == "dislike"] = of_pair.get(kind.kind == "dislike", 0) + amount
        liked = {movie: np.log1p(found[False]) / np.log(2) for movie, found in amounts.items() if True not in found}
        root = np.sqrt(np.mean(np.square(list(liked.values())))) if liked else 1
        against = {movie: -np.log1p(found[True]) / np.log(2) for movie, found in amounts.items() if True in found}
        return against | {movie: each / (root or 1) for movie, each in liked.items()}

    def weighted(self, user: int) -> dict[int, float]:
        mine = [row for row in self.ratings if row.user_index == user]
        of_ratings = self.weights.of(np.array([row.rating for row in mine], np.float32))
        found = {row.movie_index: float(weight) for row, weight in zip(mine, of_ratings, strict=True)}
        dislike = self.weights.dislike
        return found | {m: each * dislike if each < 0 else each for m, each in self.interests(user).items()}

    def scores(self, user: int) -> dict[str, float] | None:
        """Scores by movie id, or None for a user whom the run tells nothing of."""
        weights = {movie: each for movie, each in self.weighted(user).items() if movie in self.profile}
        if not any(each > 0 for each in weights.values()):
            return None
        vector: NDArray[np.float64] = np.sum([each * self.profile[m] for m, each in weights.items()], axis=0)
        return {self.movies[movie]: float(each @ vector) for movie, each in self.preference.items()}

    def known(self, user: int) -> set[str]:
        return {self.movies[movie] for movie in self.weighted(user)}


def hold_every_user(engine: sa.Engine) -> int:
    """Compare every user's list with the reference's; returns the number of lists that are not of popularity."""
    with engine.connect() as connection:
        reference = Reference(connection)
        users = connection.execute(sa.text("SELECT user_index, user_id FROM embrec.users")).all()
        ranked = 0
        for user, user_id in users:
            scores = reference.scores(user)
            known = reference.known(user)
            found = recommend.recommend_movies(connection, user_id, 10)
            assert not set(found.movie_id) & known
            if scores is None:
                assert set(found.basis) <= {"popularity"}
                continue
            ranked += 1
            has_events = any(row.user_index == user for row in reference.events)
            assert set(found.basis) == {"history" if has_events else "ratings"}
            near = 1e-5 * max(map(abs, scores.values()))
            best = sorted((score for movie, score in scores.items() if movie not in known), reverse=True)[:10]
            np.testing.assert_allclose(found.score, best, rtol=0, atol=near)
            np.testing.assert_allclose(found.score, [scores[movie] for movie in found.movie_id], rtol=0, atol=near)
            with_known = recommend.recommend_movies(connection, user_id, 3, include_rated=True)
            np.testing.assert_allclose(with_known.score, sorted(scores.values(), reverse=True)[:3], rtol=0, atol=near)
    return ranked


def half_life(engine: sa.Engine, name: str, interval: str) -> None:
    with engine.begin() as connection:
        changed = sa.text("UPDATE embrec.event_types SET half_life = CAST(:interval AS interval) WHERE name = :name")
        connection.execute(changed, {"interval": interval, "name": name})


def both(engine: sa.Engine) -> pd.DataFrame:
    """Load ratings of half the users and some others, and events of all."""
    frame = camps()
    load_frame(engine, frame[(frame.user_id.astype(int) % 2 == 0) | (frame.movie_id.astype(int) < 12)])
    add_events(engine, frame)
    half_life(engine, "play", "60 days")
    return frame


def nothing_is_predicted(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        said: list[str] = []
        run = records.published_run_id(connection)
        connection.connection.driver_connection.add_notice_handler(lambda each: said.append(each.message_primary))
        asked = "SELECT embrec.predict_rating('0', '1'), embrec.rating_uncertainty('0', '1')"
        assert connection.execute(sa.text(asked)).one() == (None, None)
        assert connection.execute(sa.text("SELECT * FROM embrec.predict_ratings('{0}', '{1}')")).all() == []
        assert [each.split(",")[0] for each in said] == [f"model run {run} predicts no ratings"] * 2
    assert predict.predict_ratings(engine, ["0"], ["1"]).empty
    with pytest.raises(RunError, match=r"predicts no ratings, because .* It ranks movies: recommend_movies"):
        predict.predict_rating(engine, "0", "1")
    with pytest.raises(UnknownUserError, match="There is no user with the id 'nobody'"):
        predict.predict_rating(engine, "nobody", "1")


def test_every_user_gets_the_list_of_the_reference_from_both_kinds(engine: sa.Engine) -> None:
    both(engine)
    result = train(engine, options=OPTIONS, what_next=False)
    assert result.published
    assert result.metrics["train_rmse"] < 1
    assert hold_every_user(engine) > 80
    half_life(engine, "play", "1 day")  # answers use it at once
    half_life(engine, "event", "3 hours")
    assert hold_every_user(engine) > 80


def test_every_user_gets_the_list_of_the_reference_from_events_alone(engine: sa.Engine) -> None:
    frame = camps()
    add_events(engine, frame)
    result = train(engine)
    assert result.published
    run = records.get_run(engine, result.model_run_id)
    assert (run.mean, run.lowest_rating, run.rating_count) == (None, None, 0)
    assert run.event_count == 2 * len(frame)
    assert not run.predicts_ratings
    assert set(result.metrics) == {"list_ndcg", "next_ndcg", "next_hit_rate"}
    assert hold_every_user(engine) > 80
    nothing_is_predicted(engine)
    assert len(similar.similar_users(engine, "0", 5)) == 5
    again = train(engine, what_next=False)
    assert again.published
    assert again.metrics["list_ndcg"] == pytest.approx(again.metrics["published_list_ndcg"], abs=1e-6)
    hidden = lists.hide(extract(engine).for_models())
    assert hidden is not None
    assert hidden.relevant.sum() > 0


def test_a_new_event_moves_the_next_answer(engine: sa.Engine) -> None:
    add_events(engine, camps())
    train(engine, options=OPTIONS, what_next=False)
    add_events(engine, pd.DataFrame({"user_id": ["visitor"], "movie_id": ["3"]}), seed=2)
    first = recommend.recommend_movies(engine, "visitor", 5)
    assert set(first.basis) == {"history"}
    assert int(first.movie_id[0]) % 4 == 3
    with engine.begin() as connection:
        watched = sa.text(
            "INSERT INTO embrec.events (user_index, movie_index, event_type)"
            " SELECT user_index, movie_index, 6 FROM embrec.users, embrec.movies"
            " WHERE user_id = 'visitor' AND movie_id = :id"
        )
        connection.execute(watched, {"id": first.movie_id[0]})
    second = recommend.recommend_movies(engine, "visitor", 5)
    assert first.movie_id[0] not in set(second.movie_id)
    assert not np.isin(second.score, first.score).any()


def test_an_explanation_adds_up(engine: sa.Engine) -> None:
    both(engine)
    train(engine, options=OPTIONS, what_next=False)
    with engine.connect() as connection:
        for user_id in ("1", "3", "7"):  # these rated some movies, and only watched others
            best = recommend.recommend_movies(connection, user_id, 1)
            parts = explain.explain_recommendation(connection, user_id, best.movie_id[0], None)
            assert parts.contribution.sum() == pytest.approx(best.score[0], abs=1e-5)
            user = connection.scalar(
                sa.text("SELECT user_index FROM embrec.users WHERE user_id = :id"), {"id": user_id}
            )
            assert set(parts.movie_id) == Reference(connection).known(user)
            assert parts.rating.isna().any()


def test_a_visitor_names_the_movies_watched(engine: sa.Engine) -> None:
    add_events(engine, camps())
    train(engine, options=OPTIONS, what_next=False)
    with engine.connect() as connection:

        def ask(history: str) -> list[Any]:
            query = "SELECT movie_id, score, basis FROM embrec.recommend_for(CAST(:history AS jsonb), 5)"
            return list(connection.execute(sa.text(query), {"history": history}))

        found = ask('["2", 6, "nothing"]')
        assert {row.basis for row in found} == {"history"}
        assert int(found[0].movie_id) % 4 == 2
        assert not {"2", "6"} & {row.movie_id for row in found}
        assert ask('["2", "6", "6"]') != found
        assert {row.basis for row in ask("[]") + ask('["nothing"]')} <= {"popularity"}
        parts = connection.execute(sa.text("SELECT * FROM embrec.explain_for('[\"2\", \"6\"]', '10', NULL)")).all()
        assert [row.relation for row in parts] == ["because", "because"]
        with pytest.raises(sa.exc.DBAPIError, match=r'the movies watched are \[\["2"\]\]; give an array of movie ids'):
            ask('[["2"]]')


def test_batch_lists_are_the_live_ones(engine: sa.Engine, tmp_path: Any) -> None:
    both(engine)
    run = train(engine, options=OPTIONS, what_next=False)
    report = batch.recommend_all(engine, tmp_path / "all.csv", 3)
    every = pd.read_csv(tmp_path / "all.csv", dtype={"user_id": str, "movie_id": str})
    assert report.users > 80
    for user_id, mine in every.groupby("user_id"):
        live = recommend.recommend_movies(engine, str(user_id), 3)
        assert mine.movie_id.tolist() == live.movie_id.tolist()
        np.testing.assert_allclose(mine.score, live.score, rtol=1e-4)
    arrays = extract(engine)
    found = ranking_vectors.interactions(arrays)
    assert len(found.users) == len(np.unique((found.users.astype(np.int64) << 32) | found.movies))
    assert run.published


def test_constant_ratings_are_ranked_and_not_predicted(engine: sa.Engine) -> None:
    load_frame(engine, camps().assign(rating=1.0))
    with pytest.raises(TrainingError, match="All ratings are 1, and this model learns from how they differ"):
        train(engine, "matrix-factorization")
    with pytest.raises(DataError, match="All ratings are 1, so no error .* Train without --holdout"):
        train(engine, holdout=0.1)
    result = train(engine, options={"draws": 0}, what_next=False)
    assert result.published
    assert result.advice is not None
    assert result.advice.startswith("All ratings are 1, so the run ranks movies and predicts no ratings.")
    nothing_is_predicted(engine)
    assert hold_every_user(engine) == 90


def test_counts_given_as_ratings_are_named(engine: sa.Engine) -> None:
    frame = camps()
    counts = np.floor(np.random.default_rng(0).pareto(0.5, len(frame)).clip(max=90_000)) + 1
    load_frame(engine, frame.assign(rating=counts))
    result = train(engine, options=OPTIONS, what_next=False)
    assert result.advice is not None
    assert "They look like counts, which rank better as events: embrec load FILE --value-column NAME" in result.advice


@pytest.mark.parametrize(
    ("ratings", "counts"),
    [
        ([1, 2, 3, 4, 5], False),
        ([0, 10, 20, 30, 100], False),
        ([80, 90, 95, 120], False),
        ([1, 2, 3, 500], True),
        ([1.5, 2, 3, 500], False),
        ([-1, 2, 3, 500], False),
        ([], False),
    ],
)
def test_counts_are_whole_numbers_most_of_them_low(ratings: list[float], counts: bool) -> None:
    assert are_counts(np.array(ratings, np.float32)) == counts


def test_a_refresh_of_a_run_without_a_rating_part_folds_movies_in_by_their_description(engine: sa.Engine) -> None:
    add_events(engine, camps())
    train(engine, options=OPTIONS, what_next=False)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO embrec.movies (movie_index, movie_id) VALUES (48, 'new')"))
        assert connection.scalar(sa.text("SELECT embrec.refresh()")) == 1
        best = recommend.recommend_movies(connection, "0", 1000)
        assert "new" in set(best.movie_id)
        assert connection.scalar(sa.text("SELECT embrec.predict_rating('0', 'new')")) is None


def test_a_model_of_ratings_says_what_to_do_with_events(engine: sa.Engine) -> None:
    add_events(engine, camps())
    with pytest.raises(
        DataError, match="There are no ratings, only events, and outer-product learns .* --model two-part"
    ):
        train(engine, "outer-product")
