"""The search for better options: stored in the database, continued, and never mixed with trials on other ratings."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.errors import ConfigError, DataError
from embrec.evaluation import tuning
from embrec.models.als.model import MatrixFactorization, Options
from embrec.models.protocol import Range, Search
from embrec.runs import records
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
QUICK = "matrix-factorization"


def test_a_search_is_kept_and_gone_on_with(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    seen: list[tuple[tuning.Trial, tuning.Trial, int]] = []
    best, metric, count = tuning.tune(engine, QUICK, 3, on_trial=lambda *each: seen.append(each))
    assert (metric, count, [number for _, _, number in seen]) == ("RMSE", 3, [1, 2, 3])
    assert seen[0][0].options == {"dimensions": 31, "penalty": 8.0, "penalty_per_rating": 0.05}, "the defaults first"
    assert best.value == min(trial.value for trial, _, _ in seen) == seen[-1][1].value
    again: list[tuple[tuning.Trial, tuning.Trial, int]] = []
    later, _, count = tuning.tune(engine, QUICK, 5, on_trial=lambda *each: again.append(each))
    assert (count, [number for _, _, number in again]) == (5, [4, 5])
    assert later.value <= best.value
    assert tuning.tune(engine, QUICK, 2)[2] == 5, "as many as there are; none is made again"
    load_frame(engine, pd.DataFrame({"user_id": ["1"], "movie_id": ["new"], "rating": [3.0]}))
    assert tuning.tune(engine, QUICK, 1)[2] == 1, "other ratings, another search"


def test_a_search_that_goes_on_makes_the_trials_of_one_that_was_not_interrupted(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    for trials in (1, 3, 4, 12):
        tuning.tune(engine, QUICK, trials)
    first = kept_options(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.tuning_trials"))
    tuning.tune(engine, QUICK, 12)
    assert kept_options(engine) == first
    assert len({json.dumps(each) for each in first}) == 12, "none is made twice"


def test_a_search_ends_when_every_combination_is_tried(
    engine: sa.Engine, embrec: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"dimensions": Range(7, 15, step=8), "penalty": Range(8, 8), "epochs": Range(1, 3, step=1)}
    few = Search("RMSE", space, Options(dimensions=15, epochs=2))
    monkeypatch.setattr(MatrixFactorization, "search", few)
    load_frame(engine, rating_frame())
    assert tuning.tune(engine, QUICK, 4)[2] == 4
    assert tuning.tune(engine, QUICK, 40, seed=1)[2] == 6
    assert sorted((each["dimensions"], each["epochs"]) for each in kept_options(engine)) == [
        (dimensions, epochs) for dimensions in (7, 15) for epochs in (1, 2, 3)
    ]
    code, out, err = embrec("tune", "--model", QUICK, "--trials", "40", "--database-url", url)
    assert (code, out.splitlines()[0][:17]) == (0, "Best of 6 trials:")
    assert err.endswith("All combinations of the options have been tried.\n")


def kept_options(engine: sa.Engine) -> list[dict[str, float]]:
    with engine.begin() as connection:
        return list(connection.scalars(sa.text("SELECT options FROM embrec.tuning_trials ORDER BY trial_id")))


def test_an_interrupted_search_loses_one_trial_at_most(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())

    def stop(trial: tuning.Trial, best: tuning.Trial, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuning.tune(engine, QUICK, 10, on_trial=stop)
    assert tuning.tune(engine, QUICK, 2)[2] == 2


def test_the_preference_part_is_tuned_by_its_lists(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    best, metric, _ = tuning.tune(engine, "two-part", 2)
    assert metric == "NDCG@10"
    assert 0 < best.value <= 1
    result = train(engine, options={**best.options, "draws": 1})
    assert records.get_run(engine, result.model_run_id).options["penalty"] == best.options["penalty"]


def test_the_command_prints_how_to_train_with_the_best(embrec: Run, engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    at = ["--database-url", url]
    code, out, err = embrec("tune", "--model", QUICK, "--trials", "2", "--json", *at)
    assert code == 0, err
    found = json.loads(out)
    assert found["trials"] == 2
    code, _, err = embrec(*found["command"].split()[1:], *at)
    assert (code, err) == (0, "Published.\n")


def test_what_cannot_be_tuned_is_said(engine: sa.Engine) -> None:
    with pytest.raises(ConfigError, match="outer-product cannot be tuned. Choose one of: two-part"):
        tuning.tune(engine, "outer-product", 1)
    with pytest.raises(DataError, match="embrec load"):
        tuning.tune(engine, QUICK, 1)
