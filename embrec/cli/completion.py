"""embrec completion, and the run numbers that a shell completes from the database."""

from __future__ import annotations

import functools

import click
from click.shell_completion import CompletionItem, get_completion_class

from embrec import config, db
from embrec.errors import EmbrecError
from embrec.runs import records

# A shell waits at most 2 seconds for a connection: libpq accepts no shorter timeout.
_PATIENCE_SECONDS = "2"


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print a script that makes SHELL complete commands, options and numbers of runs.

    \b
    embrec completion bash >> ~/.bashrc
    embrec completion zsh >> ~/.zshrc
    embrec completion fish > ~/.config/fish/completions/embrec.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - it is one of click's own
    root = click.get_current_context().find_root()
    click.echo(made(root.command, {}, "embrec", "_EMBREC_COMPLETE").source())


def run_numbers(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the numbers of runs, with their models.

    There are none if no database answers at once. An embedded server is never started for this.
    """
    try:
        setting = config.database_setting(ctx.params.get("database_url"))
        if setting is None:
            url = db.local_server().url()
            if url is None:
                return []
            setting = config.parse_database_url(url, "the embedded server")
        patient = {"connect_timeout": _PATIENCE_SECONDS, **setting.parameters}
        engine = db.create_engine(config.DatabaseSetting(patient, setting.origin))
        found = [CompletionItem(str(run.model_run_id), help=run.architecture) for run in records.list_runs(engine)]
        engine.dispose()
    except EmbrecError:
        return []
    return [item for item in found if item.value.startswith(incomplete)]


run_argument = click.argument("run", type=int, shell_complete=run_numbers)
run_option = functools.partial(click.option, type=int, metavar="RUN", required=True, shell_complete=run_numbers)
