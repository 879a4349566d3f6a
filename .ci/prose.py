"""Check how docstrings and comments begin: with an imperative verb or a noun, not with a question word.

Rule 1 of the project's prose. A first word such as "Whether" opens a fragment without a main clause, which says little
to a reader who searches by the field's terms. Prints file:line of each violation, and exits 1 when there are any.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

BANNED = re.compile(r"(?:What|Who|Whose|Whom|Of|Where|Whether|How|Nobody|Somebody|Which)\b", re.IGNORECASE)

Found = Iterator[tuple[int, str]]


def docstrings(source: str) -> Found:
    """The line and the text of every docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def python_comments(source: str) -> Found:
    """The first line of every block of comments that has its lines to itself."""
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
            line = token.start[0]
            if line != before + 1:
                yield line, token.string.lstrip("# ")
            before = line


def sql_comments(source: str) -> Found:
    """The same for SQL."""
    before = 0
    for line, text in enumerate(source.splitlines(), 1):
        if text.lstrip().startswith("--"):
            if line != before + 1:
                yield line, text.lstrip("- ")
            before = line


def checked(root: Path) -> Iterator[tuple[Path, Found]]:
    """Every file with its prose; in tests a comment may begin as it likes."""
    for room in ("embrec", "migrations", "sql", "tests"):
        for path in sorted((root / room).rglob("*")):
            if path.suffix == ".py":
                source = path.read_text()
                yield path, docstrings(source)
                if room != "tests":
                    yield path, python_comments(source)
            elif path.suffix == ".sql" and room != "tests":
                yield path, sql_comments(path.read_text())


def main(root: Path) -> int:
    """Print all that is found in a source tree; returns the exit status."""
    wrong = [
        f"{path.relative_to(root)}:{line}: begins with {text.split()[0]!r}"
        for path, found in checked(root)
        for line, text in found
        if BANNED.match(text)
    ]
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]))
