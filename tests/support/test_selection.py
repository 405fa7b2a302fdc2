"""On PostgreSQL, exactly the tests that use the database are repeated."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.support import postgres


def item(*fixtures: str, mark: str = "") -> Any:
    marks = {mark: pytest.mark.django_db}
    return SimpleNamespace(fixturenames=list(fixtures), get_closest_marker=marks.get)


@pytest.fixture
def deselected() -> list[Any]:
    return []


@pytest.fixture
def config(deselected: list[Any]) -> Any:
    def report(items: list[Any]) -> None:
        deselected.extend(items)

    return SimpleNamespace(hook=SimpleNamespace(pytest_deselected=report))


@pytest.mark.parametrize("wanted", [True, False])
def test_only_tests_with_a_fixture_of_the_database_or_its_mark_are_selected(
    monkeypatch, config, deselected, wanted
):
    monkeypatch.setattr(postgres, "wanted", lambda: wanted)
    uses = [item("_django_db_helper", "db"), item("tmp_path", mark="django_db")]
    other = item("tmp_path")
    items = [uses[0], other, uses[1]]
    conftest.pytest_collection_modifyitems(config, items)
    assert items == (uses if wanted else [uses[0], other, uses[1]])
    assert deselected == ([other] if wanted else [])


def test_a_fixture_that_uses_the_database_is_recognized(request, zone):
    assert conftest.uses_database(request.node)


@pytest.mark.django_db
def test_the_mark_is_recognized(request):
    assert conftest.uses_database(request.node)


def test_a_test_without_the_database_is_recognized(request, tmp_path):
    assert not conftest.uses_database(request.node)
