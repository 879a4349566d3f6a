"""The choice of the penalty of EASE and of its dimensions, by NDCG@10 on held-out interactions.

More dimensions rank better where there are many movies with ratings enough, and no better or worse where there are few.
So the number that the data support is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from embrec import similarity
from embrec.errors import ConfigError
from embrec.metrics import ndcg
from embrec.models.base import Ratings, RatingWeights
from embrec.models.ease.components import components
from embrec.models.ease.gram import gram_of
from embrec.models.ease.long_tail import most_rated
from embrec.models.ease.rows import Rows
from embrec.models.ease.solution import Solution, solve
from embrec.models.interactions import Interactions

# The penalties that may be chosen are this one times powers of two, from 1.25 to 5,120. It is the first one tried.
FIRST_PENALTY = 40.0
_LOWEST_POWER, _HIGHEST_POWER = -5, 7
# The penalty that is best for the most rated half of the movies is as good for all, and found by an eighth of the work.
# A catalogue of 1,000 movies is searched whole, because that takes no time. Half of the movies support fewer dimensions
# than all, so longer vectors are judged on 4,000 movies, or half of more.
_SEARCHED_SHARE, _FEW_MOVIES, _JUDGED_MOVIES = 0.5, 1_000, 4_000
_VALIDATION_USERS = 2_000
_MOST_VALIDATIONS = 2
# Singular vectors to validate by need less accuracy: on MovieLens NDCG@10 moves by less than 0.0003.
_PRODUCTS = 3
# The dimensions that are enough for most data, and those that may be chosen in their place.
DIMENSIONS = 64
_MORE_DIMENSIONS = (128, 256)


@dataclass(frozen=True)
class Choice:
    """The chosen options.

    Attributes:
        penalty: The regularization.
        dimensions: Number of singular vectors.
        quality: Mean NDCG@10 on held-out interactions of each number of dimensions that was tried; empty if the number
            was given.
    """

    penalty: float
    dimensions: int
    quality: dict[int, float] = field(default_factory=dict)


def choose(
    training: Ratings,
    weighting: RatingWeights,
    dropout: float,
    penalty: float | None,
    dimensions: int | None,
    seed: int,
    first: float,
) -> Choice:
    """Choose the penalty and the number of dimensions.

    Longer vectors cost storage and time at each answer. So the penalty is first searched for 64. If with it 128 are
    better on the first split, by more than a standard error, it is searched again for the longest, on more movies. One
    decomposition is cut to all numbers of dimensions, and each is judged by its own best penalty. The fewest within
    one standard error of the best NDCG@10 are taken.

    Args:
        training: Interactions to learn from and to hold out.
        weighting: The weights of ratings.
        dropout: Dropout of the input.
        penalty: The penalty, or None to choose it.
        dimensions: Number of singular vectors, or None to choose it: 64, 128 or 256.
        seed: Seeds the choice of held-out interactions.
        first: The penalty to begin at; the nearest one that may be chosen is taken.

    Raises:
        ConfigError: The first penalty is not positive.
    """
    if penalty and dimensions:
        return Choice(penalty, dimensions)
    validations = _validations(training, weighting, seed, _FEW_MOVIES)
    fewest = dimensions or DIMENSIONS
    chosen = penalty or _smallest(_searched(validations, dropout, [fewest], first), 0)
    longest = max(each.movies for each in validations)
    more = [each for each in _MORE_DIMENSIONS if each < longest and not dimensions]
    if not more:
        return Choice(chosen, fewest)
    twice = _quality(validations[:1], chosen, dropout, [fewest, more[0]])
    if not twice.size:
        return Choice(chosen, fewest)
    if _as_good(twice[1] - twice[0]):
        return Choice(chosen, fewest, dict(zip([fewest, more[0]], twice.mean(axis=1).tolist(), strict=True)))
    lengths = [fewest, *more]
    validations = _validations(training, weighting, seed, _JUDGED_MOVIES)
    if penalty:
        tried = {0.0: _quality(validations, penalty, dropout, lengths)}
    else:
        tried = _searched(validations, dropout, lengths, chosen)
    best = [max((each[place] for each in tried.values()), key=np.mean) for place in range(len(lengths))]
    top = max(best, key=np.mean)
    place = next(place for place, each in enumerate(best) if _as_good(top - each))
    quality = {length: float(each.mean()) for length, each in zip(lengths, best, strict=True)}
    return Choice(penalty or _smallest(tried, place), lengths[place], quality)


Tried = dict[float, NDArray[np.float64]]


def _searched(validations: list[_Validation], dropout: float, lengths: list[int], first: float) -> Tried:
    """Search the penalties for the best NDCG@10 of the longest vectors on held-out interactions.

    The search climbs from the first penalty to a peak, and from there goes down until NDCG@10 is worse by more than a
    standard error. So the result depends on where it began only if there are several peaks.

    Args:
        validations: The validation splits.
        dropout: Dropout of the input.
        lengths: Numbers of singular vectors, ascending.
        first: The penalty to begin at; the nearest one that may be chosen is taken.

    Returns:
        For each penalty tried NDCG@10 of each length and user, of shape (len(lengths), users of all splits).

    Raises:
        ConfigError: The first penalty is not positive.
    """

    def quality(power: int) -> NDArray[np.float64]:
        return _quality(validations, FIRST_PENALTY * 2.0**power, dropout, lengths)

    power = _power(first)
    tried = {power: quality(power)}
    if not tried[power].size:
        return {FIRST_PENALTY: tried[power]}
    while True:
        peak = max(tried, key=lambda each: float(tried[each][-1].mean()))
        as_good = [each for each in sorted(tried) if _as_good(tried[peak][-1] - tried[each][-1])]
        if peak == max(tried) < _HIGHEST_POWER:
            beside = peak + 1
        elif as_good[0] == min(tried) > _LOWEST_POWER:
            beside = as_good[0] - 1
        else:
            return {FIRST_PENALTY * 2.0**each: found for each, found in tried.items()}
        tried[beside] = quality(beside)


def _smallest(tried: Tried, place: int) -> float:
    """Return the smallest penalty within one standard error of the best NDCG@10 of the length at a place.

    It is the smallest, because all interactions together need less regularization than the training split.
    """
    best = max((each[place] for each in tried.values()), key=lambda each: each.mean() if len(each) else 0.0)
    return min(penalty for penalty, each in tried.items() if _as_good(best - each[place]))


def _power(first: float) -> int:
    """Return the power of two of the penalty that may be chosen and is nearest to one."""
    if not first > 0:
        raise ConfigError(f"first_penalty is {first}; give a number above 0.")
    return int(np.clip(round(np.log2(first / FIRST_PENALTY)), _LOWEST_POWER, _HIGHEST_POWER))


def _quality(
    validations: list[_Validation], penalty: float, dropout: float, dimensions: list[int]
) -> NDArray[np.float64]:
    """Return each user's NDCG@10 on each split, of shape (len(dimensions), users of all splits)."""
    return np.hstack([validation.quality(penalty, dropout, dimensions) for validation in validations])


