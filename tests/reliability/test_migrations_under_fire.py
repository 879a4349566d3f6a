"""Migrations that are killed, that wait for locks, and that run during traffic."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from data import load_frame, rating_frame, two_part_run
from faulting import ended, started

from embrec import db
from embrec.db import resources, schema
from embrec.errors import SchemaError
from embrec.serving import recommend


def upgrade_killed_at(url: str, statement: int) -> None:
    """Upgrade a database in a process that kills itself before the statement of this number."""
    engine = db.create_engine(url)
    numbers = itertools.count()

    @sa.event.listens_for(engine, "before_cursor_execute")
    def kill(*_: object) -> None:
        if next(numbers) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    schema.upgrade(engine)
    engine.dispose()


@pytest.mark.parametrize("start", range(4))
def test_an_upgrade_killed_at_any_point_goes_on_when_run_again(
    empty_url: str, empty_engine: sa.Engine, engine: sa.Engine, start: int
) -> None:
    """The upgrades run one after the other in the same database, and each gets further than the one before."""
    step, killed = 4 * 4, 0
    for statement in range(8 + start * 4, 400, step):
        status = ended(started(upgrade_killed_at, empty_url, statement))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        with empty_engine.connect() as connection:  # the schema is a whole revision, or absent
            db.current_revision(connection)
    assert killed >= 2
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    assert catalogue(empty_engine) == catalogue(engine)


NEXT = "9001"
REVISION = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{NEXT}", "{db.SCHEMA_REVISION}"


def upgrade():
    op.add_column("users", sa.Column("added", sa.Text), schema="embrec")


def downgrade():
    op.drop_column("users", "added", schema="embrec")
"""


@pytest.fixture
def behind(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A database with data whose schema is a revision behind that alters a table in use."""
    load_frame(engine, rating_frame())
    copy = tmp_path / "migrations"
    shutil.copytree(resources.migrations_directory(), copy)
    (copy / "versions" / f"{NEXT}_next.py").write_text(REVISION)
    monkeypatch.setattr(resources, "migrations_directory", lambda: copy)
    return engine


@pytest.mark.slow
def test_an_upgrade_waits_for_a_long_transaction_and_holds_nobody_up(behind: sa.Engine) -> None:
    longest = 0.0
    with behind.connect() as reader, behind.connect() as other:
        reader.execute(sa.text("SELECT count(*) FROM embrec.users"))  # and keeps its lock
        upgrading = threading.Thread(target=schema.upgrade, args=(behind,))
        upgrading.start()
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            other.execute(sa.text("SET LOCAL statement_timeout = '5s'"))  # longer than lock_timeout
            began = time.monotonic()
            other.execute(sa.text("SELECT count(*) FROM embrec.users"))
            longest = max(longest, time.monotonic() - began)
            other.rollback()
            time.sleep(0.02)
        assert upgrading.is_alive()
        assert longest > 0.5, "the upgrade did stand in the queue"
        reader.rollback()
        upgrading.join(30)
    assert schema.current(behind) == NEXT


def test_an_upgrade_that_gets_no_lock_says_so_and_leaves_all_as_it_was(
    behind: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1.0)
    with behind.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM embrec.users"))
        with pytest.raises(SchemaError, match="another session held a table for 1 s.*embrec db upgrade"):
            schema.upgrade(behind)
        assert schema.current(behind) == db.SCHEMA_REVISION
    assert schema.upgrade(behind) == NEXT


def test_the_sql_of_an_upgrade_has_the_timeouts_and_goes_on_from_a_revision(behind: sa.Engine, url: str) -> None:
    script = schema.upgrade_sql(f"{db.SCHEMA_REVISION}:head")
    assert "set_config('lock_timeout', '2s', false)" in script
    assert "set_config('statement_timeout', '15min', false)" in script
    done = psql(url, script)
    assert done.returncode == 0, done.stderr
    assert schema.current(behind) == NEXT
    two_part_run(behind)
    assert len(recommend.recommend_movies(behind, "u1", 5)) == 5
