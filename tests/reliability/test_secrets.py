"""Passwords, ratings and user features are in no message, no log and no record of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import with_database
from data import rating_frame
from faulting import said
from homes import temporary_home

from embrec import config, db
from embrec.data import loading, ratings
from embrec.data.files import sources
from embrec.db import schema
from embrec.db.embedded import LocalServer
from embrec.errors import EmbrecError
from embrec.runs import records
from embrec.serving import recommend

pytestmark = pytest.mark.server
PASSWORD, USER, RATING = "canary-pass-word-4711", "canary-user-4711", 4.5621948
LABEL = "canary-label-4711"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server of the test's own, with a log that the test can read."""
    with temporary_home("embrec-secret-") as home:
        own = LocalServer(home)
        try:
            yield own
        finally:
            own.stop()


@pytest.fixture
def secret_url(server: LocalServer) -> str:
    """The URL of a role with a password."""
    url = server.start()
    engine = db.create_engine(url)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}' IN ROLE embrec_owner"))
    engine.dispose()
    return with_database(url, "embrec", user="app", password=PASSWORD)


@pytest.mark.slow
def test_a_password_and_a_rating_are_said_nowhere(
    server: LocalServer, secret_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    frame = rating_frame()
    frame.loc[0, ["user_id", "rating"]] = [USER, RATING]
    file, bad = tmp_path / "ratings.csv", tmp_path / "bad.csv"
    frame.to_csv(file, index=False)
    frame.assign(rating="x").tail(1).to_csv(bad, index=False)
    users, bad_users = tmp_path / "users.csv", tmp_path / "bad_users.csv"
    known = pd.DataFrame({"user_id": [USER], "plan": [LABEL]})
    known.to_csv(users, index=False)
    known.assign(plan=LABEL * 99).to_csv(bad_users, index=False)
    wrong = secret_url.replace("dbname=embrec", "dbname=nowhere")
    host = config.parse_database_url(secret_url, "test").parameters["host"]
    elsewhere = secret_url.replace(f"host={host}", "host=/nowhere")
    assert wrong != secret_url != elsewhere
    told = ""
    for url, *arguments in (
        (secret_url, "load", str(file), "--users", str(users)),
        (secret_url, "load", str(file), "--users", str(bad_users)),
        (secret_url, "load", str(bad)),
        (secret_url, "train", "--model", "matrix-factorization", "--epochs", "1", "--dimensions", "3"),
        (secret_url, "runs", "list"),
        (secret_url, "runs", "show", "1"),
        (secret_url, "runs", "publish", "99"),
        (secret_url, "doctor"),
        (secret_url, "db", "check"),
        (secret_url, "recommend", "nobody"),
        (wrong, "doctor"),
        (wrong, "load", str(file)),
        (elsewhere, "doctor"),
        (elsewhere, "db", "upgrade"),
        (f"postgresql://app:{PASSWORD}@@host/x", "doctor"),
        (f"postgresql://app:{PASSWORD}@[host/x", "doctor"),
    ):
        told += said(tmp_path, "--debug", *arguments, EMBREC_DATABASE_URL=url)
    assert "Traceback" in told, "which ends with the message"
    assert "matrix-factorization" in told
    assert "nowhere" in told
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    engine = db.create_engine(secret_url)
    try:
        loading.load(engine, sources.from_frame(frame, [], users=known))
        ratings.add_rating(engine, USER, 100, RATING)
        recommend.recommend_for(engine, {"100": RATING})
        for failing in (
            f"INSERT INTO embrec.ratings SELECT user_index, movie_index, {RATING} FROM embrec.ratings LIMIT 1",
            "INSERT INTO embrec.ratings SELECT user_index, -1, rating FROM embrec.ratings LIMIT 1",
            "UPDATE embrec.users SET user_index = user_index + 1 WHERE labels IS NOT NULL",
        ):
            with pytest.raises(EmbrecError) as refused, db.begin(engine) as connection:
                connection.execute(sa.text(failing.replace(str(RATING), ":rating")), {"rating": RATING})
            told += str(refused.value)
        record = str(records.get_run(engine, 1)) + repr(engine) + str(engine.url)
    finally:
        engine.dispose()
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    log = server.log.read_text()
    assert "violates" in log, "the server logs what it refuses"
    for place, text in {"said": told, "logged": caplog.text, "recorded": record, "the server's log": log}.items():
        assert PASSWORD not in text, place
        assert str(RATING)[:6] not in text, place
        assert LABEL not in text, place
    assert USER not in told + record + log


def test_a_password_that_is_wrong_is_not_repeated(secret_url: str, server: LocalServer, tmp_path: Path) -> None:
    hba = server.data / "pg_hba.conf"
    hba.write_text("local all app scram-sha-256\nlocal all all trust\n")
    engine = db.create_engine(with_database(server.url() or "", "embrec"))
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()
    assert "ok    database" in said(tmp_path, "--debug", "doctor", EMBREC_DATABASE_URL=secret_url)
    told = said(tmp_path, "--debug", "doctor", EMBREC_DATABASE_URL=secret_url.replace(PASSWORD, PASSWORD + "x"))
    assert "password authentication failed" in told
    assert PASSWORD not in told + server.log.read_text()
