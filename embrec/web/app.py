"""The web application (ASGI): JSON endpoints, their OpenAPI document, and the page's files."""

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

from embrec import db
from embrec.db.answer import json_value
from embrec.errors import ArgumentError, DatabaseError, EmbrecError, NotFoundError, SchemaError, UnreachableError
from embrec.pages import pages_directory
from embrec.web import openapi, values
from embrec.web.asking import Asking
from embrec.web.endpoint import Endpoint
from embrec.web.endpoints import ENDPOINTS
from embrec.web.guard import Guard, Limits, Places, client_of
from embrec.web.maps import Drawing, Maps

LOCAL_NAMES = ("localhost",)
# As many threads as connections in the engine's pool: more would only wait for a connection.
THREADS = 5

# Messages for Starlette's own errors that say what to do next.
_PLAINER = {
    "Not Found": "There is nothing at this address; see /docs.",
    "Method Not Allowed": "This address takes another method; see /docs.",
}
_log = logging.getLogger(__name__)


def create_app(
    engine: sa.Engine, hosts: Collection[str] = LOCAL_NAMES, limits: Limits | None = None, maps: Maps | None = None
) -> ASGIApp:
    """Create the application, for any ASGI server on asyncio.

    Args:
        engine: The database. It is only read, as the role embrec_api if the login may assume it.
        hosts: Host names that requests may use; any IP address is accepted.
        limits: Rate and concurrency limits.
        maps: Maps of movies; a server that ends them cancels those in progress.

    Returns:
        An ASGI application without authentication: every client may call every endpoint.
    """
    db.require_engine(engine)
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
    # The guard is outermost, or the answer to an unexpected error would lack its headers.
    return Guard(app, hosts, limits)


class _Answering:
    """The state that endpoints share: the database, the concurrency limit, maps and threads."""

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
            # Take a place only for the query, or clients that send slowly or wait for a map would use them up.
            with self._places.taken(client_of(request.scope)):
                ask = functools.partial(endpoint.answer, asked, **given)
                found = await run_sync(ask, limiter=self._threads)
            if isinstance(found, Drawing):
                found = await self._maps.get(found)
        except EmbrecError as error:
            raise _as_refusal(error) from error
        return _Json(found)


def _route(endpoint: Endpoint, answering: _Answering) -> Route:
    # Type "path", because an id may contain slashes.
    path = endpoint.path.replace("_id}", "_id:path}")
    return Route(path, functools.partial(answering.answer, endpoint), methods=[endpoint.method])


class _Json(JSONResponse):
    """A JSON response of plain values, timestamps and numpy numbers."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, default=json_value).encode()


def _as_refusal(error: EmbrecError) -> HTTPException:
    """Convert an error to an HTTP error: in full if the client can fix it, else without the server's details."""
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
    assert isinstance(error, HTTPException)  # noqa: S101 - the only type it handles
    return JSONResponse({"error": _PLAINER.get(error.detail, error.detail)}, error.status_code, error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response()  # nobody receives it


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Something went wrong; the server's log has it."}, 500)


async def _document(request: Request) -> Response:
    return JSONResponse(openapi.document())


async def _file(request: Request, path: Path) -> Response:
    return FileResponse(path)
