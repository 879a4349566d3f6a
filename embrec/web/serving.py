"""Runs the web application on an address of this machine."""

from __future__ import annotations

import ipaddress
import socket

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from embrec.errors import ConfigError
from embrec.web.app import LOCAL_NAMES, create_app
from embrec.web.maps import Maps


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: A name or an address of this machine.
        port: 0 for any that is free.

    Raises:
        ConfigError: The address is not this machine's, or somebody else listens there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # which would say the address again
        raise ConfigError(
            f"Cannot listen on {host}, port {port}: {reason}. Take another by --port, or 0 for any."
        ) from error


def address(listening: socket.socket) -> str:
    """The URL under which a listening socket is reached from this machine."""
    host, port = listening.getsockname()[:2]
    found = ipaddress.ip_address(host)
    if found.is_unspecified:
        host = "::1" if found.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine reaches a listening socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def serve(engine: sa.Engine, listening: socket.socket, host: str) -> None:
    """Serve until a signal ends it.

    Args:
        engine: The database.
        listening: From :func:`listen`.
        host: The name that it listens under.
    """
    hosts = {*LOCAL_NAMES, host}
    if not is_loopback(listening):
        hosts |= {socket.gethostname(), socket.getfqdn()}
    maps = Maps()
    server(create_app(engine, hosts, maps=maps), maps).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that does not wait for maps when it ends."""

    def __init__(self, config: uvicorn.Config, maps: Maps) -> None:
        super().__init__(config)
        self._maps = maps

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: nothing new is taken in, and what is in progress is answered."""
        self._maps.end()
        await super().shutdown(sockets)


def server(app: ASGIApp, maps: Maps) -> uvicorn.Server:
    """A server for the application and its maps; its log has what went wrong, not who asked."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        ws="none",
        lifespan="off",
        forwarded_allow_ips=["127.0.0.1", "::1"],  # a proxy on this machine says who its clients are
        limit_concurrency=200,
        timeout_graceful_shutdown=5,
    )
    return _Server(config, maps)
