"""embrec db: the embedded server, and schema migrations."""

from __future__ import annotations

import click
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo

from embrec import config
from embrec.cli.common import confirmed, database_option, engine, json_option, note
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_rows
from embrec.db import begin, local_server, requirements_sql, server, server_faults


@click.group()
def db() -> None:
    """Manage the database: the embedded server, and schema migrations.

    \b
    embrec db upgrade
    embrec db url
    """


@db.command()
def start() -> None:
    """Start the embedded server, if it is not running, and print its URL.

    \b
    embrec db start
    """
    server = local_server()
    note(f"Embedded PostgreSQL in {server.home}")
    click.echo(server.start())


@db.command()
def stop() -> None:
    """Stop the embedded server.

    \b
    embrec db stop
    """
    note("Stopped." if local_server().stop() else "It was not running.")


@db.command()
@database_option
def url(database_url: str | None) -> None:
    """Print the database's URL, for psql and other clients.

    The embedded server is started when needed.

    \b
    embrec db url  # psql "$(embrec db url)"
    """
    setting = config.database_setting(database_url)
    click.echo(local_server().start() if setting is None else _conninfo(setting))


def _conninfo(setting: config.DatabaseSetting) -> str:
    return make_conninfo("postgresql://" if not setting.parameters else "", **setting.parameters)


@db.command()
@click.argument("revision", default="head")
@click.option("--sql", is_flag=True, help="Print the statements for psql instead of running them.")
@database_option
def upgrade(revision: str, sql: bool, database_url: str | None) -> None:
    """Migrate the schema up to REVISION (default: the newest).

    \b
    embrec db upgrade
    embrec db upgrade --sql > upgrade.sql  # for a DBA to run
    """
    from embrec.db import schema

    if sql:
        click.echo(schema.upgrade_sql(revision))
        return
    bind = engine(database_url, direct=True, migrate=False)
    before = schema.current(bind) or ""
    pending = [each.revision for each in schema.history() if each.revision > before]
    with progress_bar("Migrating", "revisions") as bar:

        def show(number: str) -> None:
            bar.update(pending.index(number) + 1, len(pending), f"revision {number} of {pending[-1]}")

        reached = schema.upgrade(bind, revision, show)
    note(f"The schema embrec is at revision {reached}.")


@db.command()
@click.argument("revision")
@click.option(
    "--sql", is_flag=True, help="Print the statements for psql instead of running them; REVISION is then FROM:TO."
)
@click.option("--yes", is_flag=True, help="Do not ask before removing tables.")
@database_option
def downgrade(revision: str, sql: bool, yes: bool, database_url: str | None) -> int:
    """Migrate the schema down to REVISION; `base` removes it, with all ratings and model runs.

    \b
    embrec db downgrade base --yes
    """
    from embrec.db import schema

    if sql:
        click.echo(schema.downgrade_sql(revision))
        return 0
    bind = engine(database_url, direct=True, migrate=False)
    if not confirmed("This removes tables and the data in them. Go on?", yes):
        return 1
    reached = schema.downgrade(bind, revision)
    note(f"The schema embrec is at revision {reached}." if reached else "The schema embrec is removed.")
    return 0


@db.command()
@database_option
def current(database_url: str | None) -> None:
    """Print the revision of the schema in the database.

    \b
    embrec db current
    """
    from embrec.db import schema

    click.echo(schema.current(engine(database_url, migrate=False)) or "none")


@db.command()
@json_option
def history(as_json: bool) -> None:
    """List the revisions of this release, oldest first.

    \b
    embrec db history
    """
    from embrec.db import schema

    rows = [{"revision": each.revision, "description": each.description} for each in schema.history()]
    print_rows(rows, ["revision", "description"], as_json)


@db.command()
@database_option
def check(database_url: str | None) -> int:
    """Compare the database's schema with this release; exit 1 if they differ.

    \b
    embrec db check
    """
    from embrec.db import schema

    differences = schema.check(engine(database_url, migrate=False))
    for difference in differences:
        click.echo(difference)
    note(f"{len(differences)} differences." if differences else "The schema is as this release expects it.")
    return int(bool(differences))


@db.command()
@click.option("--sql", is_flag=True, help="Print a script for a superuser to run in the database, instead of a list.")
@click.option("--role", metavar="NAME", help="The role that will migrate (default: the one that connects).")
@database_option
def requirements(sql: bool, role: str | None, database_url: str | None) -> int:
    """List everything that keeps a role from migrating; exit 1 if there is anything.

    With --sql and --role no database is needed.

    \b
    embrec db requirements
    embrec db requirements --sql --role deployer > for-the-dba.sql
    """
    if sql and role is not None:
        click.echo(requirements_sql(role))
        return 0
    with begin(engine(database_url, migrate=False)) as connection:
        facts = server(connection, role)
        if sql:
            click.echo(requirements_sql(str(connection.scalar(sa.text("SELECT current_user")))))
            return 0
    faults = server_faults(facts)
    for fault in faults:
        click.echo(fault)
    script = f"All in one script: embrec db requirements --sql --role {facts.role}"
    note(script if faults else f"The role {facts.role} can run: embrec db upgrade")
    return int(bool(faults))
