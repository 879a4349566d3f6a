"""embrec doctor."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Callable, Iterator

import click
import sqlalchemy as sa

from embrec import config, db, kernels
from embrec.cli.common import database_option, engine, where
from embrec.errors import EmbrecError, RequirementError, RunError, SchemaError, UnreachableError
from embrec.runs.publishing import as_trained
from embrec.runs.records import get_run, published_run_id
from embrec.serving import catalogue, preview, recommend, similar

GROUPS = (
    "embrec_owner",
    "embrec_loader",
    "embrec_trainer",
    "embrec_publisher",
    "embrec_reader",
    "embrec_api",
)


@click.command()
@database_option
def doctor(database_url: str | None) -> int:
    """Check the installation, permissions and settings; exit 1 if something must be fixed.

    Each problem is printed with the statement that fixes it.

    \b
    embrec doctor
    """
    healthy = True
    for name, check in _checks(database_url):
        try:
            click.echo(f"ok    {name}: {check()}")
        except (EmbrecError, sa.exc.SQLAlchemyError, importlib.metadata.PackageNotFoundError) as error:
            healthy = False
            click.echo(f"FAIL  {name}: {error}")
            if name == "database":
                break
        except _Advice as advice:
            click.echo(f"warn  {name}: {advice}")
    return int(not healthy)


class _Advice(Exception):  # noqa: N818 - nothing has failed
    """A warning: something works, but should be changed."""


def _checks(url: str | None) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "embrec", lambda: f"{importlib.metadata.version('embrec')} on Python {platform.python_version()}"
    yield "training", _training
    engines: list[sa.Engine] = []

    def reach() -> str:
        engines.append(engine(url, migrate=False))
        with db.begin(engines[0]) as connection:
            version = connection.scalar(sa.text("SHOW server_version"))
        return f"PostgreSQL {version}, {where(url)}"

    yield "database", reach
    with db.begin(engines[0]) as connection:
        faults = db.server_faults(db.server(connection))
    for fault in faults:
        yield "requirements", functools.partial(_fail, fault)
    if not faults:
        yield "requirements", lambda: _with(engines[0], _requirements)
    yield "settings", lambda: _with(engines[0], _settings)
    yield "schema", lambda: _schema(engines[0])
    yield "rights", lambda: _with(engines[0], _rights)
    yield "pgvector's schema", lambda: _with(engines[0], _place)
    yield "search path", lambda: _with(engines[0], _namesake)
    yield "published run", lambda: _with(engines[0], _published)
    yield "answers", lambda: _with(engines[0], _answers)


def _with(bind: sa.Engine, check: Callable[[sa.Connection], object]) -> object:
    with db.begin(bind) as connection:
        return check(connection)


def _fail(fault: str) -> str:
    raise RequirementError(fault)


def _requirements(connection: sa.Connection) -> str:
    """Compute one distance, unless pgvector is absent or this role is one that only asks."""
    version = connection.scalar(sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    if version is None:
        return "pgvector can be enabled (embrec db upgrade does it)"
    if not db.server(connection).may_use:
        return f"pgvector {version}"
    # A pgvector built for a newer processor kills the server at its first distance.
    schema = db.extension_schema(connection)
    statement = sa.text(f"SELECT '[3,4]'::{schema}.vector OPERATOR({schema}.<=>) '[4,3]'::{schema}.vector")
    try:
        with db.translated_errors():
            distance = connection.scalar(statement)
    except UnreachableError as error:
        raise RequirementError(
            "The server died of pgvector's first distance: pgvector was built for a newer processor (AVX2, FMA). "
            "Build it on this machine with: make OPTFLAGS=''"
        ) from error
    return f"pgvector {version}, and a distance of {distance:.2f} where 0.04 is right"


def _namesake(connection: sa.Connection) -> str:
    """Check that no role has the schema embrec as its default schema, because it is called embrec."""
    query = """
    SELECT coalesce((
        SELECT split_part(setting, '=', 2)
        FROM pg_db_role_setting AS s
        CROSS JOIN unnest(s.setconfig) AS setting
        JOIN pg_database AS d ON d.datname = current_database()
        WHERE setting LIKE 'search_path=%' AND s.setrole IN (0, r.oid) AND s.setdatabase IN (0, d.oid)
        ORDER BY s.setrole = 0, s.setdatabase = 0
        LIMIT 1
    ), '"$user", public')
    FROM pg_roles AS r
    WHERE r.rolname = 'embrec'
    """
    path = connection.scalar(sa.text(query))
    if path is not None and "$user" in path:
        database = connection.scalar(sa.text("SELECT quote_ident(current_database())"))
        raise _Advice(
            "the role embrec makes its tables in the schema embrec unless it names another; run: "
            f"ALTER ROLE embrec IN DATABASE {database} SET search_path = public"
        )
    return "no role makes its own tables in the schema embrec by default"


def _published(connection: sa.Connection) -> str:
    if not _may_read(connection):
        return "not for this role to read"
    number = published_run_id(connection)
    if number is None:
        return "none yet"
    may_tell = connection.scalar(sa.text("SELECT has_function_privilege('embrec.run_digest(integer)', 'EXECUTE')"))
    run = get_run(connection, number)
    if not may_tell or run.vectors_sha256 is None:
        return str(number)
    if not as_trained(connection, run):
        raise RunError(
            f"the vectors of model run {number} are not those that were trained; to go back: embrec runs rollback"
        )
    return f"{number}, whose vectors are those that were trained"


def _answers(connection: sa.Connection) -> str:
    """Ask as an application does, with this role's rights; the checks before this one see only what they look for."""
    may_ask, may_read = connection.execute(
        sa.text(
            "SELECT has_function_privilege('embrec.map_movies(integer)', 'EXECUTE'),"
            " has_table_privilege('embrec.users', 'SELECT')"
        )
    ).one()
    if not may_ask:
        return "not for this role to ask for"
    published = preview.trained_runs(connection).query("published")
    if published.empty:
        return "none without a published run"
    movie = str(catalogue.map_movies(connection, 1).movie_id[0])
    similar.similar_movies(connection, movie, 1)
    asked = "similar movies, a visitor's recommendations"
    recommend.recommend_for(connection, {movie: published.highest_rating.fillna(1).iloc[0]}, 1)
    rated = sa.text("SELECT user_id FROM embrec.users WHERE user_index = (SELECT max(user_index) FROM embrec.ratings)")
    if may_read and (user := connection.scalar(rated)) is not None:
        recommend.recommend_movies(connection, user, 1)
        asked += ", a user's"
    return asked


