"""The page of a report: one self-contained HTML file that needs no network."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2

from embrec import metrics, pages
from embrec.report import figures
from embrec.report.accuracy import MetricLine
from embrec.report.findings import Findings

NOTHING = "\N{EN DASH}"
# Figures that the page shows in HTML: a searchable map, and lists.
_NATIVE = {"map", "neighbours"}


def render(findings: Findings) -> str:
    """Render the page.

    All text from the database is escaped. The content security policy allows only the page's own script.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "fixed": fixed,
        "whole": whole,
        "percent": percent,
        "significant": significant,
        "moment": moment,
        "duration": duration,
    }
    script = pages.page_text("map.js") + pages.page_text("report.js")
    return environment.from_string(pages.page_text("report.html")).render(
        f=findings,
        figures={name: figures.svg(name, findings) for name in figures.names(findings) if name not in _NATIVE},
        style=pages.page_text("page.css") + pages.page_text("report.css"),
        script=script,
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        movies=_json([dataclasses.asdict(point) for point in findings.points]),
        metrics=_metrics(findings.metrics),
        events_by_type=list(_events_by_type(findings)),
        lengths=list(_lengths(findings)),
        history=[
            (epoch["epoch"], fixed(epoch["rmse"]), fixed(epoch["held_out_rmse"])) for epoch in findings.run.history
        ],
        distribution=list(_distribution(findings)),
        calibration=list(_calibration(findings)),
        coverage=list(_coverage(findings)),
        kept=list(enumerate(findings.drift.counts if findings.drift else [])),
        compared=list(_compared(findings)),
        record=list(_record(findings)),
    )


def _json(value: Any) -> str:
    """Return JSON that is safe in a script element, whatever the titles contain."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def fixed(value: float | None, digits: int = 4) -> str:
    """Format a number with fixed digits, or a dash for None."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def whole(value: int | None) -> str:
    """Format a count with a separator of thousands."""
    return NOTHING if value is None else f"{value:,}"


def significant(value: float) -> str:
    """Format a number of any size with three significant digits."""
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    """Format a share as a percentage; a small one has a decimal."""
    if share is None:
        return NOTHING
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def moment(time: dt.datetime) -> str:
    """Format a timestamp, in UTC."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """Format a duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


_METRICS: list[tuple[str, str, Callable[[Any], str]]] = [
    ("RMSE, held out", "held_out_rmse", fixed),
    ("MAE, held out", "held_out_mae", fixed),
    ("NDCG@10", "ndcg", fixed),
    ("hit@10", "hit_rate", fixed),
    ("RMSE, training", "train_rmse", fixed),
    ("ratings", "ratings", whole),
    ("held out", "holdout", percent),
]


def _metrics(lines: list[MetricLine]) -> dict[str, Any]:
    """Return the table of metrics, without columns that are empty in every line."""
    columns = [each for each in _METRICS if any(getattr(line, each[1]) is not None for line in lines)]
    return {
        "columns": [label for label, _, _ in columns],
        "rows": [(line, [write(getattr(line, name)) for _, name, write in columns]) for line in lines],
    }


def _events_by_type(findings: Findings) -> Iterator[tuple[str, ...]]:
    found = findings.activity
    if found is not None:
        for name, count in zip(found.names, found.counts, strict=True):
            yield name, whole(int(count)), percent(float(count / found.counts.sum()))


def _lengths(findings: Findings) -> Iterator[tuple[str, ...]]:
    found = findings.steps
    if found is not None:
        for label, users in zip(found.labels, found.lengths, strict=True):
            yield label, whole(int(users))


def _distribution(findings: Findings) -> Iterator[tuple[str, ...]]:
    found = findings.histogram
    if found is not None:
        for label, ratings, predictions in zip(found.labels, found.ratings, found.predictions, strict=True):
            yield label, f"{ratings:.1%}", f"{predictions:.1%}"


