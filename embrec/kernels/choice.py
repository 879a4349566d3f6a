"""The implementation of the kernels in use: the fastest that the processor can run, or NumPy."""

from __future__ import annotations

from typing import Any

from embrec.kernels import compiled, fallback

# Two implementations of the same functions, which tests hold against each other.
kernels: Any = next(iter(compiled.variants()), fallback)


def in_use() -> str:
    """Return the implementation in use: "compiled (AVX-512)", "compiled (AVX2)", "compiled (baseline)" or "NumPy"."""
    return str(kernels.name)
