"""What every test may rely on."""

from __future__ import annotations

import gc
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import TransactionTestCase

from audit.chain import append_only
from tests.support import postgres, receivers

if TYPE_CHECKING:
    from tests.support.zone import TestZone


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, run only the tests that use the database: the others run on SQLite."""
    if postgres.wanted():
        others = [item for item in items if not uses_database(item)]
        items[:] = [item for item in items if uses_database(item)]
        config.hook.pytest_deselected(items=others)


def pytest_collection_finish() -> None:
    """Collect garbage less often: it took 8 % of the processor time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def uses_database(item: pytest.Item) -> bool:
    """Return True if a test has a fixture of the database, or the mark django_db."""
    fixtures = getattr(item, "fixturenames", [])
    return "_django_db_helper" in fixtures or item.get_closest_marker("django_db") is not None


@pytest.fixture(autouse=True)
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish no task, because a test has no broker unless it starts one.

    The thread that publishes would log an error some seconds later, to a stream that pytest has
    closed.
    """
    monkeypatch.setattr("certificates.tasks.publisher.enqueue", lambda *_, **__: None)


@pytest.fixture
def zone(db: None, tmp_path: Path, settings: Any) -> Iterator[TestZone]:
    """Found a zone whose first server is this process."""
    from certificates.agents import responses
    from devices.identity import authentication, zone_keys
    from devices.registration import throttle
    from tests.support import zone as small_zone

    def forget() -> None:
        zone_keys.clear_cache()
        responses.clear_cache()
        authentication._epochs.clear()
        throttle.reset()

    settings.SERVER_HOME = tmp_path / "ps-01"
    forget()
    yield small_zone.found(tmp_path / "ps-01")
    forget()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Any]:
    """Receive webhooks on loopback, which is allowed for the test."""
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with receivers.http_server() as server:
        yield server


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Any]:
    """Receive mail on loopback."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with receivers.mail_server() as (box, port):
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        yield box


@pytest.fixture(autouse=True, scope="session")
def _accounts_have_macs() -> Iterator[None]:
    """A test that creates an account directly does not have to stamp it."""
    from tests.support import accounts

    with accounts.stamped_when_created():
        yield


@pytest.fixture(autouse=True, scope="session")
def _ledger_can_be_emptied() -> Iterator[None]:
    """A test with real transactions empties every table at its end: the guard steps aside."""
    cases: Any = TransactionTestCase
    flush = cases._fixture_teardown

    def flush_without_guard(case: Any) -> None:
        _run(append_only.object_removal_statements(connection.vendor))
        _run(append_only.removal_statements(connection.vendor))
        try:
            flush(case)
        finally:
            _run(append_only.install_statements(connection.vendor))
            _run(append_only.object_install_statements(connection.vendor))

    cases._fixture_teardown = flush_without_guard
    yield
    cases._fixture_teardown = flush


def _run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
