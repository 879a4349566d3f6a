"""The next movies of movies newer than the training: the rows that refresh counts, beside the model's own code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame, two_part_run

from embrec.data import events, ratings
from embrec.data.extraction import RatingArrays, extract
from embrec.models.next import along, lags, sparse
from embrec.models.next.base import NewMovies, NextModel
from embrec.models.sequences import Sequences
from embrec.runs import next as next_steps
from embrec.runs import publishing, records

TRAINED, WEIGHT = 20, 0.7
NEW = ["new", "newer", "hardly watched", "only rated", "only disliked"]


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement.replace(":", r"\:")))


def ask(engine: sa.Engine, query: str) -> pd.DataFrame:
    with engine.connect() as connection:
        return pd.read_sql(sa.text(query), connection)


def model_of(histories: Sequences, **changes: object) -> NextModel:
    """Return rules with two decays as a model, one of them with the channel of new movies."""
    rules, found = sparse.rules(histories), NewMovies(WEIGHT, sparse.transition_counts(histories))
    given = {"length": 12, "row_decays": (0.0, 0.5), "rows": [rules * np.float32(2), rules], "new_movies": found}
    return NextModel(**{**given, **changes})


@pytest.fixture
def trained(engine: sa.Engine) -> RatingArrays:
    """A published run of rules, and the ratings that it learned from; then movies, users, ratings and events came."""
    load_frame(engine, rating_frame(30, TRAINED, 300), named_movies(TRAINED))
    arrays = extract(engine, with_times=True)
    two_part_run(engine, following=model_of(arrays.sequences()))
    add_events(engine)
    return arrays


def add_events(engine: sa.Engine) -> None:
    """Add events among and after the ratings, some of the same step, of users whom the run knows or not."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(220):
        movie = str(random.choice([*NEW[:2], *range(100, 100 + TRAINED)], p=[0.25, 0.15, *[0.6 / TRAINED] * TRAINED]))
        kind = "dislike" if number % 17 == 0 else str(random.choice(["view", "play"]))
        user = f"u{random.integers(0, 36)}"  # six of them are new
        rows.append((user, movie, kind, 900_000_000 + int(random.integers(0, 2 * 10**8))))
        if number % 5 == 0:
            rows.append((user, movie, "purchase", rows[-1][3]))
    rows += [("u3", "hardly watched", "view", None), ("u4", "only disliked", "dislike", 10**9)]
    with engine.begin() as connection:
        for user, movie, kind, at in rows:
            statement = "SELECT embrec.add_event(:user, CAST(:movie AS text), :kind, NULL, to_timestamp(:at))"
            given = {"user": user, "movie": movie, "kind": kind, "at": at}
            connection.execute(sa.text(statement.replace(":user", "CAST(:user AS text)")), given)
        for user in ("u5", "u6"):
            rated = f"SELECT embrec.add_rating('{user}', 'only rated', 4, to_timestamp(950000000))"
            connection.execute(sa.text(rated))


def read(engine: sa.Engine) -> tuple[NextModel, RatingArrays]:
    """Return the model as it is stored, and ratings and events as they are; both know the movies that came later."""
    arrays = extract(engine, with_times=True)
    with engine.connect() as connection:
        found = next_steps.read(connection, records.get_run(connection, 1), arrays.movie_indexes)
    assert found is not None
    return found, arrays


def stored(engine: sa.Engine, columns: str = "movie_index, channel, next_indexes, weights") -> pd.DataFrame:
    query = f"SELECT {columns} FROM embrec.next_movies WHERE folded_in ORDER BY movie_index, channel"
    return ask(engine, query)


def test_new_movies_get_the_rows_of_rules(engine: sa.Engine, trained: RatingArrays) -> None:
    assert ratings.refresh(engine) == len(NEW)
    model, arrays = read(engine)
    assert model.row_decays == (0.0, 0.5, 0.5)
    histories = arrays.sequences()
    counted = lags.transitions(histories, 0.7 ** np.arange(10)).toarray()
    expected = np.zeros_like(counted)
    expected[TRAINED:] = sparse.rules(histories).toarray()[TRAINED:]
    before, new = sparse.transition_counts(trained.sequences()), counted[:TRAINED, TRAINED:]
    expected[:TRAINED, TRAINED:] = new / (before[:, np.newaxis] + new + 1)
    np.testing.assert_allclose(model.rows[2].toarray(), WEIGHT * expected, rtol=1e-6)
    followed, follows = expected[TRAINED:].any(axis=1), expected.any(axis=0)[TRAINED:]
    known = np.array(arrays.movie_ids[TRAINED:])
    assert set(known[followed | follows]) == set(NEW) - {"only disliked"}


