"""A forgotten user is in no table, run or answer any more, whatever runs concurrently."""

from __future__ import annotations

import io
import threading

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, two_part_run

from embrec.data import events, ratings
from embrec.db import schema
from embrec.errors import BusyError, DatabaseError, UnknownUserError
from embrec.runs import embeddings, experiments, records
from embrec.runs.embeddings import Vectors
from embrec.serving import recommend, similar


@pytest.fixture
def served(engine: sa.Engine) -> sa.Engine:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    return engine


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)))


def test_nothing_of_a_forgotten_user_is_left_in_any_table(served: sa.Engine) -> None:
    ratings.add_rating(served, "Zaphod", 100, 5)
    ratings.add_rating(served, "Zaphod", 101, 1)
    events.add_event(served, "Zaphod", 102, "play", 42, external_id="Zaphod's")
    experiments.start(served, "one", 1, 2)
    experiments.record_exposure(served, "Zaphod")
    experiments.record_outcome(served, "Zaphod", 1)
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'Zaphod'")
    vectors = Vectors(np.array([index], np.int32), np.ones((1, 5), np.float32))
    run = records.start(served, FAKE_RUN)
    with served.begin() as connection:
        embeddings.store(connection, run, "user", {"rating": vectors, "preference": vectors})
    load_frame(served, rating_frame().head(1), users=pd.DataFrame({"user_id": ["Zaphod"], "planet": ["Zaphod's own"]}))
    assert count(served, "SELECT count(*) FROM embrec.users WHERE labels = '{\"planet Zaphod''s own\"}'") == 1
    assert ratings.forget_user(served, "Zaphod")
    with served.connect() as connection:
        kinds = "relnamespace = to_regnamespace('embrec') AND relkind IN ('r', 'p', 'm')"
        tables = connection.scalars(sa.text(f"SELECT relname FROM pg_class WHERE {kinds}")).all()
        assert len(tables) > 15
        for table in tables:
            rows = connection.scalars(sa.text(f"SELECT CAST(t AS text) FROM embrec.{table} AS t"))
            assert "Zaphod" not in " ".join(rows), table
    assert count(served, f"SELECT count(*) FROM embrec.ratings WHERE user_index = {index}") == 0
    assert count(served, f"SELECT count(*) FROM embrec.events WHERE user_index = {index}") == 0
    assert count(served, f"SELECT count(*) FROM embrec.user_embeddings WHERE user_index = {index}") == 0
    assert not ratings.forget_user(served, "Zaphod")


def test_other_users_answers_stay_and_the_forgotten_is_in_none(served: sa.Engine) -> None:
    before = recommend.recommend_movies(served, "u2", 20).to_dict()
    assert "u1" in set(similar.similar_users(served, "u2", 100).user_id)
    assert ratings.forget_user(served, "u1")
    assert recommend.recommend_movies(served, "u2", 20).to_dict() == before
    others = set(similar.similar_users(served, "u2", 100).user_id)
    assert len(others) == 28
    assert not {each for each in others if each == "u1" or each.startswith("forgotten")}
    with pytest.raises(UnknownUserError):
        similar.similar_users(served, "u1")
    assert set(recommend.recommend_movies(served, "u1", 5).basis) == {"popularity"}


def test_who_comes_back_is_somebody_new(served: sa.Engine) -> None:
    last = count(served, "SELECT max(user_index) FROM embrec.users")
    with served.connect() as connection:
        name = connection.scalar(sa.text(f"SELECT user_id FROM embrec.users WHERE user_index = {last}"))
    assert ratings.forget_user(served, name)
    ratings.add_rating(served, name, 100, 4)
    assert count(served, f"SELECT user_index FROM embrec.users WHERE user_id = '{name}'") == last + 1
    load_frame(served, rating_frame(seed=3))
    assert count(served, "SELECT count(*) - 1 - max(user_index) FROM embrec.users") == 0


def test_a_user_forgotten_while_a_run_trains_gets_no_vector_in_it(served: sa.Engine) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    vectors = Vectors(np.arange(30, dtype=np.int32), np.ones((30, 3), np.float32))
    first, second = (records.start(served, FAKE_RUN) for _ in range(2))
    with served.begin() as storing:  # forgotten before the vectors are stored, and while they are
        embeddings.store(storing, first, "user", {"rating": vectors})
        forgetting = threading.Thread(target=ratings.forget_user, args=(served, "u1"))
        forgetting.start()
        forgetting.join(0.5)
        assert forgetting.is_alive(), "it waits for the run that is being stored"
    forgetting.join()
    with served.begin() as storing:
        embeddings.store(storing, second, "user", {"rating": vectors})
    for run in (1, 2, first, second):
        query = f"SELECT count(*) FROM embrec.user_embeddings WHERE model_run_id = {run} AND user_index = {index}"
        assert count(served, query) == 0
    assert count(served, f"SELECT count(*) FROM embrec.user_embeddings WHERE model_run_id = {second}") == 29


