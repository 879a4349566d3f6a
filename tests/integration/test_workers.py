"""Trainings on a number of workers: the same run, and no trace of the number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.errors import ConfigError
from embrec.models.shards import layout
from embrec.runs import embeddings, records
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
QUICK: dict[str, dict[str, Any]] = {"two-part": {"draws": 3, "dimensions": 6}, "matrix-factorization": {"epochs": 2}}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LEAST_USERS", "_LEAST_MOVIES"):
        monkeypatch.setattr(layout, name, 4)


def digest(engine: sa.Engine, run: int) -> str:
    """Return the digest of all vectors, biases and deviations of the rating model."""
    found = hashlib.sha256()
    for side in ("user", "movie"):
        for array in embeddings.read(engine, run, side):
            found.update(b"" if array is None else array.tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("model", QUICK)
def test_a_run_is_the_same_on_any_number_of_workers(engine: sa.Engine, model: str) -> None:
    load_frame(engine, rating_frame(60, 40, 900))
    runs = [train(engine, model, QUICK[model], publish=False, workers=workers) for workers in (None, 1, 2, 3)]
    assert len({digest(engine, run.model_run_id) for run in runs}) == 1
    recorded = [records.get_run(engine, run.model_run_id).options for run in runs]
    assert all(options == recorded[0] for options in recorded)


def test_the_command_takes_a_number_of_workers(embrec: Run, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame(60, 40, 900))
    command = ["train", "--draws", "1", "--no-publish", "--database-url", url, "--workers"]
    assert embrec(*command, "2")[0] == 0
    status, _, shown = embrec(*command, "9")
    assert status == 1
    assert "no more than 4 shards of users. Train with --workers 4 (workers=4) or fewer." in " ".join(shown.split())


def test_workers_that_a_model_cannot_have_are_refused_before_anything_is_stored(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(30, 20, 300))
    with pytest.raises(ConfigError, match="workers is 0; give a number of workers, at least 1"):
        train(engine, workers=0)
    with pytest.raises(ConfigError, match="outer-product cannot share its work among workers"):
        train(engine, "outer-product", workers=2)
    assert records.list_runs(engine) == []
