"""The ranking model (EASE): its Gram matrix and solution against numpy, and the vectors made from it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from embrec import metrics, similarity
from embrec.errors import ConfigError, TrainingError
from embrec.models import svd
from embrec.models.base import Preference, Ratings
from embrec.models.ease import components as ease_components
from embrec.models.ease import gram as ease_gram
from embrec.models.ease import model as ease
from embrec.models.ease import penalty as ease_penalty
from embrec.models.ease.components import components, leading
from embrec.models.ease.gram import Gram, MovieGram, UserGram, gram_of, upper_gram
from embrec.models.ease.model import Options, fit
from embrec.models.ease.penalty import choose
from embrec.models.ease.solution import solve
from embrec.models.ease.users import user_similarity


def two_camps(users: int = 200, movies: int = 40, seed: int = 0) -> Ratings:
    """Make ratings in two groups: even users mostly rate even movies, and odd users odd ones."""
    random = np.random.default_rng(seed)
    likes = (np.arange(users)[:, np.newaxis] + np.arange(movies)) % 2 == 0
    rated = random.random((users, movies)) < np.where(likes, 0.4, 0.04)
    rated[:, 0] |= True
    user, movie = (each.astype(np.int32) for each in np.nonzero(rated))
    ratings = np.where(likes[user, movie], 4.0, 2.0) + random.integers(0, 2, len(user))
    return Ratings(user, movie, ratings.astype(np.float32), users, movies)


def sparse(users: int, movies: int, density: float = 0.3) -> scipy.sparse.csr_array:
    rows = scipy.sparse.random_array((users, movies), density=density, rng=0, format="csr", dtype=np.float32)
    rows.sort_indices()
    return rows


def test_the_gram_matrix_is_summed_over_batches_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_gram, "_ROWS_PER_BATCH", 7)
    monkeypatch.setattr(ease_gram, "_NUMBERS", 60)
    rows = sparse(31, 12)
    dense = rows.toarray()
    assert np.allclose(np.triu(upper_gram(rows)), np.triu(dense.T @ dense), atol=1e-5)


@pytest.mark.parametrize("form", [MovieGram, UserGram])
@pytest.mark.parametrize(("users", "movies"), [(50, 12), (12, 50), (30, 30)])
@pytest.mark.parametrize("numbers", [60, 1 << 23])
def test_both_forms_of_the_gram_matrix_multiply_and_invert(
    form: type[MovieGram | UserGram], users: int, movies: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of few and of many numbers: some then count as dense, others as sparse."""
    monkeypatch.setattr(ease_gram, "_NUMBERS", numbers)
    monkeypatch.setattr(ease_gram, "_DENSE", 0.3)
    rows = sparse(users, movies)
    dense = rows.toarray().astype(np.float64)
    gram: Gram = form(rows)
    block = np.random.default_rng(1).normal(size=(movies, 5)).astype(np.float32)
    assert np.allclose(gram.diagonal, np.diag(dense.T @ dense), rtol=1e-5)
    for penalty in (2.0, 0.5):  # the second inverse replaces the first
        ridge = np.linspace(penalty, 2 * penalty, movies).astype(np.float32)
        inverse = gram.inverse(ridge)
        expected = np.linalg.inv(dense.T @ dense + np.diag(ridge))
        assert np.allclose(inverse.diagonal, np.diag(expected), rtol=1e-5)
        assert np.allclose(inverse.times(block), expected @ block, atol=1e-5)
        assert np.allclose(gram.times(block), dense.T @ (dense @ block), atol=1e-4)


