"""Measure movies that nobody rated, and write their page, recommend-new-movies.md: ``python new_movies.py``.

A tenth of MovieLens 100K's movies is left out with all ratings, for three seeds, and a fifth of each user's other
ratings. Each model then ranks all movies that a user has not rated in training. Measured are the rank of the left-out
movies for those who liked them, as a share of all movies, their order among themselves, and lists of all movies.

There are no texts of these movies but their titles. Good content is stood in for: half of the users make item vectors
(EASE) of all movies, as a host's embeddings, and the other half is asked. ``--only=NAME`` renews rows.
Results are kept in docs/new-movies.json. LightFM needs its environment (``make .venv-lightfm``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import peers_apart
from page_parts import DOCS, between

from embrec import metrics, splits
from embrec.data.files.content import words_of
from embrec.data.files.movielens import fetch_ml_100k
from embrec.data.files.sources import open_source
from embrec.evaluation.data import EvaluationData, read_data
from embrec.metrics import liked_from
from embrec.models import content
from embrec.models.base import Ratings
from embrec.models.content import Descriptions
from embrec.models.ease import model as ease
from embrec.models.features import content_features
from embrec.models.hybrid import Options, TwoPart
from embrec.runs.new_movies import CAUTION

RESULTS, PAGE = DOCS / "new-movies.json", DOCS / "how-to" / "recommend-new-movies.md"
SEEDS, SHARE, AT = (0, 1, 2), 0.1, 10
ERRORS = ("RMSE", "RMSE of left-out")
METRICS = ("rank", "rank, by movie", "NDCG@10 of left-out", "NDCG@10 of all")
GAINS = 1 / np.log2(np.arange(2, AT + 2))


@dataclass(frozen=True)
class Split:
    """Ratings without some movies.

    Attributes:
        training: Ratings of the users who are asked.
        left: Mask of the movies that are left out, of shape (movie_count,).
        cold: Ratings of liked left-out movies.
        test: Liked movies of the fifth that is held out, left-out ones too.
        others: Ratings of the users who are not asked; of no user, if all are.
        held: All ratings of the fifth that is held out, of other movies.
        new: All ratings of left-out movies.
    """

    training: Ratings
    left: np.ndarray
    cold: Ratings
    test: Ratings
    others: Ratings
    held: Ratings
    new: Ratings


def split(data: EvaluationData, seed: int, halves: bool) -> Split:
    """Leave movies out, and if ``halves`` ask half of the users alone."""
    ratings, random = data.ratings, np.random.default_rng(seed)
    left = np.zeros(ratings.movie_count, bool)
    left[random.permutation(ratings.movie_count)[: int(SHARE * ratings.movie_count)]] = True
    asked = (random.permutation(ratings.user_count) < ratings.user_count // 2) if halves else np.ones(0)
    mine = asked[ratings.users] if halves else np.ones(len(ratings.users), bool)
    kept = np.zeros(len(ratings.users), bool)
    kept[splits.per_user(ratings.users, 0.2, seed)[0]] = True
    liked = mine & (ratings.ratings >= liked_from(*ratings.scale))
    new = left[ratings.movies]

    def part(mask: np.ndarray) -> Ratings:
        return ratings.part(np.flatnonzero(mask))

    return Split(
        part(mine & kept & ~new),
        left,
        part(liked & new),
        part(liked & ~kept),
        part(~mine),
        part(mine & ~kept & ~new),
        part(mine & new),
    )


def measure(scores: np.ndarray, parts: Split) -> dict[str, float]:
    """Measure scores of shape (user_count, movie_count)."""
    seen = np.zeros(scores.shape, bool)
    seen[parts.training.users, parts.training.movies] = True
    scores = np.where(seen, -np.inf, scores)
    users, movies = parts.cold.users, parts.cold.movies
    own = scores[users, movies][:, np.newaxis]
    before = (scores[users] > own).sum(axis=1) + ((scores[users] == own).sum(axis=1) - 1) / 2
    ranks = before / np.maximum((~seen[users]).sum(axis=1) - 1, 1)
    of_movies = np.bincount(movies, ranks, len(parts.left))[parts.left] / np.bincount(
        movies, minlength=len(parts.left)
    )[parts.left].clip(1)
    asked = np.bincount(movies, minlength=len(parts.left))[parts.left] > 0
    found = ranks.mean(), of_movies[asked].mean()
    lists = ndcg(np.where(parts.left, scores, -np.inf), parts.cold), ndcg(scores, parts.test)
    return dict(zip(METRICS, map(float, (*found, *lists)), strict=True))


def ndcg(scores: np.ndarray, liked: Ratings) -> float:
    """Return the mean NDCG@10 of users who liked something."""
    relevant = np.zeros(scores.shape, bool)
    relevant[liked.users, liked.movies] = True
    users = np.unique(liked.users)
    top = np.argsort(-scores[users], axis=1, kind="stable")[:, :AT]
    gained = np.take_along_axis(relevant[users], top, axis=1) @ GAINS[: top.shape[1]]
    return float(np.mean(gained / np.cumsum(GAINS)[np.minimum(relevant[users].sum(axis=1), AT) - 1]))


def embrec(parts: Split, known: Descriptions) -> np.ndarray:
    """Score by ranking vectors, those of left-out movies by the map that a training learns."""
    fitted = ease.fit(parts.training, ease.Options(), 0)
    there = np.flatnonzero(np.bincount(parts.training.movies, minlength=len(parts.left)))
    found = content.fit(known.of(there), {"preference": fitted.movie_vectors[there]})
    labels = [set(content.movie_labels(*each)) for each in zip(known.genres, known.years, strict=True)]
    features = np.array([[1.0, *(label in mine for label in found.labels)] for mine in labels])
    basis = "genres" if found.dimensions is None else "content"
    if found.dimensions is not None:
        features = np.hstack([features, known.content])
    vectors = fitted.movie_vectors.copy()
    vectors[parts.left] = CAUTION * features[parts.left] @ found.weights[f"{basis}_preference"].T
    return np.asarray(fitted.user_vectors @ vectors.T)


def without(parts: Split, known: Descriptions) -> np.ndarray:
    """Score as embrec does movies that were rated, and left-out movies behind them."""
    found = ease.fit(parts.training, ease.Options(), 0).score(np.arange(parts.training.user_count, dtype=np.int32))
    return np.where(parts.left, found.min() - 1, found)


def light_fm(parts: Split, known: Descriptions) -> np.ndarray:
    """Score by LightFM (WARP) with the same features beside each movie's own; positives are liked movies."""
    labels = [set(content.movie_labels(*each)) for each in zip(known.genres, known.years, strict=True)]
    names = sorted(set().union(*labels))
    features = np.array([[label in mine for label in names] for mine in labels], np.float32)
    if known.content.shape[1]:
        lengths = np.linalg.norm(known.content, axis=1, keepdims=True)
        features = np.hstack([features, known.content / np.where(lengths > 0, lengths, 1)])
    training = parts.training
    liked = training.part(np.flatnonzero(training.ratings >= liked_from(*training.scale)))
    options = (("no_components", 64), ("random_state", 0), ("epochs", 30), ("max_sampled", 30))
    found = peers_apart.apart("lightfm", "warp", options, liked, movie_features=features)
    return np.asarray(found[: training.user_count] @ found[training.user_count :].T)


