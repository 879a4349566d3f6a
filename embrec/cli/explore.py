"""embrec explore."""

from __future__ import annotations

import ipaddress
import threading
import webbrowser

import click

from embrec import config
from embrec.cli.common import database_option, engine, note
from embrec.errors import ConfigError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for a free one.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Believe the proxy at this address, or in this network, when it names its clients in X-Forwarded-For.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@database_option
def explore(host: str, port: int, proxies: tuple[str, ...], opens: bool, database_url: str | None) -> None:
    """Serve a page that shows the movies, the runs and their recommendations in a browser.

    The page and its JSON endpoints only read, and are served until Ctrl-C. There is no login: to serve beyond this
    machine, put a reverse proxy with authentication in front.

    \b
    embrec explore
    embrec explore --port 0 --open
    embrec explore --proxy 127.0.0.1
    """
    try:
        from embrec.web import serving
    except ImportError as error:
        raise ConfigError(
            f"The page needs {error.name}, which is not installed. Run: {config.install_command('web')}"
        ) from error
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ConfigError(f"--proxy {proxy} is no address; give one as 127.0.0.1 or 10.0.0.0/8.") from error
    bind = engine(database_url)
    with serving.listen(host, port) as listening:
        if not serving.is_loopback(listening):
            note(f"Whoever reaches {host} can read users' ratings: there are no logins. Put a reverse proxy before it.")
        url = serving.address(listening)
        click.echo(url)
        note("Ctrl-C ends it.")
        if opens:
            # Only once it serves: webbrowser.open() waits for some browsers until they have loaded the page.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        serving.serve(bind, listening, host, proxies)