def test_few_users_are_factorized_in_place_of_many_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without ratings does not count. Of a big catalogue the smaller side is taken."""
    assert isinstance(gram_of(sparse(50, 101, 0.5)), UserGram)
    assert isinstance(gram_of(sparse(50, 99, 0.5)), MovieGram)
    rows = scipy.sparse.vstack([sparse(50, 101, 0.5), scipy.sparse.csr_array((100, 101), dtype=np.float32)])
    assert isinstance(gram_of(rows.tocsr()), UserGram)
    monkeypatch.setattr(ease_gram, "LARGEST", 60)
    assert isinstance(gram_of(sparse(50, 61, 0.5)), UserGram)
    assert isinstance(gram_of(sparse(50, 49, 0.5)), MovieGram)


def test_a_catalogue_of_few_users_has_the_same_solution_by_movies() -> None:
    rows = sparse(40, 400, 0.1)
    labels = components(rows)
    by_user, by_movie = (solve(each, labels, 3.0, 0.25, 16) for each in (UserGram(rows), MovieGram(rows)))
    assert np.allclose(by_user.sizes, by_movie.sizes, rtol=1e-4)
    scores = [each.profiles @ each.basis.T for each in (by_user, by_movie)]
    assert np.allclose(scores[0], scores[1], atol=1e-4 * np.abs(scores[1]).max())


def test_too_little_regularization_is_refused() -> None:
    ratings = two_camps()
    twice = np.concatenate([ratings.movies, ratings.movies + ratings.movie_count])  # each movie has a double
    doubled = Ratings(np.tile(ratings.users, 2), twice, np.tile(ratings.ratings, 2), ratings.user_count, 80)
    with pytest.raises(TrainingError, match="higher --penalty or --dropout"):
        fit(doubled, Options(penalty=1e-6, dropout=0.0), 0)


def test_the_solution_is_the_closed_form() -> None:
    random = np.random.default_rng(0)
    rows = random.random((50, 12)) * (random.random((50, 12)) < 0.4)
    gram = rows.T @ rows
    single = scipy.sparse.csr_array(rows.astype(np.float32))
    solution = solve(gram_of(single), np.zeros(12, np.int32), 2.0, 0.25, 12)
    inverse = np.linalg.inv(gram + np.diag(2.0 + np.diag(gram) * 0.25 / 0.75))
    encoder = np.eye(12) - inverse / np.diag(inverse)
    np.fill_diagonal(encoder, 0)
    # With all singular vectors kept, item profiles and basis reproduce every score.
    assert np.allclose(rows @ solution.profiles @ solution.basis.T, rows @ encoder, atol=1e-4)
    assert np.allclose(solution.sizes, np.linalg.svd(rows @ encoder, compute_uv=False), atol=1e-3)


@pytest.mark.parametrize("count", [5, 40])
def test_the_largest_directions_are_those_of_the_whole_decomposition(count: int) -> None:
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))
    sizes = 0.7 ** np.arange(40) * 100
    matrix = (basis * sizes) @ basis.T
    values, vectors = svd.largest(lambda block: matrix @ block, 40, count)
    assert np.allclose(values, sizes[:count], rtol=1e-3, atol=1e-4)
    assert np.allclose(np.abs(np.sum(vectors * basis[:, :count], axis=0))[:10], 1, atol=1e-3)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(count)] > 0).all(), "signs are fixed"


@pytest.mark.parametrize("decay", [0.95, 0.8])
def test_the_largest_eigenvalues_of_a_matrix_beyond_the_subspace(decay: float) -> None:
    """The subspace has 144 dimensions. With the faster decay it reaches into eigenvalues that are rounding noise."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(600, 600)))
    sizes = decay ** np.arange(600)
    matrix = ((basis * sizes) @ basis.T).astype(np.float32)
    values, vectors = svd.largest(lambda block: matrix @ block, 600, 20)
    assert np.allclose(values, sizes[:20], rtol=1e-3)
    assert np.allclose(np.abs(np.sum(vectors * basis[:, :20], axis=0))[:10], 1, atol=1e-3)
    assert np.allclose(vectors.T @ vectors, np.eye(20), atol=1e-4)


def test_a_users_vector_is_the_weighted_sum_of_the_profiles() -> None:
    ratings = two_camps()
    fitted = fit(ratings, Options(dimensions=8, penalty=20.0), seed=0)
    weights = np.zeros((ratings.user_count, ratings.movie_count))
    share = (ratings.ratings - 2) / (5 - 2)
    weights[ratings.users, ratings.movies] = np.where(share == 0, -0.15, (0.2 + 0.8 * share) ** 1.5)
    assert np.allclose(fitted.user_vectors, weights @ fitted.movie_profiles, atol=1e-5)


