"""The inner loops: each implementation against float64, and the compiled ones bit for bit against each other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from embrec import kernels
from embrec.errors import ArgumentError
from embrec.kernels import Groups, Sums, choice, compiled, fallback

VARIANTS = compiled.variants()
IMPLEMENTATIONS = [*VARIANTS, fallback]


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda each: each.name)
def _each(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "kernels", request.param)


each_implementation = pytest.mark.usefixtures("_each")


@dataclass(frozen=True)
class Case:
    """The arguments of all kernels: rows with the given numbers of ratings."""

    counts: tuple[int, ...]
    width: int = 16
    others: int = 40

    def __str__(self) -> str:
        return f"{len(self.counts)} rows of {sum(self.counts)}, {self.width} wide"

    def arguments(self) -> dict[str, Any]:
        random = np.random.default_rng(len(self.counts) + self.width)
        rows, width = len(self.counts), self.width
        others = [np.sort(random.choice(self.others, count, replace=count > self.others)) for count in self.counts]
        root = random.standard_normal((width, width)) / 4

        def some(*shape: int) -> NDArray[np.float32]:
            return random.standard_normal(shape).astype(np.float32)

        return {
            "groups": Groups(
                np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64),
                np.concatenate([[], *others]).astype(np.int32),
                some(sum(self.counts)),
            ),
            "features": some(self.others, width),
            "offsets": some(self.others),
            "weights": random.uniform(0.5, 2, self.others).astype(np.float32),
            "prior_means": some(rows, width),
            "precision": (np.eye(width) + root @ root.T).astype(np.float32),
            "noises": random.uniform(0.5, 2, rows).astype(np.float32),
            "normal": some(rows, width),
            "penalties": random.uniform(1, 9, rows).astype(np.float32),
            "scale": random.uniform(0.5, 2, width).astype(np.float32),
            "rows": slice(0, rows),
        }


CASES = [
    Case(()),
    Case((0,)),
    Case((1,)),
    Case((0, 3, 0)),
    Case(tuple(range(37))),
    Case((33, 64, 65, 31, 32, 200)),
    Case((0, 60, 3, 1, 0)),
    Case(tuple(range(20)), width=32),
    Case(tuple(range(5)), width=48),
    Case((3, 70, 0), width=64),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)

SUMS = ("groups", "features", "offsets", "weights")
DRAW = ("prior_means", "precision", "noises", "normal")
RIDGE = ("penalties", "scale")


def chosen(arguments: dict[str, Any], *names: str) -> list[Any]:
    return [arguments[name] for name in names]


def everything(arguments: dict[str, Any]) -> list[NDArray[Any]]:
    """Return the results of all kernels that work on rows."""
    sums = kernels.sums(*chosen(arguments, *SUMS, "rows"))
    return [
        *sums,
        *kernels.draw(sums, *chosen(arguments, *DRAW)),
        *kernels.draw_rows(*chosen(arguments, *SUMS, *DRAW, "rows")),
        kernels.ridge(sums, *chosen(arguments, *RIDGE)),
        kernels.ridge_rows(*chosen(arguments, *SUMS, *RIDGE, "rows")),
        kernels.gather(*chosen(arguments, "groups", "features", "rows")),
    ]


def dense(case: Case) -> list[NDArray[Any]]:
    """Return the results of the kernels that work on whole arrays, and of conjugate gradients."""
    arguments = case.arguments()
    matrix = np.random.default_rng(1).standard_normal((len(case.counts), 21), np.float32)
    counts, right = np.array(case.counts, np.float32), arguments["features"][:21].copy()
    return [
        kernels.predict(*chosen(arguments, "groups", "prior_means", "features", "rows")),
        kernels.multiply(matrix, right),
        kernels.multiply_transposed(matrix, arguments["normal"]),
        kernels.logarithms(arguments["weights"][:15].copy(), counts, counts**2),
        *conjugate_gradients(case)[1],
    ]


def each_row(arguments: dict[str, Any]) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64], Any]]:
    """Yield each row with its features, targets and weights, in double precision."""
    groups = arguments["groups"]
    for row in range(len(groups)):
        of_row = slice(groups.starts[row], groups.starts[row + 1])
        others = groups.others[of_row]
        features, weights, offsets = (
            arguments[name][others].astype(float) for name in ("features", "weights", "offsets")
        )
        yield row, features, groups.values[of_row] - offsets, weights


@each_implementation
@each_case
def test_sums_are_those_of_double_precision(case: Case) -> None:
    arguments = case.arguments()
    sums = kernels.sums(*chosen(arguments, *SUMS, "rows"))
    lower = np.tril_indices(case.width)
    for row, x, y, weights in each_row(arguments):
        np.testing.assert_allclose(sums.products[row], ((x.T * weights) @ x)[lower], atol=1e-4)
        np.testing.assert_allclose(sums.moments[row], x.T @ (weights * y), atol=1e-4)
        np.testing.assert_allclose(sums.squares[row], weights @ y**2, rtol=1e-5)


@each_implementation
@each_case
def test_draws_are_those_of_double_precision(case: Case) -> None:
    arguments = case.arguments()
    drawn = kernels.draw_rows(*chosen(arguments, *SUMS, *DRAW, "rows"))
    precision = arguments["precision"].astype(float)
    for row, x, y, weights in each_row(arguments):
        of_noise = float(arguments["noises"][row]) ** -2
        a = (x.T * weights) @ x * of_noise + precision
        b = x.T @ (weights * y) * of_noise + precision @ arguments["prior_means"][row]
        vector = np.linalg.solve(a, b) + np.linalg.solve(np.linalg.cholesky(a).T, arguments["normal"][row])
        np.testing.assert_allclose(drawn.expected[row], np.linalg.solve(a, b), atol=1e-4)
        np.testing.assert_allclose(drawn.vectors[row], vector, atol=1e-4)
        np.testing.assert_allclose(drawn.squares[row], weights @ (y - x @ vector) ** 2, rtol=1e-4, atol=1e-3)


@each_implementation
@each_case
def test_ridge_regressions_are_those_of_double_precision(case: Case) -> None:
    arguments = case.arguments()
    solved = kernels.ridge_rows(*chosen(arguments, *SUMS, *RIDGE, "rows"))
    assert solved.shape == (len(case.counts), case.width)
    for row, x, y, weights in each_row(arguments):
        penalty = float(arguments["penalties"][row]) * np.diag(arguments["scale"].astype(float))
        right = np.linalg.solve((x.T * weights) @ x + penalty, x.T @ (weights * y))
        np.testing.assert_allclose(solved[row], right, atol=1e-4)


@each_implementation
@each_case
def test_gathering_is_a_product_with_the_incidence_matrix(case: Case) -> None:
    arguments = case.arguments()
    groups = arguments["groups"]
    bare = Groups(groups.starts, groups.others)
    gathered = kernels.gather(bare, arguments["features"], arguments["rows"])
    for row, x, _, _ in each_row(arguments):
        np.testing.assert_allclose(gathered[row], x.sum(axis=0), atol=1e-4)


@pytest.mark.skipif(len(VARIANTS) < 2, reason="only one variant is compiled for this processor")
@each_case
def test_the_bits_do_not_depend_on_the_processor(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for variant in VARIANTS:
        monkeypatch.setattr(choice, "kernels", variant)
        found.append([each.tobytes() for each in (*everything(case.arguments()), *dense(case))])
    assert all(each == found[0] for each in found)


@each_implementation
@each_case
def test_the_bits_of_a_row_do_not_depend_on_the_slice_or_on_fusing(case: Case) -> None:
    arguments = case.arguments()
    whole = everything(arguments)
    for name, fused in zip(range(3, 6), range(6, 9), strict=True):
        np.testing.assert_array_equal(whole[name], whole[fused])
    np.testing.assert_array_equal(whole[9], whole[10])
    for begin, end in ((0, 1), (1, 4), (3, len(case.counts))):
        if 0 <= begin < end <= len(case.counts):
            rows = slice(begin, end)
            own = {name: arguments[name][rows] for name in ("prior_means", "noises", "normal", "penalties")}
            for part, full in zip(everything({**arguments, **own, "rows": rows}), whole, strict=True):
                np.testing.assert_array_equal(part, full[rows])


@each_implementation
def test_a_call_leaves_its_arguments_as_they_are() -> None:
    arguments = Case((3, 20, 0)).arguments()
    before = {name: array.copy() for name, array in arguments.items() if isinstance(array, np.ndarray)}
    sums = kernels.sums(*chosen(arguments, *SUMS, "rows"))
    copies = [each.copy() for each in sums]
    everything(arguments)
    kernels.draw(sums, *chosen(arguments, *DRAW))
    kernels.ridge(sums, *chosen(arguments, *RIDGE))
    for name, array in before.items():
        np.testing.assert_array_equal(arguments[name], array)
    for each, copy in zip(sums, copies, strict=True):
        np.testing.assert_array_equal(each, copy)


@each_implementation
def test_numbers_that_are_not_finite_give_nan_in_their_row_alone() -> None:
    arguments = Case((5,) * 20).arguments()
    right = kernels.draw_rows(*chosen(arguments, *SUMS, *DRAW, "rows"))
    arguments["groups"].values[12] = np.nan  # a rating of row 2
    drawn = kernels.draw_rows(*chosen(arguments, *SUMS, *DRAW, "rows"))
    for array, before in zip(drawn, right, strict=True):
        assert np.isnan(array[2]).all()
        np.testing.assert_array_equal(np.delete(array, 2, 0), np.delete(before, 2, 0))


@each_implementation
def test_threads_share_rows_out() -> None:
    arguments = Case(tuple(range(200))).arguments()
    whole = kernels.draw_rows(*chosen(arguments, *SUMS, *DRAW, "rows"))

    def draw(begin: int) -> kernels.Drawn:
        rows = slice(begin, min(begin + 13, 200))
        own = {name: arguments[name][rows] for name in ("prior_means", "noises", "normal")}
        return kernels.draw_rows(*chosen({**arguments, **own, "rows": rows}, *SUMS, *DRAW, "rows"))

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(draw, range(0, 200, 13)))
    for part, full in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(part), full)


def conjugate_gradients(case: Case) -> tuple[NDArray[np.float64], list[NDArray[Any]]]:
    """Solve (X'X + 2 I) solution = target; return the matrix, and target, solution and last squared lengths."""
    arguments = case.arguments()
    x = arguments["features"].astype(np.float64)
    matrix = x @ x.T + 2 * np.eye(len(x))
    target = np.random.default_rng(0).standard_normal(x.shape, np.float32)
    scale = (1 / np.diag(matrix)).astype(np.float32)
    solution, residual = np.zeros_like(target), target.copy()
    direction = np.ascontiguousarray(residual * scale[:, np.newaxis])
    size = kernels.dots(residual, direction)
    for _ in range(60):
        changed = (matrix @ direction).astype(np.float32)
        step = (size / np.maximum(kernels.dots(direction, changed), 1e-30)).astype(np.float32)
        before, size = size, kernels.cg_update(step, direction, changed, scale, solution, residual)
        ratio = (size / np.maximum(before, 1e-30)).astype(np.float32)
        kernels.cg_direction(ratio, residual, scale, direction)
    return matrix, [target, solution, size]


@each_implementation
@pytest.mark.parametrize("case", [Case((), others=50), Case((), width=48, others=7)], ids=str)
def test_conjugate_gradients_solve(case: Case) -> None:
    matrix, (target, solution, size) = conjugate_gradients(case)
    np.testing.assert_allclose(solution, np.linalg.solve(matrix, target), atol=1e-4)
    assert (size < 1e-8).all()


@each_implementation
@each_case
def test_predictions_are_biases_and_products(case: Case) -> None:
    arguments = case.arguments()
    found = kernels.predict(*chosen(arguments, "groups", "prior_means", "features", "rows"))
    vectors = arguments["prior_means"].astype(float)
    expected = [
        vectors[row, -1] + x[:, -1] + x[:, :-1] @ vectors[row, :-1] for row, x, _, _ in each_row(arguments) if len(x)
    ]
    np.testing.assert_allclose(found, np.concatenate([[], *expected]), atol=1e-4)
    some = len(case.counts) // 2
    starts = arguments["groups"].starts
    part = kernels.predict(
        arguments["groups"], arguments["prior_means"][some:].copy(), arguments["features"], slice(some, len(starts) - 1)
    )
    np.testing.assert_array_equal(part, found[starts[some] :])


@each_implementation
@pytest.mark.parametrize("shape", [(0, 5), (7, 0), (1, 1), (8, 16), (37, 90), (203, 33)], ids=str)
@pytest.mark.parametrize("width", [16, 32, 48])
def test_products_are_those_of_double_precision(shape: tuple[int, int], width: int) -> None:
    random = np.random.default_rng(0)
    matrix, right, rows = (
        random.standard_normal(each, np.float32) for each in (shape, (shape[1], width), (shape[0], width))
    )
    wide = matrix.astype(float)
    np.testing.assert_allclose(kernels.multiply(matrix, right), wide @ right, atol=1e-4)
    np.testing.assert_allclose(kernels.multiply_transposed(matrix, rows), wide.T @ rows, atol=1e-4)


@each_implementation
def test_logarithms_are_those_of_double_precision() -> None:
    random = np.random.default_rng(0)
    weights = (2.0 ** np.arange(2, 9.5, 0.5)).astype(np.float32)
    counts = random.integers(0, 3000, 5000).astype(np.float32)
    squares = (random.gamma(1, 1, 5000) * counts).astype(np.float32)
    squares[:10] = np.float32(1e30)
    terms = (weights + counts[:, np.newaxis].astype(float)) / 2 * np.log(weights + squares[:, np.newaxis].astype(float))
    np.testing.assert_allclose(kernels.logarithms(weights, counts, squares), terms.sum(axis=0), rtol=1e-7)
    assert kernels.logarithms(weights[:2], counts[:0], squares[:0]).tolist() == [0, 0]


@each_implementation
def test_dots_are_of_columns() -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, 5000, 32), np.float32)
    np.testing.assert_allclose(kernels.dots(left, right), np.sum(left.astype(float) * right, axis=0), atol=1e-4)
    assert kernels.dots(left[:0], right[:0]).tolist() == [0.0] * 32


