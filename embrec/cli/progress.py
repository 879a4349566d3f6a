"""Progress bars on stderr, if that is a terminal: the step, its rate, and the time that is left."""

from __future__ import annotations

import contextlib
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
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class ProgressBar:
    """A line that shows the current step."""

    def __init__(self, progress: Progress, description: str, unit: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, unit=unit, remark="")

    def step(self, description: str, unit: str = "") -> None:
        """Begin another step, with nothing done yet.

        Args:
            description: Name of the step.
            unit: Unit that the step counts, in the plural.
        """
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=None, unit=unit, remark="")

    def update(self, done: float, total: float, remark: str = "") -> None:
        """Show the progress of the step."""
        self._progress.update(self._task, completed=done, total=total, remark=remark)


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


class _Rate(ProgressColumn):
    """A rate per second, or the seconds that one takes."""

    def render(self, task: Task) -> Text:
        unit, speed = task.fields["unit"], task.speed
        if not unit or not speed:
            return Text("")
        return Text(f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{1 / speed:.2g} s each")


class _Times(ProgressColumn):
    """The time that is left, or the time that has passed if the total is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self._left, self._passed = TimeRemainingColumn(), TimeElapsedColumn()

    def render(self, task: Task) -> Text:
        if task.total is None or not task.speed:
            return self._passed.render(task)
        return Text.assemble(self._left.render(task), " left")