def test_scorers_have_the_bits_of_the_whole_fit() -> None:
    ratings = two_camps()
    whole, (movies, profiles) = fit(ratings, Options(dimensions=3), 0), ease.scorers(ratings, Options(dimensions=3), 0)
    assert np.array_equal(movies, whole.movie_vectors)
    assert np.array_equal(profiles, whole.movie_profiles)


def test_what_movies_go_together_is_learned_as_without_dislikes() -> None:
    ratings = two_camps()
    counting, not_counting = (
        fit(ratings, Options(dimensions=8, penalty=20.0, dislike_weight=weight), seed=0) for weight in (0.2, 0.0)
    )
    assert np.array_equal(counting.movie_vectors, not_counting.movie_vectors)
    assert np.array_equal(counting.movie_profiles, not_counting.movie_profiles)
    assert not np.array_equal(counting.user_vectors, not_counting.user_vectors)


@pytest.mark.parametrize("largest", [12_000, 30])
def test_users_with_dislikes_alone_have_no_vector(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ease, ease_gram):
        monkeypatch.setattr(module, "LARGEST", largest)
    ratings = two_camps()
    hater = ratings.users == 7
    fitted = fit(
        replace(ratings, ratings=np.where(hater, np.float32(2), ratings.ratings)),
        Options(dimensions=8, penalty=20.0),
        seed=0,
    )
    assert not fitted.user_vectors[7].any()
    assert np.delete(fitted.user_vectors, 7, axis=0).any(axis=1).all()


@pytest.mark.parametrize(
    ("values", "dislikes"),
    [
        (np.array([1, 2, 3, 4, 5]), 2),
        (np.arange(0.5, 5.5, 0.5), 3),
        (np.arange(1, 11), 3),
        (np.arange(1, 101), 25),
        (np.array([0.1, 0.2, 0.3, 0.4, 0.5]), 2),
        (np.array([-1, 1]), 1),
        (np.array([1]), 0),
    ],
)
def test_the_lowest_quarter_of_any_scale_is_disliked(values: np.ndarray, dislikes: int) -> None:
    ratings = values.astype(np.float32)
    users = np.arange(len(ratings), dtype=np.int32)
    weighting = ease._weighting(Ratings(users, users, ratings, len(users), len(users)), Options())
    weights = weighting.of(ratings)
    assert (weights < 0).sum() == dislikes
    assert (np.diff(weights) > 0).all()
    assert weights[0] == (pytest.approx(-0.15) if dislikes else 1.0)
    assert weights[-1] == 1.0
    assert (weighting.unsigned(ratings) > 0).all()


def test_counts_are_no_opinions() -> None:
    plays = np.array([1] * 80 + [2] * 10 + [500] * 10, np.float32)
    users = np.arange(len(plays), dtype=np.int32)
    weighting = ease._weighting(Ratings(users, users, plays, len(users), len(users)), Options())
    assert (weighting.of(plays) > 0).all()


def test_users_are_recommended_what_their_camp_likes() -> None:
    ratings = two_camps()
    fitted = fit(ratings, Options(dimensions=8), seed=0)
    scores = fitted.user_vectors @ fitted.movie_vectors.T
    scores[ratings.users, ratings.movies] = -np.inf
    lists = metrics.top(scores, 5)
    assert ((lists + np.arange(ratings.user_count)[:, np.newaxis]) % 2 == 0).mean() > 0.95
    near = similarity.nearest(similarity.cosines(fitted.similarity[1:]), 5) + 1
    assert ((near + np.arange(1, 40)[:, np.newaxis]) % 2 == 0).mean() > 0.95


def test_users_are_compared_by_all_directions_where_those_are_few_and_else_by_the_main_ones() -> None:
    preference = fit(two_camps(), Options(dimensions=6, penalty=5.0), 0)
    assert user_similarity(preference.user_vectors).shape == (200, 6)
    assert np.allclose(
        similarity.cosines(user_similarity(preference.user_vectors)),
        similarity.cosines(preference.user_vectors),
        atol=1e-4,
    )
    compared = user_similarity(
        np.vstack([np.eye(40), np.eye(40)[:20]]).astype(np.float32)
    )  # twenty pairs alike, and twenty users like nobody
    assert compared.shape == (60, 16)
    assert (np.linalg.norm(compared, axis=1) > 1e-3).all()


