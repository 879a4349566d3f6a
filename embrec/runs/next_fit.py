"""The decision whether a training learns what comes next, and the fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import sqlalchemy as sa

from embrec import db
from embrec.data.arrays import NO_TIME
from embrec.data.extraction import RatingArrays
from embrec.errors import DataError
from embrec.models.base import FittedModel
from embrec.models.next import model as following
from embrec.models.next.learned import NAME, Learned

# More than 5 million ratings and events are read without their times unless the order is asked for: to sort them would
# take a noticeable share of the training.
MOST_BY_ITSELF = 5_000_000


def reads_order(engine: sa.Engine, wanted: bool | None) -> bool:
    """Decide whether times are read: if they are asked for, or nobody said and there are at most 5 million rows."""
    if wanted is not None:
        return wanted
    counted = sa.text(
        "SELECT count(*) FROM ((SELECT FROM embrec.ratings LIMIT :more)"
        " UNION ALL (SELECT FROM embrec.events LIMIT :more)) AS r"
    )
    with db.begin(engine) as connection:
        return bool(connection.scalar(counted, {"more": MOST_BY_ITSELF + 1}) <= MOST_BY_ITSELF)


def knows_order(arrays: RatingArrays, wanted: bool | None) -> bool:
    """Decide whether what comes next is learned: if the order of most ratings is known, or there are events.

    Args:
        arrays: Ratings and events, read with times if :func:`reads_order` said so.
        wanted: Whether it is asked for; None if nobody said.

    Raises:
        DataError: It is asked for, and the order is unknown.
    """
    timed = int(np.count_nonzero(arrays.rated_at != NO_TIME))
    if wanted is False or len(arrays.rated_at) != len(arrays.ratings):
        return False
    known = len(arrays.events.users) > 0 or timed > len(arrays.ratings) / 2
    if wanted and not known:
        raise DataError(
            "What comes next cannot be learned: most ratings have no time, and there are no events. Load them with "
            "their times, or train without --next and --next-learned."
        )
    return known


def with_next(fitted: FittedModel, arrays: RatingArrays, seed: int, by_keras: bool) -> FittedModel:
    """Fit what comes next, and add it to a fitted model, whose ranking part gives its length and regularization.

    Args:
        fitted: The model.
        arrays: Ratings and events, with their times.
        seed: Seeds the fit.
        by_keras: Whether Keras learns one more part, which gets a weight if that helps on validation steps.
    """
    ranking = fitted.preference
    options = following.Options()
    if ranking:
        options = dataclasses.replace(options, dimensions=ranking.movie_vectors.shape[1], penalty=ranking.penalty)
    learned = Learned(options.length, seed) if by_keras else None
    found = following.fit(arrays.sequences(), options, seed, learned or following.nothing_more)
    if learned and found.metrics:
        tried = {f"next_weight_{NAME}": 0.0, f"next_{NAME}_epochs": float(learned.epochs)}
        found = dataclasses.replace(found, metrics={**tried, **found.metrics})
    return dataclasses.replace(fitted, next=found)
