"""What every test may rely on."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase

from ledger import guard


@pytest.fixture(autouse=True, scope="session")
def _ledger_can_be_emptied() -> Iterator[None]:
    """A test with real transactions empties every table at its end: the guard steps aside."""
    cases: Any = TransactionTestCase
    flush = cases._fixture_teardown

    def flush_without_guard(case: Any) -> None:
        _run(guard.removal(connection.vendor))
        try:
            flush(case)
        finally:
            _run(guard.statements(connection.vendor))

    cases._fixture_teardown = flush_without_guard
    yield
    cases._fixture_teardown = flush


def _run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