def test_who_is_forgotten_while_an_index_is_made_waits_for_nothing_and_is_gone_with_it(served: sa.Engine) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    left = f"SELECT count(*) FROM embrec.user_embeddings WHERE user_index = {index}"
    with served.begin() as indexing:
        indexing.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('embrec.index_run rating'), 2)"))
        indexing.execute(
            sa.text("LOCK TABLE embrec.user_embeddings_run_2_rating IN SHARE MODE")
        )  # as CREATE INDEX does
        with served.begin() as forgetting:
            forgetting.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
            for user in ("u1", "u3", "u4", "u5", "u6", "u7"):
                assert ratings.forget_user(forgetting, user)
        assert count(served, f"{left} AND model_run_id = 1") == 0
        assert count(served, f"{left} AND model_run_id = 2") > 0
        indexing.execute(sa.text("SELECT embrec.index_run(2, 'user', 'rating')"))
        before_the_end = threading.Thread(target=ratings.forget_user, args=(served, "u2"))
        before_the_end.start()
        before_the_end.join(0.5)
        assert before_the_end.is_alive(), "it would leave its vectors behind"
    before_the_end.join()
    for user in ("u1", "u2"):
        assert count(served, f"SELECT count(*) FROM embrec.users WHERE user_id = '{user}'") == 0
    forgotten = "SELECT count(*) FROM embrec.user_embeddings JOIN embrec.users USING (user_index)"
    assert count(served, f"{forgotten} WHERE forgotten_at IS NOT NULL") == 0


def test_who_is_forgotten_while_locks_of_a_finished_index_are_released_leaves_no_vectors(served: sa.Engine) -> None:
    with served.begin() as indexing:
        indexing.execute(sa.text("SELECT embrec.index_run(2, 'user', 'rating')"))
    with served.begin() as ending:
        ending.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('embrec.index_run rating'), 2)"))
        assert ratings.forget_user(served, "u1")
        forgotten = "SELECT count(*) FROM embrec.user_embeddings JOIN embrec.users USING (user_index)"
        assert count(served, f"{forgotten} WHERE forgotten_at IS NOT NULL") == 0


@pytest.mark.parametrize("table", ["ratings", "events"])
def test_a_rating_that_comes_at_the_same_moment_is_nobodys(served: sa.Engine, table: str) -> None:
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    with served.connect() as forgetting, served.connect() as rating:
        forgetting.execute(sa.text("SELECT embrec.forget_user('u1')"))

        def rate() -> None:  # it looked the index up before
            columns = {"ratings": "user_index, movie_index, rating", "events": "user_index, movie_index, event_type"}
            insert = f"INSERT INTO embrec.{table} ({columns[table]}) VALUES ({index}, 3, 5) ON CONFLICT DO NOTHING"
            rating.execute(sa.text(insert))
            rating.commit()

        thread = threading.Thread(target=rate)
        thread.start()
        thread.join(0.3)
        forgetting.commit()
        thread.join()
    query = f"SELECT count(*) FROM embrec.{table} JOIN embrec.users USING (user_index) WHERE user_index = {index}"
    assert count(served, f"{query} AND user_id NOT LIKE 'forgotten %'") == 0


