"""The frozen files: the schema as text, and a dump of each released revision that newer releases must serve.

To write them again, or a new revision's: EMBREC_WRITE_FROZEN=1 python -m pytest tests/migrations/test_frozen.py. A dump
that a release has had is never written again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from data import load_frame, rating_frame, two_part_run

from embrec import config, db
from embrec.data import ratings
from embrec.db import schema
from embrec.db.embedded import find_binaries
from embrec.runs import embeddings, experiments, publishing
from embrec.serving import predict, recommend, similar

FROZEN = Path(__file__).with_name("frozen")
WRITE = bool(os.environ.get("EMBREC_WRITE_FROZEN"))
# One major version, because each PostgreSQL formats functions and views in its own way.
MAJOR = 18


def version(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SHOW server_version_num"))) // 10_000


def as_lines(engine: sa.Engine) -> str:
    """Return the catalogue as lines; a function is its first line, its rights and a digest."""
    lines = []
    for line in catalogue(engine):
        if line.startswith("function"):
            first, rights = line.partition("\n")[0], line.rpartition("\n")[2]
            line = f"{first} {rights} {hashlib.sha256(line.encode()).hexdigest()[:16]}"
        if "embrec." in line:
            lines.append(line)
    return "\n".join(lines) + "\n"


def test_the_schema_is_the_one_on_record(engine: sa.Engine) -> None:
    if version(engine) != MAJOR:
        pytest.skip(f"the record is of PostgreSQL {MAJOR}")
    record = FROZEN / "schema.txt"
    if WRITE:
        record.write_text(as_lines(engine))
    assert as_lines(engine) == record.read_text()


def test_the_newest_revision_has_a_dump(engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = FROZEN / f"{db.SCHEMA_REVISION}.sql"
    if WRITE and not dump.exists():
        monkeypatch.setattr(embeddings, "INDEXED_FROM", 20)
        load_frame(engine, rating_frame())
        two_part_run(engine)
        two_part_run(engine, seed=2)
        embeddings.index(engine, 2, "movie", "similarity")
        embeddings.index_ranking(engine, 2)
        experiments.start(engine, "one", 1, 2)
        experiments.record_exposure(engine, "u1")
        ratings.forget_user(engine, "u2")
        ratings.refresh_statistics(engine)
        command = [str(find_binaries() / "pg_dump"), "--no-owner", "--no-acl", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=config.server_environment())
        # Older servers do not know the setting.
        dump.write_text(done.stdout.replace("SET transaction_timeout = 0;\n", ""))
    assert dump.exists()


@pytest.mark.parametrize("dump", sorted(FROZEN.glob("*.sql")), ids=lambda path: path.stem)
def test_a_released_revision_with_data_is_upgraded_and_serves(
    dump: Path, empty_url: str, empty_engine: sa.Engine, engine: sa.Engine
) -> None:
    done = psql(empty_url, dump.read_text())
    assert done.returncode == 0, done.stderr
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    assert schema.check(empty_engine) == []
    ours = [line for line in catalogue(engine) if "_run_" not in line]
    assert [line for line in catalogue(empty_engine) if "_run_" not in line] == ours
    assert len(recommend.recommend_movies(empty_engine, "u1", 5)) == 5
    assert len(similar.similar_movies(empty_engine, 100, 5)) == 5
    assert 1 <= predict.predict_rating(empty_engine, "u1", 101) <= 5
    load_frame(empty_engine, rating_frame(seed=8))
    two_part_run(empty_engine, seed=3)
    assert set(similar.similar_users(empty_engine, "u1").model_run_id) == {3}
    assert publishing.rollback(empty_engine) == 2
    experiments.end(empty_engine)
    publishing.delete(empty_engine, 3)
    schema.downgrade(empty_engine, "base")
