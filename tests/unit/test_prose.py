"""The check of how docstrings and comments begin finds what it should, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from embrec.db import resources

CHECK = Path(resources.__file__).parents[2] / ".ci" / "prose.py"


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("embrec/module.py", '"""What a module has."""\n', 1),
        ("embrec/web/module.py", 'class Thing:\n    """Of a user."""\n', 2),
        ("embrec/module.py", 'def length():\n    """How long it is."""\n', 2),
        ("embrec/module.py", "x = 1\n# Where it is\n", 2),
        ("embrec/module.py", "x = 1\n\n# whether it is\n# The second line.\n", 3),
        ("tests/helpers.py", 'def helper():\n    """Whether it helps."""\n', 2),
    ],
)
def test_a_question_word_at_the_beginning_is_found(tmp_path: Path, name: str, text: str, line: int) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    done = check(tmp_path)
    assert (done.returncode, done.stdout.startswith(f"{name}:{line}: ")) == (1, True), done.stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("embrec/module.py", '"""Return whether it is so."""\n# A block,\n# of which this is the second line.\n'),
        ("embrec/module.py", "x = 1  # which is said of the code\ny = '# What is text'\n"),
        ("embrec/module.py", "# Offsets begin at 0.\n"),
        ("tests/helpers.py", "# What a test says of itself.\n"),
    ],
)
def test_anything_else_passes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    done = check(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_tree_passes() -> None:
    done = check(CHECK.parents[1])
    assert done.returncode == 0, done.stdout
