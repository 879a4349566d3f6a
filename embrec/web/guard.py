"""The guard before every request: host check, rate limit, concurrency limit, and security headers."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True)
class Limits:
    """The rate and concurrency limits of the endpoints.

    Attributes:
        at_once: Maximum number of concurrent requests of all clients; one client gets at most half.
        per_second: Sustained rate of one client, in requests per second.
        burst: Maximum number of requests of one client at once.
    """

    at_once: int = 32
    per_second: float = 20.0
    burst: float = 100.0


class Guard:
    """A middleware that refuses requests for another host or above the rate limit, and sets security headers."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], limits: Limits) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._limits = limits
        self._clients = _Clients(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        asks = (
            scope["path"].removeprefix(scope.get("root_path", "")).startswith("/api/")
        )  # without root_path: the application may be mounted below a path
        send = _with_headers(send, "no-store" if asks else "no-cache")
        refusal = self._refusal(scope, asks)
        if refusal is not None:
            return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, asks: bool) -> JSONResponse | None:
        if not self._is_us(Headers(scope=scope).get("host", "")):
            return _refuse(400, "The Host header names another server. Open the address that embrec explore prints.")
        if not asks:
            return None
        if wait := self._clients.wait(client_of(scope)):
            return _refuse(429, "Too many requests; wait a moment and try again.", int(wait) + 1)
        return None

    def _is_us(self, header: str) -> bool:
        """Return whether a Host header names this server, to prevent DNS rebinding.

        That is a page on another site whose name resolves to this address. Any IP address is accepted, because no
        name resolved to it.
        """
        name = (
            header.partition("]")[0].removeprefix("[")
            if header.startswith("[")
            else header.rpartition(":")[0] or header
        )
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self._hosts
        return True


class Places:
    """The limit on concurrent requests, of which one client gets at most half."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.at_once
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Hold a place during a request.

        Raises:
            HTTPException: 503 if no place is free, or the client already has its half.
        """
        if self._taken.total() >= self._most or self._taken[client] >= max(self._most // 2, 1):
            raise HTTPException(503, "Too many requests are in progress; try again in a moment.", {"Retry-After": "1"})
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class _Clients:
    """The rate limit of each client, as a token bucket."""

    MOST = 10_000

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Return the seconds until the client may send a request; 0 counts one now."""
        now = self._clock()
        left, since = self._buckets.pop(client, (self._limits.burst, now))
        left = min(left + (now - since) * self._limits.per_second, self._limits.burst)
        allowed = left >= 1
        self._buckets[client] = (left - allowed, now)
        if len(self._buckets) > self.MOST:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._limits.per_second


def client_of(scope: Scope) -> str:
    """Return the client's address; of IPv6 the network that a client has to itself, and "" for what is no address."""
    try:
        address = ipaddress.ip_address(scope["client"][0] if scope.get("client") else "")
    except ValueError:
        return ""  # a name that a proxy passed on may have any length
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address if address.version == 4 else ipaddress.ip_network((address.packed, 64), strict=False))


def _refuse(status: int, message: str, seconds: int | None = None) -> JSONResponse:
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse({"error": message}, status, headers)


def _with_headers(send: Send, caching: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Cache-Control": caching}.items():
                headers[name] = value
        await send(message)

    return sending