def test_users_and_movies_without_ratings_get_no_vector_and_such_users_the_average_list() -> None:
    known = two_camps()
    ratings = Ratings(known.users, known.movies, known.ratings, known.user_count + 2, known.movie_count + 2)
    fitted = fit(ratings, Options(dimensions=8, penalty=20.0), seed=0)
    for vectors in (fitted.user_vectors, fitted.movie_vectors, fitted.movie_profiles, fitted.similarity):
        assert not vectors[-2:].any()
        assert similarity.has_length(vectors[:-2]).all()
    scores = fitted.score(np.arange(known.user_count + 2, dtype=np.int32))
    assert metrics.top(scores, 5).max() < known.movie_count
    assert np.allclose(scores[-1], fitted.user_vectors.mean(axis=0) @ fitted.movie_vectors.T)


def test_a_long_tail_of_movies_is_folded_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ease, ease_gram):
        monkeypatch.setattr(module, "LARGEST", 25)
    known = two_camps()
    ratings = Ratings(known.users, known.movies, known.ratings, known.user_count, known.movie_count + 1)
    fitted = fit(ratings, Options(dimensions=8, penalty=20.0), seed=0)
    counts = np.bincount(ratings.movies, minlength=41)
    tail = np.setdiff1d(np.argsort(counts)[1:16], [0])
    assert len(fitted.movie_vectors) == 41
    scores = fitted.user_vectors @ fitted.movie_vectors.T
    own = (np.arange(ratings.user_count)[:, np.newaxis] + np.arange(41)) % 2 == 0
    assert (scores[:, tail] * np.where(own[:, tail], 1, -1)).mean() > 0, "the tail goes to its camp"
    near = similarity.nearest(similarity.cosines(fitted.similarity[1:40]), 5) + 1
    assert ((near[tail - 1] + tail[:, np.newaxis]) % 2 == 0).mean() > 0.9
    for vectors in (fitted.movie_vectors, fitted.movie_profiles, fitted.similarity):
        assert similarity.has_length(vectors).tolist() == [True] * 40 + [False], "nobody rated the last"


def test_movies_of_one_rating_displace_no_better_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty movies, each liked by one user, are folded in, and shrunk as the closed form would."""
    for module in (ease, ease_gram):
        monkeypatch.setattr(module, "LARGEST", 40)
    known = two_camps()
    extra = np.arange(30, dtype=np.int32)
    ratings = Ratings(
        np.concatenate([known.users, extra]),
        np.concatenate([known.movies, extra + known.movie_count]),
        np.concatenate([known.ratings, np.full(30, 5, np.float32)]),
        known.user_count,
        known.movie_count + 30,
    )
    fitted = fit(ratings, Options(dimensions=8, penalty=20.0), seed=0)
    scores = fitted.user_vectors @ fitted.movie_vectors.T
    scores[ratings.users, ratings.movies] = -np.inf
    assert (metrics.top(scores, 5) >= known.movie_count).mean() < 0.01
    lengths = np.linalg.norm(fitted.movie_vectors, axis=1)
    assert lengths[known.movie_count :].max() < np.median(lengths[: known.movie_count]) / 5
    assert similarity.has_length(fitted.movie_vectors[known.movie_count :]).all()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read as Linux tells it")
def test_at_most_three_matrices_of_movies_by_movies_are_in_memory_at_once() -> None:
    """A process of its own fits 3,500 movies, search of the penalty included. One matrix is 47 MB."""
    program = """