def _calibration(findings: Findings) -> Iterator[tuple[str, ...]]:
    found = findings.calibration
    if found is not None:
        for predicted, actual, count in zip(found.predicted, found.actual, found.counts, strict=True):
            yield fixed(predicted, 2), fixed(actual, 2), whole(int(count))


def _coverage(findings: Findings) -> Iterator[tuple[str, ...]]:
    for name, lists in findings.lists.items():
        found = lists.beyond
        shares = percent(found["coverage"]), fixed(found["Gini"], 2), percent(found["popularity"])
        yield name, *shares, f"{found['lift']:+.0%}", fixed(found["novelty"], 1), fixed(found["distance"], 2)
    counts = findings.counts
    popularity = float(counts @ counts / counts.sum() / findings.users_now)
    everything = "all users" if findings.events_now else "all ratings"
    yield everything, percent(1.0), fixed(metrics.gini(counts), 2), percent(popularity), "", "", ""


# Metrics on record that two runs are compared by, and those of predicted ratings among them.
_OF_RATINGS = {"held_out_rmse": "RMSE, held out", "held_out_mae": "MAE, held out", "train_rmse": "RMSE, training"}
_DIFFERENCES = {**_OF_RATINGS, "next_ndcg": "NDCG@10 of what comes next", "next_hit_rate": "HR@10 of what comes next"}


def _compared(findings: Findings) -> Iterator[tuple[str, ...]]:
    """Yield counts and metrics of both runs, and the difference; a metric only if both runs have it."""
    run, before = findings.run, findings.previous
    if before is None:
        return
    for name in ("rating_count", "event_count", "user_count", "movie_count"):
        old, new = getattr(before, name) or 0, getattr(run, name) or 0
        if old or new:
            yield name.replace("_count", "s"), whole(old), whole(new), f"{new - old:+,}"
    for name, label in _DIFFERENCES.items():
        if findings.unrated and name in _OF_RATINGS:
            continue
        earlier, later = before.metrics.get(name), run.metrics.get(name)
        if earlier is not None and later is not None:
            yield label, fixed(earlier), fixed(later), f"{later - earlier:+.4f}"


def _ranking_dimensions(metrics: Mapping[str, float | None]) -> str:
    """Return the length of the ranking vectors, and the validation that it was chosen by."""
    tried = [
        f"{name.removeprefix('ranking_ndcg_')}: {fixed(metrics[name])}"
        for name in sorted(metrics, key=lambda name: (len(name), name))
        if name.startswith("ranking_ndcg_")
    ]
    why = "the fewest within one standard error of the best; NDCG@10 on held-out movies by dimensions: "
    return f"{metrics['ranking_dimensions']:.0f}" + (f" ({why}{', '.join(tried)})" if tried else "")


def _record(findings: Findings) -> Iterator[tuple[str, str]]:
    run = findings.run
    yield "model", run.architecture
    yield "options", ", ".join(f"{name} {value}" for name, value in run.options.items() if value is not None)
    yield "seed", str(run.seed)
    yield "dimensions", str(run.dimensions)
    if "ranking_dimensions" in run.metrics:
        yield "ranking dimensions", _ranking_dimensions(run.metrics)
    yield "parameters", ", ".join(f"{layer} {count:,}" for layer, count in run.parameters.items())
    if run.lowest_rating is not None and run.highest_rating is not None:
        yield "scale", f"{run.lowest_rating:g} to {run.highest_rating:g}"
    if run.newest_rating_at is not None:
        yield "newest rating", moment(run.newest_rating_at)
    if run.newest_event_at is not None:
        yield "newest event", moment(run.newest_event_at)
    yield "versions", ", ".join(f"{name} {version}" for name, version in run.library_versions.items())
    yield "ratings, SHA-256", run.ratings_sha256
    if run.events_sha256:
        yield "events, SHA-256", run.events_sha256
    if run.vectors_sha256:
        yield "vectors, SHA-256", run.vectors_sha256
