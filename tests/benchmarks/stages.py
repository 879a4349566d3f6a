"""Databases to measure in: the same ratings, loaded and trained by each build on a server of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from builds import Build
from data import SIZES, Columns, Size, make_up, split
from made_files import by_activity, write_files
from servers import Database, Server, server

LAUNCH = Path(__file__).with_name("launch.py")
TASTE = 2.0
# Ratings that are held out of a training to measure its error by: a tenth, and at most this number.
HELD_OUT = 200_000
# Options of a training that takes little time: few draws, and a penalty that is given. Answers take as long.
QUICKLY = ("--draws", "5", "--penalty", "40")
Figures = dict[str, float]


class Site:
    """A build with a database of its own.

    Attributes:
        build: The build.
        database: Its database.
        costs: The costs of each load and training here, by the step.
    """

    def __init__(self, build: Build, database: Database) -> None:
        self.build = build
        self.database = database
        self.costs: dict[str, list[Figures]] = {"load": [], "train": []}

    def embrec(self, *arguments: str, limit: float | None = None) -> tuple[Figures, str]:
        """Run a command of the build; returns its costs, those of its server among them, and its output.

        Raises:
            RuntimeError: The command failed.
            subprocess.TimeoutExpired: It took longer than the limit in seconds, and was ended.
        """
        url = dict.fromkeys(("EMBREC_DATABASE_URL", "EMBREC_DIRECT_URL"), self.database.url)
        environment = {**os.environ, **url, "PYTHONPATH": self.build.path}
        found: Figures = {}
        with tempfile.NamedTemporaryFile("r") as costs, self.database.costs(found):
            launch = [sys.executable, "-I", "-S", str(LAUNCH), costs.name]
            command = [*launch, *self.build.embrec, *arguments]
            status, output, errors = run(command, environment, limit)
            if status:
                raise RuntimeError(f"{self.build.name}: embrec {' '.join(arguments)} failed: {errors[-2000:]}")
            found |= json.load(costs)
        return found | {"CPU s": found["client CPU s"] + found["server CPU s"]}, output

    def load(self, *arguments: str) -> None:
        """Create the schema and load, with the load's costs on record."""
        self.embrec("db", "upgrade")
        self.costs["load"].append(self.embrec("load", *arguments)[0])

    def train(self, *arguments: str, limit: float | None = None) -> Figures:
        """Train by a command, and return its costs, with the seconds of each of its steps."""
        costs, output = self.embrec("train", "--json", *self.build.training, *arguments, limit=limit)
        return costs | {f"{step} s": seconds for step, seconds in json.loads(output)["seconds"].items()}