def _may_read(connection: sa.Connection) -> bool:
    """Return whether this role may read tables; one that only calls functions may not."""
    query = "SELECT coalesce(has_table_privilege(to_regclass('embrec.alembic_version'), 'SELECT'), true)"
    return bool(connection.scalar(sa.text(query)))


def _training() -> str:
    try:
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("keras", "tensorflow")]
    except importlib.metadata.PackageNotFoundError as error:
        raise _Advice(f"not installed; to train here: {config.install_command('train')}") from error
    if kernels.in_use() == "NumPy":
        raise _Advice(
            f"{', '.join(versions)}, without compiled kernels, so that a training takes several times longer; install "
            f"a C compiler (gcc or clang), then run: {config.install_command('train')}"
        )
    return f"{', '.join(versions)}, kernels {kernels.in_use()}"


def _settings(connection: sa.Connection) -> str:
    names = ("shared_buffers", "maintenance_work_mem", "max_connections", "server_encoding", "TimeZone")
    return ", ".join(f"{name} {connection.scalar(sa.text(f'SHOW {name}'))}" for name in names)


def _schema(bind: sa.Engine) -> str:
    from embrec.db import schema

    with db.begin(bind) as connection:
        if not _may_read(connection):
            return "not for this role to read"
    differences = schema.check(bind)
    if differences:
        raise SchemaError(f"{len(differences)} differences from this release, see them with: embrec db check")
    with db.begin(bind) as connection:
        version, _ = db.installed_sql(connection) or ("of a newer release", "")
    return f"revision {schema.current(bind)}, functions and views of embrec {version}"


def _rights(connection: sa.Connection) -> str:
    member = "SELECT to_regrole(:name) IS NOT NULL AND pg_has_role(to_regrole(:name), 'USAGE')"
    own = [name for name in GROUPS if connection.scalar(sa.text(member), {"name": name})]
    exists = sa.text("SELECT to_regrole(:name) IS NOT NULL")
    absent = [name for name in GROUPS if not connection.scalar(exists, {"name": name})]
    if absent:
        statements = "; ".join(f"CREATE ROLE {name} NOLOGIN" for name in absent)
        raise _Advice(
            f"there are no groups for least privilege; a role with CREATEROLE runs: {statements}; then: "
            "embrec db upgrade"
        )
    user = connection.scalar(sa.text("SELECT current_user"))
    if not own:
        raise RequirementError(
            f"The role {user} is in no group. Its owner runs one of: "
            + "; ".join(f"GRANT {name} TO {user}" for name in GROUPS)
        )
    return f"{user} has those of {', '.join(own)}"


def _place(connection: sa.Connection) -> str:
    """Check that the functions find pgvector's schema, and that only its owner can create objects there.

    Functions that run with their owner's rights (SECURITY DEFINER) look names up there.
    """
    if faults := db.path_faults(connection):
        raise SchemaError("; ".join(faults))
    if db.server(connection).installed is None:
        return "none yet, because pgvector is not enabled"
    place = db.extension_schema(connection)
    query = """
    SELECT coalesce(r.rolname, 'PUBLIC')
    FROM pg_namespace AS n
    JOIN pg_extension AS e ON e.extnamespace = n.oid AND e.extname = 'vector'
    CROSS JOIN aclexplode(n.nspacl) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND NOT coalesce(r.rolsuper, false)
    """
    strangers = connection.scalars(sa.text(query)).all()
    if strangers:
        raise _Advice(
            f"others may create things in it, and so change what functions answer; its owner runs: "
            f"REVOKE CREATE ON SCHEMA {place} FROM {', '.join(strangers)}"
        )
    return f"{place}, where nobody but its owner creates things"