def test_normals_have_the_same_bits_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 40_000):
        found = []
        for each in IMPLEMENTATIONS:
            monkeypatch.setattr(choice, "kernels", each)
            found.append(kernels.normals((7, count), count).tobytes())
        assert len(found[0]) == 4 * count
        assert all(each == found[0] for each in found)


@each_implementation
def test_a_normal_number_depends_on_key_and_position_alone() -> None:
    whole = kernels.normals((1, 2, 3), 1000)
    np.testing.assert_array_equal(kernels.normals((1, 2, 3), (10, 16)).reshape(-1), whole[:160])
    keys = [(1, 2, 3), (1, 3, 2), (1, 2), (1, 2, 0), (1, 2, 4), (0, 1, 2, 3), (1 + 2**32, 2, 3), (2**64 - 1,), ()]
    assert len({kernels.normals(key, 8).tobytes() for key in keys}) == len(keys)


@pytest.fixture(scope="module")
def many() -> NDArray[np.float64]:
    """Numbers of 256 neighbouring keys, of shape (256, 16384)."""
    return np.stack([kernels.normals((5, 0, key), 1 << 14) for key in range(256)]).astype(float)


def test_normals_are_normal(many: NDArray[np.float64]) -> None:
    count = many.size
    # Each within five standard errors.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10_170)):
        assert abs(np.mean(many**power) - moment) < 5 * (variance / count) ** 0.5, power
    # Kolmogorov and Smirnov's distance has a probability of 1e-5 to be above 2.47 / sqrt(n).
    sorted_ = np.sort(many, axis=None)
    distance = np.abs(ndtr(sorted_) - (np.arange(count) + 0.5) / count).max()
    assert distance < 2.47 / count**0.5
    for bound in (3, 4, 4.5, 5):
        expected = 2 * ndtr(-bound) * count
        assert abs((np.abs(many) > bound).sum() - expected) < 5 * expected**0.5 + 1, bound
    assert 4.5 < many.max() < 6.66
    assert -6.66 < many.min() < -4.5


