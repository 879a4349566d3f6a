"""Least privilege: every operation under every role, no grants to PUBLIC, and no attack through search_path."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import with_database
from data import FAKE_RUN, load_frame, rating_frame, two_part_run

import embrec
from embrec import config, db, similarity
from embrec.data import events, loading, ratings
from embrec.data.extraction import extract
from embrec.data.files import sources
from embrec.db import schema
from embrec.errors import DatabaseError
from embrec.monitoring import status
from embrec.runs import embeddings, experiments, neighbours, publishing, records
from embrec.runs.embeddings import Vectors
from embrec.runs.records import TrainedRun
from embrec.serving import catalogue, explain, predict, preview, recommend, search, similar
from embrec.serving import next as following

GROUPS = ("owner", "loader", "trainer", "publisher", "reader", "api")
SINCE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
USERS = pd.DataFrame({"user_id": ["u1", "u2"], "plan": ["free", "free"]})
Operation = Callable[[sa.Connection], object]


def sql(statement: str) -> Operation:
    return lambda connection: connection.execute(sa.text(statement))


def train(connection: sa.Connection) -> None:
    """Do what a training does in the database."""
    run = records.start(connection, FAKE_RUN)
    vectors = Vectors(np.arange(5, dtype=np.int32), np.eye(5, dtype=np.float32))
    for side in ("user", "movie"):
        embeddings.store(connection, run, side, {"rating": vectors, "preference": vectors})
    neighbours.store(connection, run, vectors.indexes, neighbours.nearest(similarity.unit(vectors.vectors)))
    embeddings.store_matrix(connection, run, "layer", np.eye(3, dtype=np.float32), np.ones(3, np.float32))
    records.finish(connection, run, TrainedRun(5, "similarity_only", "stored"))
    connection.execute(sa.text(f"SELECT embrec.index_run({run}, 'movie', 'rating')"))


def ask_unpublished(connection: sa.Connection) -> None:
    """Preview the run that is not published."""
    with preview.answering_from(connection, 2):
        assert similar.similar_movies(connection, 100)["model_run_id"].eq(2).all()


OPERATIONS: dict[str, tuple[Operation, str]] = {
    "similar movies": (lambda c: similar.similar_movies(c, 100), "owner reader api"),
    "similar users": (lambda c: similar.similar_users(c, "u1"), "owner reader api"),
    "recommend": (lambda c: recommend.recommend_movies(c, "u1", min_ratings=1, diversity=0.2), "owner reader api"),
    "recommend for a visitor": (lambda c: recommend.recommend_for(c, {"100": 5.0}), "owner reader api"),
    "predict": (lambda c: predict.predict_rating(c, "u1", 100), "owner reader api"),
    "predict pairs": (lambda c: predict.predict_ratings(c, ["u1"], [100]), "owner trainer reader api"),
    "uncertainty": (lambda c: predict.rating_uncertainty(c, "u1", 100), "owner reader api"),
    "explain": (lambda c: explain.explain_recommendation(c, "u1", 100), "owner reader api"),
    "explain for a visitor": (lambda c: explain.explain_for(c, {"101": 5.0}, 100), "owner reader api"),
    "list what can be asked": (preview.trained_runs, "owner reader api"),
    "preview": (ask_unpublished, "owner reader api"),
    "details of a movie": (lambda c: catalogue.movie_details(c, 100), "owner reader api"),
    "ratings of a user": (lambda c: catalogue.user_ratings(c, "u1"), "owner reader api"),
    "history of a user": (lambda c: following.user_history(c, "u1"), "owner reader api"),
    "map": (catalogue.map_movies, "owner reader api"),
    "genres": (catalogue.known_genres, "owner reader api"),
    "popular": (recommend.popular_movies, "owner reader api"),
    "best rated": (recommend.best_rated_movies, "owner reader api"),
    "trending": (lambda c: recommend.trending_movies(c, SINCE), "owner reader api"),
    "find": (lambda c: search.find_movies(c, "star"), "owner reader api"),
    "resolve a title": (lambda c: search.resolve_movie(c, "100"), "owner reader api"),
    "variant": (lambda c: experiments.assign_variant(c, "u1"), "owner reader api"),
    "rate": (lambda c: ratings.add_rating(c, "new", "newer", 3), "owner loader api"),
    "unrate": (lambda c: ratings.remove_rating(c, "u1", 100), "owner loader api"),
    "event": (lambda c: events.add_event(c, "new", "newer", "play"), "owner loader api"),
    "take an event back": (lambda c: events.remove_event(c, "u1", 100), "owner loader api"),
    "read events": (sql("SELECT * FROM embrec.events"), "owner loader trainer reader"),
    "weigh a type": (sql("UPDATE embrec.event_types SET weight = 2"), "owner"),
    "delete old events": (sql("SELECT embrec.delete_events('1 day')"), "owner"),
    "exposure": (lambda c: experiments.record_exposure(c, "u1"), "owner loader api"),
    "outcome": (lambda c: experiments.record_outcome(c, "u1", 1), "owner loader api"),
    "load": (
        lambda c: loading.load(c, sources.from_frame(rating_frame(5, 5, 9, seed=9), [], users=USERS)),
        "owner loader",
    ),
    "load events": (
        lambda c: loading.load(c, sources.from_frame(rating_frame(5, 5, 9, seed=9)[["user_id", "movie_id"]])),
        "owner loader",
    ),
    "forget": (lambda c: ratings.forget_user(c, "u1"), "owner loader"),
    "count": (sql("SELECT embrec.refresh_statistics()"), "owner loader trainer publisher"),
    "read ratings": (sql("SELECT * FROM embrec.ratings"), "owner loader trainer reader"),
    "read users": (sql("SELECT * FROM embrec.users"), "owner loader trainer reader"),
    "read labels": (sql("SELECT labels FROM embrec.users"), "owner loader trainer reader"),
    "read vectors": (lambda c: embeddings.read(c, 1, "movie"), "owner trainer reader"),
    "extract": (extract, "owner loader trainer reader"),
    "train": (train, "owner trainer"),
    "keep a trial": (
        sql(
            "INSERT INTO embrec.tuning_trials (architecture, ratings_sha256, options, metric, value)"
            " VALUES ('a', '', '{}', 'rmse', 1)"
        ),
        "owner trainer",
    ),
    "see the status": (status.read_status, "owner trainer reader"),
    "suggest titles": (lambda c: search.suggest_movies(c, "star"), "owner reader api"),
    "list runs": (records.list_runs, "owner trainer publisher reader"),
    "publish": (lambda c: publishing.publish(c, 2), "owner publisher"),
    "roll back": (publishing.rollback, "owner publisher"),
    "refresh": (ratings.refresh, "owner publisher"),
    "start an experiment": (lambda c: experiments.start(c, "one", 1, 2), "owner publisher"),
    "results": (experiments.results, "owner trainer publisher reader"),
    "change a published vector": (
        sql("UPDATE embrec.movie_embeddings SET bias = 1 WHERE model_run_id = 1"),
        "owner",
    ),
    "slip a vector in": (
        sql(
            "INSERT INTO embrec.user_embeddings (model_run_id, part, user_index, embedding)"
            " SELECT 1, 'rating', 999, embedding FROM embrec.user_embeddings LIMIT 1"
        ),
        "owner",
    ),
    "change a run's table": (sql("ALTER TABLE embrec.movie_embeddings_run_1_rating ALTER bias SET DEFAULT 1"), "owner"),
    "rewrite history": (sql("UPDATE embrec.publications SET model_run_id = 2"), "owner"),
    "unpublish": (sql("DELETE FROM embrec.publications"), "owner"),
    "drop ratings": (sql("TRUNCATE embrec.ratings CASCADE"), "owner"),
    "change the schema": (sql("ALTER TABLE embrec.ratings ADD extra int"), "owner"),
    "replace a function": (
        sql("CREATE OR REPLACE FUNCTION embrec.movie_named(name text) RETURNS text LANGUAGE sql AS 'SELECT 1'"),
        "owner",
    ),
    "make things in the schema": (sql("CREATE TABLE embrec.mine (i int)"), "owner"),
}


@pytest.fixture
def served(engine: sa.Engine) -> sa.Engine:
    """A database with ratings and two published runs."""
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    publishing.rollback(engine)
    with pytest.raises(Exception):  # noqa: B017, PT011 - no earlier run
        publishing.rollback(engine)
    publishing.publish(engine, 2)
    publishing.publish(engine, 1)
    return engine


@pytest.mark.parametrize("group", GROUPS)
def test_a_role_may_do_what_it_is_for_and_nothing_else(served: sa.Engine, login, group: str) -> None:
    engine, wrong = login(group), []
    for name, (operation, groups) in OPERATIONS.items():
        with engine.connect() as connection:
            transaction = connection.begin()
            answer = "allowed"
            try:
                with db.translated_errors():
                    operation(connection)
            except DatabaseError as error:
                answer = str(error)
            transaction.rollback()
        refused = "permission denied" in answer or "must be owner" in answer
        if not (answer == "allowed" if group in groups.split() else refused):
            wrong.append(f"{name}: {answer}")
    assert wrong == []


def test_only_an_owner_deletes_a_run_and_migrates(served: sa.Engine, login) -> None:
    for group in GROUPS[1:]:
        engine = login(group)
        with pytest.raises(DatabaseError, match="permission denied|must be owner"):
            publishing.delete(engine, 2)
        with pytest.raises(DatabaseError, match="permission denied|must be owner"):
            schema.downgrade(engine, "base")
    owner = login("owner")
    publishing.delete(owner, 2)
    assert schema.upgrade(owner) == db.SCHEMA_REVISION
    assert schema.downgrade(owner, "0013") == "0013"
    assert schema.upgrade(owner) == db.SCHEMA_REVISION
    assert schema.check(owner) == []


def test_no_owner_gets_a_superusers_rights_by_the_event_trigger(served: sa.Engine, login) -> None:
    """A superuser's every ALTER TABLE runs its function."""
    with served.begin() as connection:
        connection.execute(sa.text("CREATE TABLE public.stars (a text, b text, c real) PARTITION BY LIST (a)"))
        connection.execute(sa.text("SELECT embrec.follow_table('public.stars', 'a', 'b', 'c')"))
    owner = login("owner")
    function = "FUNCTION embrec.followed_partitions_changed()"
    for attempt in (
        f"CREATE OR REPLACE {function} RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        f"ALTER {function} OWNER TO CURRENT_USER",
        f"ALTER {function} SET search_path = public",
        "DROP EVENT TRIGGER embrec_partitions",
    ):
        with pytest.raises(DatabaseError, match="must be owner"), db.translated_errors(), owner.begin() as connection:
            connection.execute(sa.text(attempt))
    there = sa.text("SELECT count(*) FROM pg_event_trigger WHERE evtname = 'embrec_partitions'")
    for engine in (owner, served, owner):
        assert schema.upgrade(engine) == db.SCHEMA_REVISION
        assert schema.check(engine) == []
    with served.connect() as connection:
        assert connection.scalar(there) == 1
    assert schema.downgrade(owner, "0013") == "0013"
    with served.connect() as connection:
        assert connection.scalar(there) == 0
    assert schema.upgrade(owner) == db.SCHEMA_REVISION


