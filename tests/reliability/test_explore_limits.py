"""Clients of the explore server that are idle, slow or not who they say keep nobody else from an answer."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame
from faulting import wait_for
from web import address, listen, running, server

from embrec.serving import search
from embrec.web import connections
from embrec.web.app import create_app
from embrec.web.guard import Limits, client_of
from embrec.web.maps import Maps

NOWHERE = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")


@contextlib.contextmanager
def opened(url: str, number: int, sends: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that send something and then nothing."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(number):
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", urlsplit(url).port))))
            with contextlib.suppress(ConnectionError):  # its place was taken already
                made[-1].sendall(sends)
        # The server has taken them all when it has ended as many as are too many.
        wait_for(lambda: sum(map(ended, made)) >= number - connections.MOST_CONNECTIONS)
        yield made


def ended(connection: socket.socket) -> bool:
    """Read what is there, and return whether the server has ended the connection."""
    try:
        while connection.recv(65536, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def status(url: str, path: str = "/openapi.json", **headers: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=60)
    with contextlib.closing(client):
        client.request("GET", path, headers=headers)
        return client.getresponse().status


@pytest.mark.parametrize(
    "sends",
    [
        b"",
        b"GET / HT",
        b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n"
        b"Content-Type: application/json\r\n\r\n{",
        b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_connections_that_wait_keep_nobody_out(sends: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 600)
    with running(create_app(NOWHERE, limits=Limits(per_second=1e6, burst=1e6))) as url:
        with opened(url, 260, sends):
            assert [status(url) for _ in range(3)] == [200, 200, 200]
        assert status(url) == 200


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with running(create_app(NOWHERE)) as url:
        for sends in (b"", b"GET / HT"):
            with opened(url, 1, sends) as (idle,):
                idle.settimeout(60)
                with contextlib.suppress(ConnectionResetError):
                    assert idle.recv(100) == b""


def test_an_answer_does_not_wait_for_the_client_to_confirm_its_headers() -> None:
    with listen("127.0.0.1", 0) as listening:
        seen: list[int] = []
        served = server(create_app(NOWHERE), Maps())
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]})
        thread.start()
        while not served.started:
            time.sleep(0.01)
        with opened(address(listening), 1, b"GET"):
            while not served.server_state.connections:
                time.sleep(0.01)
            for each in served.server_state.connections:
                seen.append(each.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        served.should_exit = True
        thread.join(10)
    assert seen == [1]


@pytest.mark.parametrize(("proxies", "believed"), [((), False), (("127.0.0.1",), True), (("10.0.0.0/8",), False)])
def test_who_a_client_is_is_said_by_a_named_proxy_alone(proxies: tuple[str, ...], believed: bool) -> None:
    app = create_app(NOWHERE, limits=Limits(per_second=1e-6, burst=3))
    with running(app, proxies) as url:
        answers = [status(url, "/api/x", **{"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(6)]
    assert answers == [404] * 6 if believed else answers == [404] * 3 + [429] * 3


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("2001:db8::9", "2001:db8::/64"),
        ("x" * 50_000, ""),
    ],
)
def test_a_client_is_an_address(host: str, client: str) -> None:
    assert client_of({"type": "http", "client": (host, 1)}) == client
    assert client_of({"type": "http"}) == ""


@pytest.mark.parametrize("find", [search.find_movies, search.suggest_movies])
def test_of_a_long_query_the_first_200_letters_count(engine: sa.Engine, find) -> None:
    load_frame(engine, rating_frame(), named_movies())
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = '5s'"))
        assert len(find(connection, "movie of 1981 " + " " * 200 + "and more" * 100_000)) > 0
        find(connection, "a " * 1_000_000)
        find(connection, "\ufdfa" * 100_000)
