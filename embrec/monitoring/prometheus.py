"""Prometheus metrics of a status: text exposition format 0.0.4, in base units."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from embrec.monitoring.status import Status

# For each column of embrec.status: the metric's name and help text.
_STATE = {
    "database_bytes": ("database_size_bytes", "Size of the whole database."),
    "rating_bytes": ("ratings_size_bytes", "Size of the table of ratings, with its indexes."),
    "vector_bytes": ("vectors_size_bytes", "Size of all runs' vectors, with their indexes."),
    "users": ("users", "Number of users, including forgotten ones."),
    "movies": ("movies", "Number of movies."),
    "ratings": ("ratings", "Number of ratings."),
    "ratings_estimated": ("ratings_estimated", "1 if the number of ratings is an estimate, else 0."),
    "newest_rating_at": ("newest_rating_timestamp_seconds", "Time of the newest rating."),
    "ratings_in_statistics": (
        "statistics_ratings",
        "Number of ratings when the movies' statistics were last refreshed.",
    ),
    "events": ("events", "Number of events."),
    "events_estimated": ("events_estimated", "1 if the number of events is an estimate, else 0."),
    "event_bytes": ("events_size_bytes", "Size of the table of events, with its indexes."),
    "newest_event_at": ("newest_event_timestamp_seconds", "Time of the newest event."),
    "events_in_statistics": (
        "statistics_events",
        "Number of events when the movies' statistics were last refreshed.",
    ),
    "published_run": ("published_run", "Number of the published model run."),
    "published_at": ("published_timestamp_seconds", "Time when the published run was published."),
    "trained_at": ("trained_timestamp_seconds", "Time when the published run was trained."),
    "ratings_since_training": (
        "ratings_since_training",
        "Number of ratings added since the published run was trained.",
    ),
    "events_since_training": (
        "events_since_training",
        "Number of events added since the published run was trained.",
    ),
    "users_since_training": ("users_since_training", "Number of users added since the published run was trained."),
    "movies_without_vectors": ("movies_without_vectors", "Number of movies without a vector in the published run."),
    "lone_users": ("lone_users", "Number of users in the published run without a vector to rank by."),
    "lone_movies": ("lone_movies", "Number of movies in the published run without a vector to rank by."),
    "trainings": ("trainings", "Number of training runs in progress."),
    "lost_runs": ("lost_runs", "Number of training runs whose process was lost."),
}
# The same for each column of embrec.run_status; these metrics have a label for the run.
_RUN = {
    "started_at": ("run_started_timestamp_seconds", "Time when the run's training began."),
    "heartbeat_at": ("run_heartbeat_timestamp_seconds", "Time of a training's last heartbeat."),
    "progress": ("run_progress_ratio", "Share of the fit that is done, from 0 to 1, for a training in progress."),
    "vector_bytes": ("run_vectors_size_bytes", "Size of the run's vectors, with their indexes."),
}


@dataclass
class _Metric:
    help: str
    samples: list[tuple[Mapping[str, object], float]] = field(default_factory=list)


def exposition(status: Status) -> str:
    """Return a status as text for Prometheus, such as its node exporter's textfile collector.

    Times are seconds since 1970, sizes are bytes; unknown values are left out.
    """
    metrics: dict[str, _Metric] = {}
    for name, meaning, labels, value in _samples(status):
        metrics.setdefault(name, _Metric(meaning)).samples.append((labels, value))
    return "".join(f"{line}\n" for name, metric in metrics.items() for line in _lines(f"embrec_{name}", metric))


def _samples(status: Status) -> Iterator[tuple[str, str, Mapping[str, object], float]]:
    state = status.state
    about = {name: state.get(name) or "" for name in ("server_version", "schema_revision")}
    yield "info", "Versions of the server and of the schema.", about, 1.0
    for column, (name, meaning) in _STATE.items():
        if state.get(column) is not None:
            yield name, meaning, {}, _number(state[column])
    for run in status.runs:
        labels = {"run": run["model_run_id"]}
        about = {"architecture": run["architecture"], "state": run["state"], "published": str(run["published"]).lower()}
        yield "run_info", "What a model run is.", labels | about, 1.0
        for column, (name, meaning) in _RUN.items():
            if run[column] is not None:
                yield name, meaning, labels, _number(run[column])
        for metric, value in run["metrics"].items():
            if value is not None:
                yield "run_metric", "What the training measured.", labels | {"metric": metric}, _number(value)
    for index_state, count in Counter(index["state"] for index in status.indexes).items():
        yield "indexes", "Approximate indexes, by state.", {"state": index_state}, count
    for code, count in Counter(warning.code for warning in status.warnings).items():
        yield "warnings", "What should be seen to; embrec status says how.", {"code": code}, count


def _number(value: object) -> float:
    return value.timestamp() if isinstance(value, dt.datetime) else float(value)  # type: ignore[arg-type]


def _lines(name: str, metric: _Metric) -> Iterator[str]:
    yield f"# HELP {name} {metric.help}"
    yield f"# TYPE {name} gauge"
    for labels, value in metric.samples:
        inside = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        number = int(value) if value == int(value) else value
        yield f"{name}{{{inside}}} {number!r}" if inside else f"{name} {number!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
