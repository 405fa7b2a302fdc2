"""What an account can add to the audit log, which cannot be shortened (D-345)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from joserfc.jwk import ECKey

from audit.models import Checkpoint, Entry, EntryCount
from certificates.acme import accounts
from certificates.acme.account_keys import keys
from tests.certificates.acme.conftest import issue
from tests.support.acme_client import HOST, AcmeClient, sign

DAY_SECONDS = 24 * 60 * 60
CHANGED = "change-acme-key"


def get_type(response: Any) -> str:
    return str(response.json()["type"].rpartition(":")[2])


def change_key(client: AcmeClient) -> Any:
    """Replace the key of an account by a new one."""
    url, new = f"{HOST}/acme/key-change", ECKey.generate_key("P-256")
    payload = {"account": client.kid, "oldKey": client.jwk}
    inner = sign(new, {"url": url, "jwk": new.as_dict(private=False)}, payload)
    response = client.post("/acme/key-change", inner)
    if response.status_code == 200:
        client.key = new
    return response


def test_the_key_changes_of_an_account_are_limited_for_a_day(
    client: AcmeClient, account_key: Any
) -> None:
    assert [change_key(client).status_code for _number in range(10)] == [200] * 10
    with CaptureQueriesContext(connection) as queries:
        response = change_key(client)
    assert (response.status_code, get_type(response)) == (429, "rateLimited")
    assert 0 < int(response.headers["Retry-After"]) <= DAY_SECONDS
    assert Entry.objects.filter(action=CHANGED).count() == 10
    # A client that repeats it does not delay the actions of administrators.
    table = Checkpoint._meta.db_table
    assert not [query for query in queries if table in query["sql"]]
    other = AcmeClient()
    other.register(account_key.row.key_id, account_key.hmac_key)
    assert change_key(other).status_code == 200
    EntryCount.objects.update(day=timezone.now().date() - timedelta(days=1))
    assert change_key(client).status_code == 200


def test_with_a_disabled_account_key_the_key_of_an_account_is_not_changed(
    client: AcmeClient, account_key: Any
) -> None:
    # A host has a valid certificate, so ACME stays on.
    issue(client, "web.hosts.example")
    keys.disable(account_key.row.pk, now=timezone.now())
    response = change_key(client)
    assert (response.status_code, get_type(response)) == (403, "unauthorized")
    assert "Nothing was changed." in response.json()["detail"]
    assert not Entry.objects.filter(action=CHANGED).exists()


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


def test_contacts_add_no_entry_and_an_account_is_deactivated_once(client: AcmeClient) -> None:
    before = Entry.objects.count()
    for number in range(3):
        contact = [f"mailto:a{number}@example.com"]
        assert client.post(client.kid, {"contact": contact}).status_code == 200
    assert Entry.objects.count() == before
    for _number in range(2):
        client.post(client.kid, {"status": "deactivated"})
    assert Entry.objects.filter(action="end-acme-account").count() == 1
