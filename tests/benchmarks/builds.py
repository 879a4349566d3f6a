"""The two builds that are compared: this checkout, and a pinned commit that is installed beside it.

Both run in the same environment of dependencies, which the two commits declare alike. The pinned commit has a virtual
environment of its own that begins with its package and then lists this one's packages. So neither sees the other.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The commit that the targets are ratios to: the last one before the revision of speed.
PINNED = "89b23c3"
BESIDE = ROOT / "build" / f"baseline-{PINNED}"


@dataclass(frozen=True)
class Build:
    """A build of embrec.

    Attributes:
        name: ``baseline`` or ``ours``.
        python: Its interpreter.
        path: Directory to import embrec from before the installed packages, or an empty string.
        training: Options of every training. The pinned build learns nothing of what comes next.
    """

    name: str
    python: str
    path: str = ""
    training: tuple[str, ...] = ()

    @property
    def embrec(self) -> tuple[str, ...]:
        """The command line, without the script that pip writes: that one belongs to one environment."""
        # -P: the current directory, which may have another embrec, is not searched.
        return (self.python, "-P", "-c", "from embrec.cli import main; main()")


OURS = Build("ours", sys.executable, str(ROOT), ("--no-next",))


def baseline() -> Build:
    """Return the pinned commit as a build; the first call installs it.

    Raises:
        SystemExit: Git does not have the commit here.
    """
    made = BESIDE / ".made"
    if not made.exists():
        shutil.rmtree(BESIDE, ignore_errors=True)
        BESIDE.mkdir(parents=True)
        _extract(BESIDE / "source")
        _install(BESIDE / "source", BESIDE / "venv")
        made.touch()
    return Build("baseline", str(_python(BESIDE / "venv")))


def commit() -> str:
    """Return this checkout's commit, with a plus sign if files have changed since; ``unknown`` without git.

    Results do not count, because each row writes them.
    """
    try:
        name = _git("rev-parse", "--short", "HEAD").stdout.decode().strip()
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks*").stdout
        return name + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True)


def _extract(source: Path) -> None:
    """Write the files of the pinned commit."""
    archive = source.with_suffix(".tar")
    try:
        _git("archive", "--output", str(archive), PINNED)
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(
            f"The benchmarks compare with commit {PINNED}, and git does not have it in {ROOT}. "
            "Run them in a clone with the whole history: git clone, or git fetch --unshallow in a shallow clone."
        ) from None
    with tarfile.open(archive) as file:
        file.extractall(source, filter="data")
    archive.unlink()


def _install(source: Path, environment: Path) -> None:
    """Install a source into a new environment that has this one's packages too."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    others = [path for path in sys.path if path.endswith("-packages")]
    (packages / "beside.pth").write_text("\n".join(others) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(_python(environment)), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-build-isolation", str(source)], check=True)


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"
