"""A report on a model run: training history, accuracy, a map and neighbours of movies, as one HTML page.

Data goes one way: database -> ``accuracy``, ``activity``, ``likeness`` and ``following``, gathered in ``findings`` ->
``figures``, ``page`` -> file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from embrec import db
from embrec.errors import ConfigError
from embrec.last_acts import replaced
from embrec.report import figures, page
from embrec.report.findings import STEPS, gather

__all__ = ["STEPS", "write_report"]


def write_report(
    engine: sa.Engine,
    output: str | Path,
    model_run_id: int | None = None,
    pictures: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> None:
    """Write a report on a run as one self-contained HTML file; the database is only read, in one snapshot.

    Args:
        engine: The database.
        output: File to write; an existing one is replaced when the report is complete.
        model_run_id: The run, or None for the published one.
        pictures: Folder for the figures as PNG files, created if it does not exist; None for no PNG files.
        progress: Called with each of ``STEPS`` when it begins.

    Raises:
        ConfigError: The file or the folder cannot be created there.
        NoPublishedRunError: No run is named, and none published.
        UnknownRunError: There is no such run.
        RunError: The run has no vectors: it failed, was deleted, or is training.
        DataError: There are no ratings or events.
        SchemaError: The schema is absent or behind.
    """
    db.require_engine(engine)
    path = Path(output)
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"The file {path} cannot be made there. Name another with --output.")
    with (
        db.translated_errors(),
        engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection,
    ):
        findings = gather(connection, model_run_id, progress)
    _replace(path, page.render(findings))
    if pictures is not None:
        folder = Path(pictures)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {folder} cannot be made: {error.strerror}. Name another with --png."
            ) from error
        for name in figures.names(findings):
            figures.save_png(name, findings, folder / f"{name}.png")


def _replace(path: Path, text: str) -> None:
    try:
        with replaced(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be made: {error.strerror or error}. Name another with --output."
        ) from error