def test_a_trainer_and_publisher_trains_for_real(served: sa.Engine, admin: sa.Engine, login) -> None:
    from embrec.training import train

    engine = login("trainer")
    with admin.connect() as connection:
        connection.execute(sa.text(f"GRANT embrec_publisher TO embrec_login_trainer_{os.getpid()}"))
    result = train(engine, "matrix-factorization", {"dimensions": 3, "epochs": 1})
    with served.connect() as connection:
        assert records.published_run_id(connection) == result.model_run_id
        owners = (
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = to_regnamespace('embrec')"
        )
        assert connection.scalars(sa.text(owners)).all() == ["embrec_owner"]


def test_a_loader_gives_the_first_scale_and_no_other(engine: sa.Engine, login) -> None:
    loader = login("loader")
    for _ in range(2):
        loading.load(loader, sources.from_frame(rating_frame(), []), scale=(0, 5))
    with pytest.raises(DatabaseError, match="permission denied"):
        embrec.set_rating_scale(loader, 0, 500)
    assert embrec.get_rating_scale(engine) == (0, 5)


def test_everybody_may_do_nothing_and_nobody_logs_in_as_a_group(served: sa.Engine, admin: sa.Engine) -> None:
    query = """
    SELECT o.name, (aclexplode(o.acl)).grantee
    FROM (
        SELECT nspname::text AS name, nspacl AS acl FROM pg_namespace WHERE nspname = 'embrec'
        UNION ALL SELECT oid::regclass::text, relacl FROM pg_class WHERE relnamespace = 'embrec'::regnamespace
        UNION ALL SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner))
            FROM pg_proc WHERE pronamespace = 'embrec'::regnamespace
    ) AS o
    """
    with served.connect() as connection:
        granted = connection.execute(sa.text(query.replace(":", "\\:"))).all()
        assert len(granted) > 100
        assert [name for name, grantee in granted if grantee == 0] == []
        logins = sa.text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'embrec!_%' ESCAPE '!' AND rolcanlogin")
        assert not set(connection.scalars(logins)) & {f"embrec_{group}" for group in GROUPS}


