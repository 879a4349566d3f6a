"""The command line as a person at a terminal sees it."""

from __future__ import annotations

import datetime as dt
import fcntl
import functools
import importlib
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
import sqlalchemy as sa
from click.shell_completion import BashComplete
from data import FAKE_RUN, load_frame, rating_frame, stored_run, two_part_run
from rich.cells import cell_len
from rich.progress import Progress

import embrec.cli
from embrec.cli import cli, progress
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_rows
from embrec.data import ratings
from embrec.data.files.movies import Movie
from embrec.runs import records
from embrec.serving import search

Run = Callable[..., tuple[int, str, str]]
EMBREC = [sys.executable, "-c", "from embrec.cli import main; main()"]
ESCAPE = "\x1b"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words of its name."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def called(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words call, and its arguments."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, words
        command, words = found, words[1:]
    return command, words


COMMANDS = dict(commands(cli))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_examples_that_can_be_called(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    help_text = command.get_help(click.Context(command, info_name=path[-1], max_content_width=200))
    examples = [line.strip() for line in help_text.splitlines() if line.strip().startswith("embrec ")]
    assert any(example.split()[1 : len(path) + 1] == list(path) for example in examples), help_text
    for example in examples:
        found, arguments = called(shlex.split(re.split(" >|  #", example)[0])[1:])
        found.make_context(found.name, arguments)


def test_the_list_of_commands_fits_80_columns_and_has_each_command_once() -> None:
    listed = cli.get_help(click.Context(cli, terminal_width=80)).partition("Commands:\n")[2].splitlines()
    modules = {path.stem for path in Path(embrec.cli.__file__).parent.glob("[a-z]*.py")}
    commands = {name for name in modules if hasattr(importlib.import_module(f"embrec.cli.{name}"), name)}
    assert sorted(line.split()[0] for line in listed) == sorted(commands)
    assert all(line.endswith(".") for line in listed)


ROWS = [
    {"rank": 1, "movie_id": "tt0076759", "title": "Star Wars: Episode IV - A New Hope (1977)", "score": 0.2512345},
    {
        "rank": 22,
        "movie_id": "196",
        "title": "千と千尋の神隠し、あるいは湯屋の神々と少女の物語 (2001)",
        "score": -12.5,
    },
]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_fits_the_terminal_and_never_cuts_a_number(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    longer = [{**row, "genres": ["Adventure", "Science-Fiction"], "model_run_id": 1234567} for row in ROWS]
    print_rows(longer, list(longer[0]))
    text = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert all(cell_len(line) <= width for line in text.splitlines()), text
    for whole in ("tt0076759", "0.2512", "-12.5000", "1234567", "22"):
        assert whole in text
    assert ("…" in text) == (width < 200)
    assert ("Star Wars: Episode IV - A New Hope (1977)" in text) == (width == 200)


def test_a_pipe_gets_everything_and_no_escapes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = {"title": "word " * 100 + "end"}
    print_rows([*ROWS[:1], {**ROWS[0], **long}], list(ROWS[0]))
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 3
    assert "word end" in out
    assert ESCAPE not in out


@pytest.mark.parametrize(("variable", "escapes"), [("NO_COLOR", False), ("FORCE_COLOR", True)])
def test_colour_is_as_the_environment_wants_it(monkeypatch: pytest.MonkeyPatch, variable: str, escapes: bool) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv(variable, "1")
    stream = io.StringIO() if escapes else Terminal()  # to override the default for this stream
    monkeypatch.setattr(sys, "stdout", stream)
    print_rows(ROWS, list(ROWS[0]))
    assert (ESCAPE in stream.getvalue()) == escapes


def test_progress_tells_the_rate_and_the_time_left_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(stream: io.StringIO, rows: int, of: int) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar("Preparing") as bar:
            bar.step("Reading", "rows")
            for part in range(3):
                bar.update(part * rows / 3, of, "half")
                time.sleep(0.02)
        return stream.getvalue()

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert show(io.StringIO(), 1000, 2000) == "", "also where colour is wanted"
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", show(Terminal(), 3000, 4000))
    assert re.search(r"Reading .* 50% [\d,]+ rows/s \d:\d\d:\d\d left half", shown), shown
    assert re.search(r"Reading .* \d% [\d.]+ s each ", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", show(Terminal(), 0.1, 3)))


@pytest.mark.parametrize("seconds", [1, 31, 400])
def test_the_time_left_of_a_slow_step_is_not_the_time_gone(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "Progress", functools.partial(Progress, get_time=lambda: now[0], auto_refresh=False))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    shown = []

    def see() -> None:
        (task,) = bar._progress.tasks
        shown.append(progress._Times().render(task).plain)

    with progress.progress_bar("Fitting", "epochs") as bar:
        now[0] += 5
        see()
        bar.step("Fitting", "epochs")
        for epoch in (1, 2):
            now[0] += seconds
            bar.update(epoch, 10)
            see()
        now[0] += seconds / 2
        see()
        now[0] += 100 * seconds
        see()
    times = [dt.timedelta(seconds=int(parts * seconds)) for parts in (9, 8, 7.5, 0)]
    assert shown == ["0:00:05 so far", *(f"{left} left" for left in times)]


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """Return the output of a command on a terminal of 100 columns, without escape sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    variables = {**os.environ, "TERM": "xterm-256color", **environment}
    variables.pop("COLUMNS", None)
    process = subprocess.Popen([*EMBREC, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())


def test_a_load_shows_what_it_does_on_a_terminal_and_nothing_in_a_pipe(url: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    rating_frame().to_csv(path, index=False)
    count = len(rating_frame())
    arguments = ["load", str(path), "--database-url", url]
    shown = on_a_terminal(arguments)
    assert "Storing: rows" in shown
    assert f"{count} ratings read: {count} new" in shown
    done = subprocess.run([*EMBREC, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_says_nothing_that_is_not_embrecs_own(engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [*EMBREC, "train", "--draws", "1", "--database-url", url], capture_output=True, text=True, env=variables
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Model run 1: train_rmse [\d.]+, next_ndcg [\d.]+, next_hit_rate [\d.]+\.\n", done.stdout)
    assert done.stderr == "Published.\n"


@pytest.fixture
def served(engine: sa.Engine, url: str) -> list[str]:
    """A database with titled movies and a published run; returns the arguments that name it."""
    titles = [
        Movie("100", "Star Wars (1977)", ["Science-Fiction"], 1977),
        Movie("101", "Godfather, The (1972)", ["Crime"], 1972),
        Movie("102", "Amélie (2001)", ["Comedy"], 2001),
    ]
    load_frame(engine, rating_frame(), titles)
    two_part_run(engine)
    return ["--database-url", url]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["runs", "pubish", "1"], "Did you mean 'publish'?"),
        (["recommend", "u1", "--gener", "Comedy"], "Did you mean '--genre'?"),
        (["recommend", "u1", "--genre", "comdey"], "Did you mean 'Comedy'?"),
        (["popular", "--without-genre", "Horror"], "There are: Comedy, Crime, Science-Fiction"),
        (["similar", "Star Wras"], "Did you mean: Star Wars (1977) [100]?"),
        (["explain", "u1", "the godfahter"], "Did you mean: Godfather, The (1972) [101]?"),
        (["find", "amelei"], "Did you mean: Amélie (2001)?"),
        (["runs", "show", "17"], "The newest are: 1."),
    ],
)
def test_a_slip_is_answered_by_what_was_meant(embrec: Run, served: list[str], arguments: list[str], meant: str) -> None:
    at = [] if "trian" in arguments else served
    code, out, err = embrec(*arguments, *at)
    assert code in (1, 2)
    assert out == ""
    assert meant in err


def test_titles_that_are_suggested(engine: sa.Engine, served: list[str]) -> None:
    assert search.suggest_movies(engine, "Sttar Wars")["movie_id"].tolist() == ["100"]
    assert search.suggest_movies(engine, "GODFATHR (1972)")["movie_id"].tolist() == ["101"]
    for nothing in ("", "???", "zzzz", r"\m|.*", "a" * 5000):
        assert search.suggest_movies(engine, nothing).empty, nothing
    ratings.add_rating(engine, "u1", "200", 5)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.movies SET title = 'Star Wart (1999)' WHERE movie_id = '200'"))
    assert search.suggest_movies(engine, "star wras")["movie_id"].tolist() == ["100", "200"]
    assert len(search.suggest_movies(engine, "star wras", 1)) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_embrec(embrec: Run, shell: str) -> None:
    code, out, _ = embrec("completion", shell)
    assert code == 0
    assert f"_EMBREC_COMPLETE={shell}_complete" in out


def test_commands_options_models_and_runs_are_completed(
    engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def completed(*words: str) -> list[str]:
        *arguments, incomplete = words
        shell = BashComplete(cli, {}, "embrec", "_EMBREC_COMPLETE")
        return [item.value for item in shell.get_completions(arguments, incomplete)]

    assert completed("tra") == ["train"]
    assert completed("train", "--hold") == ["--holdout"]
    assert completed("train", "--model", "two") == ["two-part"]
    assert completed("runs", "p") == ["publish"]
    for _ in range(2):
        stored_run(engine, np.eye(3))
    monkeypatch.setenv("DATABASE_URL", url)
    assert completed("runs", "publish", "") == ["2", "1"]
    assert completed("experiments", "start", "a", "--control", "1") == ["1"]
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    assert completed("runs", "publish", "") == []
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("EMBREC_HOME", str(tmp_path / "home"))
    assert completed("runs", "publish", "") == []
    assert not (tmp_path / "home").exists()


def test_embrec_alone_says_where_one_is_and_what_is_next(
    embrec: Run, engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def said() -> str:
        code, out, err = embrec()
        assert (code, err) == (0, "")
        return out

    monkeypatch.setenv("EMBREC_HOME", str(tmp_path / "home"))
    assert "Next: embrec demo\n" in said()
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("DATABASE_URL", url)
    assert "Next: embrec load ml-100k\n" in said()
    load_frame(engine, rating_frame())
    assert "no model run is published" in said()
    two_part_run(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET rating_count = 1000"))
    assert "of 30 users and 20 movies; model run 1 is published.\nNext: embrec explore\n" in said()
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:hunter2@127.0.0.1:1/x")
    code, _, err = embrec()
    assert (code, "cannot be reached" in err, "hunter2" in err) == (1, True, False)


def test_embrec_alone_loads_nothing_heavy(url: str) -> None:
    code = (
        "import sys\nfrom embrec.cli import cli\ncli.main([], standalone_mode=False)\n"
        "print(sorted({'pandas', 'pyarrow', 'alembic', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    variables = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    assert done.stdout.splitlines()[-1] == "[]"


def test_runs_are_listed_for_people(embrec: Run, engine: sa.Engine, served: list[str]) -> None:
    run = records.start(engine, replace(FAKE_RUN, rating_count=12345))
    records.fail(engine, run, "as it happens")
    lines = embrec("runs", "list", *served)[1].splitlines()
    assert lines[0].split() == ["run", "status", "model", "started", "ratings", "metrics"]
    assert lines[1].split()[:3] == ["2", "failed", "outer-product"]
    assert "12,345" in lines[1]
    assert lines[2].split()[:4] == ["1", "trained,", "published", "two-part"]
