"""The endpoints on a database of events alone: no figure of ratings, and any text as a type or a title."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from data import play_frame, played
from web import MANY, running

from embrec.data import events
from embrec.serving import next as following
from embrec.web import create_app

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    played(shared_engine)
    return shared_engine


@pytest.fixture(scope="module")
def client(engine: sa.Engine) -> Iterator[httpx.Client]:
    with running(create_app(engine, limits=MANY)) as url, httpx.Client(base_url=url) as client:
        yield client


def test_a_run_says_that_it_learned_from_events(client: httpx.Client) -> None:
    (run,) = client.get("/api/runs").json()["runs"]
    assert (run["rating_count"], run["event_count"]) == (0, len(play_frame()))
    assert (run["lowest_rating"], run["highest_rating"]) == (None, None)
    assert run["history_length"] > 0


def test_popular_movies_and_details_have_events_and_no_mean(client: httpx.Client) -> None:
    counts = play_frame()["movie_id"].value_counts()
    for row in client.get("/api/popular", params={"n": 12}).json()["movies"]:
        assert (row["rating_count"], row["mean_rating"]) == (0, None)
        assert row["event_count"] == row["popularity"] == counts[row["movie_id"]]
        known = client.get(f"/api/movies/{row['movie_id']}").json()
        assert (known["event_count"], known["mean_rating"]) == (row["event_count"], None)


def test_the_map_has_the_movies_with_the_most_events(client: httpx.Client) -> None:
    movies = client.get("/api/map").json()["movies"]
    assert [row["rating_count"] for row in movies] == [0] * 12
    counts = [row["event_count"] for row in movies]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(play_frame())


def test_a_list_is_explained_by_what_was_watched(client: httpx.Client) -> None:
    found = client.get("/api/users/u1").json()
    assert found["basis"] == "history"
    assert {row["predicted_rating"] for row in found["movies"]} == {None}
    reasons = [each for row in found["movies"] for each in row["reasons"]]
    assert reasons
    assert {each["rating"] for each in reasons} == {None}
    own = set(play_frame().query("user_id == 'u1'")["movie_id"])
    assert {each["movie_id"] for each in reasons} <= own


def test_what_comes_next_is_explained_by_steps(client: httpx.Client, engine: sa.Engine) -> None:
    found = client.get("/api/next", params={"user_id": "u1", "n": 3}).json()["movies"]
    expected = following.recommend_next(engine, "u1", 3)
    assert [row["movie_id"] for row in found] == expected["movie_id"].tolist()
    newest = play_frame().query("user_id == 'u1'").iloc[-1]
    first = found[0]["reasons"][0]
    assert (first["movie_id"], first["event_type"], first["age"]) == (newest["movie_id"], "play", 0)
    (step, *_) = client.get("/api/history", params={"user_id": "u1"}).json()["history"]
    assert (step["movie_id"], step["event_type"], step["value"]) == (newest["movie_id"], "play", newest["value"])


def test_a_visitor_who_likes_a_movie_gets_others(client: httpx.Client) -> None:
    found = client.post("/api/recommendations", json={"ratings": {"m01": 5}, "n": 3}).json()
    assert found["basis"] == "ratings"
    assert "m01" not in {row["movie_id"] for row in found["movies"]}


def test_a_type_and_a_title_come_as_they_are(client: httpx.Client, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO embrec.event_types (event_type, name) VALUES (77, :name)"), {"name": HOSTILE}
        )
        connection.execute(
            sa.text("UPDATE embrec.movies SET title = :title WHERE movie_id = 'm01'"), {"title": HOSTILE}
        )
    events.add_event(engine, "u1", "m01", HOSTILE)
    try:
        answer = client.get("/api/history", params={"user_id": "u1", "n": 1})
        assert answer.headers["content-type"] == "application/json"
        (act,) = answer.json()["history"]
        assert (act["title"], act["event_type"], act["value"]) == (HOSTILE, HOSTILE, None)
        asked = {"user_id": "u1", "movie_id": "m02"}
        steps = client.get("/api/next/explanation", params=asked).json()["steps"]
        assert {step["event_type"] for step in steps} <= {"play", HOSTILE}
    finally:
        events.remove_event(engine, "u1", "m01", HOSTILE)