def test_every_user_gets_the_list_of_the_reference(engine: sa.Engine, trained: RatingArrays) -> None:
    ratings.refresh(engine)
    model, arrays = read(engine)
    histories = arrays.sequences()
    places = dict(ask(engine, "SELECT movie_index, popularity_rank FROM embrec.movie_likes").to_numpy().tolist())
    popularity = [places.get(index, np.inf) for index in arrays.movie_indexes.tolist()]
    names = dict(ask(engine, "SELECT user_index, user_id FROM embrec.users").to_numpy().tolist())
    new = 0
    for user, index in enumerate(arrays.user_indexes.tolist()):
        scores = model.score(histories.history(user))
        order = np.lexsort((np.array(arrays.movie_ids), popularity, -scores))
        call = f"embrec.recommend_next('{names[index]}', repeats => 'allowed')"
        found = ask(engine, f"SELECT movie_id, score FROM {call}")
        disliked = arrays.events.movies[arrays.events.dislikes & (arrays.events.users == user)]
        wanted = [place for place in order if place not in disliked][:10]
        assert found.movie_id.tolist() == [arrays.movie_ids[place] for place in wanted]
        np.testing.assert_allclose(found.score, scores[wanted], atol=1e-12)
        new += sum(place >= TRAINED for place in wanted)
    assert new > 10


def test_a_step_on_a_new_movie_moves_the_answer_and_a_new_movie_is_one(
    engine: sa.Engine, trained: RatingArrays
) -> None:
    assert ask(engine, "SELECT * FROM embrec.next_after('new')").empty
    ratings.refresh(engine)
    after = ask(engine, "SELECT * FROM embrec.next_after('new', 30)")
    assert len(after) > 3
    events.add_event(engine, "guest", "105")
    before = ask(engine, "SELECT * FROM embrec.recommend_next('guest', 20)")
    events.add_event(engine, "guest", "new")
    assert not np.isin(ask(engine, "SELECT * FROM embrec.recommend_next('guest', 5)").score, before.score).any()
    query = "SELECT m.movie_id FROM embrec.movies AS m CROSS JOIN embrec.next_after(m.movie_id, 30) AS f"
    leading = ask(engine, f"{query} WHERE f.movie_id = 'new'")
    assert len(leading) > 3
    explained = ask(
        engine, "SELECT sum(contribution) AS parts, min(score) AS score FROM embrec.explain_next('u2', 'new', NULL)"
    )
    asked = ask(engine, "SELECT score FROM embrec.recommend_next('u2', repeats => 'allowed', movie_ids => '{new}')")
    assert explained.parts[0] == pytest.approx(asked.score[0])
    assert explained.score[0] == pytest.approx(asked.score[0])


def test_new_movies_have_others_that_their_users_also_watched(engine: sa.Engine, trained: RatingArrays) -> None:
    ratings.refresh(engine)
    arrays = extract(engine)
    watched = arrays.events.without_dislikes()
    pairs = np.concatenate([arrays.users, watched.users]), np.concatenate([arrays.movies, watched.movies])
    count = len(arrays.movie_ids)
    seen = np.zeros((len(arrays.user_indexes), count))
    seen[pairs] = 1
    users, of_training = seen.sum(axis=0), len(trained.user_indexes)
    users[:TRAINED] = np.bincount(trained.movies, minlength=TRAINED)
    both = seen.T @ seen
    chance = np.outer(users, users) / of_training
    excess = np.where(both >= 2, (both - chance) / np.sqrt(chance + 3), 0)
    np.fill_diagonal(excess, 0)
    query = (
        "SELECT m.movie_id AS one, a.movie_id AS other, a.score FROM embrec.movies AS m"
        " CROSS JOIN embrec.also_watched(m.movie_id, NULL) AS a"
    )
    at = {movie_id: place for place, movie_id in enumerate(arrays.movie_ids)}
    found = np.zeros_like(excess)
    for row in ask(engine, query).itertuples():
        found[at[row.one], at[row.other]] = row.score
    new = np.maximum.outer(np.arange(count), np.arange(count)) >= TRAINED
    np.testing.assert_allclose(found[new], np.maximum(excess, 0)[new], rtol=1e-5)
    assert (found[TRAINED:, :TRAINED] > 0).sum() > 3
    expected = along.excesses(trained.users, trained.movies, of_training, TRAINED, 0).rows.toarray()
    np.testing.assert_array_equal(found[:TRAINED, :TRAINED], expected.astype(float))


