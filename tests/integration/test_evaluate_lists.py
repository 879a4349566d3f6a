"""The evaluation of lists from events: their split, what is relevant, and the baselines beside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

import embrec
from embrec.data.files import sources
from embrec.errors import DataError
from embrec.evaluation import contenders, evaluate, list_baselines
from embrec.evaluation.contender import Contender, Score
from embrec.evaluation.data import EvaluationData, database_data, read_data
from embrec.evaluation.list_splits import by_time
from embrec.models.base import Ratings
from embrec.models.event_pairs import EventPairs
from embrec.models.interactions import Interactions


def events(rows: list[tuple[str, str, str, float]]) -> EvaluationData:
    return read_data(sources.from_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "event_type", "value"]), []))


@pytest.fixture
def watched() -> EvaluationData:
    """Return events of 40 users, each of whom watched half of 40 movies, some twice, and dislikes four."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(40):
        movies = random.permutation(40)
        rows += [(f"u{user}", f"m{movie:02}", "play", float(random.integers(1, 90))) for movie in movies[:20]]
        rows += [(f"u{user}", f"m{movie:02}", "play", 1.0) for movie in movies[:5]]
        rows += [(f"u{user}", f"m{movie:02}", "dislike", np.nan) for movie in movies[20:24]]
    return events(rows)


def keys(pairs: Interactions | EventPairs) -> set[tuple[int, int]]:
    return set(zip(pairs.users.tolist(), pairs.movies.tolist(), strict=True))


def test_no_pair_that_is_held_out_is_learned_from(watched: EvaluationData) -> None:
    """A contender that knows the training part by heart finds nothing, and a cheat finds all."""
    whole = watched.interactions
    liked = whole.at(watched.liked)
    assert len(whole.users) == 40 * 24, "two events of a pair are one"
    assert len(liked.users) == 40 * 20, "dislikes are not liked"

    def by_heart(training: Ratings, seed: int) -> Score:
        known = Interactions.of(training)
        assert len(known.users) == 40 * 19, "of 24 pairs five are held out"
        assert training.events is not None
        scores = np.zeros((40, 40))
        scores[known.users, known.movies] = 1
        held = keys(whole) - keys(known)
        for user, movie in held:
            scores[user, movie] = -1
        return lambda users: scores[users]

    def cheating(training: Ratings, seed: int) -> Score:
        scores = np.zeros((40, 40))
        scores[liked.users, liked.movies] = 1
        return lambda users: scores[users]

    cheat, heart = evaluate.rank(
        watched, [Contender("cheat", rank=cheating), Contender("by heart", rank=by_heart)], (0, 1)
    )
    assert cheat.values["NDCG@10"] == [1.0, 1.0]
    assert cheat.values["dislikes@10"][0] > 0, "what was disliked is held out too, and a flat tail shows some of it"
    assert max(heart.values["NDCG@10"]) == 0.0, "a movie of the training part is in no list"


def test_a_part_is_weighed_as_if_there_were_no_other_pairs(watched: EvaluationData) -> None:
    pairs = watched.ratings.events
    assert pairs is not None
    kept = np.flatnonzero(np.random.default_rng(1).random(len(pairs.users)) < 0.7)
    found = watched.part(kept).events
    assert found is not None
    raw = watched.events
    mine = np.isin(raw.users * 40 + raw.movies, found.users * 40 + found.movies)
    alone = raw.at(mine).pairs(np.empty(0, np.int32), np.empty(0, np.int32))
    assert alone is not None
    np.testing.assert_array_equal(found.users, alone.users)
    np.testing.assert_allclose(found.interests, alone.interests, rtol=1e-5)
    assert not np.allclose(found.interests, pairs.interests[kept])


def test_popularity_counts_who_watched_and_does_not_dislike() -> None:
    rows = [("a", "x", "play", 1.0), ("a", "x", "play", 9.0), ("b", "x", "dislike", 1.0), ("a", "y", "view", 1.0)]
    data = events([*rows, ("b", "y", "view", 1.0), ("c", "z", "view", 1.0)])
    rank = contenders.popularity().rank
    assert rank is not None
    scores = rank(data.ratings, 0)(np.array([0], np.int32))[0]
    assert [data.movie_ids[movie] for movie in np.argsort(-scores)] == ["y", "x", "z"]


def test_item_neighbours_and_ease_by_hand() -> None:
    rows = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "z"), ("c", "z"), ("c", "x")]
    data = events([*((user, movie, "view", 1.0) for user, movie in rows), ("a", "z", "dislike", 1.0)])
    knn, ease = list_baselines.item_knn(10, 1.0).rank, list_baselines.ease(2.0).rank
    assert knn is not None
    assert ease is not None
    users = np.array([0], np.int32)
    cosines = np.array([[0, 2 / (np.sqrt(6) + 1), 2 / (np.sqrt(6) + 1)], [0, 0, 1 / 3], [0, 0, 0]])
    cosines = cosines + cosines.T
    np.testing.assert_allclose(knn(data.ratings, 0)(users)[0], cosines[0] + cosines[1], rtol=1e-6)
    ones = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 1]], float)
    expected = np.zeros(3)
    for movie in range(3):
        others = np.setdiff1d(np.arange(3), movie)
        given = ones[:, others]
        weights = np.linalg.solve(given.T @ given + 2 * np.eye(2), given.T @ ones[:, movie])
        expected[movie] = ones[0, others] @ weights
    np.testing.assert_allclose(ease(data.ratings, 0)(users)[0], expected, rtol=1e-6)