import numpy as np, scipy.sparse.csgraph, scipy.linalg
from embrec.models.base import Ratings
from embrec.models.ease.model import Options, fit
random, users, movies = np.random.default_rng(0), 4000, 3500
pairs = np.unique(random.integers(0, users, 60_000) * movies + random.integers(0, movies, 60_000) ** 2 // movies)
user, movie = (each.astype(np.int32) for each in np.divmod(pairs, movies))
ratings = Ratings(user, movie, random.integers(1, 6, len(pairs)).astype(np.float32), users, movies)
def peak():
    # Not by getrusage, whose figure begins with the size of the parent.
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
fit(ratings, Options(), 0)
print((peak() - before) * 1024 / (4 * movies**2))
"""
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 1 < float(asked.stdout) < 3


def test_one_user_one_movie_and_equal_ratings_are_fitted_too() -> None:
    for users, movies in ((1, 1), (3, 1), (1, 3), (4, 4)):
        user, movie = (each.ravel().astype(np.int32) for each in np.indices((users, movies)))
        ratings = Ratings(user, movie, np.full(len(user), 3.0, np.float32), users, movies)
        fitted = fit(ratings, Options(), seed=0)
        assert np.isfinite(fitted.movie_vectors).all()
        lengths = np.linalg.norm(np.vstack([fitted.user_vectors, fitted.movie_vectors, fitted.movie_profiles]), axis=1)
        assert lengths.max() < 1000, "no direction that is rounding alone"
        assert lengths.any() == (movies > 1), "a single movie tells nothing of others"


def with_islands(islands: int, movies: int = 40, dimensions: int = 8) -> tuple[Ratings, Preference]:
    """Add users who alone rated two movies to the two camps, and fit."""
    camps = two_camps(movies=movies)
    users = np.repeat(np.arange(islands, dtype=np.int32), 2) + camps.user_count
    alone = np.arange(2 * islands, dtype=np.int32) + camps.movie_count
    given = np.tile(np.array([2, 5], np.float32), islands)
    ratings = Ratings(
        np.concatenate([camps.users, users]),
        np.concatenate([camps.movies, alone]),
        np.concatenate([camps.ratings, given]),
        camps.user_count + islands,
        camps.movie_count + 2 * islands,
    )
    return ratings, fit(ratings, Options(dimensions=dimensions, penalty=5.0), seed=0)


@pytest.mark.parametrize("movies", [40, 300])
@pytest.mark.parametrize("dimensions", [8, 64])
def test_movies_that_share_no_user_have_scores_of_exactly_zero(movies: int, dimensions: int) -> None:
    """A small component is decomposed exactly, one of more than 200 movies by iteration."""
    ratings, fitted = with_islands(30, movies, dimensions)
    scores = fitted.user_vectors @ fitted.movie_vectors.T
    assert not scores[:200, movies:].any()
    assert not scores[200:, :movies].any()
    scores[ratings.users, ratings.movies] = 0
    assert not scores[200:].any(), "nor does one lone user's movie say anything about another's"
    assert (np.abs(scores[:200]).max(axis=1) > 1e-3).all()
    cosines = similarity.cosines(fitted.similarity)
    assert np.abs(cosines[:movies, movies:]).max() < 1e-6


@pytest.mark.parametrize("users_per_batch", [1, 2, 100])
def test_components_are_those_of_the_movies_that_users_share(
    users_per_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ease_components, "_USERS_PER_BATCH", users_per_batch)
    rows = scipy.sparse.csr_array(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0]]))
    labels = components(rows)
    assert labels[0] == labels[1] == labels[3]
    assert len({labels[0], labels[2], labels[4]}) == 3
    sets = scipy.sparse.random_array((60, 90), density=0.012, rng=3, format="csr")
    sets.sort_indices()
    count, expected = scipy.sparse.csgraph.connected_components(sets.T @ sets, directed=False)
    pairs = np.unique(np.column_stack([components(sets), expected]), axis=0)
    assert len(pairs) == count == len(set(pairs[:, 0])) > 30


def quality_of(curve: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the validation find these means of NDCG@10, each of a power of two, for twenty users; returns the powers.

    Users differ from each other by a tenth, and from one penalty to the next by up to .01.
    """
    asked: list[int] = []

    def quality(self: object, penalty: float, dropout: float, dimensions: list[int]) -> np.ndarray:
        asked.append(round(np.log2(penalty / 40)))
        users = np.linspace(-0.1, 0.1, 20) + np.random.default_rng(asked[-1] + 100).uniform(-0.01, 0.01, 20)
        return np.tile(users - users.mean() + curve.get(asked[-1], 0.0), (len(dimensions), 1))

    monkeypatch.setattr(ease_penalty._Validation, "quality", quality)
    return asked


@pytest.mark.parametrize("first", [1.0, 20.0, 40.0, 70.0, 320.0, 10_000.0])
def test_the_penalty_is_the_smallest_as_good_as_the_best_from_wherever_the_search_begins(
    first: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = {-5: 0.1, -4: 0.2, -3: 0.3, -2: 0.35, -1: 0.38, 0: 0.3995, 1: 0.4, 2: 0.38, 3: 0.3, 4: 0.2, 5: 0.1}
    asked = quality_of(curve | {6: 0.05, 7: 0.04}, monkeypatch)
    ratings = replace(two_camps(), user_count=5000)  # one split
    weighting = ease._weighting(ratings, Options())
    assert choose(ratings, weighting, 0.25, None, 8, 0, first).penalty == 40.0
    assert {-1, 0, 1, 2} <= set(asked), "the peak, the smaller one as good, and one worse on both sides"
    assert len(asked) == len(set(asked))
    assert first != 40.0 or asked == [0, 1, 2, -1]


@pytest.mark.parametrize(
    ("means", "chosen"),
    [
        ({64: 0.3, 128: 0.2, 256: 0.1}, 64),
        ({64: 0.3, 128: 0.3002, 256: 0.3004}, 64),
        ({64: 0.3, 128: 0.3205, 256: 0.321}, 128),
        ({64: 0.2, 128: 0.3, 256: 0.4}, 256),
    ],
)
def test_the_dimensions_are_the_fewest_as_good_as_the_best(
    means: dict[int, float], chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The penalty that is best for 64 dimensions is not for more, which are judged by their own."""
    searched = []

    def quality(self: object, penalty: float, dropout: float, dimensions: list[int]) -> np.ndarray:
        searched.append(tuple(dimensions))
        best = np.where(np.array(dimensions) == 64, 40.0, 160.0)
        users = np.random.default_rng(0).normal(0, 0.01, (3, 100))[: len(dimensions)]
        users -= users.mean(axis=1, keepdims=True)
        wrong = abs(np.log2(penalty / best)) * 0.0005
        return users + np.array([means[each] for each in dimensions])[:, np.newaxis] - wrong[:, np.newaxis]

    monkeypatch.setattr(ease_penalty._Validation, "quality", quality)
    ratings = two_camps(users=50, movies=300)
    found = choose(ratings, ease._weighting(ratings, Options()), 0.25, None, None, 0, 40.0)
    assert found.dimensions == chosen
    if chosen == 64:
        assert set(searched) == {(64,), (64, 128)}, "the longest only if longer is better"
        assert set(found.quality) == {64, 128}
    else:
        assert set(searched) == {(64,), (64, 128), (64, 128, 256)}
        assert found.quality == pytest.approx(means), "each by the penalty that is best for it"
    given = choose(ratings, ease._weighting(ratings, Options()), 0.25, 80.0, None, 0, 40.0)
    assert (given.penalty, given.dimensions) == (80.0, chosen)


def shelves(count: int, constant: bool) -> Ratings:
    """Make ratings of movies in shelves of four: a user likes three shelves, and rates a few movies of others low."""
    random = np.random.default_rng(0)
    liked = np.argsort(random.random((1_500, count)), axis=1)[:, :3]
    user = np.repeat(np.arange(1_500), 12)
    movie = (liked[:, :, np.newaxis] * 4 + np.arange(4)).ravel()
    kept = random.random(len(user)) < 0.8
    low = random.integers(0, count * 4, 1_500)
    pairs, first = np.unique(
        np.stack([np.r_[user[kept], np.arange(1_500)], np.r_[movie[kept], low]]), axis=1, return_index=True
    )
    ratings = np.where(constant | (first < kept.sum()), 5.0, 1.0).astype(np.float32)
    users, movies = pairs.astype(np.int32)
    return Ratings(users, movies, ratings, 1_500, count * 4)


@pytest.mark.parametrize(("count", "chosen"), [(30, 64), (100, 128), (220, 256)])
@pytest.mark.parametrize("constant", [False, True])
def test_the_chosen_dimensions_are_those_that_the_ratings_support(count: int, chosen: int, constant: bool) -> None:
    """With fewer dimensions than shelves, some shelves cannot be told apart."""
    given = shelves(count, constant)
    fitted = fit(given, Options(), seed=0)
    assert fitted.movie_vectors.shape[1] == fitted.movie_profiles.shape[1] == fitted.user_vectors.shape[1] == chosen
    assert set(fitted.quality) == ({64, 128, 256} if count > 32 else set()), "more dimensions than movies are not tried"
    fixed = fit(given, Options(dimensions=64), seed=0)
    assert (fixed.movie_vectors.shape[1], fixed.quality) == (64, {})


def test_the_leading_part_of_a_solution_is_the_solution_of_fewer_dimensions() -> None:
    rows = sparse(40, 60, 0.2)
    labels = components(rows)
    more, fewer = (solve(MovieGram(rows), labels, 3.0, 0.25, count) for count in (40, 8))
    part = more.leading(8)
    assert np.allclose(part.sizes, fewer.sizes, rtol=1e-4)
    assert np.allclose(part.shrinkage, fewer.shrinkage, rtol=1e-3)
    scores = [each.profiles @ each.basis.T for each in (part, fewer)]
    assert np.allclose(scores[0], scores[1], atol=1e-3 * np.abs(scores[1]).max())


def test_a_search_cannot_begin_at_nothing() -> None:
    with pytest.raises(ConfigError, match="first_penalty is 0; give a number above 0"):
        fit(two_camps(), Options(first_penalty=0), 0)


@pytest.mark.parametrize(("curve", "chosen"), [({-5: 0.4, -4: 0.3}, 1.25), ({6: 0.3, 7: 0.4}, 5120.0)])
def test_the_search_of_the_penalty_ends_at_its_bounds(
    curve: dict[int, float], chosen: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quality_of(curve, monkeypatch)
    ratings = two_camps()
    weighting = ease._weighting(ratings, Options())
    assert choose(ratings, weighting, 0.25, None, 8, 0, chosen).penalty == chosen
    assert min(asked) >= -5
    assert max(asked) <= 7


def test_the_penalty_is_chosen_among_the_most_rated_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_penalty, "_FEW_MOVIES", 10)
    sizes = []

    class Seen(ease_penalty._Validation):
        def __init__(self, training: Ratings, weighting: object, random: np.random.Generator) -> None:
            super().__init__(training, weighting, random)  # type: ignore[arg-type]
            sizes.append(training.movie_count)

    monkeypatch.setattr(ease_penalty, "_Validation", Seen)
    ratings = two_camps()
    choose(ratings, ease._weighting(ratings, Options()), 0.25, None, 8, 0, 40.0)
    assert set(sizes) == {20}


@pytest.mark.parametrize("sizes", [(5, 5, 5, 2, 1, 1), (210, 30, 3, 3), (250, 220, 1)])
def test_the_largest_eigenvalues_are_found_by_component(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    factor = (
        random.normal(size=(len(labels), len(labels)))
        * (labels[:, np.newaxis] == labels)
        * 0.9 ** np.arange(len(labels))
    )
    matrix = factor @ factor.T
    values, basis = leading(lambda block: matrix @ block, labels, 10)
    expected = np.linalg.eigvalsh(matrix)[::-1][: len(values)]
    assert np.allclose(values, expected, rtol=2e-3)
    assert np.allclose(matrix @ basis, basis * values, atol=0.02 * values[0])
    for column in basis.T:
        assert len(set(labels[np.flatnonzero(column)])) == 1


def test_the_same_seed_gives_the_same_vectors() -> None:
    ratings = two_camps()
    first, again = (fit(ratings, Options(dimensions=8), seed=3) for _ in range(2))
    assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()
    assert first.similarity.tobytes() == again.similarity.tobytes()
