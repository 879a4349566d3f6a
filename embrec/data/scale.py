"""The scale that ratings keep to: on record in the database, given by its owner or found in the first ratings.

Every function takes an Engine, or a Connection whose transaction is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db, validation
from embrec.db import Bind
from embrec.db.tables import rating_scale
from embrec.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Scale:
    """A scale of ratings.

    Attributes:
        lowest: The lowest rating; the shortest decimal number that is the same in single precision.
        highest: The highest rating, likewise.
    """

    lowest: float
    highest: float

    def __str__(self) -> str:
        """Return the scale in words, each end as short as single precision allows."""
        return f"{shown(self.lowest)} to {shown(self.highest)}"

    def beyond(self, ratings: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return a mask of the ratings that are not on the scale."""
        return ~((ratings >= np.float32(self.lowest)) & (ratings <= np.float32(self.highest)))


# The bounds without a scale, of what the arithmetic of trainings and answers can bear; as in embrec.rating_bounds().
WIDEST = Scale(-1e9, 1e9)
# Ratings go up to 100 at most; of counts, three quarters are in the lowest quarter of their range.
_HIGHEST_OF_SCALES, _LOW_SHARE = 100.0, 0.75


def shown(rating: float) -> str:
    """Return a rating as text: 0.1, though single precision has it as 0.10000000149."""
    return str(np.float32(rating)).removesuffix(".0")


def are_counts(ratings: NDArray[np.float32]) -> bool:
    """Return whether ratings look like counts, such as plays: whole numbers, beyond 100, and most of them low."""
    highest = float(ratings.max(initial=0.0))
    if highest <= _HIGHEST_OF_SCALES or float(ratings.min()) < 0:
        return False
    low = np.count_nonzero(ratings <= 0.25 * highest)
    return bool(low >= _LOW_SHARE * len(ratings)) and bool((ratings == np.rint(ratings)).all())


def checked(given: object) -> Scale:
    """Return a scale that a caller gives as (lowest, highest).

    Raises:
        ArgumentError: It is none.
    """
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ArgumentError("The scale is no pair of numbers; give the lowest and the highest rating: (1, 5).")
    lowest, highest = (validation.number(each, "An end of the scale") for each in given)
    if not WIDEST.lowest <= lowest <= highest <= WIDEST.highest:
        raise ArgumentError(
            f"A scale cannot be from {lowest:g} to {highest:g}; give the lowest rating, then the highest, both within a"
            " billion of 0."
        )
    return Scale(_single(lowest), _single(highest))


def get_rating_scale(bind: Bind) -> tuple[float, float] | None:
    """Return the scale of ratings on record as (lowest, highest); None if there is none yet.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        found = connection.execute(sa.select(rating_scale.c.lowest, rating_scale.c.highest)).one_or_none()
        return None if found is None else (_single(found.lowest), _single(found.highest))


def set_rating_scale(bind: Bind, lowest: float, highest: float) -> None:
    """Put a scale of ratings on record, or change the one that is.

    Raises:
        ArgumentError: An end is no number, or beyond a billion.
        DatabaseError: Stored ratings are outside the scale, or this role does not own the schema.
        SchemaError: The schema is absent or behind.
    """
    scale = checked((lowest, highest))
    with db.begin(bind) as connection:
        connection.execute(
            sa.text("SELECT embrec.set_rating_scale(:lowest, :highest)"),
            {"lowest": scale.lowest, "highest": scale.highest},
        )


def for_loading(connection: sa.Connection, given: Scale | None) -> Scale:
    """Return the bounds that a load keeps to: the scale on record, the one that is given, or what arithmetic bears.

    Raises:
        DataError: Another scale than the given one is on record.
    """
    connection.execute(sa.text("SELECT embrec.settle_scale()"))
    recorded = get_rating_scale(connection)
    if recorded is None:
        return given or WIDEST
    if given not in (None, Scale(*recorded)):
        raise DataError(
            f"The scale of ratings is {Scale(*recorded)}, not {given}. Load without a scale, or change it first: "
            f"embrec scale {shown(given.lowest)}:{shown(given.highest)}"
        )
    return Scale(*recorded)


def keep(connection: sa.Connection, name: str, given: Scale | None) -> None:
    """Put the scale on record with the ratings of a first load, which are stored already but not committed.

    Raises:
        DataError: A rating is far from all others.
    """
    if get_rating_scale(connection) is not None:
        return
    if given is not None:
        set_rating_scale(connection, given.lowest, given.highest)
        return
    connection.execute(sa.text("SELECT embrec.settle_scale()"))
    if get_rating_scale(connection) is not None:
        return
    others = _judged(connection)
    if others and (first := _first_beyond(connection, others)):
        raise DataError(
            f"{name}: {first}, and all others are from {others}. Nothing was stored; fix it, or give the scale that "
            f"ratings have, such as --scale {shown(others.lowest)}:{shown(others.highest)}"
        )


def check_for_training(bind: Bind, ratings: NDArray[np.float32], settle: bool = False) -> None:
    """Refuse ratings that no model can be trained on, because one would spoil it for all others.

    Args:
        bind: An engine or a connection.
        ratings: All ratings, as they were read.
        settle: True to put their scale on record if none is.

    Raises:
        DataError: A rating is not on the scale; without a scale, it is far from all others.
    """
    with db.begin(bind) as connection:
        if settle:
            connection.execute(sa.text("SELECT embrec.settle_scale()"))
        recorded = get_rating_scale(connection)
        scale = _judged(connection) if recorded is None else Scale(*recorded)
        if scale is None or not scale.beyond(ratings).any():
            return
        first = _first_beyond(connection, scale)
    known = f"{'the scale is' if recorded else 'all others are'} from {scale}"
    raise DataError(
        f"{first or 'A rating'}, and {known}. It would spoil what is learned of all, so no model is trained. Remove it "
        "by embrec unrate, or widen the scale by embrec scale."
    )


def _single(number: float) -> float:
    """The shortest decimal number that is the same in single precision."""
    return float(str(np.float32(number)))


def _judged(connection: sa.Connection) -> Scale | None:
    """The scale of the stored ratings that are not far from all others; None if there are no such ratings."""
    found = connection.execute(sa.text("SELECT lowest, highest FROM embrec.judged_scale()")).one()
    return None if found.lowest is None else Scale(found.lowest, found.highest)


def _first_beyond(connection: sa.Connection, scale: Scale) -> str | None:
    """Describe the stored rating that is farthest beyond a scale, and how many there are; None if there is none."""
    rows = connection.execute(
        sa.text(
            "SELECT user_id, movie_id, rating, count(*) OVER () AS number"
            " FROM embrec.ratings_beyond(CAST(:lowest AS real), CAST(:highest AS real)) LIMIT 1"
        ),
        {"lowest": scale.lowest, "highest": scale.highest},
    )
    first = rows.one_or_none()
    if first is None:
        return None
    others = f" (the farthest of {first.number:,} such ratings)" if first.number > 1 else ""
    return f"User {first.user_id!r} rates movie {first.movie_id!r} with {shown(first.rating)}{others}"