def test_every_function_with_its_owners_rights_has_a_path_of_its_own(served: sa.Engine) -> None:
    query = "SELECT proname, proconfig, prosecdef FROM pg_proc WHERE pronamespace = to_regnamespace('embrec')"
    with served.connect() as connection:
        functions = connection.execute(sa.text(query)).all()
    definers = [config for _, config, definer in functions if definer]
    assert len(definers) >= 20
    for settings in definers:
        (path,) = [each for each in settings if each.startswith("search_path=")]
        assert path.startswith("search_path=pg_catalog, ")
        assert path.endswith(", pg_temp")
    for name, settings, _ in functions:
        for each in settings or ():
            if each.startswith("search_path="):
                assert each.endswith("pg_temp"), f"{name} would look for tables in the temporary schema first"


def test_no_function_and_no_view_has_what_is_known_of_users(served: sa.Engine) -> None:
    query = """
    SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'embrec'::regnamespace
        AND pg_get_functiondef(p.oid) ~ '\\mlabels\\M'
    UNION ALL SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'embrec'::regnamespace
        AND pg_get_viewdef(c.oid) ~ '\\mlabels\\M'
    """
    with served.connect() as connection:
        assert connection.scalars(sa.text(query.replace(":", "\\:"))).all() == ["forget_user"]


