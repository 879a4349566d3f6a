"""The benchmarks of the two builds run, at sizes that say nothing of speed, and fill their page."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
# Few movies, because one row has a hundred times as many; but more than 64, a vector's length, or the baseline fails to
# refresh. Each question is asked for a second.
TINY = ("--size", "400x70x4000", "--times", "1", "--seconds", "1")
NAMES = "import json, rows, run; print(json.dumps([*rows.ROWS, run.GROWTH]))"
LINES = "import json, rows; lines = [(name, line) for name, row in rows.ROWS.items() for line in row.lines]; "
LINES += "print(json.dumps([(name, line.figure, [line.ours, line.over or line.ours]) for name, line in lines]))"
# Measured only where another library is installed.
CONDITIONAL = {"myFM"}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the benchmarks' directory, whose modules have names that the tests have too."""
    return subprocess.run([sys.executable, *arguments], cwd=BENCHMARKS, capture_output=True, text=True)


def measure(into: Path, names: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return python("run.py", "row", *names, *TINY, "--into", str(into))


def results(into: Path) -> Any:
    return json.loads((into / "benchmarks.json").read_text())["rows"]


@pytest.fixture(scope="module")
def history() -> None:
    """Skip where git does not have the pinned commit, as in an sdist."""
    pinned = python("-c", "import builds; print(builds.PINNED)").stdout.strip()
    if subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", pinned], capture_output=True).returncode:
        pytest.skip("the commit that is compared with is not in this repository's history")


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.usefixtures("history")
def test_every_row_measures_both_builds_and_fills_its_lines(tmp_path: Path) -> None:
    names = json.loads(python("-c", NAMES).stdout)
    done = measure(tmp_path, names)
    assert done.returncode == 0, done.stderr[-5000:]
    found = results(tmp_path)
    assert list(found) == names
    for name in names[:-1]:
        for contender, figures in found[name]["figures"].items():
            assert figures, (name, contender)
            assert all(math.isfinite(value) for values in figures.values() for value in values), (name, contender)
    for name, figure, contenders in json.loads(python("-c", LINES).stdout):
        for contender in contenders:
            if contender not in CONDITIONAL:
                assert found[name]["figures"][contender][figure], (name, contender, figure)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| default training, 20M ratings, 1M x 10k, the fit, seconds |" in page
    assert "| recommend, filters | CPU s |" in page


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.usefixtures("history")
def test_a_row_that_is_measured_again_replaces_itself_alone(tmp_path: Path) -> None:
    earlier = {"date": "2020-01-01", "commit": "0000000", "kernels": "C", "size": "1m", "times": 5, "figures": {}}
    (tmp_path / "benchmarks.json").write_text(json.dumps({"rows": {"load": earlier, "train-1m": earlier}}))
    done = measure(tmp_path, ["load"])
    assert done.returncode == 0, done.stderr[-5000:]
    found = results(tmp_path)
    assert found["train-1m"] == earlier
    assert found["load"]["size"] == TINY[1]
    assert found["load"]["date"] > earlier["date"]
    assert set(found["load"]["figures"]) == {"baseline", "ours", "raw COPY"}


def test_without_the_history_the_command_says_what_to_do(tmp_path: Path) -> None:
    elsewhere = f"import builds; from pathlib import Path; builds.ROOT = builds.BESIDE = Path({str(tmp_path / 'x')!r})"
    done = python("-c", f"{elsewhere}; builds.baseline()")
    assert done.returncode == 1
    assert "git fetch --unshallow" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_row_without_a_name_or_a_size_is_refused_with_what_there_is() -> None:
    assert "train-20m" in python("run.py", "row", "speed").stderr
    done = python("-c", "import stages; stages.size_of('huge')")
    assert "huge is no size; write USERSxMOVIESxRATINGS or one of 100k" in done.stderr


def test_a_commands_costs_are_its_own(tmp_path: Path) -> None:
    costs = tmp_path / "costs"
    busy = "import sys, time; held = b'x' * (200 << 20)\n"
    busy += "while time.process_time() < 0.5: pass\nsys.exit(7)"
    done = python("-I", "-S", "launch.py", str(costs), sys.executable, "-c", busy)
    found = json.loads(costs.read_text())
    assert done.returncode == 7
    assert 200 < found["peak MB"] < 500
    assert 0.5 <= found["client CPU s"] < 5
    assert found["wall s"] >= 0.5
    quiet = python("-I", "-S", "launch.py", str(costs), sys.executable, "-c", "pass")
    assert quiet.returncode == 0
    assert json.loads(costs.read_text())["peak MB"] < 100


def test_the_exponent_is_the_power_of_the_growth() -> None:
    script = "import page_rows; print(page_rows.exponent([10, 100, 1000], [3, 300, 30000]))"
    assert float(python("-c", script).stdout) == pytest.approx(2)


@pytest.mark.parametrize(
    ("line", "ours", "cells"),
    [
        ("at_most=0.5", 4.0, ["8", "4", "0.5", "at most 0.5", "yes"]),
        ("at_most=0.5", 4.1, ["8", "4.1", "0.512", "at most 0.5", "no"]),
        ("at_least=3", 24.0, ["8", "24", "3", "at least 3", "yes"]),
        ("at_least=3", 23.0, ["8", "23", "2.88", "at least 3", "no"]),
        ("20, over=''", 19.0, ["8", "19", "", "at most 20", "yes"]),
        ("20, over=''", 21.0, ["8", "21", "", "at most 20", "no"]),
    ],
)
def test_a_line_is_met_at_its_bound(line: str, ours: float, cells: list[str]) -> None:
    figures = {"baseline": {"x": [7.0, 8.0, 900.0]}, "ours": {"x": [ours]}}
    script = f"import json, page_rows, rows; line = rows.Line('w', 'x', {line}); "
    script += f"print(json.dumps(page_rows.target(line, {{'figures': {figures}}})))"
    assert json.loads(python("-c", script).stdout) == ["w", *cells]
