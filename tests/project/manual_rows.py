"""The rows of the manual, and the tests that prove them: docs/manual-rows.md.

A row is one thing that the manual requires. `manual_rows.tsv` lists them: number, section of the
manual, short text, and a note if this product differs. A test names its rows with the marker
`manual`. `python -m tests.project.manual_rows` writes the document.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from zcc.runtime.components import BASE_DIR

ROWS_FILE = Path(__file__).with_name("manual_rows.tsv")
DOCUMENT = BASE_DIR / "docs" / "manual-rows.md"
INTRODUCTION = """\
# Rows of the manual

ZCC follows the chapter about certificates of a manual for administrators, section by section. This
list has a row for each thing that the manual requires, in our words, with the tests that prove it.
A note says what is different here, and why.

A test names its rows: `@pytest.mark.manual("R095")`. After a change, run `scripts/manual-rows`. A
test compares this list with the markers.
"""
HEADING = "| Row | Section | What the manual requires | Note | Tests |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    """A row of the manual. `note` is "" if the product does what the manual says."""

    number: str
    section: str
    text: str
    note: str = ""


@lru_cache(maxsize=1)
def read_rows() -> list[Row]:
    """Return the rows in their order."""
    return [Row(*line.split("\t")) for line in ROWS_FILE.read_text().splitlines()]


@lru_cache(maxsize=1)
def find_tests() -> dict[str, list[str]]:
    """Return the tests of each row, as `path::name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((BASE_DIR / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in _marked_rows(node):
                    found[number].append(f"{path.relative_to(BASE_DIR)}::{node.name}")
    return found


def _marked_rows(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.manual":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def build_document() -> str:
    """Return the text of the document."""
    tests = find_tests()
    lines = [
        f"| {row.number} | {row.section} | {row.text} | {row.note} "
        f"| {'<br>'.join(f'`{test}`' for test in tests.get(row.number, []))} |\n"
        for row in read_rows()
    ]
    return f"{INTRODUCTION}\n{HEADING}{''.join(lines)}"


if __name__ == "__main__":
    DOCUMENT.write_text(build_document())
