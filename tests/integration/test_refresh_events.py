"""Movies that came after a training and have events: their ranking vectors beside those of float64 numpy."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import WEIGHTS, load_frame, named_movies, rating_frame, two_part_run

from embrec.data import ratings
from embrec.serving import predict, recommend, similar

USERS, MOVIES = 40, 60
# User, movie, type, value, and the age in days: for movies that the run does not know, and for others of their users.
EVENTS = [
    ("u1", "new", "play", 5, 3),
    ("u1", "new", "view", None, 40),
    ("u1", "newer", "play", None, 2),
    ("u2", "new", "purchase", 12, None),
    ("u3", "new", "dislike", None, 1),
    ("u3", "new", "play", 2, 9),
    ("u4", "new", "view", None, 0.5),
    ("u4", "120", "play", 100, 30),
    ("u5", "new", "event", None, 5),
    ("stranger", "new", "play", None, 0),
    ("stranger", "105", "event", 7, 2),
    ("stranger", "106", "play", 7, 25),
    ("stranger", "107", "dislike", None, 2),
    ("knows nothing else", "new", "event", 3, 1),
]


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement.replace(":", r"\:")))


@pytest.fixture(params=[True, False], ids=["two parts", "lists alone"])
def vectors(engine: sa.Engine, request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """A published run of random vectors, and events that came later, also of movies and users that it does not know."""
    load_frame(engine, rating_frame(USERS, MOVIES, 900), named_movies(MOVIES))
    found = two_part_run(engine)
    if not request.param:
        do(engine, "UPDATE embrec.model_runs SET mean = NULL, user_vectors = 'stored'")
    do(engine, "UPDATE embrec.event_types SET half_life = '10 days' WHERE name = 'play'")
    statement = sa.text(
        "SELECT embrec.add_event(CAST(:user AS text), CAST(:movie AS text), :type, :value,"
        " now() - make_interval(secs => 86400 * CAST(:age AS float)))"
    )
    with engine.begin() as connection:
        for user, movie, kind, value, age in EVENTS:
            given = {"user": user, "movie": movie, "type": kind, "value": value, "age": age}
            connection.execute(statement, given)
    ratings.add_rating(engine, "u5", "new", 4)  # what is said outweighs what was watched
    return found


def interests(events: pd.DataFrame, moment: dt.datetime) -> dict[int, float]:
    """Return the interest of a user in each movie by the definition, one event at a time."""
    amounts: dict[int, dict[bool, float]] = {}
    for row in events.itertuples():
        amount = row.weight * (1 if np.isnan(row.value) else row.value)
        if not np.isnan(row.half_life) and not pd.isna(row.occurred_at):
            amount *= 0.5 ** (max((moment - row.occurred_at).total_seconds(), 0) / row.half_life)
        of_movie = amounts.setdefault(row.movie_index, {})
        of_movie[row.kind == "dislike"] = of_movie.get(row.kind == "dislike", 0) + amount
    liked = {movie: np.log2(1 + found[False]) for movie, found in amounts.items() if True not in found}
    root = np.sqrt(np.mean(np.square(list(liked.values())))) if liked else 1.0
    against = {movie: -np.log2(1 + found[True]) for movie, found in amounts.items() if True in found}
    return against | {movie: each / root for movie, each in liked.items()}


class Reference:
    """Ratings and events as they are now, in double precision."""

    def __init__(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            self.rated = pd.read_sql(sa.text("SELECT * FROM embrec.ratings"), connection)
            query = (
                "SELECT e.*, t.weight, t.kind, CAST(extract(epoch FROM t.half_life) AS float) AS half_life"
                " FROM embrec.events AS e JOIN embrec.event_types AS t USING (event_type)"
            )
            self.events = pd.read_sql(sa.text(query), connection)
            moment = "SELECT coalesce(newest_event_at, started_at), mean IS NOT NULL FROM embrec.model_runs"
            self.moment, self.has_rating_part = connection.execute(sa.text(moment)).one()
        self.events["value"] = self.events.value.astype(float)

    def weights(self, user: int) -> dict[int, tuple[float, float]]:
        """Return the weight of each movie of a user, and its weight as evidence of what goes together."""
        mine = self.rated[self.rated.user_index == user]
        given = mine.rating.to_numpy(np.float32)
        both = zip(WEIGHTS.of(given), WEIGHTS.unsigned(given), strict=True)
        found = dict(zip(mine.movie_index, both, strict=True))
        watched = self.events[(self.events.user_index == user) & ~self.events.movie_index.isin(mine.movie_index)]
        for movie, interest in interests(watched, self.moment).items():
            against = interest < 0
            found[movie] = (WEIGHTS.dislike * interest, WEIGHTS.least) if against else (interest, interest)
        return found

    def preference(self, vectors: dict[str, np.ndarray], movie: int) -> np.ndarray:
        """Return the ridge regression of a movie's users on their vectors, and a share of what any movie has."""
        profiles = vectors["movie profile"].astype(np.float64)
        moment, number = np.zeros(profiles.shape[1]), 0
        users = {*self.rated[self.rated.movie_index == movie].user_index}
        for user in users | {*self.events[self.events.movie_index == movie].user_index}:
            weights = self.weights(user)
            known = {other: each for other, (each, _) in weights.items() if other < MOVIES}
            if any(each > 0 for each in known.values()):
                vector = np.sum([each * profiles[other] for other, each in known.items()], axis=0)
                moment, number = moment + weights[movie][1] * vector, number + 1
        trained = self.rated[self.rated.movie_index < MOVIES]
        users = np.zeros((USERS, profiles.shape[1]))
        np.add.at(
            users,
            trained.user_index,
            WEIGHTS.of(trained.rating.to_numpy(np.float32))[:, None] * profiles[trained.movie_index],
        )
        gram = users.T @ users
        gram += 10 * np.trace(gram) / USERS / len(gram) * np.eye(len(gram))
        # Nothing is known of these movies, so by their description they are a tenth of the average one.
        described = 0.1 * vectors["movie preference"].astype(np.float64).mean(axis=0)
        return np.linalg.solve(gram, moment) + 40 / (40 + number) * described


