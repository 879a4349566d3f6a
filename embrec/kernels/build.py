"""Compile the kernels: python embrec/kernels/build.py. Installing embrec does it, too (hook.py).

This file needs only the standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_HERE = Path(__file__).parent
_FLAGS = (
    "-std=gnu11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    # Products and sums are rounded each, on every processor, or the bits would depend on it.
    "-ffp-contract=off",
    # Allow vector square roots and vector comparisons; no bits change.
    "-fno-math-errno",
    "-fno-trapping-math",
)
_X86_VARIANTS = {
    "avx2": ("-mavx2",),
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"),
}


def library_path(folder: Path = _HERE) -> Path:
    """Return the library's path. Its name has a digest of the sources, so that a stale one is never loaded."""
    digest = hashlib.sha256()
    for path in sorted([*_HERE.glob("*.[ch]"), _HERE / "build.py"]):
        digest.update(path.read_bytes())
    return folder / f"_kernels_{digest.hexdigest()[:16]}.so"


def build(folder: Path = _HERE) -> Path:
    """Compile the library into a folder, and return its path. Older ones there are removed.

    The compiler is ``CC`` of the environment, or cc.

    Raises:
        OSError: There is no such compiler.
        subprocess.CalledProcessError: It failed; ``stderr`` has its messages.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    path = library_path(folder)
    variants = {"baseline": (), **(_X86_VARIANTS if platform.machine() in ("x86_64", "AMD64") else {})}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        sources = [("kernels.c", variant, *flags) for variant, flags in variants.items()]

        def compiled(source: tuple[str, ...]) -> str:
            file, variant, *flags = source
            target = str(scratch / f"{variant}.o")
            _run(*compiler, *_FLAGS, f"-DVARIANT={variant}", *flags, "-c", str(_HERE / file), "-o", target)
            return target

        with ThreadPoolExecutor() as pool:
            objects = list(pool.map(compiled, [*sources, ("variants.c", "variants")]))
        _run(*compiler, "-shared", "-o", str(scratch / path.name), *objects)
        for old in folder.glob("_kernels_*.so"):
            old.unlink()
        (scratch / path.name).replace(path)
    return path


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    print(build())  # noqa: T201 - a command's answer
