"""The peak memory of a fit of the default model: ``python memory.py USERS MOVIES RATINGS`` prints one line."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from embrec import config

# The peak is reached in the first draws after the burn-in.
_DRAWS = 5
# A process of its own makes the ratings up, because that takes more memory than the ratings.
_MAKE = "import sys; from data import *; import numpy as np; *size, file = sys.argv[1:]; "
_MAKE += "np.savez(file, *make_up(Size(*map(int, size)), 1))"


def main() -> None:
    """Fit, and print the numbers of users, movies and ratings, and the peak of resident memory."""
    users, movies = map(int, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "ratings.npz"
        subprocess.run([sys.executable, "-c", _MAKE, *sys.argv[1:4], file], check=True, cwd=Path(__file__).parent)
        columns = list(np.load(file).values())
    config.quiet_tensorflow()
    from embrec.models.base import Ratings
    from embrec.models.hybrid import Options, TwoPart

    TwoPart().fit(Ratings(*columns, users, movies), None, Options(draws=_DRAWS), 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{users} users, {movies} movies, {len(columns[0])} ratings: {peak:.0f} MB")


if __name__ == "__main__":
    main()
