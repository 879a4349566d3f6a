"""The Keras model of a run: its layers are what the solvers found."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from embrec.models import hybrid, reading
from embrec.models.base import FittedModel, Ratings


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    """A model of fewer movies than dimensions, all rated by everybody in five ways: its parts have different widths."""
    users, movies = np.divmod(np.arange(30 * 8, dtype=np.int32), 8)
    ratings = Ratings(users, movies, ((users + movies) % 5 + 1).astype(np.float32), 30, 8)
    return hybrid.TwoPart().fit(ratings, None, hybrid.Options(draws=2), 0)


def test_what_is_read_is_what_its_layers_hold(fitted: FittedModel) -> None:
    model, preference = fitted.keras_model, fitted.preference
    assert preference is not None
    assert preference.similarity.shape != preference.movie_vectors.shape
    for name, rows in (
        ("user_vector", fitted.user_vectors),
        ("movie_bias", fitted.movie_biases[:, np.newaxis]),
        ("movie_profile", preference.movie_profiles),
        ("movie_similarity", preference.similarity),
        ("user_similarity", fitted.user_similarity),
    ):
        assert model.get_layer(name).get_weights()[0].tobytes() == rows.tobytes(), name


def test_ratings_are_limited_to_the_scale_but_not_while_it_is_trained(fitted: FittedModel) -> None:
    model = fitted.keras_model
    model.user_bias.set_weights([np.full((30, 1), 50, np.float32)])
    pair = [np.array([0], np.int32), np.array([1], np.int32)]
    assert model.predict(pair, verbose=0)[0, 0] == model.highest
    assert float(model(pair, training=True)[0, 0]) > model.highest
    model.user_bias.set_weights([fitted.user_biases[:, np.newaxis]])


def test_it_is_saved_and_loaded_to_the_same_bits(fitted: FittedModel, tmp_path: Path) -> None:
    fitted.keras_model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == fitted.keras_model.get_config()
    again = reading.read(loaded, 30, 8)
    assert again.movie_vectors.tobytes() == fitted.movie_vectors.tobytes()
    assert (again.fold_in, again.mean, again.serving) == (fitted.fold_in, fitted.mean, "two_part")


def test_only_what_predicts_ratings_is_trainable(fitted: FittedModel) -> None:
    trainable = {layer.name for layer in fitted.keras_model.layers if layer.trainable}
    assert trainable == {"user_vector", "movie_vector", "user_bias", "movie_bias"}
