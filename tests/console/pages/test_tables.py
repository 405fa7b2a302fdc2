"""Tables in the address, and their export (docs/decisions.md, B-24)."""

import pytest
from django.http import QueryDict

from console.pages import tables

COLUMNS = (tables.Column("name", "Name", "name"), tables.Column("options", "Options"))


@pytest.mark.parametrize(
    ("query", "size"),
    [("", 25), ("per_page=10", 10), ("per_page=7", 25), ("per_page=-1", 25), ("per_page=²", 25)],
)
def test_only_known_page_sizes_are_used(query, size):
    assert tables.TableQuery.parse(QueryDict(query)).size == size


def test_a_search_is_cut_and_stripped_of_nul():
    query = tables.TableQuery.parse(QueryDict("q=" + "a%00" * 300))
    assert len(query.q) == tables.MAX_SEARCH
    assert "\x00" not in query.q


@pytest.mark.parametrize(
    ("sort", "field", "descending", "state", "next_sort"),
    [
        ("", "", False, "", "name"),
        ("name", "name", False, "ascending", "-name"),
        ("-name", "name", True, "descending", "name"),
        ("password", "", False, "", "name"),
        ("options", "", False, "", "name"),
    ],
)
def test_only_known_columns_sort(sort, field, descending, state, next_sort):
    columns, found, down = tables.sort_columns(COLUMNS, sort)
    assert (found, down) == (field, descending)
    assert (columns[0].sort, columns[0].next_sort) == (state, next_sort)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_an_export_holds_no_formula(cell):
    response = tables.csv_download("x.csv", ["a"], [[cell]])
    assert f"'{cell}" in response.content.decode()
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Disposition"] == 'attachment; filename="x.csv"'
