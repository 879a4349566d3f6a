"""The JSON endpoints: their OpenAPI document, the requests that they refuse, and read-only access."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from conftest import with_database
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from web import MANY, running, two_runs

from embrec import config, db, web
from embrec.data import events, ratings
from embrec.errors import DatabaseError, UnknownMovieError
from embrec.runs import experiments, publishing
from embrec.serving import explain, predict, recommend, similar
from embrec.web import answers, create_app, openapi
from embrec.web.answers import REASONS
from embrec.web.asking import Asking
from embrec.web.endpoints import Endpoint
from embrec.web.guard import HEADERS, Limits, Places
from embrec.web.maps import MOST_MAPS, Drawing, Maps
from embrec.web.serving import listen

DOCUMENT = openapi.document()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
# Values instead of the document's examples, which are MovieLens ids.
VALUES = {"movie_id": "101", "user_id": "u1", "query": "movie", "first": 1, "second": 2}
BODIES = {
    "/api/recommendations": {"ratings": {"100": 5, "101": 2}},
    "/api/details": {"movie_ids": ["100", "nowhere", "101"]},
    "/api/next": {"history": ["100", "nowhere", "101"]},
}


@pytest.fixture(scope="module")
def engine(shared_engine: sa.Engine) -> sa.Engine:
    two_runs(shared_engine)
    events.add_event(shared_engine, "u1", "103", "play")
    return shared_engine


@pytest.fixture(scope="module")
def client(engine: sa.Engine) -> Iterator[httpx.Client]:
    with running(create_app(engine, limits=MANY)) as url, httpx.Client(base_url=url) as client:
        yield client


def ask(client: httpx.Client, path: str, method: str, **query: object) -> httpx.Response:
    operation = DOCUMENT["paths"][path][method]
    required = {each["name"]: each["in"] for each in operation["parameters"] if each["required"]}
    if path == "/api/compare":
        query = {"movie_id": "100"} | query
    given = {name: VALUES[name] for name, place in required.items() if place == "query"} | query
    address = path.format(**VALUES)
    return client.request(method, address, params=given, json=BODIES.get(path))


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_endpoint_answers_what_its_document_says(client: httpx.Client, path: str, method: str) -> None:
    answer = ask(client, path, method)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    shape = DOCUMENT["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(shape).validate(answer.json())
    assert any(answer.json().values())


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_endpoint_asks_another_run_where_it_takes_one(client: httpx.Client, path: str, method: str) -> None:
    names = {each["name"] for each in DOCUMENT["paths"][path][method]["parameters"]}
    answer = ask(client, path, method, run=2)
    assert answer.status_code == (200 if "run" in names else 422)
    if "run" in names:
        assert answer.json()["model_run_id"] == 2
        assert ask(client, path, method, run=7).status_code == 404


def test_the_document_is_openapi(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document == json.loads(json.dumps(DOCUMENT))
    assert document["openapi"].startswith("3.1")
    assert {"title", "version"} <= set(document["info"])
    assert document["servers"] == [{"url": "."}], "beside the document, wherever that is"
    names = [document["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names) > 10
    for path, method in OPERATIONS:
        operation = document["paths"][path][method]
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for each in operation["parameters"]:
            assert each["required"] or each["in"] == "query"
            # A parameter has one of the two, never both.
            (shape,) = [each[name] for name in ("schema", "content") if name in each]
            Draft202012Validator.check_schema(shape.get("application/json", {}).get("schema", shape))
        for status, response in operation["responses"].items():
            shape = response["content"]["application/json"]["schema"]
            assert response["description"]
            assert status == "200" or shape == {"$ref": "#/components/schemas/Error"}
            Draft202012Validator.check_schema(shape)


def test_answers_are_those_of_the_functions(client: httpx.Client, engine: sa.Engine) -> None:
    found = client.get("/api/movies/100/similar", params={"n": 4}).json()
    expected = similar.similar_movies(engine, 100, 4)
    assert [row["similarity"] for row in found["movies"]] == expected["similarity"].tolist()
    given = {"ratings": {"100": 5, "101": 2}, "n": 3, "genres": ["Comedy"], "released_from": 1984, "diversity": 0.5}
    found = client.post("/api/recommendations", json=given).json()
    expected = recommend.recommend_for(
        engine, given["ratings"], 3, genres=["Comedy"], released_from=1984, diversity=0.5
    )
    assert [row["movie_id"] for row in found["movies"]] == expected["movie_id"].tolist()
    for row in found["movies"]:
        reasons = explain.explain_for(engine, given["ratings"], row["movie_id"])
        helpful = reasons[reasons["relation"] == "because"]
        assert [each["contribution"] for each in row["reasons"]] == helpful["contribution"].tolist()
    known = client.post("/api/details", json=BODIES["/api/details"]).json()
    assert known == {"movies": [client.get(f"/api/movies/{movie}").json() for movie in (100, 101)]}
    listed = client.get("/api/users/u1", params={"genres": ["Comedy", "Sci-Fi"], "n": 5}).json()
    expected = recommend.recommend_movies(engine, "u1", 5, genres=["Comedy", "Sci-Fi"])
    assert [row["movie_id"] for row in listed["movies"]] == expected["movie_id"].tolist()
    for row in listed["movies"]:
        assert row["predicted_rating"] == predict.predict_rating(engine, "u1", row["movie_id"])
    both = client.get("/api/compare", params={"first": 1, "second": 2, "ratings": '{"100": 5}', "n": 5}).json()
    own, other = ({row["movie_id"] for row in each["movies"]} for each in both["runs"])
    assert both["shared"] == len(own & other)
    assert own != other


def test_what_speaks_for_a_movie_is_named_whatever_speaks_more_against_it(
    client: httpx.Client, engine: sa.Engine
) -> None:
    given = {str(100 + number): 1 + number % 5 for number in range(12)}
    found = client.post("/api/recommendations", json={"ratings": given, "n": 8}).json()["movies"]
    for row in found:
        parts = explain.explain_for(engine, given, row["movie_id"], None).dropna(subset="movie_id")
        best = parts[parts["relation"] == "because"].nlargest(REASONS, "contribution")
        assert [each["movie_id"] for each in row["reasons"]] == best["movie_id"].tolist()
        assert all(each["rating"] > 2 for each in row["reasons"]), "a dislike is no reason"
        worst = parts[parts["relation"] == "although"].nsmallest(1, "contribution")
        worst = worst[-worst["contribution"] >= worst["score"] / 10]
        assert [each["movie_id"] for each in row["although"]] == worst["movie_id"].tolist()
    assert any(row["although"] for row in found)
    assert any(len(row["reasons"]) == REASONS for row in found)


def test_a_visitor_with_dislikes_alone_gets_popular_movies_without_reasons(client: httpx.Client) -> None:
    found = client.post("/api/recommendations", json={"ratings": {"100": 1, "101": 2}, "n": 8}).json()
    assert found["basis"] == "popularity"
    assert not {"100", "101"} & {row["movie_id"] for row in found["movies"]}
    assert not any(row["reasons"] or row["although"] for row in found["movies"])


def test_a_users_predictions_are_of_the_run_and_the_ratings_that_recommend(
    client: httpx.Client, engine: sa.Engine
) -> None:
    experiments.start(engine, "both", 1, 2, treatment_share=0.999999)
    ratings.add_rating(engine, "u1", "100", 1)
    try:
        answer = client.get("/api/users/u1", params={"n": 5}).json()
        assert answer["model_run_id"] == 2
        for row in answer["movies"]:
            assert row["predicted_rating"] == predict.predict_rating(engine, "u1", row["movie_id"])
    finally:
        experiments.end(engine)


def test_an_id_may_be_any_text(engine: sa.Engine, client: httpx.Client) -> None:
    strange = "a/b ?&#%/similar ü"
    ratings.add_rating(engine, strange, strange, 4)
    try:
        quoted = "a%2Fb%20%3F%26%23%25%2Fsimilar%20%C3%BC"
        found = client.get(f"/api/users/{quoted}").json()
        assert found["user_id"] == strange
        (act,) = client.get("/api/history", params={"user_id": strange}).json()["history"]
        assert (act["movie_id"], act["event_type"], act["value"]) == (strange, "rating", 4)
        assert client.get(f"/api/movies/{quoted}").json()["movie_id"] == strange
    finally:
        ratings.remove_rating(engine, strange, strange)


REFUSED = [
    ("get", "/api/movies", {}, 422, "query is missing: Words of a title."),
    ("get", "/api/movies?query=", {}, 422, "query: "),
    ("get", "/api/movies/100/similar?n=101", {}, 422, "n: 101 is greater than the maximum of 100."),
    ("get", "/api/movies/100/similar?n=0", {}, 422, "n: 0 is less than the minimum of 1."),
    ("get", "/api/movies/100/similar?n=ten", {}, 422, "n: 'ten' is not of type 'integer'."),
    ("get", "/api/movies/100/similar?n=1e999", {}, 422, "n: "),
    ("get", "/api/movies/100/similar?count=3", {}, 422, "There is no parameter 'count'; the parameters are: "),
    ("get", "/api/movies/100/similar?run=7", {}, 404, "There is no trained model run 7."),
    ("get", "/api/movies/nowhere", {}, 404, "There is no movie with the id 'nowhere'."),
    ("get", "/api/movies/%00", {}, 422, "movie_id has a NUL character"),
    ("get", "/api/users/nobody", {}, 404, "There is no user with the id 'nobody'."),
    ("get", "/api/users/u1?diversity=2", {}, 422, "diversity: 2 is greater than the maximum of 1."),
    ("get", "/api/users/u1?diversity=NaN", {}, 422, "diversity is nan; give 0"),
    ("get", "/api/history?user_id=nobody", {}, 404, "There is no user with the id 'nobody'."),
    ("get", "/api/history?user_id=u1&n=101", {}, 422, "n: 101 is greater than the maximum of 100."),
    ("get", "/api/next?user_id=nobody", {}, 404, "There is no user with the id 'nobody'."),
    ("get", "/api/next?user_id=u1&repeats=often", {}, 422, "repeats: 'often' is not one of ['never', "),
    ("get", "/api/next?user_id=u1&diversity=1", {}, 422, "There is no parameter 'diversity'"),
    ("get", "/api/next/explanation?user_id=u1&movie_id=nowhere", {}, 404, "There is no movie with the id 'nowhere'."),
    ("get", "/api/continue", {}, 422, "user_id is missing: The user's id."),
    ("get", "/api/next-after?movie_id=nowhere", {}, 404, "There is no movie with the id 'nowhere'."),
    ("get", "/api/also-watched?movie_id=%00", {}, 422, "movie_id has a NUL character"),
    ("post", "/api/next", {"json": {"history": "100"}}, 422, "history: '100' is not of type 'array'."),
    ("post", "/api/next", {"json": {"history": [100]}}, 422, "history: 100 is not of type 'string'."),
    ("post", "/api/next", {"json": {"history": ["1"] * 501}}, 422, "history: "),
    ("get", "/api/compare?first=1&second=2", {}, 422, "Give one of movie_id, user_id and ratings"),
    ("get", "/api/compare?first=1&second=2&ratings=[]", {}, 422, "ratings: [] is not of type 'object'."),
    ("get", "/api/nothing", {}, 404, "There is nothing at this address; see /docs."),
    ("get", "/pages/../../pyproject.toml", {}, 404, "There is nothing at this address"),
    ("get", "/pages/%2e%2e/resources.py", {}, 404, "There is nothing at this address"),
    ("get", "/api/recommendations", {}, 405, "This address takes another method; see /docs."),
    ("post", "/api/popular", {"json": {}}, 405, "This address takes another method"),
    ("post", "/api/recommendations", {"data": {"ratings": "1"}}, 415, "Send JSON, with the header Content-Type"),
    ("post", "/api/recommendations", {"json": {}}, 422, "ratings is missing: "),
    ("post", "/api/recommendations", {"json": []}, 422, "The body is no object"),
    ("post", "/api/recommendations", {"json": {"ratings": {"100": "5"}}}, 422, "ratings: '5' is not of type 'number'."),
    ("post", "/api/recommendations", {"json": {"ratings": {}, "user_id": 1}}, 422, "The body has 'user_id', which is"),
    ("post", "/api/recommendations", {"json": {"ratings": dict.fromkeys(map(str, range(501)), 1)}}, 422, "more than"),
    ("post", "/api/recommendations", {"json": {"ratings": {"1": 1}, "genres": "Comedy"}}, 422, "genres: 'Comedy'"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "more", "status", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_in_a_line(
    client: httpx.Client, method: str, address: str, more: dict[str, object], status: int, message: str
) -> None:
    answer = client.request(method, address, **more)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{" + b" " * 65536, b"{", b"\xff", b"[" * 30000])
def test_a_body_that_is_too_large_or_no_json_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/recommendations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == (413 if len(body) > 65536 else 422)
    chunked = client.post("/api/recommendations", content=iter([body]), headers={"content-type": "application/json"})
    assert chunked.json() == answer.json()


@pytest.mark.parametrize("address", ["/", "/docs", "/api/runs", "/api/nothing", "/pages/page.css", "/openapi.json"])
def test_every_answer_has_the_headers(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == ("no-store" if address.startswith("/api/") else "no-cache")
    assert "server" not in answer.headers


def test_only_our_own_names_and_addresses_are_answered(client: httpx.Client) -> None:
    for host, status in (
        ("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:9", 200), ("[::1]:9", 200), ("192.0.2.1", 200),
        ("evil.example", 400), ("localhost.evil.example:80", 400), ("", 400),
    ):  # fmt: skip
        answer = client.get("/api/runs", headers={"host": host})
        assert answer.status_code == status, host
    assert "Host header names another server" in answer.json()["error"]
    assert answer.headers["content-security-policy"]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(engine: sa.Engine) -> None:
    limits = Limits(per_second=0.1, burst=2)
    with running(create_app(engine, limits=limits)) as url, httpx.Client(base_url=url) as client:
        statuses = [client.get("/api/runs").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert 8 <= int(client.get("/api/runs").headers["retry-after"]) <= 11
        assert client.get("/").status_code == 200


def test_a_place_is_free_again_once_its_request_has_ended_and_nobody_has_more_than_half() -> None:
    places = Places(Limits(at_once=4))

    def take(client: str) -> None:
        with places.taken(client):
            pass

    def refused(client: str) -> None:
        with pytest.raises(HTTPException) as refusal:
            take(client)
        assert (refusal.value.status_code, refusal.value.headers) == (503, {"Retry-After": "1"})

    with places.taken("a"), places.taken("a"):
        refused("a")
        with places.taken("b"), places.taken("c"):
            refused("d")
        take("d")
    take("a")


def test_bodies_that_never_end_are_in_nobodys_way_and_given_up(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("embrec.web.values.SLOWEST_BODY_SECONDS", 1)
    head = (
        b"POST /api/details HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    with (
        running(create_app(engine, limits=Limits(at_once=1))) as url,
        contextlib.ExitStack() as stack,
    ):
        place = (httpx.URL(url).host, httpx.URL(url).port)
        slow, gone = (stack.enter_context(socket.create_connection(place)) for _ in range(2))
        for each in (slow, gone):
            each.sendall(head)
        gone.close()
        assert httpx.get(f"{url}api/runs").status_code == 200
        slow.settimeout(60)
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body was not here after 1 seconds; send it again." in answer
    assert capsys.readouterr().err == ""


def test_the_application_may_read_no_table_and_write_nothing(engine: sa.Engine) -> None:
    refused = {
        "SELECT * FROM embrec.ratings": "permission denied for table ratings",
        "SELECT embrec.add_rating('u1', '100', 5)": "cannot execute .* in a read-only transaction",
        "CREATE TABLE public.mine (i int)": "read-only transaction|permission denied",
    }
    for statement, reason in refused.items():
        with (
            pytest.raises(DatabaseError, match=reason),
            Asking(engine).connection() as connection,
        ):
            connection.execute(sa.text(statement))
    with Asking(engine).connection() as connection:
        assert connection.scalar(sa.text("SELECT current_user")) == "embrec_api"
    with engine.connect() as connection:
        # The role is reset on a pooled connection.
        assert connection.scalar(sa.text("SELECT current_user")) != "embrec_api"
        assert connection.scalar(sa.text("SHOW transaction_read_only")) == "off"


@pytest.mark.parametrize("membership", ["", "WITH SET FALSE"])
def test_a_login_that_is_no_more_than_a_member_is_enough(
    engine: sa.Engine, admin: sa.Engine, server_url: str, membership: str
) -> None:
    name = f"embrec_explorer_{os.getpid()}"
    with engine.connect() as connection:
        its = str(connection.scalar(sa.text("SELECT current_database()")))
    if membership and engine.dialect.server_version_info < (16,):
        pytest.skip("before PostgreSQL 16 every member may take the role")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p'"))
        connection.execute(sa.text(f"GRANT embrec_api TO {name} {membership}"))
    member = db.create_engine(with_database(server_url, its, user=name, password="p"))
    try:
        with running(create_app(member, limits=MANY)) as url, httpx.Client(base_url=url) as client:
            assert [ask(client, path, method).status_code for path, method in OPERATIONS] == [200] * len(OPERATIONS)
    finally:
        member.dispose()
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP ROLE {name}"))


def test_below_another_path_it_is_the_same(engine: sa.Engine) -> None:
    app = Starlette(routes=[Mount("/films", create_app(engine, limits=Limits(per_second=0.1, burst=1)))])
    with running(app) as url, httpx.Client(base_url=f"{url}films/") as client:
        assert client.get("pages/page.css").status_code == client.get("").status_code == 200
        assert [client.get("api/runs").status_code for _ in range(2)] == [200, 429]


def test_an_empty_database_says_what_to_run(url: str) -> None:
    engine = db.create_engine(url)
    with running(create_app(engine, limits=MANY)) as address, httpx.Client(base_url=address) as client:
        state = client.get("/api/health").json()
        assert state == {"state": "empty", "next_step": "embrec load ml-100k", "model_run_id": None}
        assert client.get("/api/map").json() == {"error": "No model run is published yet. Run: embrec train"}
        assert client.post("/api/recommendations", json={"ratings": {"1": 5}}).json()["movies"] == []
        two_runs(engine)
        with engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM embrec.publications"))
        state = client.get("/api/health").json()
        assert state == {"state": "unpublished", "next_step": "embrec train", "model_run_id": None}
        publishing.publish(engine, 2, force=True)
        assert client.get("/api/health").json()["model_run_id"] == 2
    engine.dispose()


def test_a_database_that_cannot_answer_is_reported_without_its_name(empty_engine: sa.Engine) -> None:
    with running(create_app(empty_engine)) as address, httpx.Client(base_url=address) as client:
        answer = client.get("/api/runs")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "Run: embrec db upgrade" in answer.json()["error"]
    gone = db.create_engine("postgresql://secret:hunter2@127.0.0.1:1/nowhere")
    with running(create_app(gone)) as address, httpx.Client(base_url=address) as client:
        answer = client.get("/api/runs")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("The database cannot be reached; try again")
        assert "nowhere" not in answer.text


def test_an_unforeseen_error_tells_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(asking: Asking) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("embrec.web.app.ENDPOINTS", [Endpoint("/api/broken", "", broken, {})])
    with running(create_app(engine, limits=MANY)) as url:
        answer = httpx.get(f"{url}api/broken")
    assert (answer.status_code, answer.json()) == (500, {"error": "Something went wrong; the server's log has it."})
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_maps_are_drawn_once_and_the_oldest_is_let_go() -> None:
    async def check() -> list[int]:
        maps, drawn = Maps(), []
        for run in [*range(MOST_MAPS), 0, MOST_MAPS, 0, 1]:
            assert await maps.get(Drawing(run, lambda run=run: drawn.append(run) or run)) == run
        return drawn

    assert asyncio.run(check()) == [*range(MOST_MAPS), MOST_MAPS, 1]


def test_a_map_is_of_the_run_that_was_asked_for_whatever_is_published_meanwhile(engine: sa.Engine) -> None:
    asked = answers.movie_map(Asking(engine))
    publishing.publish(engine, 2)
    try:
        assert asked.run == asked.draw()["model_run_id"] == 1
    finally:
        publishing.rollback(engine)


def test_all_who_ask_for_a_map_share_one_drawing_and_its_error() -> None:
    async def check() -> None:
        maps, drawn = Maps(), []

        def draw() -> str:
            drawn.append(1)
            if len(drawn) == 1:
                raise UnknownMovieError("as if it had failed")
            return "the map"

        async def all_of_them() -> list[object]:
            return await asyncio.gather(*(maps.get(Drawing(1, draw)) for _ in range(8)), return_exceptions=True)

        assert {type(each) for each in await all_of_them()} == {UnknownMovieError}
        assert await all_of_them() == ["the map"] * 8
        assert len(drawn) == 2

    asyncio.run(check())


def test_two_maps_are_not_drawn_at_the_same_time() -> None:
    async def check() -> None:
        maps, finish = Maps(), threading.Event()
        first = asyncio.create_task(maps.get(Drawing(1, lambda: finish.wait(10))))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="Another run's map is being drawn") as refusal:
            await maps.get(Drawing(2, lambda: None))
        assert (refusal.value.status_code, refusal.value.headers) == (503, {"Retry-After": "5"})
        finish.set()
        assert await first is True
        assert await maps.get(Drawing(2, lambda: "the other")) == "the other"

    asyncio.run(check())


def test_nobody_else_waits_while_a_map_is_drawn(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(vectors: np.ndarray) -> np.ndarray:
        begun.set()
        assert finish.wait(10)
        return vectors[:, :2]

    limits = Limits(per_second=1e6, burst=1e6, at_once=1)
    with (
        running(create_app(engine, limits=limits)) as url,
        httpx.Client(base_url=url) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        map_of_1 = client.get("/api/map").json()
        monkeypatch.setattr("embrec.serving.projection.project", slow)
        waiting = pool.submit(client.get, "/api/map", params={"run": 2})
        assert begun.wait(10)
        assert client.get("/api/runs").status_code == 200
        assert client.get("/api/map").json() == map_of_1, "it was drawn before"
        finish.set()
        assert waiting.result().status_code == 200


SLOW_MAP = """
import time
from embrec.serving import projection
projection.project = lambda vectors: print("drawing", flush=True) or time.sleep(600)
from embrec.cli import main
main()
"""


def test_a_map_that_is_drawn_does_not_keep_the_server_from_ending(engine: sa.Engine, server_url: str) -> None:
    with engine.connect() as connection:
        its = str(connection.scalar(sa.text("SELECT current_database()")))
    url = with_database(server_url, its)
    command = [sys.executable, "-c", SLOW_MAP, "explore", "--port", "0", "--database-url", url]
    with (
        ThreadPoolExecutor(1) as pool,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
    ):
        address = process.stdout.readline().strip()
        waiting = pool.submit(httpx.get, f"{address}api/map", timeout=60)
        assert process.stdout.readline() == "drawing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)  # and the map is drawn for ten minutes
    assert waiting.result().json() == {"error": "The server is ending."}
    assert (process.returncode, err) == (130, "Ctrl-C ends it.\n\nembrec: interrupted\n")


def test_a_port_that_is_taken_is_named(url: str, embrec) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, out, err = embrec("explore", "--port", str(port), "--database-url", url)
    assert (code, out) == (1, "")
    assert err.endswith(
        f"listen on 127.0.0.1, port {port}: Address already in use. Take another by --port, or 0 for any.\n"
    )


def test_without_the_extra_it_is_named(url: str, embrec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "embrec.web.serving")
    monkeypatch.delattr(web, "serving")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = embrec("explore", "--database-url", url)
    assert (code, out) == (1, "")
    assert err.endswith(f"needs uvicorn, which is not installed. Run: {config.install_command('web')}\n")


# A fake browser that blocks until it has the page, as text browsers do.
BROWSER = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=60).status, flush=True)
except OSError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_prints_its_address_opens_a_browser_and_ends_by_a_signal(
    url: str, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    code = "from embrec.cli import main; main()"
    host = "0.0.0.0" if number is signal.SIGTERM else "127.0.0.1"  # noqa: S104 - the warning is what is tested
    command = [sys.executable, "-c", code, "explore", "--port", "0", "--host", host, "--open", "--database-url", url]
    environment = os.environ | {"BROWSER": f"{sys.executable} {browser} %s"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        opened = process.stdout.readline()
        assert httpx.get(f"{address}api/health").json()["state"] == "empty"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, opened) == (status, "200\n"), err
    assert ("there are no logins" in err) == (number is signal.SIGTERM)
    assert "Traceback" not in err
