"""Databases of released versions, each from the dump that .ci/release made of it: they are upgraded and serve."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogue import catalogue, psql
from data import load_frame, rating_frame, two_part_run

from embrec import config, db
from embrec.db import resources, schema
from embrec.runs import experiments, publishing
from embrec.serving import predict, recommend, similar

RELEASES = Path(__file__).with_name("releases")
RELEASED = sorted(path.stem for path in RELEASES.glob("*.sql"))
DUMP = Path(resources.__file__).parents[2] / ".ci" / "dump"


def dumped(file: Path) -> Path:
    """Write a dump of this checkout to a file, as .ci/release will for the next release."""
    environment = {**config.server_environment(), "VIRTUAL_ENV": str(Path(sys.executable).parents[1])}
    done = subprocess.run([DUMP, file], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return file


@pytest.mark.parametrize("release", [pytest.param("next", marks=pytest.mark.slow), *RELEASED])
def test_a_released_database_is_upgraded_and_serves(
    release: str, tmp_path: Path, empty_url: str, empty_engine: sa.Engine, engine: sa.Engine
) -> None:
    dump = dumped(tmp_path / "next.sql") if release == "next" else RELEASES / f"{release}.sql"
    done = psql(empty_url, dump.read_text())
    assert done.returncode == 0, done.stderr
    assert schema.upgrade(empty_engine) == db.SCHEMA_REVISION
    assert schema.check(empty_engine) == []
    newest = [line for line in catalogue(engine) if "_run_" not in line]
    assert [line for line in catalogue(empty_engine) if "_run_" not in line] == newest
    assert len(recommend.recommend_movies(empty_engine, "u1", 5)) == 5
    assert len(similar.similar_movies(empty_engine, 100, 5)) == 5
    assert 1 <= predict.predict_rating(empty_engine, "u1", 101) <= 5
    load_frame(empty_engine, rating_frame(seed=8))
    two_part_run(empty_engine, seed=3)
    experiments.end(empty_engine)
    assert set(similar.similar_users(empty_engine, "u1").model_run_id) == {3}
    assert publishing.rollback(empty_engine) == 2
    publishing.delete(empty_engine, 3)
    schema.downgrade(empty_engine, "base")
