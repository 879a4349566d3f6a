"""The command line. Data goes to stdout, everything else to stderr; heavy imports stay inside their commands."""

from __future__ import annotations

import importlib
import sys

import click
from click.exceptions import NoSuchCommand

from embrec.cli.stopping import stoppable
from embrec.errors import EmbrecError, WithheldError

# Each command is the function of that name in the module of that name. It is imported only when it is called, and the
# list of commands has its own short texts, or `embrec --help` would wait for all that they import.
COMMANDS = {
    "demo": "Load MovieLens 100K, train two models, and compare them.",
    "db": "Manage the database: the embedded server, and the schema.",
    "load": "Load ratings or events from files, or from a table.",
    "scale": "Show or change the scale of ratings.",
    "train": "Train a model on the ratings, and publish its vectors.",
    "runs": "List, show, publish, roll back, delete, export, import runs.",
    "gc": "Delete leftovers of killed processes, old runs and old events.",
    "experiments": "Compare two runs in an A/B test.",
    "evaluate": "Measure models on held-out ratings.",
    "report": "Write a report on the training and accuracy of a run.",
    "tune": "Search for better options of a model.",
    "similar": "List similar movies, or similar users.",
    "find": "Find movies by the words of their titles.",
    "recommend": "Recommend movies to a user, or to all users.",
    "next": "List the movies that a user or visitor wants next.",
    "after": "List the movies that most likely follow a movie.",
    "also": "List the movies that the users of a movie also watched.",
    "resume": "List the movies that a user started, or watches again.",
    "popular": "List the most popular movies, or the best rated ones.",
    "trending": "List movies that get many more ratings and events than before.",
    "predict": "Predict a user's ratings of movies.",
    "explain": "List the ratings that a recommendation comes from.",
    "rate": "Record a user's rating of a movie.",
    "unrate": "Delete a user's rating of a movie.",
    "event": "Record an event: a user watched a movie.",
    "unevent": "Delete a user's events of a movie.",
    "forget": "Delete all data of a user.",
    "refresh": "Add vectors of movies newer than the published run.",
    "explore": "Serve a page that shows the movies and the runs.",
    "status": "Show health, and how to fix problems.",
    "doctor": "Check the installation, permissions and settings.",
    "completion": "Print a script for a shell's completion.",
}

# Exit status: the run is trained and stored, and does not answer. A scheduler need not train again.
WITHHELD = 3


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        if (name := f"embrec.cli.{cmd_name}") not in sys.modules:
            from embrec.cli.importing import without_collection

            with without_collection():
                importlib.import_module(name)
        command: click.Command = getattr(sys.modules[name], cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to call; click itself suggests similar names only among loaded commands."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=list(COMMANDS), ctx=ctx) from None


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="embrec", prog_name="embrec")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """A movie recommender that lives in PostgreSQL.

    \b
    embrec          # the database in use, and the next command to run
    embrec demo     # load MovieLens 100K, train two models, and compare their similar movies
    embrec status   # health, and how to fix problems

    The database is the first that is given: --database-url, EMBREC_DATABASE_URL, DATABASE_URL, libpq's PG* variables.
    With none of them it is an embedded PostgreSQL, which is started when needed.
    """
    if ctx.invoked_subcommand is None:
        from embrec.cli.status import where_you_are

        where_you_are()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    The exit status is 0; 1 with one line that says what to do; 2 for wrong usage; 3 if a trained run is not published;
    130 by Ctrl-C; 143 by SIGTERM; 129 by SIGHUP.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with stoppable():
            # A command that fails without raising an error (doctor) returns its exit status.
            sys.exit(cli.main(given, prog_name="embrec", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):  # a question that was not answered
        click.echo("embrec: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `embrec find the | head -1`
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if "--debug" in given:
            raise
        click.echo(f"embrec: {_one_line(error)}", err=True)
        sys.exit(WITHHELD if isinstance(error, WithheldError) else 1)


def _one_line(error: Exception) -> str:
    if isinstance(error, EmbrecError):
        return str(error)
    if isinstance(error, MemoryError):
        what = f" ({error})" if str(error) else ""
        return f"The memory is not enough for this{what}. Give the process more, or a part of the data at a time."
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}. To see where: embrec --debug ..."
