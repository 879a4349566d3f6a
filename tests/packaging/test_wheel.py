"""The wheel has all files that an installed embrec needs, and works without a checkout."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from embrec.db import SCHEMA_REVISION, resources
from embrec.kernels import compiled

ROOT = Path(resources.__file__).parents[2]


def build(target: Path, **environment: str) -> tuple[Path, str]:
    """Make a wheel; return it, and what the build said."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return next(target.glob("embrec-*.whl")), done.stdout + done.stderr


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as files:
        return {name for name in files.namelist() if ".dist-info/" not in name}


def kernels_in_use(wheel: Path, site: Path) -> str:
    """Return what an installation of the wheel computes with."""
    with zipfile.ZipFile(wheel) as files:
        files.extractall(site)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from embrec import kernels;"
        "assert kernels.__file__.startswith(sys.argv[1]); print(kernels.in_use())"
    )
    command = [sys.executable, "-c", code, str(site)]
    return subprocess.run(command, cwd=site, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))[0]


def test_the_wheel_holds_the_package_the_migrations_and_the_sql(wheel: Path) -> None:
    names = {name for name in contents(wheel) if not name.endswith(".so")}
    expected = {f"embrec/{path.relative_to(ROOT / 'embrec')}" for path in (ROOT / "embrec").rglob("*.py")}
    expected |= {f"embrec/kernels/{path.name}" for path in (ROOT / "embrec" / "kernels").glob("*.[ch]")}
    pages = [path for path in (ROOT / "embrec" / "pages").rglob("*") if path.is_file()]
    expected |= {f"embrec/{path.relative_to(ROOT / 'embrec')}" for path in pages}
    for folder in ("migrations", "sql"):
        files_there = [
            path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        expected |= {f"embrec/_{path.relative_to(ROOT)}" for path in files_there}
    assert names == expected | {"embrec/py.typed"}


def test_an_installed_embrec_migrates_without_a_checkout(wheel: Path, tmp_path: Path, empty_url: str) -> None:
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "site")
    code = (
        "import embrec, sys; assert embrec.__file__.startswith(sys.argv[1]), embrec.__file__;"
        "from embrec import db; from embrec.db import schema; engine = db.create_engine(sys.argv[2]);"
        "print(schema.upgrade(engine), schema.check(engine))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site"), empty_url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{SCHEMA_REVISION} []\n"), done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_wheel_with_compiled_kernels_names_its_platform(wheel: Path, tmp_path: Path) -> None:
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    assert sum(name.endswith(".so") for name in contents(wheel)) == 1
    assert kernels_in_use(wheel, tmp_path / "site").startswith("compiled")


def test_without_a_compiler_the_wheel_is_of_python_alone(tmp_path: Path) -> None:
    wheel, said = build(tmp_path, CC="no-such-compiler")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in contents(wheel) if name.endswith(".so")]
    assert "The kernels were not compiled" in said
    assert "install a C compiler (gcc or clang), then install embrec again" in said
    assert kernels_in_use(wheel, tmp_path / "site") == "NumPy"


def test_kernels_of_other_sources_are_not_loaded(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "embrec" / "kernels", tmp_path / "kernels")
    path = str(tmp_path / "kernels" / "build.py")
    before = runpy.run_path(path)["library_path"]()
    assert before.name == compiled.library_path().name
    with (tmp_path / "kernels" / "sums.h").open("a") as source:
        source.write("/* changed */")
    assert runpy.run_path(path)["library_path"]() != before
