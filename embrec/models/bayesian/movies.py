"""A worker's share of the movies, and of the systems of equations that the priors' regressions are solved by."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import kernels
from embrec.models.bayesian.gradients import Gradients
from embrec.models.bayesian.keys import Stage
from embrec.models.bayesian.side import Floats, Prior, Side, Stages
from embrec.models.shards.tree import Branch, Share, Terms, total

_STAGES = Stages(Stage.MOVIES_START, Stage.MOVIES, Stage.MOVIES_SCALES)


class Movies(Side):
    """The movies of one worker, in blocks.

    Methods that take branches get those of all workers for these movies, and add them.

    Args:
        counts: Ratings of each movie, int64 of shape (movies,).
        share: The worker's blocks.
        link_share: The same, with the labels of users as further rows.
        width: Length of a vector, the bias in the last column.
        seed: Seeds all draws.
    """

    def __init__(self, counts: NDArray[np.int64], share: Share, link_share: Share, width: int, seed: int) -> None:
        super().__init__(counts, share, width, seed, _STAGES)
        self._link_share = link_share
        self._gradients: Gradients
        # The factor on either side of the incidence matrix's product with its transpose, of the system being solved.
        self._factor: Floats | None = None
        self._known: list[scipy.sparse.csr_array] | None = None

    def take_known(self, known: scipy.sparse.csr_array) -> None:
        """Store the scaled genres of these movies, float32 of shape (movies, genres)."""
        self._known = [known[rows] for rows in self.share.spans]

    def take_feature_sums(self, *branches: list[Branch]) -> None:
        """Store the sums of the users' features."""
        (sums,) = total(branches)
        self._feature_sums, self._feature_squares = sums[:, 0].astype(np.float64), sums[:, 1].copy()

    # The regression of users on movies and labels: (F'F + p) link = F'(vectors - mean + noise) + p^.5 noise. The
    # solution is linear in both terms, which are columns beside each other, so the noise need not have its covariance.

    def users_begin(self, sweep: int, penalty: float, *branches: list[Branch]) -> list[Branch]:
        """Begin to solve for the users' coefficients, given what the users project."""
        (target,) = total(branches)
        width = self.vectors.shape[1]
        for leaf, rows in zip(self._link_share.leaves, self._link_share.spans, strict=True):
            target[rows, width:] += np.float32(penalty**0.5) * self.normals(Stage.USERS_LINK, sweep, leaf, rows)
        self._factor = None
        return self._begin(target, 1 / (self._feature_squares + np.float32(penalty)), self._link_share)

    def users_link(self, lower: Floats) -> list[Any]:
        """Draw the users' coefficients.

        Returns:
            Those of these movies, and their outer products and the sum of what they add to all users.
        """
        link = self._drawn(lower)

        def terms(leaf: int, rows: slice) -> Terms:
            return (link[rows].T @ link[rows]).astype(np.float64), self._feature_sums[rows] @ link[rows]

        return [link, self._link_share.sums(terms)]

    # The regression of movies on users and genres has more coefficients than movies, mostly. So the dual is solved:
    # (FF' + p) weights = vectors - mean + noise - F noise / p^.5, with link = F' weights + noise / p^.5.

    def movies_begin(self, sweep: int, penalty: float, mean: Floats, *branches: list[Branch]) -> list[Branch]:
        """Begin to solve for the movies' weights, given the incidence times noise."""
        (noise,) = total(branches)
        width = len(mean)
        target = np.empty((len(noise), 2 * width), np.float32)
        for leaf, rows in self.leaves():
            own = self.normals(Stage.MOVIES_FEATURES, sweep, leaf, rows)
            target[rows, :width] = self.vectors[rows] - mean
            target[rows, width:] = own - self.roots[rows, np.newaxis] * noise[rows] / np.float32(penalty**0.5)
        self._factor = self.roots[:, np.newaxis]
        return self._begin(target, np.ones(len(target), np.float32), self.share, self._known)

    def movies_weights(self, lower: Floats) -> Floats:
        """Return the movies' weights in the coefficients, times the roots."""
        return self.roots[:, np.newaxis] * self._drawn(lower)

    def take_movies_link(self, *branches: list[Branch]) -> list[Branch]:
        """Store what the features add to these movies, given the incidence times the coefficients; return its sum."""
        (found,) = total(branches)
        self._added = self.roots[:, np.newaxis] * found
        return self.share.sums(lambda leaf, rows: (self._added[rows].sum(axis=0, dtype=np.float64),))

    # Both systems, by conjugate gradients.

    def _begin(
        self, target: Floats, scale: Floats, share: Share, known: list[scipy.sparse.csr_array] | None = None
    ) -> list[Branch]:
        self._gradients = Gradients(target, scale, share, known)
        return self._gradients.begin()

    def along(self, penalty: float, *branches: list[Branch]) -> list[Branch]:
        """Take the users' product with the direction; return the matrix's dot products with it."""
        (changed,) = total(branches)
        if self._factor is not None:
            changed *= self._factor
        changed += np.float32(penalty) * self._gradients.direction
        return self._gradients.along(changed)

    def step(self, step: Floats) -> list[Branch]:
        """Go a step; return the sums of the residual."""
        return self._gradients.step(step)

    def turn(self, ratio: Floats, correction: Floats | None) -> Floats:
        """Return the next direction, times the factor."""
        self._gradients.turn(ratio, correction)
        direction = self._gradients.direction
        return direction if self._factor is None else direction * self._factor

    def moment(self) -> list[Branch]:
        """Return target' inverse target of the first half of the columns; its error is the square of the solution's."""
        state, width = self._gradients, self.vectors.shape[1]

        def terms(leaf: int, rows: slice) -> Terms:
            solution = state.solution[rows, :width]
            found = solution.T @ state.target[rows, :width] + state.residual[rows, :width].T @ solution
            return (found.astype(np.float64),)

        return state.share.sums(terms)

    def _drawn(self, lower: Floats) -> Floats:
        """Return the first half of the columns of the solution, plus the second times a factor of its covariance."""
        state, width = self._gradients, self.vectors.shape[1]
        drawn = np.empty((len(state.solution), width), np.float32)
        for rows in state.share.spans:
            drawn[rows] = state.solution[rows, :width] + state.solution[rows, width:] @ lower
        return drawn

    # The draw.

    def draw(self, sweep: int, prior: Prior, *branches: list[Branch]) -> list[Branch]:
        """Draw the movies given the sums of their normal equations.

        Returns:
            The log likelihoods of the weights of the scales' prior.
        """
        sums = kernels.Sums(*total(branches))
        self.expected = np.empty_like(self.vectors)

        def terms(leaf: int, rows: slice) -> Terms:
            added = self._added[rows] if prior.coefficients is None else self.of_basis(prior.coefficients, rows)
            noises = np.float32(prior.noise) * self.scales.values[rows]
            normal = self.normals(Stage.MOVIES, sweep, leaf, rows)
            drawn = kernels.draw(sums.part(rows), prior.mean + added, prior.precision, noises, normal)
            self.expected[rows] = drawn.expected
            return (self.take(leaf, rows, drawn, prior.noise),)

        return self.share.sums(terms)

    def expectation(self) -> Floats:
        """Return the expectation of the last draw given the users."""
        return self.expected

    def drawn(self) -> list[Floats]:
        """Return the vectors and the scales of the last draw."""
        return [self.vectors, self.scales.values]

    def expected_squares(self) -> NDArray[np.float64]:
        """Return the expected squares of the scales of the last draw."""
        return self.scales.expected_squares

    def restore(self, vectors: Floats, scales: Floats) -> None:
        """Store vectors and scales as :meth:`drawn` returned them."""
        self.vectors[:], self.scales.values[:] = vectors, scales
