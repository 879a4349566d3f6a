"""The web application: the endpoints as JSON, their OpenAPI document, and the page's files."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from embrec.errors import ArgumentError, DatabaseError, EmbrecError, NotFoundError, SchemaError, UnreachableError
from embrec.pages import pages_directory
from embrec.serving.plain import json_value
from embrec.web import openapi, values
from embrec.web.asking import Asking
from embrec.web.endpoints import ENDPOINTS, Endpoint
from embrec.web.guard import Guard, Limits, Places, client_of
from embrec.web.maps import Drawing, Maps

LOCAL_NAMES = ("localhost",)
# As many connections as the engine's pool keeps.
THREADS = 5

# What Starlette says, and what to do.
_PLAINER = {
    "Not Found": "There is nothing at this address; see /docs.",
    "Method Not Allowed": "This address takes another method; see /docs.",
}
_log = logging.getLogger(__name__)


def create_app(
    engine: sa.Engine, hosts: Collection[str] = LOCAL_NAMES, limits: Limits | None = None, maps: Maps | None = None
) -> ASGIApp:
    """Make the application, to be run by any ASGI server on asyncio.

    Args:
        engine: The database. It is only read, as embrec_api where the login may become that.
        hosts: The names under which the application is reached; an address is always one.
        limits: How much is answered.
        maps: The maps of movies, for a server to end what is drawn when it ends.

    Returns:
        An ASGI application. It has no users of its own: whoever reaches it may ask all it answers.
    """
    limits = limits or Limits()
    answering = _Answering(Asking(engine), Places(limits), maps or Maps())
    directory = pages_directory()
    routes = [
        *(_route(endpoint, answering) for endpoint in ENDPOINTS),
        Route("/openapi.json", _document),
        Route("/docs", functools.partial(_file, path=directory / "docs.html")),
        Route("/", functools.partial(_file, path=directory / "explore.html")),
        Mount("/pages", StaticFiles(directory=directory)),
    ]
    handlers = {HTTPException: _refused, ClientDisconnect: _gone, Exception: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    # Around all of it, so that an answer to an unforeseen error has the headers too.
    return Guard(app, hosts, limits)


class _Answering:
    """What all endpoints are answered with."""

    def __init__(self, asking: Asking, places: Places, maps: Maps) -> None:
        self._asking = asking
        self._places = places
        self._maps = maps
        self._threads = anyio.CapacityLimiter(THREADS)

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer a request to an endpoint, or refuse it by an HTTPException."""
        given = await values.read(endpoint, request)
        asked = dataclasses.replace(self._asking, run=given.pop("run", None))
        try:
            # Whoever sends a body slowly, or waits for a map, is in nobody's way.
            with self._places.taken(client_of(request.scope)):
                ask = functools.partial(endpoint.answer, asked, **given)
                found = await run_sync(ask, limiter=self._threads)
            if isinstance(found, Drawing):
                found = await self._maps.get(found)
        except EmbrecError as error:
            raise _as_refusal(error) from error
        return _Json(found)


def _route(endpoint: Endpoint, answering: _Answering) -> Route:
    # An id may have slashes.
    path = endpoint.path.replace("_id}", "_id:path}")
    return Route(path, functools.partial(answering.answer, endpoint), methods=[endpoint.method])


class _Json(JSONResponse):
    """JSON of plain values, times and numpy's numbers."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, default=json_value).encode()


def _as_refusal(error: EmbrecError) -> HTTPException:
    """What to tell a client: what it can mend, and of the server's own troubles no more than it needs to know."""
    if isinstance(error, NotFoundError):
        return HTTPException(404, str(error))
    if isinstance(error, ArgumentError):
        return HTTPException(422, str(error))
    _log.warning("%s", error)
    if isinstance(error, SchemaError):
        return HTTPException(503, str(error), {"Retry-After": "30"})
    if isinstance(error, UnreachableError):
        message = "The database cannot be reached; try again in a moment. On the server, run: embrec doctor"
        return HTTPException(503, message, {"Retry-After": "5"})
    if isinstance(error, DatabaseError):
        return HTTPException(503, "The database did not answer this; the server's log says why.", {"Retry-After": "5"})
    return HTTPException(500, "This cannot be answered; the server's log says why.")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handles
    return JSONResponse({"error": _PLAINER.get(error.detail, error.detail)}, error.status_code, error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response()  # to nobody


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Something went wrong; the server's log has it."}, 500)


async def _document(request: Request) -> Response:
    return JSONResponse(openapi.document())


async def _file(request: Request, path: Path) -> Response:
    return FileResponse(path)
