"""The default model: a rating model that predicts ratings, and a ranking model that ranks and compares movies.

No single vector does both well: which movies a person watches and how they rate them are different questions. The
rating model is sampled (:mod:`embrec.models.bayesian.gibbs`), or without posterior draws solved by ALS
(:mod:`embrec.models.als.model`). The ranking model has a closed form (:mod:`embrec.models.ease.model`). Both are set
into one Keras model (:mod:`embrec.models.recommender`).

Events say what people watch, and nothing of how they rate. Without ratings, or if all are the same, there is only the
ranking model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embrec.engines.protocol import Pool
from embrec.engines.threads import THREADS
from embrec.models import keras_import
from embrec.models.base import Epoch, FittedModel, Preference, RatingFactors, Ratings
from embrec.models.bayesian import gibbs
from embrec.models.beside import beside
from embrec.models.ease import model as ease
from embrec.models.ease.penalty import DIMENSIONS, FIRST_PENALTY
from embrec.models.fold_in import with_fold_in
from embrec.models.protocol import Range, Search


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector, of either model; ALS has 31 at most. None for 64; the ranking model then
            chooses 64, 128 or 256 on held-out interactions.
        draws: Posterior draws of the rating model to average; 0 for ALS, which is quicker, None for as many as the
            number of ratings allows, up to 200.
        penalty: Regularization of the ranking model; None to choose it on held-out ratings.
        first_penalty: The regularization to begin choosing at; None for that of the published run, or 40.
        dropout: Dropout of the ranking model, as in :class:`embrec.models.ease.model.Options`.
        rating_power: Exponent of a rating's weight in the ranking model, likewise.
        dislike_weight: Weight of the lowest rating against its movie in the ranking model, likewise.
    """

    dimensions: int | None = None
    draws: int | None = None
    penalty: float | None = None
    first_penalty: float | None = None
    dropout: float = 0.25
    rating_power: float = 1.5
    dislike_weight: float = 0.15


class TwoPart:
    """The default model, as :class:`embrec.models.protocol.Model` describes."""

    name = "two-part"
    options = Options
    learns_events = True
    in_shards = True
    # The rating model has nothing to tune, because its hyperparameters are sampled too.
    search = Search(
        "NDCG@10",
        {
            "dimensions": Range(16, 128, step=16),
            "penalty": Range(5, 2000, log=True),
            "dropout": Range(0.0, 0.6),
            "rating_power": Range(0.0, 3.0),
        },
        Options(dimensions=DIMENSIONS, penalty=FIRST_PENALTY),
    )

    def fit(
        self,
        training: Ratings,
        held_out: Ratings | None,
        options: Options,
        seed: int,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
        workers: Pool = THREADS,
    ) -> FittedModel:
        """Fit both parts, or without two different ratings the ranking model alone.

        Args:
            training: Ratings and events to learn from.
            held_out: Ratings to report the rating model's error on; with posterior draws they influence nothing else.
            options: Options of the fit.
            seed: The same seed gives the same vectors.
            on_epoch: Called after each sweep of the rating model.
            workers: Starts the workers of the rating model.

        Raises:
            ConfigError: There are more workers than shards.
            TrainingError: The ratings are not finite.
        """
        with threadpool_limits(1, user_api="blas"):
            # Each part keeps a core busy; more BLAS threads would compete with them.
            begun = beside(lambda: ease.begin(training, _ranking_options(options), seed), "ranking model", daemon=True)
            factors = _rating_part(training, held_out, options, seed, on_epoch, workers) if training.differ else None
            preference = begun()(None if factors is None else factors.movie_vectors)
            if factors is not None and factors.fold_in is None:
                factors = with_fold_in(factors, training)
        return _as_keras_model(factors, training, preference)

    def continued(self, options: Options, metrics: Mapping[str, float | None]) -> Options:
        """Return the options of a fit after a run that was published with these metrics.

        The penalty is searched from the run's, which on nearly the same ratings is near the best.
        """
        found = metrics.get("penalty")
        if options.penalty is not None or options.first_penalty is not None or not found:
            return options
        return dataclasses.replace(options, first_penalty=found)

    def rate(self, training: Ratings, options: Options, seed: int) -> Callable[..., NDArray[np.float32]]:
        """Fit the rating model alone, and return a function that predicts ratings."""
        return _as_keras_model(_rating_part(training, None, options, seed), training).predict

    def rank(self, training: Ratings, options: Options, seed: int) -> Callable[..., NDArray[np.float32]]:
        """Fit the ranking model alone, and return a function that scores all movies for some users."""
        return ease.fit(training, _ranking_options(options), seed).score


def _rating_part(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    workers: Pool = THREADS,
) -> RatingFactors:
    if options.draws == 0:
        from embrec.models.als import model as als

        quick = als.Options()
        quick = dataclasses.replace(quick, dimensions=min(options.dimensions or DIMENSIONS, quick.dimensions))
        return als.factorize(training, held_out, quick, seed, on_epoch, workers=workers)
    bayes = gibbs.Options(dimensions=options.dimensions or DIMENSIONS, draws=options.draws)
    return gibbs.factorize(training, held_out, bayes, seed, on_epoch, workers)


def _ranking_options(options: Options) -> ease.Options:
    return ease.Options(
        dimensions=options.dimensions,
        penalty=options.penalty,
        first_penalty=FIRST_PENALTY if options.first_penalty is None else options.first_penalty,
        dropout=options.dropout,
        rating_power=options.rating_power,
        dislike_weight=options.dislike_weight,
    )


def _as_keras_model(
    factors: RatingFactors | None, training: Ratings, preference: Preference | None = None
) -> FittedModel:
    """Set the solution into a Keras model, which Keras is needed for."""
    keras_import.wait()
    from embrec.models.recommender import recommender

    return recommender(factors, *training.scale, preference)