def test_the_command_asks_first(embrec, url: str, served: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.confirm", lambda *arguments, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    assert embrec("forget", "u1", "--database-url", url)[0] == 130
    assert similar.similar_users(served, "u1", 1).shape[0] == 1
    monkeypatch.undo()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = embrec("forget", "u1", "--database-url", url)
    assert (code, err) == (1, "Forget user u1 for ever? [y/N]: Nothing was changed.\n")
    code, _, err = embrec("forget", "u1", "--database-url", url)  # the input has ended
    assert code == 130
    assert "Nothing was changed. To answer beforehand: --yes\n" in err
    assert similar.similar_users(served, "u1", 1).shape[0] == 1
    assert embrec("forget", "u1", "--yes", "--database-url", url)[0] == 0
    code, out, err = embrec("forget", "u1", "--yes", "--database-url", url)
    assert (code, out) == (1, "")
    assert err == "embrec: There is no user with the id 'u1'.\n"


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_would_not_see_the_newest_ratings_is_refused(served: sa.Engine, level: str) -> None:
    with served.execution_options(isolation_level=level).connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM embrec.ratings"))
        ratings.add_rating(served, "u1", "since then", 5)
        with pytest.raises(DatabaseError, match="BEGIN ISOLATION LEVEL READ COMMITTED"):
            ratings.forget_user(connection, "u1")
    with served.begin() as connection:
        connection.execute(
            sa.text(f"ALTER DATABASE {served_name(connection)} SET default_transaction_isolation = '{level}'")
        )
    served.dispose()
    assert ratings.forget_user(served, "u1"), "the library's own transaction has the level that it needs"
    assert (
        count(
            served,
            "SELECT count(*) FROM embrec.ratings JOIN embrec.users USING (user_index) WHERE forgotten_at IS NOT NULL",
        )
        == 0
    )


def served_name(connection: sa.Connection) -> str:
    return str(connection.scalar(sa.text("SELECT quote_ident(current_database())")))


@pytest.mark.parametrize("before", ["", "SELECT embrec.record_exposure('u1')"])
@pytest.mark.parametrize(
    "writes",
    ["record_exposure('u1')", "record_outcome('u1', 1)", "add_rating('u1', '105', 2)", "add_event('u1', '105')"],
)
def test_what_is_recorded_at_the_same_moment_goes_too(served: sa.Engine, before: str, writes: str) -> None:
    experiments.start(served, "one", 1, 2)
    index = count(served, "SELECT user_index FROM embrec.users WHERE user_id = 'u1'")
    with served.begin() as connection:
        connection.execute(sa.text(before or "SELECT 1"))
    answers: list[bool] = []
    with served.connect() as recording:
        recording.execute(sa.text(f"SELECT embrec.{writes}"))
        forgetting = threading.Thread(target=lambda: answers.append(ratings.forget_user(served, "u1")))
        forgetting.start()
        forgetting.join(0.5)
        recording.commit()
    forgetting.join()
    assert answers == [True]
    for query in (
        "SELECT count(*) FROM embrec.exposures WHERE user_id = 'u1'",
        "SELECT count(*) FROM embrec.outcomes WHERE user_id = 'u1'",
        f"SELECT count(*) FROM embrec.ratings WHERE user_index = {index}",
        f"SELECT count(*) FROM embrec.events WHERE user_index = {index}",
    ):
        assert count(served, query) == 0


def test_an_outcome_that_waits_for_the_forgetting_counts_for_nobody(served: sa.Engine) -> None:
    experiments.start(served, "one", 1, 2)
    experiments.record_exposure(served, "u1")
    counted: list[bool] = []
    with served.connect() as forgetting:
        assert ratings.forget_user(forgetting, "u1")
        recording = threading.Thread(target=lambda: counted.append(experiments.record_outcome(served, "u1", 1)))
        recording.start()
        recording.join(0.5)
        forgetting.commit()
    recording.join()
    assert counted == [False]


@pytest.mark.parametrize(
    "writes", ["add_rating('u1', '100', 2)", "add_rating('somebody new', '100', 2)", "add_event('u1', '100')"]
)
def test_who_stays_in_the_way_of_a_forgetting_is_named(served: sa.Engine, writes: str) -> None:
    with served.connect() as open_one:
        open_one.execute(sa.text(f"SELECT embrec.{writes}"))
        pid = open_one.scalar(sa.text("SELECT pg_backend_pid()"))
        with pytest.raises(BusyError, match=f"process {pid} of the server .*End it, then try again"):
            ratings.forget_user(served, "u1")
    assert ratings.forget_user(served, "u1")


def test_the_planners_statistics_keep_nothing_of_users(served: sa.Engine) -> None:
    """Neither those of new tables nor, after an upgrade, those of a run of before."""
    experiments.start(served, "one", 1, 2)
    for number in range(30):
        experiments.record_exposure(served, f"u{number}")
        experiments.record_outcome(served, f"u{number}", 1)
        events.add_event(served, f"u{number}", 100, "play", number, external_id=f"e{number}")
    kept = sa.text(
        "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'embrec' AND (attname IN ('user_id', 'labels')"
        " OR tablename = 'events' AND attname IN ('user_index', 'value', 'external_id')"
        " OR tablename LIKE 'user_embeddings%' AND attname IN ('embedding', 'half', 'bias', 'spread', 'fingerprint'))"
    )
    with served.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("UPDATE embrec.users SET labels = ARRAY['postcode ' || user_index]"))
        connection.execute(sa.text("ANALYZE"))
        assert connection.execute(kept).all() == []
        schema.downgrade(served, "0013")
        connection.execute(sa.text("ANALYZE"))
        assert len(connection.execute(kept).all()) > 5
        schema.upgrade(served)
        connection.execute(sa.text("ANALYZE"))
        assert connection.execute(kept).all() == []
