"""Every row of the manual has a test that names it."""

import re

from tests.project import manual_rows
from zcc.runtime.components import BASE_DIR


def test_the_rows_are_complete_and_in_order():
    rows = manual_rows.read_rows()
    numbers = [row.number for row in rows]
    assert len(rows) == 193
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == ("R001", "R226")
    assert [
        row.number for row in rows if not re.fullmatch(r"A|A\.\d+|1[\d., ]+", row.section)
    ] == []
    assert [row for row in rows if len(row.text) < 4] == []


def test_every_row_has_a_test():
    tests = manual_rows.find_tests()
    assert [row for row in manual_rows.read_rows() if not tests.get(row.number)] == []


def test_every_marked_row_exists():
    known = {row.number for row in manual_rows.read_rows()}
    assert set(manual_rows.find_tests()) - known == set()


def test_the_document_is_current():
    """If this fails, run scripts/manual-rows."""
    assert manual_rows.DOCUMENT.read_text() == manual_rows.build_document()


def test_every_marker_is_at_a_test():
    """A marker at a function that pytest does not collect proves nothing."""
    marker = re.compile(r"^\s*@pytest\.mark\.manual\((.*?)\)", re.MULTILINE | re.DOTALL)
    markers = [
        numbers
        for path in (BASE_DIR / "tests").rglob("*.py")
        for numbers in marker.findall(path.read_text())
    ]
    named = sorted(number for text in markers for number in re.findall(r'"(R\d{3})"', text))
    tests = manual_rows.find_tests()
    assert named == sorted(number for number, found in tests.items() for _test in found)
