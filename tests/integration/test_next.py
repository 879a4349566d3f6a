"""The next movies by hand: histories, repeats, sessions, and runs that know no order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sqlalchemy as sa
from data import load_frame, two_part_run

from embrec.data.extraction import extract
from embrec.models.next.base import NextModel, strongest

# m0 is followed by m1 and m2, m1 by m3, m2 by m4 or m3, and m5 counts against m3; nothing is known of m6.
ROWS = {0: {1: 4, 2: 1}, 1: {3: 3}, 2: {4: 2, 3: 1}, 5: {3: -1}}
USERS = "INSERT INTO embrec.users (user_index, user_id) VALUES (0, 'ann'), (1, 'bob'), (2, 'cas')"
MOVIES = "INSERT INTO embrec.movies (movie_index, movie_id) SELECT n, 'm' || n FROM generate_series(0, 6) AS n"
RATINGS = """
INSERT INTO embrec.ratings (user_index, movie_index, rating, rated_at)
SELECT 2, n, CASE n WHEN 6 THEN 1 ELSE 5 END, timestamptz '2020-01-01 00:00+00' + n * interval '1 day'
FROM generate_series(0, 6) AS n
"""


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def ask(engine: sa.Engine, call: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(f"SELECT * FROM embrec.{call}")).all())


def ids(engine: sa.Engine, call: str, basis: str = "history") -> list[str]:
    return [row.movie_id for row in ask(engine, call) if row.basis == basis]


def watch(engine: sa.Engine, user: str, *events: tuple[str, str, str | None]) -> None:
    """Insert events of a user: movie, type, time."""
    insert = sa.text(
        "INSERT INTO embrec.events (user_index, movie_index, event_type, occurred_at)"
        " SELECT u.user_index, m.movie_index, t.event_type, CAST(:at AS timestamptz)"
        " FROM embrec.users AS u, embrec.movies AS m, embrec.event_types AS t"
        " WHERE u.user_id = :user AND m.movie_id = :movie AND t.name = :type"
    )
    with engine.begin() as connection:
        for movie, kind, at in events:
            assert connection.execute(insert, {"user": user, "movie": movie, "type": kind, "at": at}).rowcount == 1


def by_hand(decays: tuple[float, ...] = (0.5,), length: int = 3) -> NextModel:
    weights = np.zeros((7, 7), np.float32)
    for movie, following in ROWS.items():
        for other, weight in following.items():
            weights[movie, other] = weight
    return NextModel(length, decays, [strongest(scipy.sparse.csr_array(weights), 7) for _ in decays])


@pytest.fixture
def known(engine: sa.Engine) -> sa.Engine:
    """A database in which cas has rated all seven movies, and a run by hand."""
    do(engine, USERS, MOVIES, RATINGS, "SELECT embrec.refresh_statistics()")
    assert len(extract(engine).movie_ids) == 7
    two_part_run(engine, following=by_hand())
    return engine


def test_a_new_event_moves_the_next_answer(known: sa.Engine) -> None:
    watch(known, "ann", ("m0", "play", "2026-01-01"))
    assert ids(known, "recommend_next('ann', 2)") == ["m1", "m2"]
    watch(known, "ann", ("m1", "play", "2026-01-02"))
    found = ask(known, "recommend_next('ann', 2)")
    # Of the older step the half counts, but at least ten entries, and so both.
    assert [(row.movie_id, row.score, row.basis) for row in found] == [("m3", 3, "history"), ("m2", 0.5, "history")]
    assert [row.rank for row in found] == [1, 2]
    assert {row.model_run_id for row in found} == {1}


def test_weak_entries_of_old_steps_do_not_count(known: sa.Engine) -> None:
    entries = (
        "next_indexes = array_fill(2, '{10}') || 1, weights = array_fill(CAST(1 AS real), '{10}') || CAST(0.5 AS real)"
    )
    do(known, f"UPDATE embrec.next_movies SET {entries} WHERE movie_index = 0 AND channel = 1")
    watch(known, "ann", ("m0", "play", "2026-01-01"))
    assert [(row.movie_id, row.score) for row in ask(known, "recommend_next('ann', 2)")] == [("m2", 10), ("m1", 0.5)]
    watch(known, "ann", ("m4", "play", "2026-01-02"), ("m4", "play", "2026-01-03"))
    found = ask(known, "recommend_next('ann', 7)")
    # The factor is 0.25, so that ten of eleven entries count.
    assert [(row.movie_id, row.score) for row in found if row.basis == "history"] == [("m2", 2.5)]
    assert len(ask(known, "explain_next('ann', 'm2')")) == 1
    assert not ask(known, "explain_next('ann', 'm1')")


def test_only_the_newest_steps_count(known: sa.Engine) -> None:
    steps = [(f"m{n}", "play", f"2026-01-0{n + 1}") for n in (0, 4, 6, 4)]
    watch(known, "ann", *steps)
    assert ids(known, "recommend_next('ann', 7)") == []


def test_a_history_shows_everything_that_its_user_did_in_the_order_of_steps(known: sa.Engine) -> None:
    watch(known, "cas", ("m1", "view", "2020-01-07"), ("m2", "play", None), ("m1", "dislike", "2026-01-01"))
    do(known, "UPDATE embrec.events SET value = 90 WHERE movie_index = 2")
    rows = [(row.rank, row.movie_id, row.event_type, row.value) for row in ask(known, "user_history('cas', 20)")]
    # The rating of m6 and the view are of one moment, in which ratings are older; what has no time is the oldest.
    assert rows[:3] == [(1, "m1", "dislike", None), (2, "m1", "view", None), (3, "m6", "rating", 1)]
    assert rows[-1] == (10, "m2", "play", 90)
    assert [kind for _, _, kind, _ in rows[3:-1]] == ["rating"] * 6
    assert ask(known, "user_history('cas', 2)") == ask(known, "user_history('cas')")[:2]
    assert ask(known, "user_history('nobody')") == []


@pytest.mark.parametrize(
    ("events", "history"),
    [
        # Unknown times are the oldest, in the order of arrival.
        ([("m1", "play", "2026-01-01"), ("m2", "play", None), ("m0", "play", None)], ["m2", "m0", "m1"]),
        # Equal times go by arrival.
        ([("m2", "play", "2026-01-01"), ("m0", "play", "2026-01-01")], ["m2", "m0"]),
        # Different types of one movie in a row are a step, the same type again is another.
        ([("m0", "view", "2026-01-01"), ("m0", "play", "2026-01-02")], ["m0"]),
        ([("m0", "play", "2026-01-01"), ("m0", "play", "2026-01-02")], ["m0", "m0"]),
        # A dislike is no step, and is not between two steps either.
        ([("m0", "view", "2026-01-01"), ("m1", "dislike", "2026-01-02"), ("m0", "play", "2026-01-03")], ["m0"]),
        # A time within a day from now is the newest.
        ([("m0", "play", "now() + interval '5 hours'"), ("m1", "play", "now()")], ["m1", "m0"]),
    ],
)
def test_histories(known: sa.Engine, events: list[tuple[str, str, str | None]], history: list[str]) -> None:
    for movie, kind, at in events:
        with known.connect() as connection:
            moment = connection.scalar(sa.text(f"SELECT {at}")) if at and at.startswith("now") else at
        watch(known, "ann", (movie, kind, moment))
    with known.connect() as connection:
        steps = connection.execute(
            sa.text("SELECT movie_index FROM embrec.user_steps(0, NULL, NULL) ORDER BY age DESC")
        )
        assert [f"m{row.movie_index}" for row in steps] == history
        arrays = extract(connection, with_times=True)
    own = arrays.sequences().history(int(np.flatnonzero(arrays.user_indexes == 0)[0]))
    assert [arrays.movie_ids[movie] for movie in own] == history


def test_a_rating_is_a_step_and_older_than_an_event_of_the_same_time(known: sa.Engine) -> None:
    do(
        known,
        "INSERT INTO embrec.ratings (user_index, movie_index, rating, rated_at) VALUES"
        " (0, 2, 1, '2026-01-01'), (0, 1, 5, '2026-01-01'), (0, 6, 5, NULL)",
    )
    watch(known, "ann", ("m0", "play", "2026-01-01"))
    with known.connect() as connection:
        steps = connection.execute(sa.text("SELECT movie_index FROM embrec.user_steps(0, NULL, NULL) ORDER BY age"))
        assert [row.movie_index for row in steps] == [0, 1, 2, 6]  # ties of ratings are scrambled
        arrays = extract(connection, with_times=True)
    assert arrays.sequences().history(0).tolist() == [6, 2, 1, 0]


def test_repeats(known: sa.Engine) -> None:
    watch(known, "ann", ("m1", "play", "2026-01-01"), ("m0", "play", "2026-01-02"))
    assert ids(known, "recommend_next('ann')") == ["m3", "m2"]
    assert ids(known, "recommend_next('ann', repeats => 'allowed')") == ["m1", "m3", "m2"]
    only = ask(known, "recommend_next('ann', repeats => 'only')")
    assert [(row.movie_id, row.score, row.basis) for row in only] == [("m1", 4, "history"), ("m0", 0, "popularity")]
    watch(known, "ann", ("m1", "dislike", "2026-01-03"))
    assert "m1" not in ids(known, "recommend_next('ann', repeats => 'allowed')")
    assert [row.movie_id for row in ask(known, "recommend_next('ann', repeats => 'only')")] == ["m0"]
    with pytest.raises(sa.exc.DBAPIError, match="repeats is 'often'; give never, allowed or only"):
        ask(known, "recommend_next('ann', repeats => 'often')")


def test_since_leaves_earlier_steps_out_but_not_what_was_seen(known: sa.Engine) -> None:
    watch(known, "ann", ("m1", "play", None), ("m3", "play", "2026-01-01"), ("m0", "play", "2026-01-02"))
    assert ids(known, "recommend_next('ann', since => '2026-01-02')") == ["m2"]
    assert ids(known, "recommend_next('ann', since => '2026-02-01')") == []
    assert ids(known, "recommend_next('ann', since => '2026-02-01')", "popularity") == ["m2", "m4", "m5", "m6"]


def test_movies_without_a_score_go_by_popularity_before_those_that_something_speaks_against(known: sa.Engine) -> None:
    watch(known, "ann", ("m5", "play", "2026-01-01"))
    found = ask(known, "recommend_next('ann')")
    assert [row.movie_id for row in found] == ["m0", "m1", "m2", "m4", "m6", "m3"]
    assert [row.basis for row in found] == ["popularity"] * 5 + ["history"]
    assert [row.score for row in found] == [0] * 5 + [-1]


def test_who_is_unknown_or_has_no_history_gets_popular_movies(known: sa.Engine) -> None:
    for call in ("recommend_next('nobody', 3)", "recommend_next('bob', 3)", "recommend_next_for('[]', 3)"):
        assert [(row.movie_id, row.score, row.basis) for row in ask(known, call)] == [
            (f"m{n}", 0, "popularity") for n in range(3)
        ]


@pytest.mark.parametrize(
    ("session", "wanted"),
    [
        ('["m1", "m0"]', ["m3", "m2"]),
        ('["m0", "no movie", "m1"]', ["m3", "m2"]),
        ('["no movie"]', []),
        (
            '[{"movie_id": "m0", "at": "2026-01-02"}, {"movie_id": "m1", "at": "2026-01-01", "type": "play"}]',
            ["m3", "m2"],
        ),
        ('[{"movie_id": "m0", "at": "2026-01-02"}, "m1"]', ["m3", "m2"]),
        ('["m0", {"movie_id": "m2", "type": "dislike"}]', ["m1"]),
        ('[{"movie_id": "m0", "type": "view"}, {"movie_id": "m0", "type": "play"}]', ["m1", "m2"]),
        ('[{"movie_id": "m0", "type": null, "at": null}]', ["m1", "m2"]),
    ],
)
def test_sessions(known: sa.Engine, session: str, wanted: list[str]) -> None:
    found = ask(known, f"recommend_next_for($${session}$$)".replace(":", r"\:"))
    assert [row.movie_id for row in found if row.basis == "history"] == wanted


@pytest.mark.parametrize(
    ("session", "fault"),
    [
        ('{"m0": 5}', 'give an array of movie ids, newest last, such as \\["50", "172"\\]'),
        ("[true]", "the history has true; give a movie id, or"),
        ('[{"type": "play"}]', "give a movie id, or"),
        ('[{"movie_id": "m0", "at": 5}]', "give a movie id, or"),
        (
            '[{"movie_id": "m0", "type": "watch"}]',
            "of type 'watch', which there is not; give one of rating, event, view",
        ),
        ('[{"movie_id": "m0", "at": "soon"}]', 'a time in the history is none: .*"soon"; give one such as'),
    ],
)
def test_faulty_sessions(known: sa.Engine, session: str, fault: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=fault):
        ask(known, f"recommend_next_for($${session}$$)".replace(":", r"\:"))


def test_no_setting_changes_the_order_of_a_session(known: sa.Engine) -> None:
    """A time without a zone is UTC: m1 is two hours newer than m0, also where 20:00 here is later than 22:00 there."""
    history = (
        '[{"movie_id": "m0", "at": "2026-02-01T20:00Z"}, {"movie_id": "m1", "at": "2026-02-01 22:00"},'
        ' {"movie_id": "m6", "at": "2026-01-02"}]'
    )
    query = sa.text("SELECT movie_id, score FROM embrec.recommend_next_for(CAST(:history AS jsonb), 2)")
    found = set()
    for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
        for style in ("ISO, MDY", "SQL, DMY"):
            with known.begin() as connection:
                connection.execute(sa.text(f"SET LOCAL timezone = '{zone}'; SET LOCAL datestyle = '{style}'"))
                found.add(tuple(tuple(row) for row in connection.execute(query, {"history": history})))
    assert found == {(("m3", 3.0), ("m2", 0.5))}


def test_next_after_is_the_answer_to_one_movie(known: sa.Engine) -> None:
    found = ask(known, "next_after('m2')")
    assert [(row.rank, row.movie_id, row.score) for row in found] == [(1, "m4", 2), (2, "m3", 1)]
    assert [row.movie_id for row in ask(known, "next_after('m2', 1)")] == ["m4"]
    assert ask(known, "next_after('m6')") == []
    assert ask(known, "next_after('no movie')") == []
    assert ask(known, "next_after('m5')") == []


def test_explanations_say_which_steps_spoke(known: sa.Engine) -> None:
    watch(known, "ann", ("m1", "play", "2026-01-01"), ("m6", "play", "2026-01-02"), ("m2", "view", "2026-01-03"))
    found = ask(known, "explain_next('ann', 'm3')")
    assert [(row.movie_id, row.event_type, row.age, row.contribution) for row in found] == [
        ("m2", "view", 0, 1),
        ("m1", "play", 2, 0.75),
    ]
    assert {row.score for row in found} == {1.75}
    assert len(ask(known, "explain_next('ann', 'm3', 1)")) == 1
    for call in ("explain_next('ann', 'm6')", "explain_next('nobody', 'm3')", "explain_next('ann', 'no movie')"):
        assert ask(known, call) == []


def test_what_was_started_and_not_finished_is_continued(known: sa.Engine) -> None:
    watch(
        known, "ann",
        ("m0", "play", "2026-01-01"), ("m1", "play", "2026-01-02"), ("m1", "finish", "2026-01-03"),
        ("m2", "play", "2026-01-04"), ("m2", "view", "2026-01-05"), ("m3", "play", "2026-01-06"),
        ("m3", "dislike", "2026-01-07"), ("m1", "play", "2026-01-08"), ("m1", "finish", "2026-01-09"),
        ("m4", "view", "2026-01-10"), ("m4", "view", "2026-01-11"), ("m4", "view", "2026-01-12"),
        ("m5", "play", "2026-01-13"), ("m5", "play", "2026-01-13"), ("m6", "view", "2026-01-13"),
    )  # fmt: skip
    do(
        known,
        "INSERT INTO embrec.ratings (user_index, movie_index, rating, rated_at) VALUES (0, 5, 4, '2026-01-14')",
    )
    found = ask(known, "continue_watching('ann')")
    assert [(row.rank, row.movie_id, row.basis, row.steps) for row in found] == [
        (1, "m2", "started", 1), (2, "m0", "started", 1), (3, "m4", "repeated", 3), (4, "m5", "repeated", 2),
        (5, "m1", "repeated", 2),
    ]  # fmt: skip
    assert str(found[0].last_at.date()) == "2026-01-05"
    assert [row.movie_id for row in ask(known, "continue_watching('ann', 1)")] == ["m2"]
    assert ask(known, "continue_watching('nobody')") == []


def test_a_run_that_knows_no_order_answers_by_its_lists(known: sa.Engine) -> None:
    two_part_run(known)
    lists = ask(known, "recommend_movies('cas', include_rated => true)")
    assert lists[0].basis == "ratings"
    assert ask(known, "recommend_next('cas', repeats => 'allowed')") == lists
    assert ask(known, "recommend_next('cas', repeats => 'only', movie_ids => '{m1,m3}')") == ask(
        known, "recommend_movies('cas', movie_ids => '{m1,m3}', include_rated => true)"
    )
    assert ask(known, "recommend_next('cas')") == []
    assert ask(known, """recommend_next_for('["m0", "m1"]')""") == ask(
        known, """recommend_for('{"m0"\\: 5, "m1"\\: 5}')"""
    )
    assert ask(known, "next_after('m0')") == []
    assert ask(known, "explain_next('cas', 'm0')") == []
    watch(known, "cas", (lists[0].movie_id, "dislike", "2026-01-01"))
    found = ask(known, "recommend_next('cas', 3, repeats => 'allowed')")
    assert [row.rank for row in found] == [1, 2, 3]
    assert lists[0].movie_id not in {row.movie_id for row in found}
    for repeats in ("never", "allowed"):
        session = '["m1", {"movie_id": "m0", "type": "dislike"}]'.replace(":", r"\:")
        found = ask(known, f"recommend_next_for($${session}$$, repeats => '{repeats}')")
        assert len(found) == (5 if repeats == "never" else 6)
        assert "m0" not in {row.movie_id for row in found}


def test_a_preview_answers_and_without_any_run_popularity_does(known: sa.Engine) -> None:
    two_part_run(known)
    watch(known, "ann", ("m0", "play", "2026-01-01"))
    with known.begin() as connection:
        connection.execute(sa.text("SET LOCAL embrec.model_run_id = 1"))
        found = connection.execute(sa.text("SELECT movie_id, model_run_id FROM embrec.recommend_next('ann', 1)")).one()
    assert tuple(found) == ("m1", 1)
    do(known, "DELETE FROM embrec.publications")
    assert [row.basis for row in ask(known, "recommend_next('ann', 2)")] == ["popularity"] * 2


def test_ids_may_be_numbers(known: sa.Engine) -> None:
    do(
        known,
        "UPDATE embrec.movies SET movie_id = substr(movie_id, 2)",
        "UPDATE embrec.users SET user_id = '7' WHERE user_id = 'ann'",
    )
    watch(known, "7", ("0", "play", "2026-01-01"))
    assert ids(known, "recommend_next(7)") == ["1", "2"]
    assert [row.movie_id for row in ask(known, "next_after(0)")] == ["1", "2"]
    assert [row.movie_id for row in ask(known, "explain_next(7, 1)")] == ["0"]
    assert [row.movie_id for row in ask(known, "continue_watching(7)")] == ["0"]
    assert ids(known, "recommend_next_for('[0]')") == ["1", "2"]


def test_also_watched_is_the_same_from_either_movie_and_counts_no_dislike(engine: sa.Engine) -> None:
    from embrec.training import train

    frame = pd.DataFrame(
        [(f"u{n}", movie, 1 + (n + movie) % 5, n) for n in range(40) for movie in range(4 * (n % 2), 4 * (n % 2) + 4)],
        columns=["user_id", "movie_id", "rating", "rated_at"],
    )
    load_frame(engine, frame)
    do(
        engine,
        "INSERT INTO embrec.movies (movie_index, movie_id) SELECT 100 + n, 'n' || n FROM generate_series(0, 1) AS n",
    )
    for n in range(0, 40, 2):
        watch(engine, f"u{n}", ("n0", "view", None), ("n0", "view", None), ("n1", "dislike", None))
    train(engine, options={"draws": 2})
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT m.movie_id AS one, a.movie_id AS other, a.score, a.rank FROM embrec.movies AS m"
                " CROSS JOIN embrec.also_watched(m.movie_id) AS a"
            )
        ).all()
    score = {(row.one, row.other): row.score for row in rows}
    assert score.keys() == {(other, one) for one, other in score}
    assert all(score[one, other] == score[other, one] for one, other in score)
    first = {"0", "1", "2", "3", "n0"}
    assert {one for one, _ in score} == first | {"4", "5", "6", "7"}
    assert all((one in first) == (other in first) for one, other in score)
    np.testing.assert_allclose(score["0", "n0"], (20 - 10) / np.sqrt(10 + 3), rtol=1e-6)
    assert ask(engine, "also_watched('n1')") == []
    assert ask(engine, "also_watched('no movie')") == []
    assert [row.rank for row in ask(engine, "also_watched('n0', 2)")] == [1, 2]