def test_refreshing_again_changes_nothing_and_what_is_trained_stays(engine: sa.Engine, trained: RatingArrays) -> None:
    digest = "SELECT vectors_sha256, embrec.run_digest(model_run_id) AS now FROM embrec.model_runs"
    before = ask(engine, f"{digest} WHERE model_run_id = 1")
    assert before.vectors_sha256[0] == before.now[0]
    kept = ask(engine, "SELECT * FROM embrec.next_movies")
    ratings.refresh(engine)
    first = stored(engine, "movie_index, channel, CAST(next_movies.xmin AS text) AS written, next_indexes, weights")
    ratings.refresh(engine)
    pd.testing.assert_frame_equal(
        stored(engine, ", ".join(first).replace("written", "CAST(next_movies.xmin AS text) AS written")), first
    )
    pd.testing.assert_frame_equal(ask(engine, f"{digest} WHERE model_run_id = 1"), before)
    pd.testing.assert_frame_equal(ask(engine, "SELECT * FROM embrec.next_movies WHERE NOT folded_in"), kept)
    publishing.publish(engine, 1)


@pytest.mark.parametrize(
    "change",
    [
        "SELECT embrec.add_event('u1', 'newer', 'play')",
        "SELECT embrec.add_event('u31', '105', 'play')",
        "SELECT embrec.add_rating('u5', 'only rated', 4, '2001-01-01')",
        "SELECT embrec.remove_event('u3', 'hardly watched')",
        "SELECT embrec.forget_user('u8')",
        "UPDATE embrec.event_types SET kind = 'dislike' WHERE name = 'view'",
    ],
)
def test_a_refresh_counts_as_all_anew_would(engine: sa.Engine, trained: RatingArrays, change: str) -> None:
    ratings.refresh(engine)
    before = stored(engine)
    do(engine, change)
    ratings.refresh(engine)
    found = stored(engine)
    assert not found.equals(before)
    do(
        engine,
        "DELETE FROM embrec.movie_embeddings WHERE folded_in",
        "DELETE FROM embrec.movie_neighbours WHERE neighbours IS NULL",
        "DELETE FROM embrec.next_movies WHERE folded_in",
    )
    ratings.refresh(engine)
    pd.testing.assert_frame_equal(stored(engine), found)


def test_a_movie_whose_last_event_is_gone_has_no_rows(engine: sa.Engine, trained: RatingArrays) -> None:
    ratings.refresh(engine)
    assert not ask(engine, "SELECT * FROM embrec.next_after('new')").empty
    do(
        engine,
        "DELETE FROM embrec.events WHERE movie_index = (SELECT movie_index FROM embrec.movies WHERE movie_id = 'new')",
    )
    ratings.refresh(engine)
    index = ask(engine, "SELECT movie_index FROM embrec.movies WHERE movie_id = 'new'").movie_index[0]
    rows = stored(engine)
    assert index not in set(rows.movie_index)
    assert not any(index in each for each in rows.next_indexes)


def test_of_more_than_a_thousand_users_each_counts_for_several(engine: sa.Engine, trained: RatingArrays) -> None:
    """1,500 users watched one trained movie and then the new one, and the newest thousand are counted."""
    do(
        engine,
        "INSERT INTO embrec.users (user_index, user_id)"
        " SELECT 1000 + n, 'crowd ' || n FROM generate_series(1, 1500) AS n",
        "INSERT INTO embrec.movies (movie_index, movie_id) VALUES (1000, 'hit')",
        "INSERT INTO embrec.events (user_index, movie_index, event_type, occurred_at)"
        " SELECT 1000 + n, CASE place WHEN 0 THEN 4 ELSE 1000 END, 1,"
        " timestamptz '2002-01-01' + make_interval(secs => n + place)"
        " FROM generate_series(1, 1500) AS n CROSS JOIN generate_series(0, 1) AS place",
    )
    ratings.refresh(engine)
    model, arrays = read(engine)
    hit, before = arrays.movie_ids.index("hit"), sparse.transition_counts(trained.sequences())[4]
    assert model.rows[2][[4], [hit]][0] == pytest.approx(WEIGHT * 1500 / (before + 1501))
    also = ask(engine, "SELECT score FROM embrec.also_watched('hit')").score[0]
    chance = 1500 * np.bincount(trained.movies)[4] / len(trained.user_indexes)
    assert also == pytest.approx((1500 - chance) / np.sqrt(chance + 3))


@pytest.mark.parametrize("changes", [{"new_movies": None}, {"row_decays": (0.0, 0.25)}], ids=["by hand", "no channel"])
def test_a_run_that_has_no_rules_for_new_movies_counts_none(engine: sa.Engine, changes: dict[str, object]) -> None:
    load_frame(engine, rating_frame(30, TRAINED, 300))
    two_part_run(engine, following=model_of(extract(engine, with_times=True).sequences(), **changes))
    add_events(engine)
    ratings.refresh(engine)
    assert set(stored(engine).channel) == {0}
    assert ask(engine, "SELECT * FROM embrec.next_after('new')").empty


def test_a_run_that_knows_no_order_counts_what_users_also_watched(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(30, TRAINED, 300))
    two_part_run(engine)
    add_events(engine)
    ratings.refresh(engine)
    assert stored(engine).empty, "nor that, in a run that was trained without it"
