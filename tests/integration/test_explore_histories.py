"""The endpoints about histories: what a user did, what comes next and why, as the SQL functions answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from data import two_part_run
from web import MANY, running, two_runs

from embrec.data import events
from embrec.serving import next as following
from embrec.serving import preview, recommend
from embrec.web import create_app
from embrec.web.histories import REASONS

NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    """A database with ratings and two runs, in which u1 also has events."""
    two_runs(shared_engine)
    for number, (movie, kind, value) in enumerate(
        [("103", "view", None), ("103", "play", 90), ("105", "dislike", None)]
    ):
        events.add_event(shared_engine, "u1", movie, kind, value, occurred_at=NOON + dt.timedelta(hours=number))
    return shared_engine


@pytest.fixture(scope="module")
def client(engine: sa.Engine) -> Iterator[httpx.Client]:
    with running(create_app(engine, limits=MANY)) as url, httpx.Client(base_url=url) as client:
        yield client


def test_a_history_has_ratings_and_events_newest_first(client: httpx.Client, engine: sa.Engine) -> None:
    found = client.get("/api/history", params={"user_id": "u1", "n": 5}).json()
    assert found["user_id"] == "u1"
    rows = [(row["rank"], row["movie_id"], row["event_type"], row["value"]) for row in found["history"]]
    assert rows[:3] == [(1, "105", "dislike", None), (2, "103", "play", 90), (3, "103", "view", None)]
    expected = following.user_history(engine, "u1", 5)
    assert [row["occurred_at"] for row in found["history"]] == [each.isoformat() for each in expected["occurred_at"]]
    with engine.connect() as connection:
        newest = connection.execute(sa.text("SELECT movie_id, rating FROM embrec.user_ratings('u1', 2)")).all()
    assert [tuple(row) for row in newest] == [(row["movie_id"], row["value"]) for row in found["history"][3:]]
    assert {row["event_type"] for row in found["history"][3:]} == {"rating"}


def test_what_a_user_wants_next_is_that_of_sql_with_the_steps_that_say_so(
    client: httpx.Client, engine: sa.Engine
) -> None:
    asked = {"genres": ["Comedy", "Drama"], "repeats": "allowed"}
    found = client.get("/api/next", params={"user_id": "u1", "n": 8, **asked}).json()
    expected = following.recommend_next(engine, "u1", 8, **asked)  # type: ignore[arg-type]
    assert [(row["movie_id"], row["score"]) for row in found["movies"]] == list(
        zip(expected["movie_id"], expected["score"], strict=True)
    )
    assert found["model_run_id"] == 1
    assert "105" not in {row["movie_id"] for row in found["movies"]}, "it is disliked"
    for row in found["movies"]:
        steps = following.explain_next(engine, "u1", row["movie_id"], None)
        helpful, harmful = (steps[steps["contribution"] * sign > 0] for sign in (1, -1))
        assert [each["age"] for each in row["reasons"]] == helpful["age"].tolist()[:REASONS]
        assert [each["contribution"] for each in row["reasons"]] == helpful["contribution"].tolist()[:REASONS]
        worst = harmful[-harmful["contribution"] >= row["score"] / 10]["age"].tolist()[:1]
        assert [each["age"] for each in row["although"]] == worst
    assert any(each["age"] == 0 and each["movie_id"] == "103" for row in found["movies"] for each in row["reasons"])


def test_an_explanation_adds_up_to_the_score(client: httpx.Client) -> None:
    best = client.get("/api/next", params={"user_id": "u1", "n": 1}).json()["movies"][0]
    found = client.get("/api/next/explanation", params={"user_id": "u1", "movie_id": best["movie_id"]}).json()
    assert found["model_run_id"] == 1
    assert found["score"] == pytest.approx(best["score"])
    assert sum(step["contribution"] for step in found["steps"]) == pytest.approx(best["score"])
    assert [step["rank"] for step in found["steps"]] == list(range(1, len(found["steps"]) + 1))


def test_each_step_of_a_session_moves_its_answer(client: httpx.Client, engine: sa.Engine) -> None:
    answers = []
    for history in ([], ["100"], ["100", "101"], ["101", "100"], ["101", "nowhere", "100"]):
        found = client.post("/api/next", json={"history": history, "n": 6, "released_from": 1985}).json()
        expected = following.recommend_next_for(engine, history, 6, released_from=1985)
        assert [(row["movie_id"], row["score"]) for row in found["movies"]] == list(
            zip(expected["movie_id"], expected["score"], strict=True)
        )
        answers.append([row["movie_id"] for row in found["movies"]])
    assert answers[0] == recommend.popular_movies(engine, 6, released_from=1985)["movie_id"].tolist()
    assert answers[2] != answers[3], "their order counts"
    assert answers[3] == answers[4], "an unknown movie is ignored"
    only = client.post("/api/next", json={"history": ["100", "101"], "repeats": "only"}).json()
    assert {row["movie_id"] for row in only["movies"]} == {"100", "101"}


@pytest.mark.parametrize(("address", "function"), [("next-after", "next_after"), ("also-watched", "also_watched")])
def test_what_follows_a_movie_and_who_also_watched_are_those_of_sql(
    client: httpx.Client, engine: sa.Engine, address: str, function: str
) -> None:
    for run in (1, 2):
        found = client.get(f"/api/{address}", params={"movie_id": "101", "n": 4, "run": run}).json()
        with engine.connect() as connection, preview.answering_from(connection, run):
            expected = getattr(following, function)(connection, "101", 4)
        assert found["model_run_id"] == run
        assert [(row["movie_id"], row["score"]) for row in found["movies"]] == list(
            zip(expected["movie_id"], expected["score"], strict=True)
        )
        assert found["movies"]


def test_a_user_may_go_on_with_what_was_started(client: httpx.Client) -> None:
    (row,) = client.get("/api/continue", params={"user_id": "u1"}).json()["movies"]
    assert (row["movie_id"], row["basis"], row["steps"]) == ("103", "started", 1)
    assert row["last_at"].startswith("2026-11-30T13:00")
    assert client.get("/api/continue", params={"user_id": "u2"}).json() == {"movies": []}


def test_the_database_is_only_read(client: httpx.Client, engine: sa.Engine) -> None:
    count = sa.text("SELECT (SELECT count(*) FROM embrec.events), (SELECT count(*) FROM embrec.users)")
    with engine.connect() as connection:
        before = connection.execute(count).one()
    client.post("/api/next", json={"history": ["100", "a new movie"]})
    with engine.connect() as connection:
        assert connection.execute(count).one() == before


def test_a_run_that_knows_no_order_answers_by_its_lists(client: httpx.Client, engine: sa.Engine) -> None:
    two_part_run(engine, seed=3)
    try:
        runs = {row["model_run_id"]: row["history_length"] for row in client.get("/api/runs").json()["runs"]}
        assert runs == {1: 12, 2: 12, 3: None}
        found = client.get("/api/next", params={"user_id": "u2", "n": 5, "run": 3}).json()
        listed = client.get("/api/users/u2", params={"n": 5, "run": 3}).json()
        assert [row["movie_id"] for row in found["movies"]] == [row["movie_id"] for row in listed["movies"]]
        assert {row["basis"] for row in found["movies"]} == {"ratings"}
        assert not any(row["reasons"] or row["although"] for row in found["movies"])
        asked = {"user_id": "u2", "movie_id": found["movies"][0]["movie_id"], "run": 3}
        assert client.get("/api/next/explanation", params=asked).json() == {
            "model_run_id": None,
            "score": 0,
            "steps": [],
        }
        after = client.get("/api/next-after", params={"movie_id": "100", "run": 3}).json()
        assert after == {"model_run_id": None, "movies": []}
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM embrec.publications WHERE model_run_id = 3"))
