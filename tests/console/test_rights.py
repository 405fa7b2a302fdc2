"""Who may do what: every address of the console is in this matrix (security rules S-84, S-86)."""

import hashlib
from uuid import UUID, uuid4

import pytest
from django.core import serializers
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from certificates.machine import FutureState, OperationState
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from console.models import Preferences
from devices.models import Device
from ledger.models import Entry
from systemupdates.machine import AssignmentState, ReplicaState
from systemupdates.models import Assignment, Replica, SystemUpdate
from tests import make

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
DEPLOY = "systemupdates.deploy_update"
CHANGE_DEVICE = "devices.change_device"
APPROVE = "devices.approve_device"
CHANGE_ZONE = "devices.change_zone"
AUDIT = "ledger.view_entry"
# Address: what it is about, and the right that each method needs ("" none, None not allowed).
MATRIX = {
    "console:login": ((), {"GET": "", "POST": ""}),
    "console:logout": ((), {"GET": None, "POST": ""}),
    "console:preferences": ((), {"GET": "", "POST": ""}),
    "console:columns": (("table",), {"GET": None, "POST": ""}),
    "certificates:home": ((), {"GET": ""}),
    "certificates:help": ((), {"GET": "", "POST": None}),
    "certificates:page": ((), {"GET": "", "POST": None}),
    "certificates:zone_ca": ((), {"GET": "", "POST": None}),
    "certificates:server_operations": ((), {"GET": "", "POST": None}),
    "certificates:view_certificate": ((), {"GET": "", "POST": None}),
    "certificates:remint_ca": ((), {"GET": CA, "POST": CA}),
    "certificates:change_ca": ((), {"GET": CA, "POST": CA}),
    "certificates:change_ca_step": (("draft", "step"), {"GET": CA, "POST": CA}),
    "certificates:move_ca_role": ((), {"GET": CA, "POST": CA}),
    "certificates:backup_ca": ((), {"GET": CA, "POST": CA}),
    "certificates:restore_ca": ((), {"GET": CA, "POST": CA}),
    "certificates:vault_job": (("job",), {"GET": CA, "POST": None}),
    "certificates:download_again": (("job",), {"GET": None, "POST": CA}),
    "certificates:backup_file": (("job", "ticket"), {"GET": CA, "POST": None}),
    "certificates:server_actions": ((), {"GET": None, "POST": CA}),
    "certificates:selected": ((), {"GET": None, "POST": CA}),
    "certificates:remint_servers": (("draft", "step"), {"GET": CA, "POST": CA}),
    "certificates:generate_csr": (("draft",), {"GET": CA, "POST": CA}),
    "certificates:import_certificate": (("draft",), {"GET": CA, "POST": CA}),
    "certificates:csr_zip": (("draft",), {"GET": CA, "POST": None}),
    "certificates:ca_pem": ((), {"GET": "", "POST": None}),
    "certificates:readiness_policy": ((), {"GET": CA, "POST": CA}),
    "certificates:operations": ((), {"GET": "", "POST": None}),
    "certificates:operation": (("operation",), {"GET": "", "POST": None}),
    "certificates:operation_live": (("operation",), {"GET": "", "POST": None}),
    "certificates:report": (("operation",), {"GET": None, "POST": ""}),
    "certificates:change_activation": (("operation",), {"GET": CA, "POST": CA}),
    "certificates:force": (("operation",), {"GET": CA, "POST": CA}),
    "certificates:without_bridge": (("operation",), {"GET": CA, "POST": CA}),
    "certificates:try_again": (("operation",), {"GET": None, "POST": CA}),
    "certificates:roll_back": (("operation",), {"GET": CA, "POST": CA}),
    "certificates:replication": (("operation",), {"GET": "", "POST": None}),
    "certificates:replicate_now": (("operation",), {"GET": None, "POST": DEPLOY}),
    "certificates:exclude": (("operation", "replica"), {"GET": None, "POST": DEPLOY}),
    "certificates:assign": (("operation",), {"GET": DEPLOY, "POST": DEPLOY}),
    "certificates:cancel": (("operation",), {"GET": CA, "POST": CA}),
    "certificates:clear": (("operation",), {"GET": None, "POST": CA}),
    "certificates:server": (("server",), {"GET": "", "POST": None}),
    "certificates:server_pem": (("server",), {"GET": "", "POST": None}),
    "certificates:future": (("server",), {"GET": "", "POST": None}),
    "certificates:future_pem": (("server",), {"GET": "", "POST": None}),
    "certificates:csr": (("server",), {"GET": "", "POST": None}),
    "certificates:past": (("server", "certificate"), {"GET": "", "POST": None}),
    "certificates:past_pem": (("server", "certificate"), {"GET": "", "POST": None}),
    "certificates:ask_again": (("server",), {"GET": None, "POST": CA}),
    "certificates:why": (("server",), {"GET": "", "POST": None}),
    "devices:list": ((), {"GET": "", "POST": None}),
    "devices:device": (("server",), {"GET": "", "POST": None}),
    "devices:settings": (("server",), {"GET": "", "POST": CHANGE_DEVICE}),
    "devices:content": (("server",), {"GET": None, "POST": CHANGE_DEVICE}),
    "devices:approve": (("server",), {"GET": None, "POST": APPROVE}),
    "devices:unregister": (("server",), {"GET": CHANGE_DEVICE, "POST": CHANGE_DEVICE}),
    "devices:retire": (("server",), {"GET": CHANGE_DEVICE, "POST": CHANGE_DEVICE}),
    "zone:settings": ((), {"GET": "", "POST": CHANGE_ZONE}),
    "zone:keys": ((), {"GET": APPROVE, "POST": APPROVE}),
    "zone:revoke_key": (("token",), {"GET": None, "POST": APPROVE}),
    "systemupdates:list": ((), {"GET": "", "POST": None}),
    "systemupdates:devices": (("update",), {"GET": "", "POST": None}),
    "systemupdates:ignore": (("assignment",), {"GET": None, "POST": DEPLOY}),
    "systemupdates:redeploy": (("assignment",), {"GET": None, "POST": DEPLOY}),
    "api:openapi-view": ((), {"GET": "", "POST": None}),
    "ledger:audit": ((), {"GET": AUDIT, "POST": None}),
    "ledger:entry": (("entry",), {"GET": AUDIT, "POST": None}),
    "ledger:tokens": ((), {"GET": "", "POST": ""}),
    "ledger:revoke_token": (("token",), {"GET": None, "POST": ""}),
}
OPEN = {"console:login", "console:logout"}
CASES = [
    (name, method, right)
    for name, (_, methods) in MATRIX.items()
    for method, right in methods.items()
]


