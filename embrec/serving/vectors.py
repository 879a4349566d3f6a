"""The vectors of a run, by external id."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embrec import db
from embrec.db import Bind
from embrec.errors import NoPublishedRunError, RunError
from embrec.runs import embeddings, records


def vectors(
    bind: Bind,
    side: Literal["user", "movie"] = "movie",
    part: Literal["similarity", "rating", "preference", "profile"] | None = None,
    model_run_id: int | None = None,
) -> tuple[list[str], NDArray[np.float32]]:
    """Read the vectors of a run.

    Args:
        bind: An engine or a connection.
        side: ``user`` or ``movie``.
        part: The part of the run; None for the vectors that similar users or movies are found by. Users have none of
            the part ``preference``, which is computed from ratings, and ``profile``.
        model_run_id: The run; None for the published one.

    Returns:
        The external ids, and their vectors, float32 of shape (n, dimensions), in the same order.

    Raises:
        NoPublishedRunError: No run is published, and none is named.
        UnknownRunError: There is no such run.
        RunError: The run has no such part, or is not trained.
    """
    with db.begin(bind) as connection:
        number = records.published_run_id(connection) if model_run_id is None else model_run_id
        if number is None:
            raise NoPublishedRunError()
        run = records.get_run(connection, number)
        wanted = part or (run.movie_similarity if side == "movie" else run.user_similarity)
        found = embeddings.read(connection, number, side, wanted)  # type: ignore[arg-type]
        if not len(found.indexes):
            raise RunError(
                f"Model run {number} has no {side} vectors of the part {wanted}. See: embrec runs show {number}"
            )
        return embeddings.external_ids(connection, side, found.indexes), found.vectors