def test_normals_are_independent(many: NDArray[np.float64]) -> None:
    # Neighbours, the cosine and the sine of one angle, and neighbouring keys; of numbers and of their squares.
    for values in (many, many**2 - 1):
        deviation = np.mean(values**2)
        for lag in (1, 2, 8, 16, 32):
            products = values[:, lag:] * values[:, :-lag]
            assert abs(products.mean()) < 5 * deviation / products.size**0.5, lag
        products = values[1:] * values[:-1]
        assert abs(products.mean()) < 5 * deviation / products.size**0.5
    correlations = np.corrcoef(many) - np.eye(len(many))
    assert np.abs(correlations).max() < 6 / many.shape[1] ** 0.5


def test_a_radius_and_an_angle_are_those_of_double_precision() -> None:
    words = np.concatenate(
        [np.array([0, 1, 2, 2**31, 2**32 - 1]), np.random.default_rng(0).integers(0, 2**32, 100_000)]
    )
    words = words.astype(np.uint32)
    uniform = (words >> 1) * 2.0**-31 + 2.0**-32
    # The uniform number is rounded to single precision, which near 1 has steps of 6e-8.
    np.testing.assert_allclose(fallback._radius(words) ** 2, -2 * np.log(uniform), rtol=1e-6, atol=2.5e-7)
    cosine, sine = fallback._circle(words)
    angle = words * (2 * np.pi / 2**32)
    np.testing.assert_allclose(cosine, np.cos(angle), atol=2e-7)
    np.testing.assert_allclose(sine, np.sin(angle), atol=2e-7)


