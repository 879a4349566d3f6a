"""Events one at a time: add_event and remove_event, by SQL, Python and the command line."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

import embrec
from embrec.data import events
from embrec.errors import ArgumentError, DatabaseError

STORED = """
SELECT u.user_id, m.movie_id, t.name, e.value, e.occurred_at, e.external_id
FROM embrec.events AS e JOIN embrec.users AS u USING (user_index) JOIN embrec.movies AS m USING (movie_index)
JOIN embrec.event_types AS t USING (event_type) ORDER BY e.event_id
"""
NOON = dt.datetime(2020, 5, 1, 12, tzinfo=dt.UTC)


def ask(engine: sa.Engine, expression: str) -> object:
    with engine.begin() as connection:
        return connection.scalar(sa.text(f"SELECT embrec.{expression}"))


def stored(engine: sa.Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(STORED))]


def test_every_event_is_kept_and_unknown_ids_are_added(engine: sa.Engine) -> None:
    assert embrec.add_event(engine, "ann", "m1", occurred_at=NOON)
    assert embrec.add_event(engine, "ann", "m1", occurred_at=NOON)
    assert embrec.add_event(engine, 7, 8, "play", 1_000_000, NOON, "play 1")
    assert ask(engine, "add_event('ann', 'm1', 'view', 0.5, NULL)") is True
    assert stored(engine) == [
        ("ann", "m1", "event", None, NOON, None),
        ("ann", "m1", "event", None, NOON, None),
        ("7", "8", "play", 1_000_000, NOON, "play 1"),
        ("ann", "m1", "view", 0.5, None, None),
    ]


def test_ids_of_any_type_and_names_of_parameters(engine: sa.Engine) -> None:
    for call in (
        "add_event(7, 8)",
        "add_event('7', 8, occurred_at => now())",
        "add_event(7, '8', value => 3)",
        "add_event(user_id => 7::bigint, movie_id => 8::smallint, event_type => 'click', external_id => 'x')",
    ):
        assert ask(engine, call) is True
    assert {row[:2] for row in stored(engine)} == {("7", "8")}
    assert ask(engine, "remove_event(7, '8', 'click')") == 1
    assert ask(engine, "remove_event('7', 8)") == 3
    assert ask(engine, "remove_event(7, 8::bigint)") == 0


def test_the_same_external_id_changes_nothing(engine: sa.Engine) -> None:
    assert embrec.add_event(engine, "ann", "m1", occurred_at=NOON, external_id="e1")
    before = stored(engine)
    assert not embrec.add_event(engine, "ben", "m2", "purchase", 5, external_id="e1")
    assert stored(engine) == before
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.users")) == 1, "nobody is added for nothing"


def test_two_sessions_with_the_same_external_id_store_one(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    answers: list[bool] = []
    with engine.connect() as first:
        assert embrec.add_event(first, "u1", 100, external_id="e1")
        second = threading.Thread(target=lambda: answers.append(embrec.add_event(engine, "u2", 101, external_id="e1")))
        second.start()
        second.join(0.3)
        assert second.is_alive(), "it waits to see whether the first one commits"
        first.commit()
        second.join()
    assert answers == [False]
    assert [row[:2] for row in stored(engine)] == [("u1", "100")]


def test_two_writers_of_the_same_pair_do_not_wait_for_each_other(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with engine.begin() as first, engine.begin() as second:
        second.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
        assert embrec.add_event(first, "u1", 100)
        assert embrec.add_event(second, "u1", 100)
        assert embrec.remove_event(second, "u1", 100) == 1, "each sees its own"
    assert len(stored(engine)) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'', 'm'", "user_id is empty; give an id"),
        ("'u', ' m'", "movie_id has blanks around it"),
        ("'u', repeat('m', 501)", "movie_id is longer than 500 bytes"),
        ("'u', 'm', external_id => ''", "external_id is empty"),
        ("'u', 'm', 'plaything'", r"known types are event, view, .*name\) VALUES \(8, 'plaything'\)"),
        ("'u', 'm', NULL", "event_type is NULL, and the known types are"),
        ("'u', 'm', 'rating'", "record one by embrec.add_rating"),
        ("'u', 'm', 'play', -1", "value is -1; give a number from 0 to a billion"),
        ("'u', 'm', 'play', 'NaN'", "value is NaN; give"),
        ("'u', 'm', 'play', 1.1e9", "value is 1100000000; give"),
        ("'u', 'm', 'play', 1e300", "give a number from 0 to a billion"),
        ("'u', 'm', 'play', 1, now() + interval '25 hours'", "more than a day ahead of the server's clock"),
        ("'u', 'm', 'play', 1, '1899-12-31'", "give a time of the years 1900 to 2099"),
        ("'u', 'm', 'play', 1, 'infinity'", "give a time of the years 1900 to 2099"),
        ("'u', 'm', 'play', 1, '-infinity'", "give a time of the years 1900 to 2099"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_stored(engine: sa.Engine, call: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message), embrec.db.translated_errors():
        ask(engine, f"add_event({call})")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.users")) == 0


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (1e-300, 0), (1e9, 1e9), (1e6, 1e6), (0.5, 0.5)])
def test_values_from_nothing_to_a_billion(engine: sa.Engine, given: float, kept: float) -> None:
    assert embrec.add_event(engine, "u", "m", value=given, occurred_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=23))
    assert stored(engine)[0][3] == kept


def test_an_owner_adds_a_type(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO embrec.event_types (event_type, name) VALUES (8, 'share')"))
    assert embrec.add_event(engine, "u", "m", "share")
    assert stored(engine)[0][2] == "share"


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM embrec.event_types WHERE event_type NOT IN (SELECT event_type FROM embrec.events)",
        "UPDATE embrec.event_types SET name = 'stars' WHERE event_type = 0",
        "UPDATE embrec.event_types SET kind = 'dislike'",
        "UPDATE embrec.event_types SET event_type = 9 WHERE event_type = 0",
    ],
)
def test_the_type_of_ratings_stays(engine: sa.Engine, edit: str) -> None:
    with (
        pytest.raises(DatabaseError, match="type 0 of events stands for ratings.*leave it out"),
        embrec.db.translated_errors(),
        engine.begin() as connection,
    ):
        connection.execute(sa.text(edit))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.event_types SET weight = 2, half_life = '1 day'"))
        connection.execute(sa.text("DELETE FROM embrec.event_types WHERE event_type > 6"))
    with pytest.raises(DatabaseError, match="the known types are event, view, click, play, finish, purchase;"):
        embrec.add_event(engine, "u", "m", "dislike")


def test_removing_takes_a_pair_or_a_type_or_one_event(engine: sa.Engine) -> None:
    for kind, external in (("play", "e1"), ("play", None), ("view", "e2"), ("event", None)):
        embrec.add_event(engine, "ann", "m1", kind, external_id=external)
    embrec.add_event(engine, "ann", "m2")
    embrec.add_event(engine, "ben", "m1")
    assert embrec.remove_event(engine, external_id="e1") == 1
    assert embrec.remove_event(engine, external_id="e1") == 0
    assert embrec.remove_event(engine, "ann", "m1", "play") == 1
    assert embrec.remove_event(engine, "ann", "m1") == 2
    assert embrec.remove_event(engine, "nobody", "m1") == 0
    assert [row[:2] for row in stored(engine)] == [("ann", "m2"), ("ben", "m1")]
    with pytest.raises(DatabaseError, match="the known types are"):
        embrec.remove_event(engine, "ann", "m2", "plaything")


def test_removing_takes_a_pair_or_an_external_id_alone(engine: sa.Engine) -> None:
    with pytest.raises(ArgumentError, match="give it alone, or a user and a movie"):
        embrec.remove_event(engine, "u", "m", external_id="e")
    with pytest.raises(ArgumentError, match="movie_id is None; give text"):
        embrec.remove_event(engine, "u")


def test_the_commands(embrec, url: str, engine: sa.Engine) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        return embrec(*arguments, "--database-url", url)

    assert run("event", "ann", "m1", "--new-movie", "--type", "play", "--value", "3", "--id", "e1") == (
        0, "", "User ann has a new event of movie m1: play.\n",
    )  # fmt: skip
    assert run("event", "ann", "m1", "--id", "e1")[2] == "The event e1 is there already; nothing was changed.\n"
    assert run("event", "ann", "m1", "--at", "2020-05-01 12:00:00")[0] == 0
    assert [row[2:5] for row in stored(engine)][1] == ("event", None, NOON)
    code, _, err = run("event", "ann", "m1", "--type", "plaything")
    assert code == 1
    assert "the known types are event, view" in err
    assert run("unevent", "--id", "e1") == (0, "", "Events deleted: 1.\n")
    assert run("unevent", "ann", "m1") == (0, "", "Events deleted: 1.\n")
    assert run("unevent", "ann", "m1")[::2] == (1, "embrec: There is no such event of user 'ann' and movie 'm1'.\n")
    for wrong in (("ann",), (), ("ann", "m1", "--id", "e1"), ("--id", "e1", "--type", "play")):
        code, _, err = run("unevent", *wrong)
        assert code == 2
        assert "Give USER and MOVIE, or --id alone." in err


def aged(engine: sa.Engine) -> None:
    """Add an event of each age: of 400, 100 and 10 days, of a moment ago, and of an unknown one."""
    now = dt.datetime.now(dt.UTC)
    for days in (100, 10, 0, 400):
        embrec.add_event(engine, "ann", f"{days} days", occurred_at=now - dt.timedelta(days=days))
    ask(engine, "add_event('ann', 'undated', occurred_at => NULL)")


@pytest.mark.parametrize("undated", [False, True])
def test_old_events_are_deleted_block_by_block(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, undated) -> None:
    monkeypatch.setattr(events, "BLOCK", 2)
    aged(engine)
    steps: list[tuple[int, int]] = []
    age = dt.timedelta(days=90)
    gone = 2 + undated
    assert embrec.delete_events(engine, age, undated, dry_run=True) == gone
    assert len(stored(engine)) == 5
    assert embrec.delete_events(engine, age, undated, progress=lambda done, of: steps.append((done, of))) == gone
    assert steps == [(0, 5), (2, 5), (4, 5)]
    kept = {row[1] for row in stored(engine)}
    assert kept == {"0 days", "10 days"} | (set() if undated else {"undated"})
    assert set(embrec.popular_movies(engine).movie_id) == kept, "what is left is counted"
    assert embrec.delete_events(engine, age, undated) == 0


def test_deleting_holds_nobody_up(engine: sa.Engine) -> None:
    aged(engine)
    with engine.begin() as open_one:
        embrec.add_event(open_one, "ann", "10 days")
        assert embrec.delete_events(engine, dt.timedelta(days=50)) == 2
    with engine.begin() as open_one:
        open_one.execute(sa.text("SELECT embrec.delete_events('5 days')"))
        with engine.begin() as other:
            other.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            assert embrec.add_event(other, "ann", "10 days")


@pytest.mark.parametrize("age", ["NULL", "'0'", "'-1 day'"])
def test_an_age_that_is_none_deletes_nothing(engine: sa.Engine, age: str) -> None:
    aged(engine)
    with pytest.raises(DatabaseError, match="older_than is .*such as '90 days'"), embrec.db.translated_errors():
        ask(engine, f"delete_events({age}, true)")
    with pytest.raises(ArgumentError, match="older_than is"):
        embrec.delete_events(engine, dt.timedelta(0))
    assert len(stored(engine)) == 5


def test_gc_deletes_old_events(embrec, url: str, engine: sa.Engine) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        return embrec("gc", *arguments, "--database-url", url)

    aged(engine)
    assert run("--events-older-than", "90", "--dry-run", "--json") == (
        0,
        '[\n  {\n    "model_run_id": null,\n    "garbage": "old events",\n    "events": 2\n  }\n]\n',
        "Nothing was done. To clear it away, run the same without --dry-run.\n",
    )
    code, out, _ = run("--events-older-than", "90", "--undated")
    assert code == 0
    assert out.split() == ["model_run_id", "garbage", "events", "old", "events", "3"]
    assert run("--events-older-than", "90", "--undated")[2] == "Nothing is left over.\n"
    assert len(stored(engine)) == 2
    assert run("--undated")[0] == 2
