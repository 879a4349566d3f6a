"""A worker's share of the users, which has their ratings, and so makes all products with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from embrec import kernels
from embrec.models.bayesian.keys import Stage
from embrec.models.bayesian.side import Floats, Prior, Side, Stages
from embrec.models.shards.incidence import Incidence, cut
from embrec.models.shards.tree import Branch, Terms, beyond

_STAGES = Stages(Stage.USERS_START, Stage.USERS, Stage.USERS_SCALES)


class Users(Side):
    """The users of one worker, in shards.

    A user's features are the movies that they rated and their labels; a movie's are the users who rated it and its
    genres. Each kind is divided by the square root of its number. The ``roots`` times the rows of an incidence matrix
    are the features: it has ones for ratings, and the side information in units of these roots.

    Methods return arrays with a row for each movie as sums over branches of shards, cut for the movies' owners.

    Args:
        ratings: The ratings, standardised.
        labels: The users' side information in units of the roots, of shape (users, labels).
        genres: The movies' side information likewise, of shape (movies, genres), for one worker; None for the others.
        parts: The movies of each worker.
        width: Length of a vector, the bias in the last column.
        seed: Seeds all draws.
    """

    def __init__(
        self,
        ratings: Incidence,
        labels: scipy.sparse.csr_array,
        genres: scipy.sparse.csr_array | None,
        parts: list[slice],
        width: int,
        seed: int,
    ) -> None:
        super().__init__(np.diff(ratings.by_user.starts), ratings.share, width, seed, _STAGES)
        self._ratings, self._labels, self._genres, self._parts = ratings, labels, genres, parts
        # The coefficients of labels are further rows after those of movies, of the last worker.
        self._link_parts = [*parts[:-1], slice(parts[-1].start, parts[-1].stop + labels.shape[1])]
        self._every = slice(0, len(self.vectors))
        self._scratch = np.empty_like(self.vectors)

    # The regression of users on movies and labels.

    def feature_sums(self) -> list[list[Branch]]:
        """Return the sums of the users' features in column 0, by movie and label, and of their squares in column 1."""
        rows = np.zeros_like(self.vectors)
        rows[:, 0], rows[:, 1] = self.roots, self.roots**2
        squares = self._labels.power(2)

        def of_labels(leaf: int, mine: slice) -> Terms:
            terms = np.zeros((squares.shape[1], rows.shape[1]), np.float32)
            terms[:, 0] = self._labels[mine].T @ rows[mine, 0]
            terms[:, 1] = squares[mine].T @ rows[mine, 1]
            return (terms,)

        return self._with_labels(self._ratings.of_movies(rows), of_labels)

    def users_project(self, sweep: int, mean: Floats) -> list[list[Branch]]:
        """Return the transposed features times the vectors less their mean, and beside it times normal noise."""
        width = len(mean)
        both = np.empty((len(self.vectors), 2 * width), np.float32)
        for leaf, rows in self.leaves():
            both[rows, :width] = self.vectors[rows] - mean
            both[rows, width:] = self.normals(Stage.USERS_FEATURES, sweep, leaf, rows)
        both *= self.roots[:, np.newaxis]
        return self._transposed(both)

    def users_apply(self, *directions: Floats) -> list[list[Branch]]:
        """Return the transposed features times the features times directions."""
        rows = self._incidence(np.concatenate(directions), self._every)
        rows *= self.roots[:, np.newaxis] ** 2
        return self._transposed(rows)

    def _incidence(self, link: Floats, rows: slice) -> Floats:
        movies = self._ratings.movie_count
        found = self._ratings.of_users(link[:movies], rows)
        if len(link) > movies:
            found += self._labels[rows] @ link[movies:]
        return found

    def _transposed(self, rows: Floats) -> list[list[Branch]]:
        return self._with_labels(self._ratings.of_movies(rows), lambda leaf, mine: (self._labels[mine].T @ rows[mine],))

    def _with_labels(self, movies: list[Branch], of_labels: Any) -> list[list[Branch]]:
        if self._labels.shape[1]:
            labels = self.share.sums(of_labels)
            movies = [
                (low, high, (np.concatenate([above, below]),))
                for (low, high, (above,)), (_, _, (below,)) in zip(movies, labels, strict=True)
            ]
        return cut(movies, self._link_parts)

    # The regression of movies on users and genres.

    def movies_noise(self, sweep: int) -> list[list[Branch]]:
        """Return the movies' incidence times standard normal coefficients of users and genres, which are kept."""
        for leaf, rows in self.leaves():
            self._scratch[rows] = self.normals(Stage.MOVIES_LINK, sweep, leaf, rows)
        branches = self._ratings.of_movies(self._scratch)
        if self._genres is not None:
            branches.append(beyond(self._genres @ self._genre_noise(sweep, self._genres.shape[1])))
        return cut(branches, self._parts)

    def _genre_noise(self, sweep: int, count: int) -> Floats:
        return kernels.normals((self._seed, Stage.GENRES_LINK, sweep, 0), (count, self.vectors.shape[1]))

    def movies_apply(self, *directions: Floats) -> list[list[Branch]]:
        """Return the movies' incidence times its transpose times directions."""
        direction = np.concatenate(directions)
        branches = self._ratings.of_movies(self._ratings.of_users(direction, self._every))
        if self._genres is not None:
            branches.append(beyond(self._genres @ (self._genres.T @ direction)))
        return cut(branches, self._parts)

    def movies_link(self, sweep: int, lower: Floats, *weights: Floats) -> list[list[Branch]]:
        """Draw the coefficients of users and genres.

        Args:
            sweep: The sweep.
            lower: Factor of the noise's covariance, float32 of shape (width, width).
            weights: The movies' weights in the coefficients, float32 of shape (movies, width), for each worker.

        Returns:
            The coefficients' outer products, then the movies' incidence times the coefficients.
        """
        weight = np.concatenate(weights)
        link = self._scratch
        for _, rows in self.leaves():
            link[rows] = link[rows] @ lower + self._ratings.of_users(weight, rows)
        squares = self.share.sums(lambda leaf, rows: ((link[rows].T @ link[rows]).astype(np.float64),))
        branches = self._ratings.of_movies(link)
        if self._genres is not None:
            of_genres = self._genre_noise(sweep, self._genres.shape[1]) @ lower + self._genres.T @ weight
            squares.append(beyond((of_genres.T @ of_genres).astype(np.float64)))
            branches.append(beyond(self._genres @ of_genres))
        return [squares, *cut(branches, self._parts)]

    # The draw.

    def draw(self, sweep: int, prior: Prior, *arrays: Floats) -> list[Branch]:
        """Draw the users given the movies.

        Args:
            sweep: The sweep.
            prior: Their prior.
            arrays: Of all workers, the movies' vectors and scales, and the coefficients of the users' features, unless
                the prior has a basis.

        Returns:
            The log likelihoods of the weights of the scales' prior.
        """
        workers = len(self._parts)
        groups = (arrays[begin : begin + workers] for begin in range(0, len(arrays), workers))
        features, scales, *link = map(np.concatenate, groups)
        offsets, weights = features[:, -1].copy(), scales**-2
        features[:, -1] = 1.0  # the user's own bias

        def terms(leaf: int, rows: slice) -> Terms:
            if prior.coefficients is None:
                means = self._incidence(link[0], rows)
                means *= self.roots[rows, np.newaxis]
            else:
                means = self.of_basis(prior.coefficients, rows)
            means += prior.mean
            noises = np.float32(prior.noise) * self.scales.values[rows]
            normal = self.normals(Stage.USERS, sweep, leaf, rows)
            drawn = kernels.draw_rows(
                self._ratings.by_user, features, offsets, weights, means, prior.precision, noises, normal, rows
            )
            return (self.take(leaf, rows, drawn, prior.noise),)

        return self.share.sums(terms)

    def draw_scales_and_sum(self, sweep: int, weight: float) -> list[list[Branch]]:
        """Draw the scales of the noise.

        Returns:
            What :meth:`draw_scales` returns, then the sums of the movies' normal equations given the users.
        """
        small = self.draw_scales(sweep, weight)
        features, offsets = self._scratch, self.vectors[:, -1].copy()
        features[:] = self.vectors
        features[:, -1] = 1.0  # the movie's own bias
        return [small, *cut(self._ratings.movie_sums(features, offsets, self.scales.values**-2), self._parts)]
