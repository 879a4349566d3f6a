"""The choice of the penalty of EASE, by NDCG@10 on held-out ratings of the most rated movies."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import similarity
from embrec.errors import ConfigError
from embrec.metrics import liked_from, ndcg
from embrec.models.base import Ratings, RatingWeights
from embrec.models.ease.components import components
from embrec.models.ease.gram import gram_of
from embrec.models.ease.long_tail import most_rated
from embrec.models.ease.rows import Rows
from embrec.models.ease.solution import solve

# The penalties that may be chosen are this one times powers of two, from 1.25 to 5,120. It is the first one tried.
FIRST_PENALTY = 40.0
_LOWEST_POWER, _HIGHEST_POWER = -5, 7
# The penalty that is best for the most rated half of the movies is as good for all, and found by an eighth of the work.
# A catalogue of 1,000 movies is searched whole, because that takes no time.
_SEARCHED_SHARE, _FEW_MOVIES = 0.5, 1_000
_VALIDATION_USERS = 2_000
_MOST_VALIDATIONS = 3


def best_penalty(
    training: Ratings, weighting: RatingWeights, dropout: float, dimensions: int, seed: int, first: float
) -> float:
    """Search the penalties for the smallest one within one standard error of the best NDCG@10 on held-out ratings.

    It is the smallest, because all ratings together need less regularization than the training split. The search climbs
    from the first penalty to a peak, and from there goes down until NDCG@10 is worse by more than a standard error. So
    the result depends on where it began only if there are several peaks.

    Args:
        training: Ratings to learn from and to hold out.
        weighting: The weights of ratings.
        dropout: Dropout of the input.
        dimensions: Number of singular vectors.
        seed: Seeds the choice of held-out ratings.
        first: The penalty to begin at; the nearest one that may be chosen is taken.

    Raises:
        ConfigError: The first penalty is not positive.
    """
    if not first > 0:
        raise ConfigError(f"first_penalty is {first}; give a number above 0.")
    _, searched = most_rated(training, max(int(training.movie_count * _SEARCHED_SHARE), _FEW_MOVIES))
    random = np.random.default_rng(seed)
    # One split of few users is noisy, so fewer users get more splits.
    count = min(max(_VALIDATION_USERS * 2 // training.user_count, 1), _MOST_VALIDATIONS)
    validations = [_Validation(searched, weighting, random) for _ in range(count)]

    def quality(power: int) -> NDArray[np.float64]:
        penalty = FIRST_PENALTY * 2.0**power
        return np.concatenate([validation.quality(penalty, dropout, dimensions) for validation in validations])

    power = int(np.clip(round(np.log2(first / FIRST_PENALTY)), _LOWEST_POWER, _HIGHEST_POWER))
    tried = {power: quality(power)}
    if not len(tried[power]):
        return FIRST_PENALTY
    while True:
        peak = max(tried, key=lambda each: float(tried[each].mean()))
        as_good = [each for each in sorted(tried) if _as_good(tried[peak] - tried[each])]
        if peak == max(tried) < _HIGHEST_POWER:
            beside = peak + 1
        elif as_good[0] == min(tried) > _LOWEST_POWER:
            beside = as_good[0] - 1
        else:
            return FIRST_PENALTY * 2.0 ** as_good[0]
        tried[beside] = quality(beside)


class _Validation:
    """A validation split: a fifth of the ratings, held out to be ranked by a model of the others."""

    def __init__(self, training: Ratings, weighting: RatingWeights, random: np.random.Generator) -> None:
        held = random.random(len(training.ratings)) < 0.2
        rows = Rows.of(training, weighting, ~held)
        self._gram, self._labels = gram_of(rows.scaled()), components(rows.ratings)
        liked = held & (training.ratings >= liked_from(weighting.lowest, weighting.highest))
        users = np.unique(training.users[liked])
        users = np.sort(random.permutation(users)[:_VALIDATION_USERS])
        entries = (np.ones(liked.sum(), bool), (training.users[liked], training.movies[liked]))
        shape = (training.user_count, training.movie_count)
        self._relevant = scipy.sparse.csr_array(entries, shape=shape)[users]
        self._weights, self._seen = rows.signed()[users], rows.ratings[users]

    def quality(self, penalty: float, dropout: float, dimensions: int) -> NDArray[np.float64]:
        """Return each user's NDCG@10."""
        solution = solve(self._gram, self._labels, penalty, dropout, dimensions)
        vectors = np.asarray(self._weights @ (solution.profiles * solution.shrinkage), np.float32)
        basis = solution.basis.T.astype(np.float32)
        found = [np.empty(0)]
        for rows in similarity.blocks(np.arange(len(vectors)), basis.shape[1]):
            scores = vectors[rows] @ basis
            scores[self._seen[rows].nonzero()] = -np.inf
            found.append(ndcg(scores, self._relevant[rows].toarray(), 10))
        return np.concatenate(found)


def _as_good(lacking: NDArray[np.float64]) -> bool:
    """Check that the mean loss of NDCG@10 over users is within one standard error of zero."""
    return bool(lacking.mean() <= lacking.std() / np.sqrt(len(lacking)))
