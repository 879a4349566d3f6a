"""The server that runs the web application on an address of this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from embrec.errors import ConfigError
from embrec.web.app import LOCAL_NAMES, create_app
from embrec.web.connections import BoundedProtocol
from embrec.web.maps import Maps


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Args:
        host: Host name or address of this machine.
        port: Port, or 0 for a free one.

    Raises:
        ConfigError: The address is not this machine's, or another process listens there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # the rest repeats the address
        raise ConfigError(
            f"Cannot listen on {host}, port {port}: {reason}. Take another by --port, or 0 for any."
        ) from error


def address(listening: socket.socket) -> str:
    """Return the URL of a listening socket, for clients on this machine."""
    host, port = listening.getsockname()[:2]
    found = ipaddress.ip_address(host)
    if found.is_unspecified:
        host = "::1" if found.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(listening: socket.socket) -> bool:
    """Return whether a listening socket is reachable only from this machine."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def serve(engine: sa.Engine, listening: socket.socket, host: str, proxies: Sequence[str] = ()) -> None:
    """Serve until a signal ends the server.

    Args:
        engine: The database.
        listening: Socket from :func:`listen`.
        host: Host name that was given to :func:`listen`.
        proxies: Addresses of proxies that are believed when they name a client in X-Forwarded-For.
    """
    hosts = {*LOCAL_NAMES, host}
    if not is_loopback(listening):
        hosts |= {socket.gethostname(), socket.getfqdn()}
    maps = Maps()
    server(create_app(engine, hosts, maps=maps), maps, proxies).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that ends without waiting for maps."""

    def __init__(self, config: uvicorn.Config, maps: Maps) -> None:
        super().__init__(config)
        self._maps = maps

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End gracefully: refuse new requests, and answer those in progress."""
        self._maps.end()
        await super().shutdown(sockets)


def server(app: ASGIApp, maps: Maps, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """Create a server for the application and its maps; its log has errors, but no requests or addresses."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        ws="none",
        lifespan="off",
        http=BoundedProtocol,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=1,
    )
    return _Server(config, maps)
