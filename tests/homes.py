"""Directories for the servers that tests start, in memory where this machine allows it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a directory with a random name is made in it
# Two processes of tests use up to about 1 GB. A container often has 64 MB.
ROOM = 4 * 2**30


@contextlib.contextmanager
def temporary_home(prefix: str) -> Iterator[Path]:
    """A directory for a server's files, which as root another user may enter; it is removed afterwards.

    Each test has a database of its own. A file system in memory copies its 300 files in a tenth of the CPU time.
    Not pytest's tmp_path: as root the server runs as another user, who could not enter it.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if _is_usable(MEMORY) else None) as directory:
        home = Path(directory)
        home.chmod(0o711)
        yield home


def _is_usable(directory: Path) -> bool:
    """Return whether the directory is there, has room, and lets the copied binaries of a server run."""
    if not os.access(directory, os.W_OK):
        return False
    return shutil.disk_usage(directory).free >= ROOM and not os.statvfs(directory).f_flag & os.ST_NOEXEC
