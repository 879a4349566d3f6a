"""The default model: one part predicts ratings, the other ranks and compares movies.

No single vector does both well: what one likes and what one rates are different questions. The rating part is
:mod:`embrec.models.bayesian.gibbs`, or with no draws the quick :mod:`embrec.models.als.model`; the preference part
is :mod:`embrec.models.ease.model`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from embrec.models.als import model as als
from embrec.models.base import Epoch, FittedModel, Ratings
from embrec.models.bayesian import gibbs
from embrec.models.ease import model as ease
from embrec.models.fold_in import with_fold_in


@dataclass(frozen=True)
class Options:
    """Options of a fit.

    Attributes:
        dimensions: Length of a vector, of either part; the quick rating part has 31 at most.
        draws: Draws of the rating part to average; 0 for the quick way without any, None for as many as the number
            of ratings allows, up to 200.
        penalty: Regularisation of the preference part; None to choose it on held-out ratings.
        dropout: The preference part's, as in :class:`embrec.models.ease.model.Options`.
        rating_power: The same.
    """

    dimensions: int = 64
    draws: int | None = None
    penalty: float | None = None
    dropout: float = 0.25
    rating_power: float = 1.5


def fit(
    training: Ratings,
    held_out: Ratings | None,
    options: Options,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> FittedModel:
    """Fit both parts.

    Args:
        training: Ratings to learn from.
        held_out: Ratings to report the rating part's error on; with draws nothing is chosen by them.
        options: Options of the fit.
        seed: The same seed gives the same vectors.
        on_epoch: Called after each sweep of the rating part.

    Raises:
        TrainingError: The ratings are not finite.
    """
    chosen = {name: getattr(options, name) for name in ("dimensions", "penalty", "dropout", "rating_power")}
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=1) as worker:
        # The parts keep a core each busy; more threads of BLAS would only be in their way.
        begun = worker.submit(ease.begin, training, ease.Options(**chosen), seed)
        if options.draws == 0:
            quick = als.Options()
            quick = dataclasses.replace(quick, dimensions=min(options.dimensions, quick.dimensions))
            rating = als.fit(training, held_out, quick, seed, on_epoch)
        else:
            bayes = gibbs.Options(dimensions=options.dimensions, draws=options.draws)
            rating = gibbs.fit(training, held_out, bayes, seed, on_epoch)
        preference = begun.result()(rating.movie_vectors)
        if rating.fold_in is None:
            rating = with_fold_in(rating, training)
    sizes = {"preferences": preference.user_vectors.size + 3 * preference.movie_vectors.size}
    return dataclasses.replace(rating, preference=preference, parameters={**rating.parameters, **sizes})
