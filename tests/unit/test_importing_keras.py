"""The state of Python's garbage collector after importing Keras."""

from __future__ import annotations

import gc
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
