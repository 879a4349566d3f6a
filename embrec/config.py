"""Configuration: the database's address and the directories of files. No other module reads the environment."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import platformdirs
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ProgrammingError
from psycopg.pq import Conninfo

from embrec.errors import ConfigError

URL_VARIABLES = ("EMBREC_DATABASE_URL", "DATABASE_URL")
# The server's own address, if those variables name a connection pooler: migrations and loads need a session.
DIRECT_URL_VARIABLE = "EMBREC_DIRECT_URL"
# Each of these variables alone names a server to libpq; PGUSER or PGPASSWORD does not.
LIBPQ_VARIABLES = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE")


URL_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
# SQLAlchemy's names of drivers that hand a URL's options to libpq; the empty one is no driver's.
LIBPQ_DRIVERS = ("", "psycopg", "psycopg2", "psycopg2cffi")


@dataclass(frozen=True)
class DatabaseSetting:
    """The database to use, and the origin of this setting.

    Attributes:
        parameters: Connection parameters by libpq's names; empty means libpq's own ``PG*`` variables.
        origin: Origin of the setting, for messages: ``--database-url`` or a variable's name.
    """

    parameters: Mapping[str, str]
    origin: str

    def __repr__(self) -> str:
        """Show the server, never the password."""
        return f"DatabaseSetting({describe(self.parameters)!r}, origin={self.origin!r})"


def parse_database_url(url: str, origin: str) -> DatabaseSetting:
    """Parse a database URL or a libpq keyword string into connection parameters.

    The URL may start with ``postgresql://``, ``postgres://`` or SQLAlchemy's name of a driver that is made of libpq, as
    ``postgresql+psycopg2://``, or be a string such as ``host=... dbname=...``. libpq parses it, so all its options work
    (several hosts, sslmode, a socket directory).

    Args:
        url: The URL or keyword string.
        origin: Origin of the URL, for messages.

    Raises:
        ConfigError: The text is not a connection string. The message does not repeat it: it may hold a password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if separator and re.fullmatch(r"[a-z][a-z0-9+_]*", scheme) is None:
        separator = ""  # a keyword string whose password has :// in it
        scheme = url.strip()
    if separator:
        _check_scheme(scheme, origin)
    try:
        parameters = conninfo_to_dict(f"postgresql://{rest}" if separator else scheme)
    except ProgrammingError:
        raise ConfigError(
            _foreign_options(rest, origin)
            or f"The database URL from {origin} cannot be read. Use {URL_FORM} "
            "with special characters in the password percent-encoded (@ is %40)."
        ) from None  # libpq's message may repeat the URL, with the password
    if "@" in str(parameters.get("host", "")):
        raise ConfigError(
            f"The database URL from {origin} has an @ in its password or host; write it as %40 in the password."
        )
    if parameters.get("password") == "***":
        raise ConfigError(
            f"The database URL from {origin} has *** for its password, as SQLAlchemy prints one. Use "
            "engine.url.render_as_string(hide_password=False)."
        )
    return DatabaseSetting({key: str(value) for key, value in parameters.items()}, origin)


def _check_scheme(scheme: str, origin: str) -> None:
    """Refuse the URL of another database, and of a driver whose options are not libpq's."""
    database, _, driver = scheme.partition("+")
    if database not in ("postgresql", "postgres"):
        raise ConfigError(
            f"The database URL from {origin} starts with {scheme}://, and embrec speaks to PostgreSQL only. "
            f"Use {URL_FORM}."
        )
    if driver not in LIBPQ_DRIVERS:
        raise ConfigError(
            f"The database URL from {origin} starts with {scheme}://, for the driver {driver}; embrec connects by "
            f"libpq. Use {URL_FORM}, in EMBREC_DATABASE_URL if others read {origin} too."
        )


