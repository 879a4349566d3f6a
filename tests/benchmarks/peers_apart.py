"""Libraries that need environments of their own, as contenders for embrec.evaluate."""

from __future__ import annotations

import json
import subprocess
import tempfile
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from embrec.evaluation.contender import Compare, Contender, Predict, Score
from embrec.evaluation.contenders import by_cosine
from embrec.metrics import liked_from
from embrec.models.base import Ratings
from embrec.models.interactions import Interactions

# The libraries, with the names of their distributions.
APART = {"lenskit": "lenskit", "lightfm": "rectools-lightfm"}
PROCESS = Path(__file__).with_name("peer_process.py")
Options = tuple[tuple[str, Any], ...]


def python_of(library: str) -> Path:
    """Return the interpreter of a library's own environment; it is absent if that has not been made."""
    return Path(__file__).resolve().parents[2] / f".venv-{library}" / "bin" / "python"


def versions() -> dict[str, str]:
    """Return the peers' versions, by distribution."""
    found = {name: version(name) for name in ("implicit", "scikit-surprise", "cmfrec", "myfm")}
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]), end='')"
    for library, name in APART.items():
        if python_of(library).exists():
            command = [str(python_of(library)), "-c", ask, name]
            found[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return found


def apart(library: str, name: str, options: Options, training: Ratings, **more: np.ndarray) -> np.ndarray:
    """Fit a peer in its own environment; peer_process.py describes the result."""
    with tempfile.TemporaryDirectory() as directory:
        given, found = Path(directory) / "given.npz", Path(directory) / "found.npy"
        pairs = Interactions.of(training)
        values = pairs.ratings
        if pairs.interests is not None:
            pairs = pairs.at(~(pairs.interests < 0))  # these libraries know no dislikes
            values = np.where(np.isnan(pairs.ratings), pairs.interests, pairs.ratings)
        shape = (training.user_count, training.movie_count)
        arrays = {"users": pairs.users, "movies": pairs.movies, "ratings": values, "shape": shape}
        np.savez(given, **arrays, **more)
        files = [str(each) for each in (python_of(library), PROCESS, given, found)]
        subprocess.run([*files, library, name, json.dumps(dict(options))], check=True, capture_output=True)
        result: np.ndarray = np.load(found)
    return result


def lenskit_rank(name: str, options: Options) -> Contender:
    """Return a LensKit model that ranks."""

    def rank(training: Ratings, seed: int) -> Score:
        scores = apart("lenskit", name, options, training)
        return lambda users: scores[users]

    return Contender(f"LensKit {name}", rank=rank)


def lenskit_rate(name: str, options: Options) -> Contender:
    """Return a LensKit model that predicts ratings."""

    def rate(training: Ratings, seed: int) -> Predict:
        return lambda users, movies: apart("lenskit", name, options, training, test_users=users, test_movies=movies)

    return Contender(f"LensKit {name}", rate)


def lenskit_grid(name: str, **values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Return all combinations of options of a LensKit model."""
    return [(name, tuple(zip(values, chosen, strict=True))) for chosen in product(*values.values())]


def light_fm(components: int, penalty: float, of_likes: bool) -> Contender:
    """Return LightFM with WARP loss, without side information; positives are ratings of liked movies, or all."""

    def vectors(training: Ratings, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if of_likes and training.differ:
            training = training.part(np.flatnonzero(training.ratings >= liked_from(*training.scale)))
        options = {"no_components": components, "item_alpha": penalty, "user_alpha": penalty, "random_state": seed}
        found = apart("lightfm", "warp", (*options.items(), ("epochs", 60), ("max_sampled", 30)), training)
        return found[: training.user_count], found[training.user_count :]

    def rank(training: Ratings, seed: int) -> Score:
        of_users, of_movies = vectors(training, seed)
        return lambda users: of_users[users] @ of_movies.T

    def compare(training: Ratings, seed: int) -> Compare:
        return by_cosine(vectors(training, seed)[1][:, :-1])

    return Contender("LightFM", None, rank, compare)
