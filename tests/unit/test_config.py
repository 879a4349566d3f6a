from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from embrec import config, db
from embrec.errors import ConfigError, UnreachableError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@db.example:5433/films",
        "postgres://ann:s3cret@db.example:5433/films",
        "postgresql+psycopg://ann:s3cret@db.example:5433/films",
        "postgresql+psycopg2://ann:s3cret@db.example:5433/films",
        "host=db.example port=5433 user=ann password=s3cret dbname=films",
    ],
)
def test_every_way_to_write_a_url_means_the_same(url: str) -> None:
    setting = config.parse_database_url(url, "DATABASE_URL")
    assert setting.parameters == {
        "host": "db.example",
        "port": "5433",
        "user": "ann",
        "password": "s3cret",
        "dbname": "films",
    }


def test_a_url_may_have_escapes_options_and_a_socket_directory() -> None:
    setting = config.parse_database_url("postgresql://a:p%40ss%2F@/films?host=/run/my%20pg&sslmode=require", "x")
    assert setting.parameters == {
        "user": "a",
        "password": "p@ss/",
        "dbname": "films",
        "host": "/run/my pg",
        "sslmode": "require",
    }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://a:hunter2@h/d", "speaks to PostgreSQL only"),
        ("postgis://a:hunter2@h/d", "speaks to PostgreSQL only"),
        ("postgresql+asyncpg://a:hunter2@h/d", "for the driver asyncpg; embrec connects by libpq"),
        ("postgresql+pg8000://a:hunter2@h/d", "for the driver pg8000; embrec connects by libpq"),
    ],
)
def test_another_scheme_is_refused_with_the_right_one(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"from DATABASE_URL starts with .*{message}.*Use postgresql://") as caught:
        config.parse_database_url(url, "DATABASE_URL")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("postgres://a:hunter2@h/d?schema=public", "schema"),
        ("postgresql://a:hunter2@h/d?sslmode=require&pgbouncer=true&connection_limit=5", "pgbouncer, connection_limit"),
        ("postgresql+psycopg2://a:hunter2?hunter2@h/d?nonsense=hunter2", "nonsense"),
    ],
)
def test_options_of_other_libraries_are_named_and_not_the_password(url: str, names: str) -> None:
    with pytest.raises(ConfigError, match=f"does not know: {names}. Use postgresql://") as caught:
        config.parse_database_url(url, "DATABASE_URL")
    assert "hunter2" not in str(caught.value)


def test_a_password_that_sqlalchemy_has_hidden_is_asked_for() -> None:
    engine = sa.create_engine("postgresql+psycopg://a:hunter2@h/d")
    with pytest.raises(ConfigError, match="render_as_string"):
        db.create_engine(str(engine.url))
    assert db.create_engine(engine.url).pool is not engine.pool


@pytest.mark.parametrize("url", ["hunter2", "postgresql://a:hunter2@[h/d"])
def test_an_unreadable_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        config.parse_database_url(url, "DATABASE_URL")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_part_of_a_password_shows_where_the_url_is_taken_for_something_else() -> None:
    setting = config.parse_database_url("host=h password=se://cret dbname=x", "DATABASE_URL")
    assert "se://cret" in setting.parameters.values()
    with pytest.raises(ConfigError, match="write it as %40") as caught:
        config.parse_database_url("postgresql://u:hunter@2secret@127.0.0.1/x", "DATABASE_URL")
    assert "2secret" not in str(caught.value)


def test_a_setting_never_shows_its_password() -> None:
    setting = config.parse_database_url("postgresql://ann:hunter2@db/films", "DATABASE_URL")
    assert "hunter2" not in repr(setting) + config.describe(setting.parameters)


def test_the_order_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.database_setting() is None
    monkeypatch.setenv("PGUSER", "ann")
    assert config.database_setting() is None, "PGUSER alone names no server"
    monkeypatch.setenv("PGHOST", "h1")
    assert config.database_setting() == config.DatabaseSetting({}, "PGHOST")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h2/")
    monkeypatch.setenv("EMBREC_DATABASE_URL", "postgresql://h3/")
    hosts = []
    for url in ("postgresql://h4/", None):
        setting = config.database_setting(url)
        assert setting is not None
        hosts.append((setting.parameters["host"], setting.origin))
    monkeypatch.delenv("EMBREC_DATABASE_URL")
    setting = config.database_setting()
    assert setting is not None
    hosts.append((setting.parameters["host"], setting.origin))
    assert hosts == [("h4", "--database-url"), ("h3", "EMBREC_DATABASE_URL"), ("h2", "DATABASE_URL")]


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(url: str) -> object:
        found = {}
        engine = db.create_engine(url)
        sa.event.listen(engine, "do_connect", lambda *given: found.update(given[-1]))
        with pytest.raises(UnreachableError), db.begin(engine):
            pass
        return found["connect_timeout"]

    assert seconds("postgresql://127.0.0.1:1/x") == "10"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "20")
    assert seconds("postgresql://127.0.0.1:1/x") == "20"
    assert seconds("postgresql://127.0.0.1:1/x?connect_timeout=30") == "30"


def test_what_takes_a_session_goes_by_the_direct_url_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBREC_DATABASE_URL", "postgresql://pooler/")
    monkeypatch.setenv(config.DIRECT_URL_VARIABLE, "postgresql://server/")
    for url, direct, origin in (
        ("postgresql://given/", True, "--database-url"),
        (None, True, "EMBREC_DIRECT_URL"),
        (None, False, "EMBREC_DATABASE_URL"),
    ):
        setting = config.database_setting(url, direct)
        assert setting is not None
        assert setting.origin == origin


def test_the_home_directory_follows_embrec_home_then_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMBREC_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert config.home_directory() == tmp_path / "data" / "embrec"
    monkeypatch.setenv("EMBREC_HOME", str(tmp_path / "home"))
    assert config.home_directory() == tmp_path / "home"
    assert config.cache_directory() == tmp_path / "home" / "cache"


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({"url": "file:///SOURCES", "dir_info": {"editable": True}}, "pip install -e 'SOURCES[web,local]'"),
        ({"url": "file:///SOURCES", "dir_info": {}}, "pip install 'SOURCES[web,local]'"),
        ({"url": "file:///gone", "dir_info": {}}, "pip install '.[web,local]' in the folder of embrec's sources"),
        (
            {"url": "file:///x/embrec-1.0.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'embrec[web,local] @ file:///x/embrec-1.0.0-py3-none-any.whl'",
        ),
        (None, "pip install '.[web,local]' in the folder of embrec's sources"),
    ],
)
def test_extras_are_installed_from_where_embrec_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: dict[str, object] | None, command: str
) -> None:
    folder = tmp_path / "made by me"
    folder.mkdir()

    class Installed:
        def read_text(self, name: str) -> str | None:
            url = folder.as_uri() if origin and "SOURCES" in str(origin["url"]) else None
            return None if origin is None else json.dumps(origin | ({"url": url} if url else {}))

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    assert config.install_command("web,local") == command.replace("SOURCES", str(folder))


def test_the_embedded_server_sees_no_locale_and_no_libpq_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LANGUAGE", "LC_ALL", "PGHOST", "PGDATA"):
        monkeypatch.setenv(name, "xx")
    monkeypatch.setenv("KEPT", "yes")
    environment = config.server_environment()
    assert environment["KEPT"] == "yes"
    assert not {"LANG", "LANGUAGE", "LC_ALL", "PGHOST", "PGDATA"} & set(environment)
