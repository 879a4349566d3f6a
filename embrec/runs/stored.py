"""A stored run in numpy, published or not: its predicted ratings, its scores, and its vectors for similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import similarity
from embrec.data.extraction import RatingArrays
from embrec.db import binary_copy
from embrec.models.base import DenseLayer
from embrec.runs import embeddings, ranking_vectors
from embrec.runs.embeddings import Part, Side, Vectors
from embrec.runs.records import ModelRun


@dataclass(frozen=True)
class StoredModel:
    """The vectors of a run, in the order of extracted users and movies; rows of NaN for those that the run has none of.

    Attributes:
        mean: The rating that biases are relative to.
        lowest: The lowest rating that is predicted.
        highest: The highest.
        users: float32 of shape (user_count, dimensions).
        movies: float32 of shape (movie_count, dimensions).
        user_biases: float32 of shape (user_count,).
        movie_biases: float32 of shape (movie_count,).
        head: The dense layers of an outer product, or none.
        preference: Users' and movies' vectors to rank by, unless predicted ratings rank.
        similarity: Vectors to compare movies by, float32 of shape (movie_count, any). The similarity of a movie to
            another is their cosine times the other's length, which is 1 where the run compares by cosine alone.
    """

    mean: float
    lowest: float
    highest: float
    users: NDArray[np.float32]
    movies: NDArray[np.float32]
    user_biases: NDArray[np.float32]
    movie_biases: NDArray[np.float32]
    head: tuple[DenseLayer, DenseLayer] | None
    preference: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    similarity: NDArray[np.float32]

    def predict(self, users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.float32]:
        """Ratings of pairs, limited to the scale.

        Args:
            users: int32 of shape (n,), positions among the extracted users, ascending.
            movies: int32 of shape (n,), positions among the extracted movies.

        Returns:
            float32 of shape (n,), NaN where the run does not know the user or the movie.
        """
        if self.head is None:
            products = np.einsum("nd,nd->n", self.users[users], self.movies[movies])
            found = self.mean + self.user_biases[users] + self.movie_biases[movies] + products
        else:
            asked, starts = np.unique(users, return_index=True)
            parts = np.split(movies, starts[1:])
            pieces = [self._dense(user, part) for user, part in zip(asked, parts, strict=True)]
            found = np.concatenate([np.empty(0, np.float32), *pieces])
        return np.asarray(np.clip(found, self.lowest, self.highest), np.float32)

    def score(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores by which all movies are ranked for some users.

        Args:
            users: int32 of shape (n,), positions among the extracted users.

        Returns:
            float32 of shape (n, movie_count), -inf where the run does not know the user or the movie.
        """
        if self.preference is not None:
            found = self.preference[0][users] @ self.preference[1].T
        elif self.head is None:  # the mean and the user's bias change no order
            found = self.users[users] @ self.movies.T + self.movie_biases
        else:
            every = np.arange(len(self.movies), dtype=np.int32)
            found = np.array([self._dense(user, every) for user in users]).reshape(len(users), len(every))
        return np.where(np.isnan(found), np.float32(-np.inf), found)

    def _dense(self, user: np.int32, movies: NDArray[np.int32]) -> NDArray[np.float32]:
        """Apply the dense layers to the outer products of a user's vector and some movies'."""
        assert self.head is not None  # noqa: S101  # its callers have looked
        hidden, rating = self.head
        dimensions = self.users.shape[1]
        of_user = np.einsum("uij,i->uj", hidden.weights.reshape(-1, dimensions, dimensions), self.users[user])
        units = np.maximum(self.movies[movies] @ of_user.T + hidden.biases, 0)
        return np.asarray(units @ rating.weights[0] + rating.biases[0], np.float32)


def read(connection: sa.Connection, run: ModelRun, arrays: RatingArrays) -> StoredModel:
    """Read a run's vectors for the users and movies of extracted ratings.

    Args:
        connection: The transaction to read in.
        run: A trained run.
        arrays: The extracted ratings, whose users and movies give the order.
    """
    indexes: dict[Side, NDArray[np.int32]] = {"user": arrays.user_indexes, "movie": arrays.movie_indexes}

    def part_of(side: Side, part: Part) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return aligned(embeddings.read(connection, run.model_run_id, side, part), indexes[side])

    users, user_biases = part_of("user", "rating")
    movies, movie_biases = part_of("movie", "rating")
    if not run.predicts_ratings:
        users = np.full_like(users, np.nan)
    preference = None
    if run.serving == "two_part":
        profiles = embeddings.read(connection, run.model_run_id, "movie", "profile")
        preference = ranking_vectors.of_all_users(run, arrays, profiles), part_of("movie", "preference")[0]
    compared = part_of("movie", "similarity")[0] if run.movie_similarity == "similarity" else movies
    return StoredModel(
        mean=run.mean or 0.0,
        lowest=-np.inf if run.lowest_rating is None else run.lowest_rating,
        highest=np.inf if run.highest_rating is None else run.highest_rating,
        users=users,
        movies=movies,
        user_biases=user_biases,
        movie_biases=movie_biases,
        head=dense_head(connection, run.model_run_id),
        preference=preference,
        similarity=compared if run.shrunk_similarity else similarity.unit(compared),
    )


def aligned(found: Vectors, wanted: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors and biases in the order of the indexes wanted; NaN if there are none."""
    vectors = np.full((len(wanted), found.vectors.shape[1]), np.nan, np.float32)
    biases = np.zeros(len(wanted), np.float32)
    _, here, there = np.intersect1d(wanted, found.indexes, assume_unique=True, return_indices=True)
    vectors[here] = found.vectors[there]
    if found.biases is not None:
        biases[here] = found.biases[there]
    return vectors, biases


def dense_head(connection: sa.Connection, model_run_id: int) -> tuple[DenseLayer, DenseLayer] | None:
    """The layers as training has stored them: each unit of the first is cut into rows, its bias beside their first."""
    query = (
        "SELECT matrix, array_agg(embedding ORDER BY row_number), array_agg(bias ORDER BY row_number)"
        " FROM embrec.run_matrices"
        f" WHERE model_run_id = {int(model_run_id)} AND matrix IN ('hidden', 'rating') GROUP BY matrix"
    )
    layers = {matrix: (weights, biases) for matrix, weights, biases in binary_copy.query_arrays(connection, query)}
    if not layers:
        return None
    hidden, biases = layers["hidden"]
    rows = hidden.shape[1]  # of each unit: as many as a vector has dimensions
    rating = DenseLayer(*layers["rating"])
    return DenseLayer(hidden.reshape(-1, rows * rows), biases[::rows]), rating
