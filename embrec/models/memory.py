"""Name what was too large, and what needs less, if a fit runs out of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from embrec.errors import TrainingError
from embrec.models.base import Ratings


@contextlib.contextmanager
def enough_memory(model: str, training: Ratings) -> Iterator[None]:
    """Turn the errors of numpy, Arrow and TensorFlow for lack of memory into one that says what to do.

    Args:
        model: The model's name.
        training: The ratings that it learns from.

    Raises:
        TrainingError: The memory is not enough.
    """
    try:
        yield
    except Exception as error:
        # TensorFlow's error is known by its name, because not every model has TensorFlow imported.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        lines = str(error).strip().splitlines() or ["an array could not be made"]
        what = next((line for line in lines if "allocat" in line), lines[0])  # Keras names its layer before
        raise TrainingError(
            f"The memory is not enough for {model} with {len(training.ratings):,} ratings of {training.user_count:,} "
            f"users and {training.movie_count:,} movies: {what}. Give the process more memory (by size: "
            "docs/reference/options.md), or train what needs less: embrec train --model matrix-factorization"
        ) from error
