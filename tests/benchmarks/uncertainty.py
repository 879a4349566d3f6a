"""The calibration of the default model's uncertainty (standard deviation of a rating)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import norm

from embrec.evaluation import evaluate
from embrec.evaluation.data import EvaluationData, rating_splits
from embrec.models.bayesian import gibbs
from embrec.models.recommender import recommender

BINS = 10


def measure(data: EvaluationData, progress: evaluate.Progress) -> dict[str, list[Any]]:
    """Measure the calibration of the default model's uncertainty, on the official folds.

    Returns:
        For each fold: the share of ratings within each central interval of a normal distribution, in percent; the
        decrease in negative log likelihood of a rating, compared with the best single standard deviation for all; and
        for each tenth of the ratings, by predicted standard deviation, that deviation and the RMSE.
    """
    found: dict[str, list[Any]] = {}
    folds = rating_splits(data, "official")
    for number, (kept, held) in enumerate(folds):
        progress("uncertainty", "embrec", number, len(folds))
        training, test = replace(data.part(kept), movie_features=None, user_features=None), data.part(held)
        fitted = recommender(gibbs.factorize(training, None, gibbs.Options(), 0), 1.0, 5.0)
        assert fitted.user_spreads is not None
        assert fitted.movie_spreads is not None
        spreads = fitted.user_spreads[test.users], fitted.movie_spreads[test.movies]
        variances = (spreads[0].astype(np.float64) * spreads[1]) ** 2
        squares = (test.ratings - fitted.predict(test.users, test.movies).astype(np.float64)) ** 2
        values: dict[str, Any] = {
            f"within {share} %": float(100 * np.mean(squares <= norm.ppf(0.5 + share / 200) ** 2 * variances))
            for share in (50, 80, 90, 95)
        }
        values["gain"] = float(np.mean(np.log(squares.mean() / variances) + 1 - squares / variances) / 2)
        tenths = np.array_split(np.argsort(variances, kind="stable"), BINS)
        for name, each in (("claimed", variances), ("error", squares)):
            values[name] = [float(np.sqrt(each[tenth].mean())) for tenth in tenths]
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return found


def table(values: dict[str, list[Any]]) -> list[str]:
    """Write means over the folds: intervals and gain, then predicted deviations and errors by tenth."""
    means = {name: np.mean(each, axis=0) for name, each in values.items()}
    single = [name for name, mean in means.items() if not mean.ndim]
    lines = ["| " + " | ".join(single) + " |", "|---" * len(single) + "|"]
    lines.append("| " + " | ".join(f"{means[name]:.4f}" if name == "gain" else f"{means[name]:.1f}" for name in single))
    lines[-1] += " |"
    lines += [
        "",
        "| tenth | " + " | ".join(str(number + 1) for number in range(BINS)) + " |",
        "|---" * (BINS + 1) + "|",
    ]
    lines += [
        f"| {name} | " + " | ".join(f"{each:.2f}" for each in means[name]) + " |" for name in ("claimed", "error")
    ]
    return lines