def test_models_of_ratings_are_left_out_where_there_are_only_events(engine: sa.Engine) -> None:
    random = np.random.default_rng(0)
    rows = [(f"u{user}", f"m{movie}") for user in range(60) for movie in random.permutation(60)[:20]]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id"])
    embrec.load(engine, frame)
    found = embrec.evaluate(engine, models=["two-part", "matrix-factorization"], tasks=["top-n"], seeds=1)
    names = ["two-part", "popularity", "item-kNN of ones", "EASE of ones"]
    assert found.model.unique().tolist() == names
    values = found[found.metric == "NDCG@10"].set_index("model")["mean"]
    assert (values > 0).all()


def test_ratings_and_events_are_evaluated_together(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO embrec.events (user_index, movie_index, event_type) "
                "SELECT user_index, movie_index, 4 FROM embrec.users, embrec.movies "
                "WHERE (user_index + movie_index) % 3 = 0"
            )
        )
    data = database_data(engine)
    rated = keys(Interactions(data.ratings.users, data.ratings.movies, data.ratings.ratings, None))
    assert data.ratings.events is not None
    assert not rated & keys(data.ratings.events), "a rated pair is one of ratings"
    assert len(data.interactions.users) == len(rated) + len(data.ratings.events.users)
    part = data.part(np.arange(len(data.interactions.users)))
    assert keys(Interactions.of(part)) == keys(data.interactions)
    ratings_alone = data.part(np.arange(len(data.ratings.ratings)))
    assert ratings_alone.events is None
    assert len(ratings_alone.ratings) == len(rated)
    (errors,) = evaluate.rate(data, [contenders.biases()], "random")
    assert len(errors.values["RMSE"]) == 5


def test_lists_by_time_learn_from_older_events_alone() -> None:
    """Whatever is newer is asked for, but for movies watched before, and users who came later."""
    days = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(100), "D")
    rows = [(f"u{day % 10}", f"m{day // 20}", "play", day) for day in range(90)]
    rows += [(f"u{day % 10}", "m1", "play", day) for day in range(90, 95)] + [("new", "m2", "play", 95)]
    rows += [(f"u{day % 10}", f"n{day}", "dislike" if day == 96 else "play", day) for day in range(96, 100)]
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "event_type", "day"])
    frame["occurred_at"] = days[frame.pop("day")]
    data = read_data(sources.from_frame(frame.sample(frac=1, random_state=0), []))
    split = by_time(data)
    assert split.training.events is not None
    older = frame[frame.occurred_at < days[80]]
    known = {(user, movie) for user, movie in zip(older.user_id, older.movie_id, strict=True)}
    assert len(split.training.events.users) == len(known)
    amounts = older.groupby(["user_id", "movie_id"]).size()
    first = older[older.user_id == "u0"].groupby("movie_id").size()
    assert amounts.max() > 1, "some were watched twice"
    interests = np.log2(1 + first.to_numpy())
    found = split.training.events.interests[split.training.events.users == 0]
    assert np.sort(found) == pytest.approx(np.sort(interests / np.sqrt((interests**2).mean())), rel=1e-6)
    newer = frame[(frame.occurred_at >= days[80]) & (frame.user_id != "new")]
    asked = {
        pair for pair in zip(newer.user_id, newer.movie_id, newer.event_type, strict=True) if pair[:2] not in known
    }
    names = np.array(data.movie_ids)
    assert set(names[split.liked.nonzero()[1]]) == {movie for _, movie, kind in asked if kind == "play"}
    assert split.liked.nnz == len([pair for pair in asked if pair[2] == "play"])
    assert names[split.disliked.nonzero()[1]].tolist() == ["n96"]
    (outcome,) = evaluate.rank(data, [contenders.popularity()], (0, 1), way="time")
    assert outcome.task == "top-N, time"
    assert len(outcome.values["NDCG@10"]) == 1


def test_lists_cannot_be_split_by_time_without_times(watched: EvaluationData) -> None:
    with pytest.raises(DataError, match="without a time; evaluate lists with --split random"):
        evaluate.rank(watched, [contenders.popularity()], (0,), way="time")
    frame = rating_frame()
    frame["rated_at"] = frame.rated_at.min()
    with pytest.raises(DataError, match="have the same time; evaluate with --split random"):
        evaluate.rank(read_data(sources.from_frame(frame, [])), [contenders.popularity()], (0,), way="time")
    with pytest.raises(DataError, match="have the same time; evaluate with --split random"):
        evaluate.rate(read_data(sources.from_frame(frame, [])), [contenders.biases()], "time")
