"""zman for administrators, rules, tokens, notifications and the audit log."""

import ipaddress
import json
import stat
from itertools import pairwise

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from administrators.models import Rules
from audit.models import Entry
from console.models import ApiToken
from notifications.delivery import delivery
from notifications.models import Delivery, Target
from tests.support import factories, receivers
from zman.cli import exit_codes

CA = "certificates.certificate_authority"


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with receivers.http_server() as server:
        yield server


def send_all():
    now = timezone.now()
    return [delivery.send(pk, now=now) for pk in delivery.due(now)]


@pytest.mark.parametrize("kind", ["administrators", "roles", "targets", "notifications", "events"])
def test_every_kind_is_listed(shell, kind):
    assert isinstance(shell.json("list", kind), list)
    assert shell.good("list", kind).code == exit_codes.OK


def test_an_administrator_is_let_in_changed_kept_out_and_let_in_again(shell):
    run = shell.good("admin", "create", "eve", "--role", "viewer", "--role", "auditor")
    assert run.out.startswith("https://console.example:8443/set-up/")
    shell.good("admin", "roles", "eve", "deployer")
    shown = shell.json("show", "administrator", "eve")
    assert shown["roles"] == ["deployer"]
    assert shell.json("admin", "deactivate", "eve")["active"] is False
    assert shell.json("list", "administrators", "--state", "deactivated")[0]["name"] == "eve"
    assert shell("admin", "temporary-password", "eve").code == exit_codes.REFUSED
    shell.good("admin", "activate", "eve")
    assert User.objects.get(username="eve").is_active
    assert shell("admin", "unlock", "eve").code == exit_codes.REFUSED
    assert shell("admin", "unlock", "nobody").code == exit_codes.NOT_FOUND


def test_what_is_told_once_can_go_into_a_file_for_its_owner_alone(shell):
    factories.user("eve")
    target = shell.folder / "password"
    run = shell.good("admin", "temporary-password", "eve", "-o", str(target))
    assert run.out == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert User.objects.get(username="eve").check_password(target.read_text().strip())
    again = shell("admin", "set-up-link", "eve", "-o", str(target))
    assert again.code == exit_codes.USAGE
    assert "/set-up/" in again.out, "the old password is gone, so the link must not be lost"


def test_rules_are_changed_one_by_one(shell):
    assert shell("rules").code == exit_codes.USAGE
    factories.user("second", CA)
    shell.good("rules", "--two-administrators", "on")
    assert shell.json("show", "rules")["two_administrators"] is True
    assert "second" not in shell.good("rules", "--second-factor", "on").err
    assert Rules.objects.get().two_administrators
    assert "another administrator" in shell.good("rules", "--two-administrators", "off").err
    assert Rules.objects.get().two_administrators


def test_a_token_is_made_and_revoked(shell):
    target = shell.folder / "token"
    shell.good("token", "create", "nightly", "--right", CA, "--days", "1", "-o", str(target))
    assert target.read_text().startswith("zcct_")
    assert ApiToken.objects.get(name="nightly").rights == [CA]
    shell.good("token", "revoke", "nightly")
    assert shell("token", "revoke", "nightly").code == exit_codes.NOT_FOUND


def test_a_webhook_is_made_tested_changed_and_removed(shell, receiver):
    url = shell.folder / "url"
    url.write_text(receiver.url + "\n")
    secret = shell.good("target", "webhook", "pager", "--url-file", str(url)).out.strip()
    said = shell.good("target", "test", "pager").err
    assert send_all() == [True]
    assert receivers.is_signed(secret, *receiver.posted[0][1:])
    shown = shell.json("show", "notification", said.split()[-1])
    assert (shown["state"], shown["tries"][0]["ok"]) == ("sent", True)
    fresh = shell.good("target", "new-secret", "pager").out.strip()
    assert fresh != secret
    shell.good("target", "change", "pager", "--rename", "night", "--active", "no")
    target = Target.objects.get()
    assert (target.name, target.active) == ("night", False)
    assert shell("target", "test", "pager").code == exit_codes.NOT_FOUND
    shell.good("target", "remove", "night")
    assert not Target.objects.exists()


def test_mail_that_was_given_up_is_sent_again(shell):
    shell.good("target", "mail", "team", "--to", "team@acme.example", "--event", "operation.failed")
    shell.good("target", "test", "team")
    assert send_all() == [False]
    found = shell.json("list", "notifications", "--state", "given-up")
    shell.good("send-again", found[0]["id"])
    assert Delivery.objects.get().state == "waiting"
    assert shell.json("list", "targets", "--search", "team")[0]["recipients"] == [
        "team@acme.example"
    ]


def test_the_audit_log_is_written_into_a_file_with_its_chain(shell):
    target = shell.folder / "audit.json"
    shell.good("audit-export", str(target))
    entries = json.loads(target.read_text())["entries"]
    assert len(entries) == Entry.objects.count()
    assert all(newer["previous"] == older["digest"] for newer, older in pairwise(entries))
    part = shell.folder / "part.json"
    assert shell("audit-export", str(part), "--actor", "nobody-at-all").code == exit_codes.USAGE
    assert not part.exists()


def test_what_waits_for_a_second_administrator_is_confirmed_or_refused(shell, zone):
    from certificates.authority import key_operations

    first = factories.user("first", CA)
    Rules.objects.create(pk=1, two_administrators=True)
    job = key_operations.back_up("seven quiet lakes", by=first)
    assert [one["title"] for one in shell.json("list", "confirmations")] == ["Backup CA"]
    assert shell("confirm", "nothing").code == exit_codes.NOT_FOUND
    assert shell.json("confirm", str(job.pk)[:8])["state"] == "waiting"
    Rules.objects.update(end_asked_by=first, end_asked_at=timezone.now())
    assert shell("refuse", "rules").code == exit_codes.USAGE
    shell.good("confirm", "rules")
    assert not Rules.objects.get().two_administrators