def _validations(training: Ratings, weighting: RatingWeights, seed: int, few: int) -> list[_Validation]:
    """Return validation splits of the most popular half of the movies, or of ``few`` if that is more.

    Few users get more splits, because one is noisy.
    """
    _, searched = most_rated(training, max(int(training.movie_count * _SEARCHED_SHARE), few))
    random = np.random.default_rng(seed)
    count = min(max(_VALIDATION_USERS * 2 // training.user_count, 1), _MOST_VALIDATIONS)
    return [_Validation(searched, weighting, random) for _ in range(count)]


class _Validation:
    """A validation split: a fifth of the interactions, held out to be ranked by a model of the others."""

    def __init__(self, training: Ratings, weighting: RatingWeights, random: np.random.Generator) -> None:
        pairs = Interactions.of(training)
        shape = (training.user_count, training.movie_count)
        held = random.random(len(pairs.users)) < 0.2
        rows = Rows.between(pairs.at(~held), weighting, shape)
        self.movies = training.movie_count
        self._gram, self._labels = gram_of(rows.scaled()), components(rows.ratings)
        liked = held & pairs.liked(weighting)
        users = np.unique(pairs.users[liked])
        users = np.sort(random.permutation(users)[:_VALIDATION_USERS])
        entries = (np.ones(liked.sum(), bool), (pairs.users[liked], pairs.movies[liked]))
        self._relevant = scipy.sparse.csr_array(entries, shape=shape)[users]
        self._weights, self._seen = rows.signed()[users], rows.ratings[users]

    def quality(self, penalty: float, dropout: float, dimensions: list[int]) -> NDArray[np.float64]:
        """Return each user's NDCG@10 by the leading singular vectors, of shape (len(dimensions), users)."""
        solution = solve(self._gram, self._labels, penalty, dropout, max(dimensions), _PRODUCTS)
        return np.vstack([self._ndcg(solution.leading(count)) for count in dimensions])

    def _ndcg(self, solution: Solution) -> NDArray[np.float64]:
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
    return not len(lacking) or bool(lacking.mean() <= lacking.std() / np.sqrt(len(lacking)))