HIJACKS = (
    "CREATE TEMP TABLE ratings (user_index int, movie_index int, rating real, rated_at timestamptz)",
    "CREATE TEMP TABLE users (user_index int, user_id text)",
    "CREATE TEMP TABLE movies (movie_index int, movie_id text, title text)",
    "CREATE TEMP TABLE model_runs (model_run_id int)",
    "CREATE TEMP TABLE vector (a int)",
    "CREATE TYPE pg_temp.record AS (a int)",
    "CREATE DOMAIN pg_temp.text AS pg_catalog.int4",
    "CREATE FUNCTION pg_temp.format(text, integer, embrec.part) RETURNS text LANGUAGE sql AS 'SELECT 1/0'",
    "CREATE FUNCTION pg_temp.array_agg(integer) RETURNS int LANGUAGE sql AS 'SELECT 1/0'",
    "SET search_path = pg_temp, public, embrec",
)


def test_temporary_things_and_a_path_of_ones_own_change_no_answer(served: sa.Engine, login) -> None:
    asked = (
        lambda c: similar.similar_movies(c, 100),
        lambda c: recommend.recommend_movies(c, "u1", genres=[], min_ratings=0, diversity=0.1),
        lambda c: explain.explain_recommendation(c, "u1", 100),
        lambda c: predict.predict_ratings(c, ["u1"], [100]),
        lambda c: recommend.popular_movies(c, 5),
    )
    expected = [ask(served).to_dict() for ask in asked]
    with login("api").connect() as connection:
        for hijack in HIJACKS:
            savepoint = connection.begin_nested()
            try:
                connection.execute(sa.text(hijack.replace(":", "\\:")))
                savepoint.commit()
            except sa.exc.DBAPIError:
                savepoint.rollback()  # the operation is forbidden to the role
        assert [ask(connection).to_dict() for ask in asked] == expected
        ratings.add_rating(connection, "u1", 100, 4.5)
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_temp.ratings")) == 0
        with pytest.raises(DatabaseError, match="permission denied"), db.translated_errors():
            connection.execute(sa.text("SELECT * FROM embrec.ratings"))


# A temporary view in place of a transition table, whose function would run with the rights of embrec's owner.
HIJACKED_TRIGGER = """
CREATE TEMP TABLE seen (who text);
GRANT ALL ON seen TO PUBLIC;
CREATE FUNCTION pg_temp.mine() RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO pg_temp.seen VALUES (current_user); RETURN 'x'; END $$;
CREATE TEMP TABLE mine (u text, m text, r real);
CREATE TEMP VIEW after_rows AS SELECT pg_temp.mine() AS u, 'm'::text AS m, 1::real AS r;
CREATE TEMP VIEW before_rows AS SELECT * FROM after_rows;
GRANT SELECT ON before_rows, after_rows TO PUBLIC;
INSERT INTO mine VALUES ('a', 'b', 1);
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON mine
    FOR EACH STATEMENT EXECUTE FUNCTION embrec.follow_ratings('u', 'm', 'r');
"""
# A column whose conversion to text, or to a number, is code of the caller's.
HIJACKED_TYPE = """
CREATE TEMP TABLE seen (who text);
GRANT ALL ON seen TO PUBLIC;
CREATE TYPE pg_temp.citext AS ENUM ('a');
CREATE FUNCTION pg_temp.told(pg_temp.citext) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO pg_temp.seen VALUES (current_user); RETURN 'x'; END $$;
CREATE FUNCTION pg_temp.counted(pg_temp.citext) RETURNS bigint LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO pg_temp.seen VALUES (current_user); RETURN 1; END $$;
CREATE CAST (pg_temp.citext AS text) WITH FUNCTION pg_temp.told(pg_temp.citext) AS IMPLICIT;
CREATE CAST (pg_temp.citext AS bigint) WITH FUNCTION pg_temp.counted(pg_temp.citext) AS IMPLICIT;
CREATE TEMP TABLE mine (u pg_temp.citext, m text, r real, change_id pg_temp.citext);
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION embrec.follow_ratings('u', 'm', 'r');
"""
WRITES = (
    "INSERT INTO mine VALUES ('a', 'b', 1)",
    "INSERT INTO mine (u) SELECT 'a' FROM generate_series(1, 2)",
    "UPDATE mine SET m = 'c'",
    "DELETE FROM mine",
)