def folded_in(engine: sa.Engine, columns: str = "movie_id, part, bias, embedding, fingerprint") -> pd.DataFrame:
    """Return what a refresh has added to movie_embeddings, as text and so to the last bit."""
    query = f"SELECT {columns} FROM embrec.movie_embeddings JOIN embrec.movies USING (movie_index) WHERE folded_in"
    with engine.connect() as connection:
        return pd.read_sql(sa.text(f"{query} ORDER BY movie_id, part"), connection)


def test_a_movie_with_events_gets_the_ranking_vector_of_float64_numpy(engine: sa.Engine, vectors: Any) -> None:
    assert ratings.refresh(engine) == 2
    reference, found = Reference(engine), folded_in(engine).set_index(["movie_id", "part"]).embedding
    with engine.connect() as connection:
        index = connection.scalar(sa.text("SELECT user_index FROM embrec.users WHERE user_id = 'u7'"))
    known = reference.weights(index)
    own = np.sum([each * vectors["movie profile"][movie].astype(float) for movie, (each, _) in known.items()], axis=0)
    for movie, number in (("new", MOVIES), ("newer", MOVIES + 1)):
        expected = reference.preference(vectors, number)
        np.testing.assert_allclose(json.loads(found[movie, "preference"]), expected, rtol=1e-3, atol=1e-5)
        best = recommend.recommend_movies(engine, "u7", 1, movie_ids=[movie])
        assert best.score[0] == pytest.approx(own @ expected, rel=1e-3)
    assert similar.similar_movies(engine, "new", 5)["rank"].tolist() == [1, 2, 3, 4, 5]
    if reference.has_rating_part:
        assert 1 <= predict.predict_rating(engine, "u7", "newer") <= 5


def fold_in_anew(engine: sa.Engine) -> None:
    """Fold in all movies again, as if none were."""
    do(
        engine,
        "DELETE FROM embrec.movie_embeddings WHERE folded_in",
        "DELETE FROM embrec.movie_neighbours WHERE neighbours IS NULL",
    )
    ratings.refresh(engine)


def test_the_vectors_of_a_movie_do_not_depend_on_when_they_are_computed(engine: sa.Engine, vectors: Any) -> None:
    """A half-life counts to the newest event of the training, and not to the moment of the refresh."""
    ratings.refresh(engine)
    found = folded_in(engine)
    time.sleep(1.1)
    fold_in_anew(engine)
    pd.testing.assert_frame_equal(folded_in(engine), found)


CHANGES = {
    "nothing": ("SELECT 1", set()),
    "an event": ("SELECT embrec.add_event('u8', 'newer')", {"newer"}),
    "an event is gone": ("SELECT embrec.remove_event('u2', 'new')", {"new"}),
    "the last event is gone": ("SELECT embrec.remove_event('u1', 'newer')", {"new", "newer"}),
    "a rating beside events": ("SELECT embrec.add_rating('u4', 'new', 1)", {"new"}),
    "another event of a user": ("SELECT embrec.add_event('stranger', '110', 'view')", {"new"}),
    "somebody else's event": ("SELECT embrec.add_event('u9', '110')", set()),
    "a time": ("UPDATE embrec.events SET occurred_at = now() WHERE value = 12", {"new"}),
    "a type that is used": ("UPDATE embrec.event_types SET half_life = '1 day' WHERE name = 'purchase'", {"new"}),
    "a type that is not": ("UPDATE embrec.event_types SET weight = 2 WHERE name = 'click'", set()),
    "a user is forgotten": ("SELECT embrec.forget_user('stranger')", {"new"}),
}


@pytest.mark.parametrize("vectors", [True], indirect=True, ids=["two parts"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_refresh_folds_in_what_has_changed_alone_as_all_anew_would(
    engine: sa.Engine, vectors: Any, change: str
) -> None:
    ratings.refresh(engine)
    statement, changed = CHANGES[change]
    columns = "movie_id, part, CAST(CAST(movie_embeddings.xmin AS text) AS bigint) AS written"
    before = folded_in(engine, columns)
    do(engine, statement)
    assert ratings.refresh(engine) == 2
    after = folded_in(engine, columns)
    assert set(after.movie_id[after.written > before.written.max()]) == changed
    found = folded_in(engine)
    fold_in_anew(engine)
    pd.testing.assert_frame_equal(folded_in(engine), found)
