"""Imports point one way; heavy packages stay where they are needed."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import embrec

PACKAGE = Path(embrec.__file__).parent
ROOT = PACKAGE.parent

# Lowest first: a room imports only from lower levels. `models` and `db` share a level, so neither imports the other.
LEVELS = [
    {"alembic_plugin", "errors"},
    {"config", "kernels", "last_acts", "metrics", "pages", "splits", "validation"},
    {"engines", "similarity"},
    {"db", "models"},
    {"data"},
    {"runs"},
    {"evaluation", "serving", "training"},
    {"monitoring"},
    {"report", "testing", "web"},
    {"cli"},
]
HEAVY = {"tensorflow", "keras"}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module of the package with the name of its level."""
    for path in sorted(PACKAGE.rglob("*.py")):
        top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if top != "__init__" and not top.startswith("_"):
            yield top, path


MODULES = list(modules())


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, including imports inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield str(node.module)
            if node.module == "embrec":
                yield from (f"embrec.{alias.name}" for alias in node.names)


def level(name: str) -> int:
    return next(number for number, names in enumerate(LEVELS) if name in names)


@pytest.mark.parametrize(("name", "path"), MODULES, ids=lambda value: str(value).split("embrec/")[-1])
def test_imports_point_down(name: str, path: Path) -> None:
    for target in imported(path):
        parts = target.split(".")
        if parts[0] == "embrec" and len(parts) > 1 and parts[1] != name:
            assert level(parts[1]) < level(name), f"{path} imports {target}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=lambda value: str(value).split("embrec/")[-1])
def test_only_the_models_load_keras(name: str, path: Path) -> None:
    heavy = {target.split(".")[0] for target in imported(path)} & HEAVY
    assert not heavy or name == "models"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=lambda value: str(value).split("embrec/")[-1])
def test_only_config_reads_the_environment(name: str, path: Path) -> None:
    if name != "config" and path.name != "build.py":  # a build runs before anything is installed
        text = path.read_text()
        assert "environ" not in text.replace("server_environment", "").replace("environment", "")
        assert "getenv" not in text


def test_revisions_import_nothing_of_embrec_but_resources() -> None:
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        assert {target for target in imported(path) if target.startswith("embrec")} <= {
            "embrec.db",
            "embrec.db.resources",
        }


@pytest.mark.parametrize("module", ["embrec", "embrec.cli", "embrec.serving.recommend"])
def test_importing_loads_neither_tensorflow_nor_alembic(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'alembic'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["embrec.models.bayesian.share", "embrec.models.als.share"])
def test_a_worker_needs_neither_keras_nor_the_database(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'sqlalchemy', 'psycopg'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_public_names_are_there() -> None:
    assert all(hasattr(embrec, name) for name in embrec.__all__)


def test_names_are_shown_typed_and_versioned() -> None:
    assert set(dir(embrec)) == {*embrec.__all__, "__version__"}
    assert embrec.__version__ == importlib.metadata.version("embrec")
    typed = {
        alias.asname
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("embrec.")
        for alias in node.names
    }
    assert typed == set(embrec.__all__)


def test_a_former_name_warns_and_leads_to_the_present_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(embrec.RENAMED, "nearest_movies", "similar_movies")
    with pytest.warns(DeprecationWarning, match="embrec.nearest_movies is now embrec.similar_movies"):
        assert embrec.nearest_movies is embrec.similar_movies
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        embrec.nothing  # noqa: B018