@pytest.mark.parametrize("group", GROUPS)
def test_no_trigger_runs_a_callers_code_with_the_owners_rights(served: sa.Engine, login, group: str) -> None:
    internal = [HIJACKED_TYPE.replace("follow_ratings", each) for each in ("followed_at_commit", "note_changes")]
    attempts = (HIJACKED_TRIGGER, HIJACKED_TYPE, *internal)
    with login(group).connect() as connection:
        for attempt in attempts:
            may = group in ("owner", "loader") and (group == "owner" or attempt not in internal)
            if not may:
                with pytest.raises(sa.exc.DBAPIError, match="permission denied"):
                    connection.exec_driver_sql(attempt)
                connection.rollback()
                continue
            connection.exec_driver_sql(attempt)
            for write in WRITES:
                with contextlib.suppress(sa.exc.DBAPIError), connection.begin_nested():
                    connection.exec_driver_sql(write)
                    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            ran_as = connection.exec_driver_sql("SELECT DISTINCT who FROM pg_temp.seen").scalars().all()
            assert set(ran_as) <= {connection.scalar(sa.text("SELECT current_user"))}
            connection.rollback()


def test_no_function_with_its_owners_rights_reads_a_table_by_an_unqualified_name(engine: sa.Engine) -> None:
    """The last schema on their path is the caller's temporary one."""
    with engine.connect() as connection:
        bodies = connection.execute(
            sa.text(
                "SELECT CAST(CAST(oid AS regprocedure) AS text), prosrc FROM pg_proc"
                " WHERE pronamespace = CAST('embrec' AS regnamespace) AND prosecdef AND prosqlbody IS NULL"
            )
        ).all()
    assert len(bodies) >= 15
    for function, body in bodies:
        code = re.sub(r"--[^\n]*", "", body)
        named = re.findall(
            r"\b(?:FROM|JOIN|UPDATE|INSERT INTO|DELETE FROM|USING|TABLE) (?:ONLY )?([a-z]\w*)\b(?! ?[.(])", code
        )
        queries = re.findall(r"(\w+)(?: \([\w, ]*\))? AS (?:MATERIALIZED )?\(", code)
        assert {name for name in named if not name.startswith(("pg_", "embrec_", "hnsw"))} <= set(queries), function


def test_a_role_that_may_not_create_roles_is_told_what_to_ask_for(
    admin: sa.Engine, empty_engine: sa.Engine, empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Roles belong to the server, so the test runs the scripts with other names of them."""
    from embrec.db.resources import sql_text

    name = f"embrec_plain_{os.getpid()}"
    database_name = config.parse_database_url(empty_url, "test").parameters["dbname"]
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p'"))
        connection.execute(sa.text(f"GRANT CREATE ON DATABASE {database_name} TO {name}"))
    with empty_engine.begin() as connection:
        connection.execute(sa.text("CREATE EXTENSION vector"))
    plain = db.create_engine(with_database(empty_url, database_name, user=name, password="p"))
    try:
        schema.upgrade(plain)
        notices: list[str] = []
        with plain.begin() as connection:
            connection.connection.driver_connection.add_notice_handler(
                lambda notice: notices.append(str(notice.message_primary))
            )
            text = sql_text("schema/rights").replace("embrec_loader", "embrec_absent")
            connection.execute(sa.text(text.replace(":", "\\:")))
        assert any("CREATE ROLE embrec_absent NOLOGIN; then: embrec db upgrade" in each for each in notices)
        load_frame(plain, rating_frame())
        two_part_run(plain)
        assert len(recommend.recommend_movies(plain, "u1", 5)) == 5
        schema.downgrade(plain, "base")
    finally:
        plain.dispose()
        with empty_engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {name} CASCADE"))
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP ROLE {name}"))
