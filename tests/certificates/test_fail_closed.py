"""No trace, no act: where the ledger cannot be written nothing is changed (S-42, F-16)."""

from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection
from django.test import Client
from django.utils import timezone

from certificates import authority, vault_jobs
from certificates.machine import JobState
from certificates.models import Issued, Operation, VaultJob
from certificates.operations import assigning, cancelling, confirming, postponing, signing
from devices import keyring, registration, zone_settings
from devices.models import RegistrationKey
from ledger import tokens
from ledger.models import Entry
from notifications import acts as targets
from notifications import events
from notifications.models import Target
from people import acts, factors, links, rules
from people.models import Rules
from systemupdates import assignment
from systemupdates.models import Assignment
from tests import make, play
from tests.people.conftest import Authenticator
from tests.public_ca import PublicCA
from wire import manifest, messages

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
PASSPHRASE = "a passphrase of many words"
PASSWORD = "a sentence of several words"
MAIL = targets.Order("team", [events.BLOCKED], recipients="team@acme.example")
NOT_OURS = {"sessions", "axes", "contenttypes"}


def now():
    return timezone.now()


def first():
    return make.User.objects.get(username="first")


def second():
    return make.User.objects.get(username="second")


def link_of_second():
    return links.make(second(), now=now())


def code():
    return Authenticator(second()).code()


def ready_job(zone):
    return VaultJob.objects.get()


KEPT: dict[str, Any] = {}
CANCEL = manifest.Cancel(id="1", zone="1", revision=1)
OUTSIDE = PublicCA()


def logged_in():
    client = Client()
    client.force_login(first())
    return client


def save_settings(zone):
    given = {one.name: getattr(zone.zone, one.name) for one in zone_settings.SETTINGS}
    zone_settings.save({**given, "renewal_days": given["renewal_days"] + 1})


def operation():
    return Operation.objects.get()


def spread(zone):
    zone.join("cs-1", messages.CONTENT_SATELLITE)
    play.prepare(zone, play.remint_ca())
    assert play.step(operation()).state == "replicating"


def offered(zone, started=None):
    play.prepare(zone, started or play.remint_ca())
    play.replicate(zone, operation())
    play.step(operation())
    play.step(operation())
    zone.first.refresh()


def waiting(zone):
    offered(zone)
    zone.first.request_certificate(str(operation().update_id))


def external(zone):
    offered(zone, play.to_external(OUTSIDE))
    zone.first.request_certificate(str(operation().update_id))


def sign(zone):
    signing.sign_waiting(operation().future_authority, now=now())


def joined(zone):
    zone.join("ps-02", messages.PRIMARY).refresh()


def move(zone):
    return authority.move_role(zone.hosts["ps-02"].guid, by=first(), now=now())


def backed_up(zone):
    vault_jobs.do(authority.back_up(PASSPHRASE, by=first()), now=now())
    KEPT["backup"] = bytes(VaultJob.objects.get().result)
    zone.first.refresh()


def restore(zone):
    return authority.restore(KEPT["backup"], PASSPHRASE, zone.first.guid, by=first(), now=now())


def registration_key(zone):
    return registration.make_key(
        keyring.zone_public(zone.zone),
        label="x",
        role=messages.MANAGED,
        uses=1,
        approves=True,
        expires_at=None,
    )


def factor():
    factors.begin(second())
    return factors.confirm(second(), code(), now=now())


def change_rules(*, two):
    rules.change(requires_second_factor=False, two_administrators=two, by=first(), now=now())


def webhook():
    target = Target.objects.create(name="pager", kind=Target.Kind.WEBHOOK)
    targets._seal(target, "https://hooks.example/x", "whsec_AAAA")
    target.save()


