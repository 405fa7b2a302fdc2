"""Health checks of the revocation lists (CRLs) and of OCSP responses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import list_rows
from certificates import tasks
from certificates.models import Authority, RevocationList
from certificates.monitoring.checks.findings import Finding
from certificates.monitoring.checks.revocation_checks import check_lists, check_responses
from certificates.revocation import lists, ocsp
from devices.models import Zone

DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("zone")


def find(now: datetime | None = None) -> list[Finding]:
    return list(check_lists(Zone.objects.get_zone(), now or timezone.now()))


def issue() -> Authority:
    authority = Authority.objects.current()
    lists.issue(authority, now=timezone.now())
    return authority


def test_a_list_that_is_renewed_each_day_is_no_finding() -> None:
    issue()
    assert find() == []
    assert find(timezone.now() + 1.9 * DAY) == []


def test_a_list_that_is_not_renewed_is_a_warning_and_then_bad() -> None:
    authority = issue()
    [finding] = find(timezone.now() + 2.1 * DAY)
    assert (finding.severity, finding.subject) == ("warn", authority.sha256)
    assert "is not renewed" in finding.text
    assert "worker of the certificate server ps-01" in finding.correction
    [finding] = find(timezone.now() + 7.1 * DAY)
    assert finding.severity == "bad"
    assert "expired on" in finding.text


def test_the_reason_is_that_of_the_ca_key() -> None:
    authority = issue()
    RevocationList.objects.update(issued_at=timezone.now() - 3 * DAY)
    list_rows(Authority).update(sealed_key="not a key", row_mac="")
    tasks.issue_crl(str(authority.pk))
    authority.refresh_from_db()
    [finding] = find()
    assert authority.fault
    assert finding.correction.startswith(authority.fault)


def test_a_ca_without_a_key_or_a_first_list_is_found() -> None:
    assert find() == []
    [finding] = find(timezone.now() + lists.FIRST_LIST * 2)
    assert "has no revocation list" in finding.text
    Authority.objects.update(certificate_server=None)
    [finding] = find(timezone.now() + lists.FIRST_LIST * 2)
    assert "Restore CA" in finding.correction


def test_an_external_ca_and_one_that_may_not_sign_lists_are_left_out(monkeypatch: Any) -> None:
    later = timezone.now() + DAY
    with monkeypatch.context() as patch:
        patch.setattr(lists, "_can_sign", lambda _root: False)
        assert find(later) == []
    list_rows(Authority).update(kind=Authority.Kind.EXTERNAL)
    assert find(later) == []


def test_ocsp_responses_that_are_not_renewed_are_a_warning_and_then_bad() -> None:
    now, zone = timezone.now(), Zone.objects.get_zone()
    assert list(check_responses(zone, now + 30 * DAY)) == []
    ocsp.sign_batch(Authority.objects.current(), now=now)
    assert list(check_responses(zone, now + 1.9 * DAY)) == []
    for days, severity, text in ((2.1, "warn", "are not renewed"), (4.1, "bad", "rejected")):
        [finding] = check_responses(zone, now + days * DAY)
        assert finding.severity == severity
        assert text in finding.text
