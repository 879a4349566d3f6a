"""A cache of maps of movies, one for each run, because t-SNE takes seconds."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

MOST_MAPS = 8


@dataclass(frozen=True)
class Drawing:
    """A request for a map.

    Attributes:
        run: The run whose movies are mapped.
        draw: Function that draws the map, which takes seconds.
    """

    run: int
    draw: Callable[[], Any]


class Maps:
    """The most recently used maps, by run.

    A run's vectors do not change; movies that refresh() adds appear after a restart. Call the methods only in the event
    loop's thread. One map is drawn at a time, in a daemon thread, so that the server can end without waiting for it.
    """

    def __init__(self) -> None:
        self._drawn: OrderedDict[int, Any] = OrderedDict()
        self._in_work: dict[int, asyncio.Future[Any]] = {}
        self._ended = False

    async def get(self, asked: Drawing) -> Any:
        """Return a run's map; concurrent requests for it wait for the same drawing.

        Raises:
            HTTPException: 503 if another run's map is being drawn, or the server ends.
            EmbrecError: The drawing failed.
        """
        if asked.run in self._drawn:
            self._drawn.move_to_end(asked.run)
            return self._drawn[asked.run]
        if self._ended:
            raise _ending()
        if asked.run not in self._in_work:
            if self._in_work:
                raise HTTPException(
                    503, "Another run's map is being drawn; try again in a moment.", {"Retry-After": "5"}
                )
            self._start(asked)
        # Shielded, or one client that disconnects would cancel the drawing for the others.
        return await asyncio.shield(self._in_work[asked.run])

    def end(self) -> None:
        """Fail all requests that wait for a map."""
        self._ended = True
        for future in self._in_work.values():
            future.set_exception(_ending())
        self._in_work.clear()

    def _start(self, asked: Drawing) -> None:
        loop = asyncio.get_running_loop()
        self._in_work[asked.run] = loop.create_future()

        def work() -> None:
            found, error = None, None
            try:
                found = asked.draw()
            except Exception as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed, because the server ended meanwhile
                loop.call_soon_threadsafe(self._finish, asked.run, found, error)

        threading.Thread(target=work, name="map", daemon=True).start()

    def _finish(self, run: int, found: Any, error: Exception | None) -> None:
        future = self._in_work.pop(run, None)
        if future is None:  # end() failed it already
            return
        if error is not None:
            future.set_exception(error)
            return
        future.set_result(found)
        self._drawn[run] = found
        if len(self._drawn) > MOST_MAPS:
            self._drawn.popitem(last=False)


def _ending() -> HTTPException:
    return HTTPException(503, "The server is ending.", {"Retry-After": "5"})
