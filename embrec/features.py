"""What is known of a movie beside its ratings, as numbers for a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PERIOD_YEARS = 5


def movie_features(genres: Sequence[Sequence[str]], years: Sequence[int | None]) -> NDArray[np.float32] | None:
    """Genres and periods of five years, one column each.

    Args:
        genres: Each movie's genres.
        years: Each movie's release year, or None.

    Returns:
        float32 of shape (movie_count, feature_count), 1 where it holds; None where nothing is known of any movie.
    """
    labels = [{f"genre {genre}" for genre in each} for each in genres]
    for mine, year in zip(labels, years, strict=True):
        if year is not None:
            mine.add(f"period {year // _PERIOD_YEARS}")
    columns = {label: number for number, label in enumerate(sorted(set().union(*labels)))}
    if not columns:
        return None
    features = np.zeros((len(labels), len(columns)), np.float32)
    for row, mine in enumerate(labels):
        features[row, [columns[label] for label in mine]] = 1
    return features
