"""Who can only write to the database revokes nothing, and undoes no revocation.

See: D-282
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.chain import append_only
from audit.models import AlteredRow, Entry, list_rows
from certificates.models import Revocation, ServerCertificate
from certificates.revocation import lists, records, revocations
from certificates.trust import trust_list
from devices.models import Zone
from tests.support import factories
from tests.zcc.rows import sql
from wire import json_codec
from wire.metadata import TrustList
from zcc.rows import checks

TABLE = Revocation._meta.db_table
ENTRIES = Entry._meta.db_table


@pytest.fixture
def revoked(satellite: Any) -> Revocation:
    used = ServerCertificate.objects.current().get(device=satellite.id)
    by = factories.admin()
    return revocations.revoke(used, "key-compromise", by=by, now=timezone.now())


def get_listed() -> list[str]:
    """Return what a console without a cached list signs."""
    trust_list.clear_cache()
    envelope = trust_list.get_trust_list(Zone.objects.get_zone(), now=timezone.now()).envelope
    return json_codec.load(TrustList, base64.b64decode(envelope.payload)).revoked


def count_alarms() -> int:
    return Entry.objects.filter(action="row-altered").count()


def test_a_deleted_row_stays_revoked_raises_the_alarm_and_is_restored(revoked: Revocation) -> None:
    sql.run(f'DELETE FROM "{TABLE}"', [])
    assert get_listed() == [revoked.signed_part]
    assert checks.check_rows() == 1
    restored = Revocation.objects.get()
    assert restored.is_authentic()
    assert restored.device == revoked.device
    assert restored.get_authenticated_values() == revoked.get_authenticated_values()
    alarm = AlteredRow.objects.get()
    assert str(alarm) == f"certificates.Revocation:{revoked.pk}"
    assert (checks.check_rows(), count_alarms()) == (0, 1)
    client = Client()
    client.force_login(get_user_model().objects.get())
    home = client.get("/").content.decode()
    assert f"The revocation of {alarm.name} was changed or deleted" in home
    call_command("check_rows", "--accept", str(alarm), reason="Deleted by mistake")
    assert not AlteredRow.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"signed_part": "0" * 64},
        {"digest": "0" * 64},
        {"serial": "1234"},
        {"not_after": timezone.now()},
        {"row_mac": ""},
    ],
)
def test_a_changed_row_stays_revoked_and_is_restored(
    revoked: Revocation, values: dict[str, Any]
) -> None:
    sql.change(revoked, **values)
    assert get_listed() == [revoked.signed_part]
    assert checks.check_rows() >= 1
    assert get_listed() == [revoked.signed_part]
    restored = Revocation.objects.get(digest=revoked.digest)
    assert restored.get_authenticated_values() == revoked.get_authenticated_values()
    assert count_alarms() >= 1


def test_a_changed_row_that_an_administrator_accepts_stays_revoked(revoked: Revocation) -> None:
    sql.change(revoked, signed_part="0" * 64)
    row = f"certificates.Revocation:{revoked.pk}"
    checks.accept(*row.split(":"), reason="It looks right")
    assert get_listed() == [revoked.signed_part]


def test_a_recorded_revocation_is_not_removed_but_an_inserted_one_is(revoked: Revocation) -> None:
    sql.change(revoked, serial="1234")
    sql.insert(revoked, id=99, digest="0" * 64)
    checks.check_rows()
    with pytest.raises(CommandError, match="permanent"):
        call_command("check_rows", "--remove", f"certificates.Revocation:{revoked.pk}", reason="x")
    call_command("check_rows", "--remove", "certificates.Revocation:99", reason="Inserted")
    assert list(Revocation.objects.values_list("digest", flat=True)) == [revoked.digest]


def test_an_audit_entry_that_was_inserted_revokes_nothing(revoked: Revocation) -> None:
    found = Entry.objects.get(action=records.ACTION)
    forged = {"signed_part": "0" * 64, "sha256": "0" * 64, "row": 99}
    sql.insert(found, seq=found.seq + 1, detail={**found.detail, **forged})
    sql.insert(found, seq=found.seq + 2, detail={"sha256": 1, "row": "x"})
    assert get_listed() == [revoked.signed_part]
    assert checks.check_rows() == 0


def test_the_audit_entry_cannot_be_deleted_unnoticed(revoked: Revocation) -> None:
    found = Entry.objects.get(action=records.ACTION)
    statement = f'DELETE FROM "{ENTRIES}" WHERE seq = %s'
    with pytest.raises(Exception, match=append_only.ERROR_MESSAGE):
        sql.run(statement, [found.seq])


def test_the_key_of_a_deleted_row_can_be_taken(revoked: Revocation) -> None:
    sql.run(f'DELETE FROM "{TABLE}"', [])
    sql.insert(revoked, digest="0" * 64)
    checks.check_rows()
    assert get_listed() == [revoked.signed_part]
    assert list_rows(Revocation).filter(digest=revoked.digest).exists()


def test_a_revocation_outlives_its_device(revoked: Revocation) -> None:
    device = revoked.device
    assert device is not None
    sql.run(f'DELETE FROM "{TABLE}"', [])
    device.certificates.all().delete()
    list_rows(type(device)).filter(pk=device.pk).delete()
    assert checks.check_rows() >= 1
    assert Revocation.objects.get().device is None


@pytest.fixture
def read(monkeypatch: Any) -> list[str]:
    """Return the digests of the revocations that are read from the table or the audit log."""
    found: list[str] = []

    def observe(name: str) -> None:
        original = getattr(Revocation, name)

        def verify(row: Revocation) -> bool:
            found.append(row.digest)
            return bool(original(row))

        monkeypatch.setattr(Revocation, name, verify)

    observe("is_authentic")
    observe("has_mac")
    return found


def test_the_revocation_of_an_expired_certificate_is_not_read(
    revoked: Revocation, read: list[str]
) -> None:
    end = revoked.not_after
    assert records.list_effective(end + timedelta(seconds=1)) == []
    assert records.list_recorded(end + timedelta(seconds=1)) == {}
    assert records.restore_rows(end + timedelta(seconds=1)) == 0
    assert read == []
    assert records.list_effective(end - timedelta(seconds=1)) == [revoked]
    assert list(records.list_recorded(end - timedelta(seconds=1))) == [revoked.digest]
    assert read


def test_a_deleted_row_is_restored_every_few_seconds_while_a_crl_contains_it(
    revoked: Revocation, read: list[str], monkeypatch: Any
) -> None:
    def check(now: datetime) -> int:
        monkeypatch.setattr(checks, "timezone", SimpleNamespace(now=lambda: now))
        return checks.check_rows(every_device=False)

    past = revoked.not_after + lists.VALIDITY + timedelta(minutes=1)
    assert check(past) == 0
    assert read == []
    sql.run(f'DELETE FROM "{TABLE}"', [])
    assert check(past) == 0
    assert check(past - timedelta(minutes=2)) == 1
    assert Revocation.objects.get().digest == revoked.digest


def test_the_daily_check_restores_the_row_of_an_expired_certificate(
    revoked: Revocation, monkeypatch: Any
) -> None:
    past = revoked.not_after + lists.VALIDITY + timedelta(minutes=1)
    monkeypatch.setattr(checks, "timezone", SimpleNamespace(now=lambda: past))
    sql.change(revoked, serial="1234")
    assert checks.check_rows(every_device=False) == 0
    assert checks.check_rows() >= 1
    assert Revocation.objects.get().serial == revoked.serial


def test_a_row_that_seems_to_have_expired_is_restored(revoked: Revocation) -> None:
    sql.change(revoked, not_after=timezone.now() - timedelta(days=30))
    assert checks.check_rows(every_device=False) == 1
    assert Revocation.objects.get().not_after == revoked.not_after
