"""TensorFlow and Keras are imported beside what a training does first, and what goes wrong with that comes out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.runs import records

EMBREC = [sys.executable, "-c", "from embrec.cli import main; main()"]
SOLVERS = ["embrec.models.hybrid", "embrec.models.outer_product", "embrec.training"]


def begun(url: str, tmp_path: Path, keras: str) -> subprocess.Popen[str]:
    """Begin a training in another process, in which this is the text of the package keras."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text(keras)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    return subprocess.Popen(
        [*EMBREC, "train", "--database-url", url],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("module", SOLVERS)
def test_solvers_and_training_are_imported_without_keras_and_pandas(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'keras', 'pandas', 'pyarrow', 'tensorflow'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_import_that_fails_is_named_and_recorded(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    load_frame(engine, rating_frame())
    process = begun(url, tmp_path, "raise ImportError('libcudart.so.99: cannot open shared object file')")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    said = "TensorFlow and Keras cannot be imported: libcudart.so.99: cannot open shared object file. Run: pip install"
    assert err.startswith(f"embrec: {said}")
    (run,) = records.list_runs(engine)
    assert run.status == "failed"
    assert str(run.error).startswith(said)


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")])
def test_a_training_that_is_stopped_during_the_import_ends_at_once_and_says_so(
    engine: sa.Engine, url: str, tmp_path: Path, number: signal.Signals, said: str
) -> None:
    load_frame(engine, rating_frame())
    process = begun(url, tmp_path, "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)")
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (128 + number, f"embrec: {said}")
