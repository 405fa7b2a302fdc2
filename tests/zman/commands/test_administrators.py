"""Administrators, account rules, requests, tokens, notifications, and the audit log with zman."""

import json
import stat
from itertools import pairwise

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from administrators.models import Policies
from audit.models import Entry
from console.models import ApiToken
from notifications.models import Delivery, Target
from tests.support import factories, receivers
from tests.support.deliveries import send_all
from zman.cli import exit_codes

CA = "certificates.certificate_authority"


@pytest.mark.parametrize(
    "kind", ["administrators", "roles", "notification-targets", "notifications", "events"]
)
def test_all_resources_can_be_listed(shell, kind):
    assert isinstance(shell.json("list", kind), list)
    assert shell.good("list", kind).code == exit_codes.OK


def test_an_administrator_is_created_changed_deactivated_and_reactivated(shell):
    run = shell.good("admin", "create", "eve", "--role", "viewer", "--role", "deployer")
    assert run.out.startswith("https://console.example:8443/setup-link/#")
    shell.good("admin", "roles", "eve", "viewer")
    shown = shell.json("show", "administrator", "eve")
    assert shown["roles"] == ["viewer"]
    assert shell.json("admin", "deactivate", "eve")["active"] is False
    assert shell.json("list", "administrators", "--state", "deactivated")[0]["name"] == "eve"
    assert shell("admin", "temporary-password", "eve").code == exit_codes.REFUSED
    shell.good("admin", "activate", "eve")
    assert User.objects.get(username="eve").is_active
    assert shell("admin", "unlock", "eve").code == exit_codes.REFUSED
    assert shell("admin", "unlock", "nobody").code == exit_codes.NOT_FOUND


def test_credentials_are_saved_to_a_private_file(shell):
    factories.user("eve")
    target = shell.folder / "password"
    run = shell.good("admin", "temporary-password", "eve", "--file", str(target))
    assert run.out == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert User.objects.get(username="eve").check_password(target.read_text().strip())
    again = shell("admin", "setup-link", "eve", "--file", str(target))
    assert again.code == exit_codes.USAGE
    assert "/setup-link/" in again.out, (
        "the old password no longer works, so the link must not be lost"
    )


def test_account_rules_are_changed_one_by_one(shell):
    assert shell("rules").code == exit_codes.USAGE
    factories.user("second", CA)
    shell.good("rules", "--two-administrators", "on")
    assert shell.json("show", "rules")["two_administrators"] is True
    assert "second" not in shell.good("rules", "--second-factor", "on").err
    assert Policies.objects.get().two_administrators
    assert "another administrator" in shell.good("rules", "--two-administrators", "off").err
    assert Policies.objects.get().two_administrators


def test_a_token_is_created_and_revoked(shell):
    target = shell.folder / "token"
    shell.good("token", "create", "nightly", "--right", CA, "--days", "1", "--file", str(target))
    assert target.read_text().startswith("zcct_")
    assert ApiToken.objects.get(name="nightly").rights == [CA]
    shell.good("token", "revoke", "nightly")
    assert shell("token", "revoke", "nightly").code == exit_codes.NOT_FOUND


def test_a_webhook_is_created_tested_changed_and_removed(shell, receiver):
    url = shell.folder / "url"
    url.write_text(receiver.url + "\n")
    secret = shell.good(
        "notification-target", "webhook", "pager", "--url-file", str(url)
    ).out.strip()
    said = shell.good("notification-target", "test", "pager").err
    assert send_all() == [True]
    assert receivers.is_signed(secret, *receiver.posted[0][1:])
    shown = shell.json("show", "notification", said.split()[-1])
    assert (shown["state"], shown["tries"][0]["ok"]) == ("sent", True)
    fresh = shell.good("notification-target", "new-secret", "pager").out.strip()
    assert fresh != secret
    shell.good("notification-target", "change", "pager", "--rename", "night", "--active", "no")
    target = Target.objects.get()
    assert (target.name, target.active) == ("night", False)
    assert shell("notification-target", "test", "pager").code == exit_codes.NOT_FOUND
    shell.good("notification-target", "remove", "night")
    assert not Target.objects.exists()


def test_a_failed_notification_is_resent(shell):
    shell.good(
        "notification-target",
        "mail",
        "team",
        "--to",
        "team@acme.example",
        "--event",
        "operation.failed",
    )
    shell.good("notification-target", "test", "team")
    assert send_all() == [False]
    found = shell.json("list", "notifications", "--state", "given-up")
    shell.good("notification", "resend", found[0]["id"])
    assert Delivery.objects.get().state == "waiting"
    assert shell.json("list", "notification-targets", "--search", "team")[0]["recipients"] == [
        "team@acme.example"
    ]


def test_the_audit_log_is_exported_with_its_digests(shell):
    target = shell.folder / "audit.json"
    shell.good("audit", "export", str(target))
    entries = json.loads(target.read_text())["entries"]
    assert len(entries) == Entry.objects.count()
    assert all(newer["previous"] == older["digest"] for newer, older in pairwise(entries))
    part = shell.folder / "part.json"
    assert shell("audit", "export", str(part), "--actor", "nobody-at-all").code == exit_codes.USAGE
    assert not part.exists()


@pytest.fixture
def requested(zone):
    """A request of another administrator to back up the CA."""
    from certificates.authority import key_operations

    first = factories.user("first", CA)
    Policies.objects.update(two_administrators=True)
    return first, key_operations.back_up("seven quiet lakes", by=first)


def test_requests_are_listed_and_approved(shell, requested):
    first, job = requested
    assert [one["title"] for one in shell.json("list", "requests")] == ["Backup CA"]
    assert shell("request", "approve", "nothing").code == exit_codes.NOT_FOUND
    assert shell.json("request", "approve", str(job.pk)[:8])["state"] == "waiting"
    Policies.objects.update(turn_off_requested_by=first, turn_off_requested_at=timezone.now())
    assert "Rejected" in shell.good("request", "reject", "rules", "--reason", "Not yet.").err
    assert Policies.objects.get().two_administrators
    Policies.objects.update(turn_off_requested_by=first, turn_off_requested_at=timezone.now())
    assert "Approved" in shell.good("request", "approve", "rules").err
    assert not Policies.objects.get().two_administrators


def test_a_request_of_another_administrator_is_rejected_but_not_withdrawn(shell, requested):
    _first, job = requested
    run = shell("request", "withdraw", str(job.pk))
    assert run.code == exit_codes.USAGE
    assert "not your request" in run.err
    rejected = shell.good("request", "reject", str(job.pk), "--reason", "Not this week.")
    assert "Rejected Backup CA" in rejected.err
    job.refresh_from_db()
    assert job.reason.endswith("Reason: Not this week.")
    assert shell.json("list", "requests") == []


def test_your_own_request_is_withdrawn(shell, zone):
    from certificates.authority import key_operations

    factories.user("second", CA)
    Policies.objects.update(two_administrators=True)
    job = key_operations.back_up("seven quiet lakes", by=shell.who.user)
    assert shell("request", "approve", str(job.pk)).code == exit_codes.REFUSED
    assert "Withdrew Backup CA" in shell.good("request", "withdraw", str(job.pk)).err
    job.refresh_from_db()
    assert job.state == "expired"