def popularity(parts: Split, known: Descriptions) -> np.ndarray:
    """Score by the number of ratings, which left-out movies have none of."""
    counts = np.bincount(parts.training.movies, minlength=len(parts.left))
    return np.tile(counts.astype(float), (parts.training.user_count, 1))


def described(data: EvaluationData, parts: Split, kind: str) -> Descriptions:
    """Return what the models are told of the movies: genres and years, and content of some kind."""
    source = {movie.movie_id: movie for movie in open_source(fetch_ml_100k()).movies()}
    movies = [source[each] for each in data.movie_ids]
    vectors = np.empty((len(movies), 0), np.float32)
    if kind == "words":
        words = [words_of(movie.title or "") for movie in movies]
        vectors = np.array([np.zeros(512) if each is None else each for each in words], np.float32)
    elif kind == "others":
        vectors = ease.fit(replace(parts.others, movie_features=None), ease.Options(), 0).similarity
    counts = np.bincount(parts.training.movies, minlength=len(movies))
    return Descriptions(data.genres, [movie.release_year for movie in movies], vectors, counts)


def errors(data: EvaluationData, kind: str) -> dict[str, list[float]]:
    """Return the errors of the rating model with content in its prior, of held-out ratings and of left-out movies."""
    found: dict[str, list[float]] = {each: [] for each in ERRORS}
    for seed in SEEDS:
        parts = split(data, seed, halves=True)
        told = replace(parts.training, movie_content=content_features(described(data, parts, kind).content))
        predict = TwoPart().rate(told, Options(), seed)
        for name, test in zip(ERRORS, (parts.held, parts.new), strict=True):
            found[name].append(metrics.rmse(predict(test.users, test.movies), test.ratings))
    return found


Score = Callable[[Split, Descriptions], np.ndarray]
# The rows of each table: name, kind of content, model.
TABLES: dict[str, list[tuple[str, str, Score]]] = {
    "Genres, years and words of titles": [
        ("embrec, genres and years", "none", embrec),
        ("embrec, words of titles too", "words", embrec),
        ("LightFM, genres and years", "none", light_fm),
        ("LightFM, words of titles too", "words", light_fm),
        ("popularity", "none", popularity),
        ("lists of rated movies alone", "none", without),
    ],
    "Content that stands in for good embeddings": [
        ("embrec, genres and years", "none", embrec),
        ("embrec, content too", "others", embrec),
        ("LightFM, genres and years", "none", light_fm),
        ("LightFM, content too", "others", light_fm),
        ("popularity", "none", popularity),
        ("lists of rated movies alone", "none", without),
    ],
}


# The rows of the table of errors: name, kind of content.
RATINGS, KINDS = (
    "Predicted ratings",
    {"embrec, genres and years": "none", "embrec, words of titles": "words", "embrec, content": "others"},
)


def table(rows: dict[str, dict[str, list[float]]]) -> list[str]:
    """Write a table: means over seeds, and their standard deviations."""
    columns = list(next(iter(rows.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for name, found in rows.items():
        cells = [f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure, save the results, and write the page."""
    only = next((each.removeprefix("--only=") for each in sys.argv[1:]), "")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    data = read_data(open_source(fetch_ml_100k()))
    for title, rows in TABLES.items():
        for name, kind, score in rows:
            if only not in name:
                continue
            found: dict[str, list[float]] = {each: [] for each in METRICS}
            for seed in SEEDS:
                parts = split(data, seed, "stands in" in title)
                for each, value in measure(score(parts, described(data, parts, kind)), parts).items():
                    found[each].append(value)
            print(title, name, found, file=sys.stderr, flush=True)
            results.setdefault(title, {})[name] = found
    for name, kind in KINDS.items():
        if only in name:
            results.setdefault(RATINGS, {})[name] = errors(data, kind)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    lines = [line for title in (*TABLES, RATINGS) for line in (f"### {title}", "", *table(results[title]), "")]
    between(PAGE, "new_movies.py", lines)


if __name__ == "__main__":
    main()
