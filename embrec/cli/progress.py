"""Progress bars on stderr, if that is a terminal: the step, its rate, and the time that is left."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
)
from rich.text import Text


class ProgressBar:
    """A line that shows the current step."""

    def __init__(self, progress: Progress, description: str, unit: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, unit=unit, remark="", seconds=0.0)

    def step(self, description: str, unit: str = "") -> None:
        """Begin another step, with nothing done yet.

        Args:
            description: Name of the step.
            unit: Unit that the step counts, in the plural.
        """
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=None, unit=unit, remark="", seconds=0.0)

    def update(self, done: float, total: float, remark: str = "") -> None:
        """Show the progress of the step."""
        # The rate is of the step so far: rich's own is of the last 30 seconds, in which a slow step has no update.
        seconds = next(task.elapsed or 0.0 for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, completed=done, total=total, remark=remark, seconds=seconds)


@contextlib.contextmanager
def progress_bar(description: str, unit: str = "") -> Iterator[ProgressBar]:
    """Show a progress bar on stderr; nothing is shown if that is no terminal.

    Args:
        description: Name of the first step.
        unit: Unit that the step counts, in the plural; empty if progress is a share.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        _Rate(),
        _Times(),
        TextColumn("{task.fields[remark]}"),
    )
    # rich would also draw a bar into a log when FORCE_COLOR is set, which asks only for colour.
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        yield ProgressBar(progress, description, unit)


def _speed(task: Task) -> float:
    """Return the rate per second up to the last update, or 0."""
    seconds = float(task.fields["seconds"])
    return task.completed / seconds if seconds else 0.0


class _Rate(ProgressColumn):
    """A rate per second, or the seconds that one takes."""

    def render(self, task: Task) -> Text:
        unit, speed = task.fields["unit"], _speed(task)
        if not unit or not speed:
            return Text("")
        return Text(f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{1 / speed:.2g} s each")


class _Times(ProgressColumn):
    """The time that is left, or the time so far if the former is unknown."""

    def render(self, task: Task) -> Text:
        elapsed, speed = task.elapsed or 0.0, _speed(task)
        if task.total is None or not speed:
            return Text(f"{_time(elapsed)} so far")
        left = (task.total - task.completed) / speed - (elapsed - task.fields["seconds"])
        return Text(f"{_time(max(left, 0.0))} left")


def _time(seconds: float) -> dt.timedelta:
    return dt.timedelta(seconds=int(seconds))
