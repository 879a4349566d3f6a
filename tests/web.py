"""The web application on a port of this machine, in a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame, transitions, two_part_run
from starlette.types import ASGIApp

from embrec.data.extraction import extract
from embrec.runs import publishing
from embrec.web.guard import Limits
from embrec.web.maps import Maps
from embrec.web.serving import address, listen, server

# Limits above what a test could reach.
MANY = Limits(per_second=1e6, burst=1e6)


@contextlib.contextmanager
def running(app: ASGIApp, proxies: Sequence[str] = ()) -> Iterator[str]:
    """Serve the application; the value is its URL."""
    with listen("127.0.0.1", 0) as listening:
        served = server(app, Maps(), proxies)
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not served.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield address(listening)
        finally:
            served.should_exit = True
            thread.join(10)


def two_runs(engine: sa.Engine) -> None:
    """Store ratings of movies with titles, and two runs that know an order: 1 is published, 2 is not."""
    load_frame(engine, rating_frame(), named_movies())
    arrays = extract(engine, with_times=True)
    for run in (1, 2):
        following = transitions(arrays.sequences(), vectors=run == 1)
        two_part_run(engine, seed=run, following=following)
    publishing.rollback(engine)
