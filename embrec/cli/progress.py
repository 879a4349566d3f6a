"""Progress on stderr, where that is a terminal: what is done, how fast, and how long it will take."""

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
    """One line that shows the step that is being done."""

    def __init__(self, progress: Progress, description: str, unit: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, unit=unit, remark="")

    def step(self, description: str, unit: str = "") -> None:
        """Begin another step, of which nothing is done yet.

        Args:
            description: What is done now.
            unit: What is counted in it, in the plural.
        """
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=None, unit=unit, remark="")

    def update(self, done: float, total: float, remark: str = "") -> None:
        """Show how much of the step is done."""
        self._progress.update(self._task, completed=done, total=total, remark=remark)


@contextlib.contextmanager
def progress_bar(description: str, unit: str = "") -> Iterator[ProgressBar]:
    """A progress bar on stderr; nothing is shown where that is no terminal.

    Args:
        description: What is done first.
        unit: What is counted in it, in the plural; of shares nothing is.
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
    # Not what rich takes for a terminal: FORCE_COLOR asks for colour, and not for a bar in a log.
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        yield ProgressBar(progress, description, unit)


class _Rate(ProgressColumn):
    """How many there are a second, or how long one takes."""

    def render(self, task: Task) -> Text:
        unit, speed = task.fields["unit"], task.speed
        if not unit or not speed:
            return Text("")
        return Text(f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{1 / speed:.2g} s each")


class _Times(ProgressColumn):
    """The time that is left, or that has passed where nobody knows how much there is to do."""

    def __init__(self) -> None:
        super().__init__()
        self._left, self._passed = TimeRemainingColumn(), TimeElapsedColumn()

    def render(self, task: Task) -> Text:
        if task.total is None or not task.speed:
            return self._passed.render(task)
        return Text.assemble(self._left.render(task), " left")
