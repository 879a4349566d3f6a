"""The article's model, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

from embrec.errors import TrainingError
from embrec.models.base import Ratings
from embrec.models.outer_product import Options, OuterProduct, build

fit = OuterProduct().fit


def ratings(count: int = 400, users: int = 20, movies: int = 15, seed: int = 0) -> Ratings:
    random = np.random.default_rng(seed)
    return Ratings(
        random.integers(0, users, count).astype(np.int32),
        random.integers(0, movies, count).astype(np.int32),
        random.integers(1, 6, count).astype(np.float32),
        users,
        movies,
    )


def test_the_model_is_the_articles() -> None:
    model = build(943, 1682, Options())
    assert [tensor.name for tensor in model.inputs] == ["user_in", "article_in"]
    parameters = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
    assert parameters == {"user_embedding": 30_176, "article_embedding": 53_824, "hidden": 512_500, "rating": 501}
    assert model.count_params() == 597_001
    assert model.get_layer("outer_product").output.shape == (None, 32, 32)
    assert model.get_layer("flatten").output.shape == (None, 1024)
    assert model.get_layer("hidden").activation.__name__ == "relu"
    assert model.get_layer("rating").activation.__name__ == "linear"
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert model.loss == "mse"
    assert Options() == Options(dimensions=32, hidden_units=500, learning_rate=0.01, epochs=50, batch_size=128)


def test_a_prediction_is_the_dense_head_on_the_outer_product() -> None:
    model = build(20, 15, Options(dimensions=4, hidden_units=7))
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    user_vectors, movie_vectors, kernel, bias, out_kernel, out_bias = model.get_weights()
    users, movies = np.array([[3], [4]], np.int32), np.array([[5], [0]], np.int32)
    outer = np.einsum("ni,nj->nij", user_vectors[users[:, 0]], movie_vectors[movies[:, 0]]).reshape(2, 16)
    expected = np.maximum(outer @ kernel + bias, 0) @ out_kernel + out_bias
    assert np.allclose(model.predict([users, movies], verbose=0), expected, atol=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    first, again, other = (fit(ratings(), None, Options(epochs=2), seed=seed) for seed in (7, 7, 8))
    assert first.movie_vectors.dtype == np.float32
    assert first.movie_vectors.shape == (15, 32)
    assert first.user_vectors.shape == (20, 32)
    assert first.movie_vectors.tobytes() == again.movie_vectors.tobytes()
    assert first.user_vectors.tobytes() == again.user_vectors.tobytes()
    assert first.movie_vectors.tobytes() != other.movie_vectors.tobytes()


def test_without_a_held_out_part_the_last_epoch_is_kept() -> None:
    seen = []
    fitted = fit(ratings(), None, Options(epochs=3), seed=0, on_epoch=seen.append)
    assert fitted.kept_epoch == 3
    assert seen == fitted.history
    assert [epoch.epoch for epoch in seen] == [1, 2, 3]
    assert all(epoch.held_out_rmse is None for epoch in seen)


def test_with_a_held_out_part_the_weights_of_its_best_epoch_are_kept() -> None:
    held_out = ratings(count=100, seed=1)
    fitted = fit(ratings(), held_out, Options(epochs=8, learning_rate=0.02), seed=0)
    errors = [epoch.held_out_rmse for epoch in fitted.history]
    assert fitted.kept_epoch == int(np.argmin(errors)) + 1
    assert fitted.kept_epoch < 8, "the last epoch must not be the best for this test to mean something"
    predicted = fitted.predict(held_out.users, held_out.movies)
    assert np.sqrt(np.mean((predicted - held_out.ratings) ** 2)) == pytest.approx(min(errors), rel=1e-4)


def test_a_loss_that_runs_away_stops_the_fit() -> None:
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        fit(ratings(), None, Options(epochs=5, learning_rate=1e30), seed=0)
