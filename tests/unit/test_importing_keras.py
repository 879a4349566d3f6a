"""The state of Python's garbage collector after importing Keras."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from embrec.cli.importing import importing_keras


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_collecting_goes_on_as_before_and_leaves_out_what_was_imported(enabled: bool) -> None:
    if not enabled:
        gc.disable()
    before = gc.get_freeze_count()
    with importing_keras():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled
    assert gc.get_freeze_count() > before


def test_an_import_that_fails_leaves_nothing_out() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ImportError), importing_keras():
        raise ImportError
    assert gc.isenabled()
    assert gc.get_freeze_count() == before


@pytest.mark.parametrize(("model", "kept_out"), [("two-part", True), ("embrec.models.hybrid:TwoPart", False)])
def test_packages_that_no_model_here_uses_are_not_imported_with_keras(model: str, kept_out: bool) -> None:
    script = (
        "import sys, importlib.util as found\n"
        "from embrec.cli.importing import before_keras\n"
        "from embrec.models import keras_import\n"
        f"with before_keras('A test', [{model!r}]): pass\n"
        "keras_import.wait()\n"
        "unused = [name for name in ('pandas', 'sklearn', 'matplotlib') if found.find_spec(name)]\n"
        "print(len(unused), sum(name in sys.modules for name in unused))\n"
        "import pandas, keras\n"
        "print(len(pandas.DataFrame()), keras.ops.sum(keras.ops.ones(3)).numpy())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    (installed, imported), works = map(int, done.stdout.splitlines()[0].split()), done.stdout.splitlines()[1]
    assert imported == (0 if kept_out else installed)
    assert works == "0 3.0"