# What was done before; the act itself; each with the zone as its argument.
ACTS = {
    "remint the CA": (None, lambda z: play.remint_ca()),
    "change the CA to internal": (
        lambda z: z.first.refresh(),
        lambda z: play.to_internal(z.first),
    ),
    "change the CA to external": (None, lambda z: play.to_external(PublicCA())),
    "remint a server": (None, lambda z: play.remint_servers(z.first)),
    "cancel": (lambda z: play.remint_ca(), lambda z: cancelling.cancel(operation(), now=now())),
    "prepare": (lambda z: play.remint_ca(), lambda z: play.prepare(z, operation())),
    "assign": (
        spread,
        lambda z: assigning.assign_now(operation(), now=now()),
    ),
    "change the activation time": (
        spread,
        lambda z: postponing.change_activation(operation(), play.soon(hours=5), now=now()),
    ),
    "sign": (waiting, sign),
    "import a certificate": (
        external,
        lambda z: play.import_all(operation(), OUTSIDE),
    ),
    "ignore a device": (
        offered,
        lambda z: assignment.ignore_device(Assignment.objects.first(), now=now()),
    ),
    "ask for a backup": (None, lambda z: authority.back_up(PASSPHRASE, by=first())),
    "back up": (
        lambda z: authority.back_up(PASSPHRASE, by=first()),
        lambda z: vault_jobs.do(VaultJob.objects.get(), now=now()),
    ),
    "ask to move the CA role": (joined, move),
    "move the CA role": (
        lambda z: (joined(z), move(z)),
        lambda z: vault_jobs.do(VaultJob.objects.get(), now=now()),
    ),
    "ask to restore": (backed_up, restore),
    "restore": (
        lambda z: (backed_up(z), restore(z)),
        lambda z: vault_jobs.do(VaultJob.objects.get(state=JobState.WAITING), now=now()),
    ),
    "confirm an operation": (
        lambda z: (Rules.objects.create(pk=1, two_administrators=True), play.remint_ca()),
        lambda z: confirming.confirm(operation(), by=second(), now=now()),
    ),
    "confirm a backup": (
        lambda z: (
            Rules.objects.create(pk=1, two_administrators=True),
            authority.back_up(PASSPHRASE, by=first()),
        ),
        lambda z: confirming.confirm_job(VaultJob.objects.get(), by=second(), now=now()),
    ),
    "sign with the zone key": (None, lambda z: keyring.here().sign("x", CANCEL)),
    "make a registration key": (None, registration_key),
    "revoke a registration key": (
        registration_key,
        lambda z: registration.revoke_key(RegistrationKey.objects.get().pk, now=now()),
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
    "settings of a device": (
        None,
        lambda z: registration.save_names(z.device(z.first), ["new.test.example"]),
    ),
    "make a token": (None, lambda z: tokens.make(first(), "t", rights=[], expires_at=None)),
    "revoke a token": (
        lambda z: tokens.make(first(), "t", rights=[], expires_at=None),
        lambda z: tokens.revoke(first(), first().api_tokens.get().pk, now=now()),
    ),
    "create an administrator": (
        None,
        lambda z: acts.create(acts.NewAdministrator("eve", "", ["viewer"]), by="x", now=now()),
    ),
    "set roles": (None, lambda z: acts.set_roles(second().pk, ["viewer"], by=first())),
    "deactivate": (None, lambda z: acts.deactivate(second().pk, by=first())),
    "activate": (
        lambda z: acts.deactivate(second().pk, by=first()),
        lambda z: acts.activate(second().pk, by=first()),
    ),
    "end sessions": (None, lambda z: acts.end_sessions(second().pk, by=first())),
    "revoke the tokens of somebody": (
        lambda z: tokens.make(second(), "t", rights=[], expires_at=None),
        lambda z: acts.revoke_tokens(second().pk, by=first(), now=now()),
    ),
    "a set-up link": (None, lambda z: acts.new_setup_link(second().pk, by=first(), now=now())),
    "a temporary password": (None, lambda z: acts.temporary_password(second().pk, by=first())),
    "the first password": (
        lambda z: KEPT.update(link=link_of_second()),
        lambda z: links.use(KEPT["link"], PASSWORD, now=now()),
    ),
    "change the password": (None, lambda z: links.change_password(first(), PASSWORD)),
    "turn a second factor on": (
        lambda z: factors.begin(second()),
        lambda z: factors.confirm(second(), code(), now=now()),
    ),
    "turn a second factor off": (lambda z: factor(), lambda z: factors.remove(second())),
    "reset a second factor": (
        lambda z: factor(),
        lambda z: acts.reset_second_factor(second().pk, by=first()),
    ),
    "new recovery codes": (lambda z: factor(), lambda z: factors.renew_codes(second())),
    "use a recovery code": (
        lambda z: KEPT.update(codes=factor()),
        lambda z: factors.prove(second(), KEPT["codes"][0], now=now()),
    ),
    "change the rules": (None, lambda z: change_rules(two=True)),
    "confirm the end of the rule of two": (
        lambda z: (change_rules(two=True), change_rules(two=False)),
        lambda z: rules.confirm_end(by=second(), now=now()),
    ),
    "end the other sessions": (
        lambda z: KEPT.update(client=logged_in()),
        lambda z: KEPT["client"].post("/preferences/sessions/"),
    ),
    "log in": (
        None,
        lambda z: Client().post("/login/", {"username": "first", "password": make.PASSWORD}),
    ),
    "create a target": (None, lambda z: targets.create(Target.Kind.MAIL, MAIL)),
    "change a target": (
        lambda z: targets.create(Target.Kind.MAIL, MAIL),
        lambda z: targets.change(Target.objects.get().pk, MAIL),
    ),
    "remove a target": (
        lambda z: targets.create(Target.Kind.MAIL, MAIL),
        lambda z: targets.remove(Target.objects.get().pk),
    ),
    "test a target": (
        lambda z: targets.create(Target.Kind.MAIL, MAIL),
        lambda z: targets.test(Target.objects.get().pk, now=now()),
    ),
    "a new secret of a webhook": (
        lambda z: webhook(),
        lambda z: targets.new_secret(Target.objects.get().pk),
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
    """Return every row that the product has, but for serials that were drawn and never used."""
    return [
        serializers.serialize("json", rows(kind).order_by("pk"))
        for kind in apps.get_models()
        if kind._meta.app_label not in NOT_OURS
    ]


def rows(kind):
    return kind.objects.exclude(sha256="") if kind is Issued else kind.objects.all()


@pytest.fixture
def people(zone):
    make.admin("first")
    make.admin("second")
    return zone


@pytest.mark.parametrize("name", ACTS)
def test_an_act_whose_line_cannot_be_written_does_not_happen(people, name):
    before, act = ACTS[name]
    if before is not None:
        before(people)
    kept = state()
    forbid_entries()
    # Whatever comes of it, and with no transaction but the act's own.
    with suppress(Exception):
        act(people)
    assert state() == kept


@pytest.mark.parametrize("name", ACTS)
def test_and_happens_with_its_line_otherwise(people, name):
    before, act = ACTS[name]
    if before is not None:
        before(people)
    count = Entry.objects.count()
    act(people)
    assert Entry.objects.count() > count
