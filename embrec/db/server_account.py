"""The account that the embedded server runs as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import Any

from embrec.errors import LocalServerError


def service_account(directory: Path) -> pwd.struct_passwd | None:
    """The account to run the server as, or None for the current user.

    As root it is the owner of ``directory``, where that exists and is not root's: the database may be an ordinary
    user's.
    """
    if os.geteuid() != 0:
        return None
    if directory.exists() and (owner := directory.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LocalServerError(
        "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as. "
        "Run embrec as an ordinary user, or set DATABASE_URL."
    )


def run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments that make subprocess run a command as ``account``."""
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def can_enter(account: pwd.struct_passwd, path: Path) -> bool:
    """Check whether ``account`` may pass through every existing directory down to ``path``."""
    for directory in (path, *path.parents):
        if not directory.exists():
            continue
        status = directory.stat()
        if status.st_uid == account.pw_uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid == account.pw_gid:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return False
    return True