def wrong(**changed: Any) -> dict[str, Any]:
    return {**Case((3, 2)).arguments(), **changed}


@each_implementation
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": np.zeros((40, 16))}, "features is float64 of shape (40, 16). Pass it as float32"),
        ({"features": np.zeros((40, 15), np.float32)}, "features has 15 columns. Pad it with zeros"),
        ({"features": np.zeros((40, 0), np.float32)}, "features has 0 columns"),
        ({"features": np.zeros((40, 2048), np.float32)}, "features has 2048 columns"),
        ({"features": np.zeros((16, 40), np.float32).T}, "not contiguous"),
        ({"features": np.zeros((1, 16), np.float32), **dict.fromkeys(("offsets", "weights"), np.zeros(1, np.float32))},
         "features has 1 rows, and the ratings need"),
        ({"offsets": np.zeros(39, np.float32)}, "offsets is float32 of shape (39,)"),
        ({"weights": np.zeros((40, 1), np.float32)}, "weights is float32 of shape (40, 1)"),
        ({"noises": np.zeros(3, np.float32)}, "noises is float32 of shape (3,)"),
        ({"normal": np.zeros((2, 32), np.float32)}, "normal is float32 of shape (2, 32)"),
        ({"prior_means": np.zeros((1, 16), np.float32)}, "prior_means is"),
        ({"precision": np.zeros((16, 15), np.float32)}, "precision is"),
        ({"rows": slice(0, 3)}, "no part of the 2 rows"),
        ({"rows": slice(-1, 2)}, "no part of the 2 rows"),
        ({"rows": slice(None)}, "no part of the 2 rows"),
        ({"rows": slice(0, 2, 2)}, "no part of the 2 rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_wrong_call_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        kernels.draw_rows(*chosen(wrong(**changed), *SUMS, *DRAW, "rows"))
    assert message in str(error.value)


def test_other_wrong_calls_are_refused() -> None:
    arguments = wrong()
    sums = kernels.sums(*chosen(arguments, *SUMS, "rows"))
    narrow = Sums(sums.products[:, :10], sums.moments, sums.squares)
    with pytest.raises(ArgumentError, match="products is float32 of shape"):
        kernels.ridge(narrow, *chosen(arguments, *RIDGE))
    with pytest.raises(ArgumentError, match="penalties is float32 of shape"):
        kernels.ridge(sums, arguments["penalties"][:1], arguments["scale"])
    with pytest.raises(ArgumentError, match="source has 3 rows, and the ratings need"):
        kernels.gather(arguments["groups"], np.zeros((3, 16), np.float32), slice(0, 2))
    groups = arguments["groups"]
    with pytest.raises(ArgumentError, match="no values"):
        kernels.sums(Groups(groups.starts, groups.others), *chosen(arguments, *SUMS[1:], "rows"))
    some = np.zeros((4, 16), np.float32)
    with pytest.raises(ArgumentError, match="right is float32 of shape"):
        kernels.dots(some, some[:3])
    with pytest.raises(ArgumentError, match="residual is float64"):
        kernels.cg_update(some[0], some, some, some[:, 0].copy(), some, some.astype(float))
    with pytest.raises(ArgumentError, match="scale is float32 of shape"):
        kernels.cg_direction(some[0], some, some[0], some)
    with pytest.raises(ArgumentError, match="right is float32 of shape"):
        kernels.multiply(some, some)
    with pytest.raises(ArgumentError, match="right is float32 of shape"):
        kernels.multiply_transposed(some, some[:3])
    with pytest.raises(ArgumentError, match="weights has 17 numbers"):
        kernels.logarithms(np.ones(17, np.float32), some[0], some[0])
    with pytest.raises(ArgumentError, match="squares is float32 of shape"):
        kernels.logarithms(some[0], some[0], some[0, :3].copy())
    with pytest.raises(ArgumentError, match="vectors is float32 of shape"):
        kernels.predict(groups, some, arguments["features"], slice(0, 2))
    with pytest.raises(ArgumentError, match="others has 3 rows, and the ratings need"):
        kernels.predict(groups, some[:2].copy(), some[:3].copy(), slice(0, 2))
    with pytest.raises(ArgumentError, match="outside 0 to"):
        kernels.normals((1, -1), 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"starts": [0, 3, 5]}, "starts must ascend from 0 to the number of ratings, 4"),
        ({"starts": [1, 3, 4]}, "starts must ascend"),
        ({"starts": [0, 5, 4]}, "starts must ascend"),
        ({"starts": []}, "starts must ascend"),
        ({"others": [0, 1, -2, 0]}, "negative index"),
    ],
    ids=str,
)
def test_wrong_groups_are_refused(changed: dict[str, list[int]], message: str) -> None:
    given = {"starts": [0, 3, 4], "others": [0, 1, 2, 0], **changed}
    starts = np.array(given["starts"], np.int64)
    with pytest.raises(ArgumentError, match=message):
        Groups(starts, np.array(given["others"], np.int32))


def test_the_name_says_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.in_use() == IMPLEMENTATIONS[0].name
    monkeypatch.setattr(choice, "kernels", fallback)
    assert kernels.in_use() == "NumPy"
