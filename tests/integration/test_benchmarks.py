"""The benchmarks of the two builds run, at sizes that say nothing of speed, and fill their page."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
# More movies than 64, a vector's length, or the baseline fails to refresh. Each question is asked for a second. The
# catalogues are of one size, and the baseline's quick training is stopped at once, because each training takes six
# seconds of a processor. The last line that is printed has the rows, the growths, and the row, figure and contenders of
# each line.
EVERY_ROW = """
import json, rows_answers, rows_training, run, sys
rows_answers.CATALOGUES = dict.fromkeys(rows_answers.CATALOGUES, 1)
rows_answers.NEXT_CATALOGUES = dict.fromkeys(rows_answers.NEXT_CATALOGUES, 1)
rows_training.PATIENCE = 0.01
sys.argv = ["run.py", "row", *run.MEASURES, "--size", "400x70x4000", "--times", "1", "--seconds", "1", "--into", INTO]
run.main()
lines = [(name, line) for name, row in run.ROWS.items() for line in row.lines]
lines = [(name, line.figure, [line.ours, line.over or line.ours]) for name, line in lines]
print(json.dumps([[*run.ROWS], [*run.GROWTHS], lines]))
"""
# Measured only where another library is installed.
CONDITIONAL = {"myFM"}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the benchmarks' directory, whose modules have names that the tests have too."""
    return subprocess.run([sys.executable, *arguments], cwd=BENCHMARKS, capture_output=True, text=True)


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
    # Another result on file stays as it is, and one of the same row is replaced.
    earlier = {"date": "2020-01-01", "commit": "0000000", "kernels": "C", "size": "1m", "times": 5, "figures": {}}
    (tmp_path / "benchmarks.json").write_text(json.dumps({"rows": {"load": earlier, "of old": earlier}}))
    done = python("-c", f"INTO = {str(tmp_path)!r}{EVERY_ROW}")
    assert done.returncode == 0, done.stderr[-5000:]
    rows, growths, lines = json.loads(done.stdout.splitlines()[-1])
    found = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    assert found.pop("of old") == earlier
    assert set(found) == {*rows, *growths}
    assert all(each["date"] > earlier["date"] for each in found.values())
    for name in rows:
        for contender, figures in found[name]["figures"].items():
            assert figures, (name, contender)
            assert all(math.isfinite(value) for values in figures.values() for value in values), (name, contender)
    for name, figure, contenders in lines:
        for contender in contenders:
            if contender not in CONDITIONAL:
                assert found[name]["figures"][contender][figure], (name, contender, figure)
    assert set(found["load"]["figures"]) == {"baseline", "ours", "raw COPY"}
    assert found["quick"]["figures"]["baseline"] == {"wall s": [1.0], "stopped": [1.0]}
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| default training, 20M ratings, 1M x 10k, the fit, seconds |" in page
    assert page.count("| recommend, filters | CPU s |") == len(growths)


@pytest.mark.usefixtures("history")
def test_a_row_that_fails_loses_no_other(tmp_path: Path) -> None:
    script = f"""
import pathlib, run, table
def fail(*arguments): raise RuntimeError("no server")
figures = {{"ours": {{"x": [3.0]}}, "baseline": {{"x": [4.0]}}}}
for name, measure in (("first", lambda *_: figures), ("broken", fail), ("last", lambda *_: figures)):
    run.ROWS[name] = table.Row("small", "1m", 1, measure, (table.Line(f"the line of {{name}}", "x", 0.5),))
names = ["first", "broken", "last"]
run.measure(run.rows(names), names, pathlib.Path({str(tmp_path)!r}))
"""
    done = python("-c", script)
    assert done.returncode == 1
    assert "RuntimeError: no server" in done.stderr
    assert "Rows that failed, with their reasons above: broken." in done.stderr
    assert list(json.loads((tmp_path / "benchmarks.json").read_text())["rows"]) == ["first", "last"]
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| the line of last | 4 | 3 | 0.75 | at most 0.5 | no |" in page
    assert "| the line of broken |  |  | not measured | at most 0.5 |  |" in page


def test_the_page_is_written_from_what_is_kept(tmp_path: Path) -> None:
    done = python("run.py", "page", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmarks.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("|") and line.count("|") == 7]
    assert all("| not measured |" in line for line in lines[2:])
    assert len(lines) > 30


def test_a_missed_line_says_what_was_tried() -> None:
    script = """
import page_rows, table
figures = {"baseline": {"x": [10.0]}, "ours": {"x": [6.0]}}
lines = (table.Line("slow", "x", 0.5, tried="a cache"), table.Line("quick", "x", 0.7, tried="nothing"))
page_rows.ROWS = {"row": table.Row("small", "1m", 1, None, lines)}
print("\\n".join(page_rows.missed({"row": {"figures": figures}})))
print(list(page_rows.missed({})))
"""
    printed = python("-c", script).stdout
    assert "- slow: a cache." in printed
    assert "quick" not in printed
    assert printed.endswith("[]\n")


def test_a_command_at_its_limit_ends_with_its_children() -> None:
    command = ["sh", "-c", "sleep 61.25 & wait"]
    script = f"import os, subprocess, stages\ntry: stages.run({command}, os.environ, 0.5)\n"
    script += "except subprocess.TimeoutExpired as error: print(error.timeout)"
    assert python("-c", script).stdout == "0.5\n"
    assert not [each for each in psutil.process_iter(["cmdline"]) if "61.25" in (each.info["cmdline"] or [])]


def test_a_stopped_baseline_took_over_its_limit() -> None:
    figures = {"baseline": {"x": [20.0], "stopped": [1.0]}, "ours": {"x": [4.0]}}
    script = "import json, page_rows, table; line = table.Line('w', 'x', 1 / 5); "
    script += f"print(json.dumps(page_rows.target(line, {{'figures': {figures}}})))"
    assert json.loads(python("-c", script).stdout) == ["w", "over 20", "4", "under 0.2", "at most 0.2", "yes"]


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


def test_lines_are_met_at_their_bounds() -> None:
    cases = [
        ("at_most=0.5", 4.0, ["8", "4", "0.5", "at most 0.5", "yes"]),
        ("at_most=0.5", 4.1, ["8", "4.1", "0.512", "at most 0.5", "no"]),
        ("at_least=3", 24.0, ["8", "24", "3", "at least 3", "yes"]),
        ("at_least=3", 23.0, ["8", "23", "2.88", "at least 3", "no"]),
        ("20, over=''", 19.0, ["8", "19", "", "at most 20", "yes"]),
        ("20, over=''", 21.0, ["8", "21", "", "at most 20", "no"]),
    ]
    script = "import json, page_rows, table\nLine = table.Line\nfound = []\n"
    for line, ours, _ in cases:
        figures = {"baseline": {"x": [7.0, 8.0, 900.0]}, "ours": {"x": [ours]}}
        script += f"found.append(page_rows.target(Line('w', 'x', {line}), {{'figures': {figures}}}))\n"
    found = json.loads(python("-c", script + "print(json.dumps(found))").stdout)
    assert found == [["w", *cells] for _, _, cells in cases]
