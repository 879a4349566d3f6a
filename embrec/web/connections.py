"""The limits of connections: their number, and the time that a client may take to send a request."""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol

# Connections at once. One more takes the place of the one that has been without a request for longest.
MOST_CONNECTIONS = 150
# Seconds until the headers of a request must be here, from the connection or from the last answer on.
HEADER_SECONDS = 10.0


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 for clients that may be idle or slow on purpose, on at most a number of connections."""

    # Since when a whole request is waited for; None while one is answered.
    _waiting_since: float | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in the place of the one that has waited for longest if there are too many."""
        super().connection_made(transport)
        # Headers and body are two writes: without it the second waits 40 ms for the client to confirm the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > MOST_CONNECTIONS:
            waiting = [(each._waiting_since, each) for each in self._others() if each._waiting_since is not None]
            min(waiting, key=lambda pair: pair[0], default=(0.0, self))[1]._end()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock of a connection that has ended."""
        self._stop_clock()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the clock when the headers of a request are here."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_clock()
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._waiting_since = None

    def on_response_complete(self) -> None:
        """Start the clock for the next request, unless it is here already."""
        answered = self.cycle
        super().on_response_complete()
        if self.cycle is answered and not self.transport.is_closing():
            self._await_request()

    def _others(self) -> list[BoundedProtocol]:
        return [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]

    def _await_request(self) -> None:
        self._stop_clock()
        self._waiting_since = self.loop.time()
        self._timer = self.loop.call_later(HEADER_SECONDS, self._end)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        """End a connection at once: closing would wait for a client that does not read."""
        self._stop_clock()
        self.connections.discard(self)
        self.transport.abort()