def _foreign_options(rest: str, origin: str) -> str | None:
    """Return a message that names the options of a URL which libpq does not know, or None if there are none.

    Args:
        rest: The URL after its scheme.
        origin: Origin of the URL.
    """
    query = rest.rpartition("@")[2].partition("?")[2]  # a password may have a question mark, too
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl"}  # libpq's URLs have ssl=true
    foreign = [name for name, _ in parse_qsl(query, keep_blank_values=True) if name not in known]
    if not foreign:
        return None
    return (
        f"The database URL from {origin} has options of another library, which libpq does not know: "
        f"{', '.join(foreign)}. Use {URL_FORM} without them, in EMBREC_DATABASE_URL if others read {origin} too."
    )


def database_setting(url: str | None = None, direct: bool = False) -> DatabaseSetting | None:
    """Find the configured database: ``url``, EMBREC_DATABASE_URL, DATABASE_URL, then libpq's ``PG*`` variables.

    Args:
        url: A database URL that takes precedence over the environment.
        direct: True if EMBREC_DIRECT_URL takes precedence over the other variables.

    Returns:
        The setting, or None if no database is configured and the embedded one should be used.

    Raises:
        ConfigError: A setting exists but cannot be parsed.
    """
    if url:
        return parse_database_url(url, "--database-url")
    for name in (DIRECT_URL_VARIABLE, *URL_VARIABLES) if direct else URL_VARIABLES:
        if value := os.environ.get(name):
            return parse_database_url(value, name)
    for name in LIBPQ_VARIABLES:
        if os.environ.get(name):
            return DatabaseSetting({}, name)
    return None


def connect_timeout() -> str:
    """Return the connection timeout in seconds: $PGCONNECT_TIMEOUT, or 10."""
    return os.environ.get("PGCONNECT_TIMEOUT") or "10"


def describe(parameters: Mapping[str, str]) -> str:
    """Describe a database in a message, without its password."""
    if not parameters:
        return "the database named by the PG* variables"
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    port = f":{parameters['port']}" if parameters.get("port") else ""
    return f"database {parameters.get('dbname', '(default)')} on {host}{port}"


def home_directory() -> Path:
    """Return the directory of the embedded database: $EMBREC_HOME, or the user's data directory (XDG)."""
    if value := os.environ.get("EMBREC_HOME"):
        return Path(value).expanduser().absolute()
    return platformdirs.user_data_path("embrec")


def home_is_chosen() -> bool:
    """Return whether EMBREC_HOME or XDG_DATA_HOME names the home directory."""
    return bool(os.environ.get("EMBREC_HOME") or os.environ.get("XDG_DATA_HOME"))


def cache_directory() -> Path:
    """Return the directory of downloaded data sets: $EMBREC_HOME/cache, or the user's cache directory (XDG)."""
    if os.environ.get("EMBREC_HOME"):
        return home_directory() / "cache"
    return platformdirs.user_cache_path("embrec")


def server_environment() -> dict[str, str]:
    """Return the environment of the embedded server: ours without locale and libpq variables.

    initdb fails if LANG names a locale that is not installed, and a stray PG* variable would redirect it.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_")) and name not in ("LANG", "LANGUAGE")
    }


def install_command(extras: str) -> str:
    """Return the command that adds extras to this installation, from where pip took it; no package index has embrec.

    Args:
        extras: Names of extras, separated by commas.
    """
    from urllib.request import url2pathname  # it loads an HTTP client

    origin = json.loads(importlib.metadata.distribution("embrec").read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    folder = Path(url2pathname(urlsplit(url).path))
    if "dir_info" in origin and folder.is_dir():
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}'{folder}[{extras}]'"
    if "archive_info" in origin:
        return f"pip install 'embrec[{extras}] @ {url}'"
    return f"pip install '.[{extras}]' in the folder of embrec's sources"


def prepare_ray(local: bool) -> None:
    """Set the environment of Ray, if it is not set; call this before importing it.

    Its usage statistics are off. A Ray of this machine's own listens on all network interfaces, and takes requests with
    a token alone: without one Ray would write one into the user's home directory, readable by others.

    Args:
        local: Whether a Ray of this machine's own will be started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local and not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def quiet_tensorflow() -> None:
    """Silence TensorFlow's log on the terminal, unless its level is set; call this before importing it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
