"""Nothing is changed if the audit entry of an action cannot be written (F-16)."""

from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection
from django.test import Client
from django.utils import timezone

from administrators.accounts import accounts, policies, setup_links
from administrators.api_tokens import tokens
from administrators.login import second_factor
from administrators.models import Policies
from audit.models import Entry
from certificates.approvals import approvals
from certificates.authority import key_jobs, key_operations
from certificates.issuance import signing
from certificates.models import (
    IssuedCertificate,
    Operation,
    ServerCertificate,
    VaultJob,
)
from certificates.operations import cancellation, distribution, intervention
from certificates.operations.states import JobState
from certificates.revocation import revocations
from devices.identity import zone_keys
from devices.models import RegistrationKey
from devices.registration import keys as registration_keys
from devices.registration import registration
from devices.zone import settings
from notifications.delivery import events
from notifications.models import Target
from notifications.targets import targets
from systemupdates.assignments import assignment
from systemupdates.models import Assignment
from tests.administrators.conftest import Authenticator
from tests.support import factories, walkthrough
from tests.support.public_ca import PublicCA
from wire import messages, metadata

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
PASSPHRASE = "a passphrase of many words"
PASSWORD = "a sentence of several words"
MAIL = targets.TargetSettings("team", [events.BLOCKED], recipients="team@acme.example")
NOT_OURS = {"sessions", "axes", "contenttypes"}


def now():
    return timezone.now()


def first():
    return factories.User.objects.get(username="first")


def second():
    return factories.User.objects.get(username="second")


def link_of_second():
    return setup_links.create_link(second(), now=now())


def code():
    return Authenticator(second()).code()


KEPT: dict[str, Any] = {}
CANCEL = metadata.Cancellation(id="1", zone="1", revision=1)
OUTSIDE = PublicCA()


def logged_in():
    client = Client()
    client.force_login(first())
    return client


def save_settings(zone):
    given = {one.name: getattr(zone.zone, one.name) for one in settings.SETTINGS}
    settings.save_zone_settings({**given, "renewal_days": given["renewal_days"] + 1})


def operation():
    return Operation.objects.get()


def spread(zone):
    zone.join("cs-1", messages.CONTENT_SATELLITE)
    walkthrough.prepare(zone, walkthrough.remint_ca())
    assert walkthrough.step(operation()).state == "replicating"


def offered(zone, started=None):
    walkthrough.prepare(zone, started or walkthrough.remint_ca())
    walkthrough.replicate(zone, operation())
    walkthrough.step(operation())
    walkthrough.step(operation())
    zone.first.refresh()


def waiting(zone):
    offered(zone)
    zone.first.request_certificate(str(operation().update_id))


def external(zone):
    offered(zone, walkthrough.to_external(OUTSIDE))
    zone.first.request_certificate(str(operation().update_id))


def sign(zone):
    signing.sign_batch(operation().future_authority, now=now())


def joined(zone):
    zone.join("ps-02", messages.PRIMARY).refresh()


def move(zone):
    return key_operations.move_role(zone.hosts["ps-02"].guid, by=first(), now=now())


def backed_up(zone):
    key_jobs.run(key_operations.back_up(PASSPHRASE, by=first()), now=now())
    KEPT["backup"] = bytes(VaultJob.objects.get().result)
    zone.first.refresh()


def retired(zone):
    role = messages.AUTHENTICATION_SATELLITE
    host = walkthrough.join_server(zone, "as-01", role, "127.9.0.3")
    registration.retire(zone.device(host))


def restore(zone):
    return key_operations.restore(
        KEPT["backup"], PASSPHRASE, zone.first.guid, by=first(), now=now()
    )


def registration_key(zone):
    return registration_keys.create_registration_key(
        zone_keys.get_public_key(zone.zone),
        label="x",
        role=messages.MANAGED,
        uses=1,
        approves=True,
        expires_at=None,
    )


def factor():
    second_factor.start_setup(second())
    return second_factor.confirm_setup(second(), code(), now=now())


def change_rules(*, two):
    policies.update_policies(
        requires_second_factor=False, two_administrators=two, by=first(), now=now()
    )


def webhook():
    target = Target.objects.create(name="pager", kind=Target.Kind.WEBHOOK)
    targets._store_secret(target, "https://hooks.example/x", "whsec_AAAA")
    target.save()


