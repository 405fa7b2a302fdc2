"""What an account can add to the audit log, which cannot be shortened (D-344)."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Checkpoint
from certificates.acme import accounts
from tests.support.acme_client import AcmeClient

DAY_SECONDS = 24 * 60 * 60


def get_type(response: Any) -> str:
    return str(response.json()["type"].rpartition(":")[2])


def test_accounts_that_are_registered_and_deactivated_in_turn_are_limited_for_a_day(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(accounts, "MAX_ACCOUNTS_PER_DAY", 1)
    assert client.post(client.kid, {"status": "deactivated"}).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        response = AcmeClient().register(account_key.row.key_id, account_key.hmac_key)
    assert (response.status_code, get_type(response)) == (429, "rateLimited")
    assert response.headers["Retry-After"] == str(DAY_SECONDS)
    table = Checkpoint._meta.db_table
    assert not [query for query in queries if table in query["sql"]]
