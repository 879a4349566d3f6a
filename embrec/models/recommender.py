"""The Keras model of every run that predicts by a product of vectors: Embedding layers, and their sum.

Solvers find the weights (``embrec.models.bayesian``, ``als`` and ``ease``); they are
set into the layers here, and what is stored in the database is read from the layers again. The model can be called,
evaluated, fine-tuned by ``compile`` and ``fit``, saved and loaded like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from embrec import similarity
from embrec.models.base import Epoch, FittedModel, FoldIn, Preference, RatingFactors, RatingWeights
from embrec.models.ease.users import user_similarity

# Pairs to predict at a time.
_PAIRS = 1 << 18


@keras.saving.register_keras_serializable(package="embrec")
class Recommender(keras.Model):  # type: ignore[misc]  # keras has no types
    """Ratings as mean + user bias + movie bias + user vector . movie vector.

    Call it with int32 users and movies, each of shape (n,), for float32 ratings of shape (n, 1). Outside of training
    they are limited to the scale, as SQL limits them. Without a rating part it gives the scores to rank by. The layers
    ``user_vector``, ``movie_vector``, ``user_bias`` and ``movie_bias`` are trainable. The others are not, for no
    rating's error says anything about them: ``user_deviation`` and ``movie_deviation``, whose product is a rating's
    standard deviation, and the ranking part, ``user_preference``, ``movie_preference``, ``movie_profile``,
    ``movie_similarity`` and ``user_similarity``.

    Args:
        user_count: Number of users.
        movie_count: Number of movies.
        dimensions: Length of a rating vector; 0 without a rating part.
        mean: The rating that biases and products are added to; None without a rating part.
        lowest: The lowest rating of the scale.
        highest: The highest rating of the scale.
        uncertainty: Whether there are deviations.
        fold_in: The fields of :class:`embrec.models.base.FoldIn`, or None.
        ranking: ``dimensions`` of the ranking vectors, ``movie_dimensions`` and ``user_dimensions`` of the vectors that
            movies and users are compared by, ``penalty``, ``rating_power``, ``dislike_weight``, and as
            ``ndcg_64`` and so on the quality of each length that was tried; None without a ranking part.
        name: The model's name.
    """

    def __init__(
        self,
        user_count: int,
        movie_count: int,
        dimensions: int,
        mean: float | None,
        lowest: float,
        highest: float,
        uncertainty: bool = False,
        fold_in: Mapping[str, float] | None = None,
        ranking: Mapping[str, float] | None = None,
        name: str = "recommender",
        **others: Any,
    ) -> None:
        super().__init__(name=name, **others)
        self.mean, self.lowest, self.highest = mean, lowest, highest
        self.fold_in = dict(fold_in) if fold_in else None
        self.ranking = dict(ranking) if ranking else None
        self._config = {
            "user_count": user_count,
            "movie_count": movie_count,
            "dimensions": dimensions,
            "mean": mean,
            "lowest": lowest,
            "highest": highest,
            "uncertainty": uncertainty,
            "fold_in": self.fold_in,
            "ranking": self.ranking,
        }
        if mean is not None:
            self.user_vector = _table("user_vector", user_count, dimensions)
            self.movie_vector = _table("movie_vector", movie_count, dimensions)
            self.user_bias = _table("user_bias", user_count, 1)
            self.movie_bias = _table("movie_bias", movie_count, 1)
        if uncertainty:
            self.user_deviation = _table("user_deviation", user_count, 1, trainable=False)
            self.movie_deviation = _table("movie_deviation", movie_count, 1, trainable=False)
        if self.ranking:
            width, user_width = int(self.ranking["dimensions"]), int(self.ranking["user_dimensions"])
            self.user_preference = _table("user_preference", user_count, width, trainable=False)
            self.movie_preference = _table("movie_preference", movie_count, width, trainable=False)
            self.movie_profile = _table("movie_profile", movie_count, width, trainable=False)
            movie_width = int(self.ranking["movie_dimensions"])
            self.movie_similarity = _table("movie_similarity", movie_count, movie_width, trainable=False)
            self.user_similarity = _table("user_similarity", user_count, user_width, trainable=False)
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: the layers are built with the model."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a model like this one."""
        return {**self._config, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Recommender:
        """Make a model like the one whose arguments these are, with weights of zero."""
        return cls(**config)

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        """Predict ratings, or without a rating part scores to rank by."""
        found = self.unlimited(inputs)
        return found if training or self.mean is None else keras.ops.clip(found, self.lowest, self.highest)

    def unlimited(self, inputs: Sequence[Any]) -> Any:
        """Predict ratings, also beyond the ends of the scale, or without a rating part scores to rank by."""
        users, movies = (keras.ops.reshape(each, (-1,)) for each in inputs)
        if self.mean is None:
            return keras.ops.sum(self.user_preference(users) * self.movie_preference(movies), axis=-1, keepdims=True)
        product = keras.ops.sum(self.user_vector(users) * self.movie_vector(movies), axis=-1, keepdims=True)
        return self.mean + self.user_bias(users) + self.movie_bias(movies) + product


def _table(name: str, rows: int, columns: int, trainable: bool = True) -> keras.layers.Embedding:
    layer = keras.layers.Embedding(rows, columns, embeddings_initializer="zeros", name=name, trainable=trainable)
    layer.build()
    return layer


def recommender(
    factors: RatingFactors | None, lowest: float, highest: float, preference: Preference | None = None
) -> FittedModel:
    """Set what solvers have found into a Keras model; at least one of the two parts must be given.

    Args:
        factors: The rating part, if there is one.
        lowest: The lowest rating of the scale.
        highest: The highest.
        preference: The ranking part, if there is one.
    """
    tables, ranking = _rating_tables(factors) if factors else {}, None
    if preference:
        compared = user_similarity(preference.user_vectors)
        tables |= {
            "user_preference": preference.user_vectors,
            "movie_preference": preference.movie_vectors,
            "movie_profile": preference.movie_profiles,
            "movie_similarity": preference.similarity,
            "user_similarity": compared,
        }
        ranking = {
            "dimensions": preference.movie_vectors.shape[1],
            "movie_dimensions": preference.similarity.shape[1],
            "user_dimensions": compared.shape[1],
            "penalty": preference.penalty,
            **{f"ndcg_{dimensions}": quality for dimensions, quality in preference.quality.items()},
            "rating_power": preference.weighting.power,
            "dislike_weight": preference.weighting.dislike,
            "shrunk_similarity": 1.0,
        }
    rows = factors or preference
    assert rows is not None  # noqa: S101  # its callers have one of the two
    model = Recommender(
        user_count=len(rows.user_vectors),
        movie_count=len(rows.movie_vectors),
        dimensions=factors.movie_vectors.shape[1] if factors else 0,
        mean=factors.mean if factors else None,
        lowest=lowest,
        highest=highest,
        uncertainty="user_deviation" in tables,
        fold_in=asdict(factors.fold_in) if factors and factors.fold_in else None,
        ranking=ranking,
    )
    for name, weights in tables.items():
        getattr(model, name).set_weights([weights])
    return fitted(model, factors.history if factors else [], factors.kept_epoch if factors else 0)


def _rating_tables(factors: RatingFactors) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the rating part's layers, by their names."""
    tables = {
        "user_vector": factors.user_vectors,
        "movie_vector": factors.movie_vectors,
        "user_bias": factors.user_biases[:, np.newaxis],
        "movie_bias": factors.movie_biases[:, np.newaxis],
    }
    if factors.user_spreads is not None and factors.movie_spreads is not None:
        tables["user_deviation"] = factors.user_spreads[:, np.newaxis]
        tables["movie_deviation"] = factors.movie_spreads[:, np.newaxis]
    return tables


def fitted(model: Recommender, history: list[Epoch], kept_epoch: int) -> FittedModel:
    """Read what SQL answers from out of the model's layers.

    Args:
        model: The model.
        history: The epochs of the fit.
        kept_epoch: The epoch whose weights these are.
    """

    def rows(name: str) -> NDArray[np.float32]:
        return np.asarray(getattr(model, name).get_weights()[0], np.float32)

    def column(name: str) -> NDArray[np.float32] | None:
        return rows(name)[:, 0] if hasattr(model, name) else None

    users, movies = model.get_config()["user_count"], model.get_config()["movie_count"]
    preference = None
    if model.ranking:
        compared = rows("movie_similarity")
        preference = Preference(
            user_vectors=rows("user_preference"),
            movie_vectors=rows("movie_preference"),
            movie_profiles=rows("movie_profile"),
            # In a file of an earlier version the lengths mean nothing.
            similarity=compared if "shrunk_similarity" in model.ranking else similarity.unit(compared),
            penalty=model.ranking["penalty"],
            weighting=RatingWeights(
                model.lowest,
                model.highest,
                model.ranking["rating_power"],
                model.ranking.get("dislike_weight", 0.0),  # a file of an earlier version has none
            ),
            quality={
                int(name.removeprefix("ndcg_")): quality
                for name, quality in model.ranking.items()
                if name.startswith("ndcg_")
            },
        )
    return FittedModel(
        keras_model=model,
        serving="two_part" if preference else "dot_product",
        # Zeros stand for no vector.
        user_vectors=np.zeros((users, 1), np.float32) if model.mean is None else rows("user_vector"),
        movie_vectors=np.zeros((movies, 1), np.float32) if model.mean is None else rows("movie_vector"),
        history=history,
        kept_epoch=kept_epoch,
        predict=lambda users, movies: predict_unlimited(model, users, movies),
        user_biases=column("user_bias"),
        movie_biases=column("movie_bias"),
        mean=model.mean,
        user_spreads=column("user_deviation"),
        movie_spreads=column("movie_deviation"),
        preference=preference,
        user_similarity=rows("user_similarity") if preference else None,
        fold_in=FoldIn(**model.fold_in) if model.fold_in else None,
    )


def predict_unlimited(model: Recommender, users: NDArray[np.int32], movies: NDArray[np.int32]) -> NDArray[np.float32]:
    """Predict ratings before they are limited to the scale, float32 of shape (n,); NaN without a rating part."""
    found = np.full(len(users), np.nan, np.float32)
    if model.mean is None:
        return found
    for begin in range(0, len(users), _PAIRS):
        block = slice(begin, begin + _PAIRS)
        found[block] = np.asarray(model.unlimited((users[block], movies[block])))[:, 0]
    return found