def run(command: Sequence[str], environment: Mapping[str, str], limit: float | None) -> tuple[int, str, str]:
    """Run a command; returns its status, its output and its messages. At the limit it ends with all that it started.

    Raises:
        subprocess.TimeoutExpired: It took longer than the limit in seconds.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output, errors


class Stage:
    """The same ratings, loaded by each build.

    Attributes:
        size: Numbers of users, movies and ratings.
        training: The ratings to train on. Users are numbered by activity, least active first.
        held: The ratings that were held out.
        directory: Files of the ratings and the movies.
        sites: A site of each build, by its name.
        failure: What made a training fail, or None. Rows that need it fail at once, or each would train again.
    """

    def __init__(self, size: Size, directory: Path) -> None:
        self.size = size
        self.directory = directory
        directory.mkdir()
        columns = by_activity(make_up(size, 0, TASTE))
        self.training, self.held = split(columns, min(0.1, HELD_OUT / len(columns[0])), 1)
        write_files(directory, size.movies, self.training, 0)
        self.sites: dict[str, Site] = {}
        self.failure: RuntimeError | None = None

    def files(self) -> tuple[str, ...]:
        """Return the arguments of a command that loads."""
        return (str(self.directory / "ratings.csv"), "--movies", str(self.directory / "movies.csv"))


class Bench:
    """The servers and stages of a run of the benchmarks; a context that removes them at its end.

    Attributes:
        builds: The builds, by name.
        seconds: Time to ask each question for.
    """

    def __init__(self, builds: Sequence[Build], shared_buffers: str, seconds: int) -> None:
        self.seconds = seconds
        self.builds = {build.name: build for build in builds}
        self._settings = {"shared_buffers": shared_buffers}
        self._exits = ExitStack()
        self._servers: dict[str, Server] = {}
        self._stages: dict[Size, Stage] = {}

    def __enter__(self) -> Bench:
        self._directory = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="embrec-bench-")))
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    def site(self, build: str, name: str) -> Site:
        """Return a site of a build in a new database."""
        if build not in self._servers:
            self._servers[build] = self._exits.enter_context(server(self._settings))
        return Site(self.builds[build], self._servers[build].database(name))

    @contextmanager
    def passing(self, build: str, name: str) -> Iterator[Site]:
        """A site of a build in a new database that is dropped afterwards."""
        site = self.site(build, name)
        try:
            yield site
        finally:
            self._servers[build].drop(site.database)

    def stage(self, size: Size) -> Stage:
        """Return the stage of a size; the first call makes its ratings up."""
        if size not in self._stages:
            self._stages[size] = Stage(size, self._directory / name(size))
        return self._stages[size]

    def loaded(self, size: Size, *builds: str) -> Stage:
        """Return the stage of a size with its ratings loaded by some builds, or by both."""
        stage = self.stage(size)
        for build in builds or self.builds:
            if build not in stage.sites:
                site = self.site(build, name(size))
                site.load(*stage.files())
                stage.sites[build] = site
        return stage

    def trained(self, size: Size, *builds: str, times: int = 1, arguments: Sequence[str] = ()) -> Stage:
        """Return the stage of a size, loaded, and trained so many times by some builds, or by both, in turn.

        Args:
            size: The size.
            builds: Names of the builds; all of them if none is named.
            times: Number of trainings of each, those of earlier calls among them.
            arguments: Options of the trainings that are missing.
        """
        stage = self.loaded(size, *builds)
        if stage.failure:
            raise stage.failure
        sites = [stage.sites[build] for build in builds or self.builds]
        try:
            for number in range(times):
                for site in (site for site in sites if len(site.costs["train"]) <= number):
                    site.costs["train"].append(site.train(*arguments))
                    # Otherwise autovacuum would run in a minute, during the measurements.
                    site.database.run("VACUUM (ANALYZE)")
        except RuntimeError as error:
            stage.failure = error
            raise
        return stage


def in_turn(times: int, measures: Mapping[str, Callable[[int], Figures]]) -> dict[str, dict[str, list[float]]]:
    """Measure the first of each, then the second of each, and so on; returns each one's figures.

    Args:
        times: Number of measurements.
        measures: Functions of the measurement's number, by the contender's name.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in measures}
    for number in range(times):
        for name, measure in measures.items():
            for figure, value in measure(number).items():
                found[name].setdefault(figure, []).append(value)
            print(name, {figure: values[-1] for figure, values in found[name].items()}, file=sys.stderr, flush=True)
    return found


def size_of(text: str) -> Size:
    """Return a size by its name in SIZES, or by numbers of users, movies and ratings, such as 1000x200x10000."""
    if text in SIZES:
        return SIZES[text]
    try:
        users, movies, ratings = map(int, text.split("x"))
    except ValueError:
        raise SystemExit(f"{text} is no size; write USERSxMOVIESxRATINGS or one of {', '.join(SIZES)}.") from None
    return Size(users, movies, ratings)


def name(size: Size) -> str:
    """Return the name of the directory and of the databases of a size."""
    return f"stage_{size.users}_{size.movies}_{size.ratings}"


def of_activity(columns: Columns, ratings: int, width: int) -> range:
    """Return users with about so many ratings, of users that are numbered by activity.

    Args:
        columns: The ratings.
        ratings: Number of ratings of the most active of them.
        width: Number of users.
    """
    end = int(np.searchsorted(np.bincount(columns[0]), ratings, side="right"))
    return range(max(end - width, 0), max(end, 1))