# The preparation and the action. Both get the zone as their argument.
ACTIONS = {
    "remint the CA": (None, lambda z: walkthrough.remint_ca()),
    "change the CA to internal": (
        lambda z: z.first.refresh(),
        lambda z: walkthrough.to_internal(z.first),
    ),
    "change the CA to external": (None, lambda z: walkthrough.to_external(PublicCA())),
    "remint a server": (None, lambda z: walkthrough.remint_servers(z.first)),
    "cancel": (
        lambda z: walkthrough.remint_ca(),
        lambda z: cancellation.cancel(operation(), now=now()),
    ),
    "prepare": (lambda z: walkthrough.remint_ca(), lambda z: walkthrough.prepare(z, operation())),
    "assign": (
        spread,
        lambda z: distribution.assign_now(operation(), now=now()),
    ),
    "change the activation time": (
        spread,
        lambda z: intervention.change_activation_time(
            operation(), walkthrough.soon(hours=5), now=now()
        ),
    ),
    "sign": (waiting, sign),
    "revoke a certificate": (
        None,
        lambda z: revocations.revoke(
            ServerCertificate.objects.get(), "superseded", by=first(), now=now()
        ),
    ),
    "revoke the certificates of a retired device": (
        retired,
        lambda z: revocations.revoke_of_retired_devices(now=now()),
    ),
    "import a certificate": (
        external,
        lambda z: walkthrough.import_all(operation(), OUTSIDE),
    ),
    "ignore a device": (
        offered,
        lambda z: assignment.ignore_device(Assignment.objects.first(), now=now()),
    ),
    "request a backup": (None, lambda z: key_operations.back_up(PASSPHRASE, by=first())),
    "back up": (
        lambda z: key_operations.back_up(PASSPHRASE, by=first()),
        lambda z: key_jobs.run(VaultJob.objects.get(), now=now()),
    ),
    "request to move the CA role": (joined, move),
    "move the CA role": (
        lambda z: (joined(z), move(z)),
        lambda z: key_jobs.run(VaultJob.objects.get(), now=now()),
    ),
    "request a restore": (backed_up, restore),
    "restore": (
        lambda z: (backed_up(z), restore(z)),
        lambda z: key_jobs.run(VaultJob.objects.get(state=JobState.WAITING), now=now()),
    ),
    "approve an operation": (
        lambda z: (Policies.objects.update(two_administrators=True), walkthrough.remint_ca()),
        lambda z: approvals.approve_operation(operation(), by=second(), now=now()),
    ),
    "approve a backup": (
        lambda z: (
            Policies.objects.update(two_administrators=True),
            key_operations.back_up(PASSPHRASE, by=first()),
        ),
        lambda z: approvals.approve_job(VaultJob.objects.get(), by=second(), now=now()),
    ),
    "sign with the zone key": (None, lambda z: zone_keys.get_keyring().sign("x", CANCEL)),
    "make a registration key": (None, registration_key),
    "revoke a registration key": (
        registration_key,
        lambda z: registration_keys.revoke_registration_key(
            RegistrationKey.objects.get().pk, now=now()
        ),
    ),
    "register": (lambda z: None, lambda z: z.join("pc-1")),
    "unregister": (
        lambda z: z.join("pc-1"),
        lambda z: registration.unregister(z.device(z.hosts["pc-1"])),
    ),
    "retire a device": (
        lambda z: z.join("pc-1"),
        lambda z: registration.retire(z.device(z.hosts["pc-1"])),
    ),
    "change the settings of a device": (
        None,
        lambda z: registration.save_dns_names(
            z.device(z.first), ["new.test.example"], may_add_names=True
        ),
    ),
    "make a token": (None, lambda z: tokens.create_token(first(), "t", rights=[], expires_at=None)),
    "revoke an API token": (
        lambda z: tokens.create_token(first(), "t", rights=[], expires_at=None),
        lambda z: tokens.revoke_token(first(), first().api_tokens.get().pk, now=now()),
    ),
    "create an administrator": (
        None,
        lambda z: accounts.create_administrator(
            accounts.NewAdministrator("eve", "", ["viewer"]), by="x", now=now()
        ),
    ),
    "set roles": (
        None,
        lambda z: accounts.set_roles(second().pk, ["viewer"], by=first(), now=now()),
    ),
    "deactivate": (None, lambda z: accounts.deactivate(second().pk, by=first())),
    "activate": (
        lambda z: accounts.deactivate(second().pk, by=first()),
        lambda z: accounts.activate(second().pk, by=first()),
    ),
    "end sessions": (None, lambda z: accounts.end_sessions(second().pk, by=first())),
    "revoke the tokens of an administrator": (
        lambda z: tokens.create_token(second(), "t", rights=[], expires_at=None),
        lambda z: accounts.revoke_tokens(second().pk, by=first(), now=now()),
    ),
    "create a setup link": (
        None,
        lambda z: accounts.create_setup_link(second().pk, by=first(), now=now()),
    ),
    "create a temporary password": (
        None,
        lambda z: accounts.create_temporary_password(second().pk, by=first(), now=now()),
    ),
    "redeem a setup link": (
        lambda z: KEPT.update(link=link_of_second()),
        lambda z: setup_links.redeem_link(KEPT["link"], PASSWORD, now=now()),
    ),
    "change the password": (None, lambda z: setup_links.change_password(first(), PASSWORD)),
    "turn two-factor authentication on": (
        lambda z: second_factor.start_setup(second()),
        lambda z: second_factor.confirm_setup(second(), code(), now=now()),
    ),
    "turn two-factor authentication off": (
        lambda z: factor(),
        lambda z: second_factor.remove_authenticator(second()),
    ),
    "reset two-factor authentication": (
        lambda z: factor(),
        lambda z: accounts.reset_second_factor(second().pk, by=first(), now=now()),
    ),
    "new recovery codes": (lambda z: factor(), lambda z: second_factor.renew_codes(second())),
    "use a recovery code": (
        lambda z: KEPT.update(codes=factor()),
        lambda z: second_factor.verify_code(second(), KEPT["codes"][0], now=now()),
    ),
    "change the login policies": (None, lambda z: change_rules(two=True)),
    "approve turning off two-administrator approval": (
        lambda z: (change_rules(two=True), change_rules(two=False)),
        lambda z: policies.approve_turn_off(by=second(), now=now()),
    ),
    "end the other sessions": (
        lambda z: KEPT.update(client=logged_in()),
        lambda z: KEPT["client"].post("/preferences/sessions/"),
    ),
    "log in": (
        None,
        lambda z: Client().post("/login/", {"username": "first", "password": factories.PASSWORD}),
    ),
    "create a target": (None, lambda z: targets.create_target(Target.Kind.MAIL, MAIL)),
    "change a target": (
        lambda z: targets.create_target(Target.Kind.MAIL, MAIL),
        lambda z: targets.update_target(Target.objects.get().pk, MAIL),
    ),
    "remove a target": (
        lambda z: targets.create_target(Target.Kind.MAIL, MAIL),
        lambda z: targets.delete_target(Target.objects.get().pk),
    ),
    "test a target": (
        lambda z: targets.create_target(Target.Kind.MAIL, MAIL),
        lambda z: targets.send_test(Target.objects.get().pk, now=now()),
    ),
    "renew the secret of a webhook": (
        lambda z: webhook(),
        lambda z: targets.renew_secret(Target.objects.get().pk),
    ),
    "save the zone settings": (None, save_settings),
}
SQL = {
    "sqlite": [
        "CREATE TRIGGER injected BEFORE INSERT ON ledger_entry "
        "BEGIN SELECT RAISE(ABORT, 'injected'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        "CREATE TRIGGER injected BEFORE INSERT ON ledger_entry "
        "FOR EACH ROW EXECUTE FUNCTION injected()",
    ],
}


def forbid_entries():
    with connection.cursor() as cursor:
        for statement in SQL[connection.vendor]:
            cursor.execute(statement)


def state():
    """Return every row of the database except serial numbers without a certificate."""
    return [
        serializers.serialize("json", rows(kind).order_by("pk"))
        for kind in apps.get_models()
        if kind._meta.app_label not in NOT_OURS
    ]


def rows(kind):
    return kind.objects.exclude(sha256="") if kind is IssuedCertificate else kind.objects.all()


@pytest.fixture
def administrators(zone):
    factories.admin("first")
    factories.admin("second")
    return zone


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_rolled_back_if_its_audit_entry_cannot_be_written(administrators, name):
    before, action = ACTIONS[name]
    if before is not None:
        before(administrators)
    kept = state()
    forbid_entries()
    # The result does not matter. The only transaction is that of the action.
    with suppress(Exception):
        action(administrators)
    assert state() == kept


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_writes_an_audit_entry(administrators, name):
    before, action = ACTIONS[name]
    if before is not None:
        before(administrators)
    count = Entry.objects.count()
    action(administrators)
    assert Entry.objects.count() > count