@pytest.fixture
def things(monkeypatch):
    """One of each thing that an address may name."""
    monkeypatch.setattr("certificates.tasks.nudge", lambda _key: None)
    make.zone()
    server = make.server("ps-01")
    ca = make.authority(server)
    certificate = make.certificate(server, ca)
    pem = certificate.chain_pem
    operation = make.operation(ca, state=OperationState.REPLICATING)
    make.future(operation, server, FutureState.CREATED, chain_pem=pem, csr_pem="csr")
    replica = make.replica(operation.update, server, ReplicaState.FAILED)
    assignment = make.assignment(operation.update, server, AssignmentState.FAILED)
    return {
        "entry": Entry.objects.record("test", "test:1").pk,
        "token": 10**6,
        "operation": operation.pk,
        "replica": replica.pk,
        "server": server.pk,
        "certificate": certificate.pk,
        "update": operation.update_id,
        "assignment": assignment.pk,
        "draft": uuid4(),
        "job": uuid4(),
        "ticket": "ticket",
        "step": "authority",
        "table": "servers",
    }


def address(name, things):
    parts = [things[part] for part in MATRIX[name][0]]
    return reverse(name, args=parts)


def names(resolver=None, space=""):
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern, pattern.namespace or space)
        elif isinstance(pattern, URLPattern):
            agent = not getattr(pattern.callback, "login_required", True)
            if not agent or pattern.name in ("login", "logout"):
                yield f"{space}:{pattern.name}"


def test_every_address_is_in_the_matrix():
    assert set(names()) == set(MATRIX)


@pytest.mark.parametrize(("name", "method", "right"), CASES)
def test_strangers_see_the_login_alone(things, name, method, right):
    if name in OPEN:
        return
    response = Client().generic(method, address(name, things))
    assert response.status_code == 302
    assert response.url.startswith("/login/")


@pytest.mark.parametrize(("name", "method", "right"), CASES)
def test_each_method_needs_its_right(things, name, method, right):
    there = address(name, things)
    reader, holder = Client(), Client()
    reader.force_login(make.user("reader"))
    answer = reader.generic(method, there)
    if right is None:
        assert answer.status_code == 405
        return
    if right == "":
        assert answer.status_code not in (403, 405)
        return
    assert answer.status_code == 403
    assert "lacks the right" in answer.content.decode()
    holder.force_login(make.user("holder", right))
    assert holder.generic(method, there).status_code not in (403, 405)


STRANGE = {int: lambda: 10**6, str: lambda: "nowhere", UUID: uuid4}
OBJECTS = [name for name, (parts, _) in MATRIX.items() if parts and parts != ("table",)]


@pytest.mark.parametrize("name", OBJECTS)
def test_a_foreign_object_is_not_found(things, name):
    client = Client()
    client.force_login(make.admin())
    parts, methods = MATRIX[name]
    strange = [STRANGE[type(things[part])]() for part in parts]
    method = "GET" if methods["GET"] is not None else "POST"
    assert client.generic(method, reverse(name, args=strange)).status_code == 404


def test_no_get_changes_anything(things):
    client = Client()
    client.force_login(make.admin())
    before = state()
    for name, (_parts, methods) in MATRIX.items():
        if methods["GET"] is not None:
            client.get(address(name, things))
            client.get(address(name, things), headers={"HX-Request": "true"})
    assert state() == before


def state():
    kinds = (
        *(Authority, FutureCertificate, Operation, ServerCertificate, Preferences, Device, Entry),
        *(Assignment, Replica, SystemUpdate),
    )
    rows = [serializers.serialize("json", kind.objects.order_by("pk")) for kind in kinds]
    return hashlib.sha256("".join(rows).encode()).hexdigest()
