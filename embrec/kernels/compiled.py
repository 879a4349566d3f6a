"""Calls of the compiled kernels, which :mod:`embrec.kernels.build` makes from the C files beside it.

The functions are those of :mod:`embrec.kernels.fallback`. ctypes releases the global interpreter lock during a call.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_int64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embrec.kernels.arrays import Drawn, Groups, Sums
from embrec.kernels.build import library_path

Floats = NDArray[np.float32]

# The fastest first. The bits of their results are the same.
_VARIANTS = {"avx512": "AVX-512", "avx2": "AVX2", "baseline": "baseline"}


class _Groups(Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("starts", "others", "values")),
        *((name, c_int64) for name in ("begin", "end")),
    )


class _Explained(Structure):
    _fields_ = (*((name, c_void_p) for name in ("features", "offsets", "weights")), ("width", c_int64))


class _Sums(Structure):
    _fields_ = tuple((name, c_void_p) for name in Sums._fields)


class _Drawing(Structure):
    _fields_ = tuple((name, c_void_p) for name in ("prior_means", "precision", "noises", "normal", *Drawn._fields))


class _Ridge(Structure):
    _fields_ = tuple((name, c_void_p) for name in ("penalties", "scale", "solutions"))


def _groups(groups: Groups, rows: slice) -> _Groups:
    arrays = (groups.starts, groups.others, groups.values)
    return _Groups(*map(_address, arrays), rows.start, rows.stop)


def _explained(features: Floats, offsets: Floats, weights: Floats) -> _Explained:
    return _Explained(*map(_address, (features, offsets, weights)), features.shape[1])


def _address(array: NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data


def _argument(value: Any) -> Any:
    if isinstance(value, Structure):
        return ctypes.byref(value)
    return c_int64(value) if isinstance(value, int) else c_void_p(_address(value))


class Compiled:
    """The kernels of one variant.

    Args:
        library: The loaded library.
        variant: The variant's name in C.
    """

    def __init__(self, library: ctypes.CDLL, variant: str) -> None:
        self._library, self._variant = library, variant
        self.name = f"compiled ({_VARIANTS[variant]})"

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, f"embrec_{name}_{self._variant}")
        if not function(*map(_argument, arguments)):
            raise MemoryError("the compiled kernels have no memory to work in")

    def normals(self, key: bytes, out: Floats) -> None:
        """Fill ``out`` with standard normal numbers."""
        self._call("normals", np.frombuffer(key, "<u8").astype(np.uint64), len(out), out)

    def sums(self, groups: Groups, features: Floats, offsets: Floats, weights: Floats, rows: slice, out: Sums) -> None:
        """Fill ``out`` with the sums of some rows."""
        self._call("sums", _groups(groups, rows), _explained(features, offsets, weights), _Sums(*map(_address, out)))

    def gather(self, groups: Groups, source: Floats, rows: slice, out: Floats) -> None:
        """Fill ``out`` with the sums of the others' rows of ``source``."""
        self._call("gather", _groups(groups, rows), source, source.shape[1], out)

    def draw(
        self, sums: Sums, prior_means: Floats, precision: Floats, noises: Floats, normal: Floats, out: Drawn
    ) -> None:
        """Fill ``out`` with posterior draws."""
        drawing = _Drawing(*map(_address, (prior_means, precision, noises, normal, *out)))
        self._call("draw", *normal.shape, _Sums(*map(_address, sums)), drawing)

    def draw_rows(
        self,
        groups: Groups,
        features: Floats,
        offsets: Floats,
        weights: Floats,
        prior_means: Floats,
        precision: Floats,
        noises: Floats,
        normal: Floats,
        rows: slice,
        out: Drawn,
    ) -> None:
        """Fill ``out`` with posterior draws given the ratings."""
        drawing = _Drawing(*map(_address, (prior_means, precision, noises, normal, *out)))
        self._call("draw_rows", _groups(groups, rows), _explained(features, offsets, weights), drawing)

    def ridge(self, sums: Sums, penalties: Floats, scale: Floats, out: Floats) -> None:
        """Fill ``out`` with the solutions of ridge regressions."""
        ridge = _Ridge(*map(_address, (penalties, scale, out)))
        self._call("ridge", *out.shape, _Sums(*map(_address, sums)), ridge)

    def ridge_rows(
        self,
        groups: Groups,
        features: Floats,
        offsets: Floats,
        weights: Floats,
        penalties: Floats,
        scale: Floats,
        rows: slice,
        out: Floats,
    ) -> None:
        """Fill ``out`` with ridge regressions given the ratings."""
        ridge = _Ridge(*map(_address, (penalties, scale, out)))
        self._call("ridge_rows", _groups(groups, rows), _explained(features, offsets, weights), ridge)

    def dots(self, left: Floats, right: Floats, out: NDArray[np.float64]) -> None:
        """Fill ``out`` with the dot product of each column."""
        self._call("dots", *left.shape, left, right, out)

    def cg_update(
        self,
        step: Floats,
        direction: Floats,
        changed: Floats,
        scale: Floats,
        solution: Floats,
        residual: Floats,
        out: NDArray[np.float64],
    ) -> None:
        """Go a step in the direction, and fill ``out`` with the new residual's squared lengths."""
        self._call("cg_update", *direction.shape, step, direction, changed, scale, solution, residual, out)

    def cg_direction(self, ratio: Floats, residual: Floats, scale: Floats, direction: Floats) -> None:
        """Turn the direction."""
        self._call("cg_direction", *direction.shape, ratio, residual, scale, direction)

    def multiply(self, matrix: Floats, right: Floats, out: Floats) -> None:
        """Fill ``out`` with the product of two matrices."""
        self._call("multiply", *matrix.shape, matrix, right, right.shape[1], out)

    def multiply_transposed(self, matrix: Floats, right: Floats, out: Floats) -> None:
        """Fill ``out`` with the product of a transposed matrix."""
        self._call("multiply_transposed", *matrix.shape, matrix, right, right.shape[1], out)

    def logarithms(self, weights: Floats, counts: Floats, squares: Floats, out: NDArray[np.float64]) -> None:
        """Fill ``out`` with each weight's sum over rows."""
        self._call("logarithms", len(counts), weights, counts, squares, out)

    def predict(self, groups: Groups, vectors: Floats, others: Floats, rows: slice, out: Floats) -> None:
        """Fill ``out`` with predictions."""
        self._call("predict", _groups(groups, rows), vectors, others, others.shape[1], out)


def variants() -> list[Compiled]:
    """Return the kernels of each variant that the processor can run, the fastest first; none if none was compiled."""
    path = library_path()
    if not path.exists():
        return []
    try:
        library = ctypes.CDLL(str(path))
    except OSError:  # made for another kind of machine, for example in a folder that two share
        return []
    return [
        Compiled(library, variant)
        for variant in _VARIANTS
        if hasattr(library, f"embrec_supports_{variant}") and getattr(library, f"embrec_supports_{variant}")()
    ]
