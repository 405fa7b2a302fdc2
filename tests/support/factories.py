"""Factories of rows with real certificates and sensible defaults."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from certificates.models import (
    AcmeAccount,
    AcmeAccountKey,
    AcmeCertificate,
    AgentUpgrade,
    Authority,
    FutureCertificate,
    Operation,
    ServerCertificate,
)
from certificates.operations.states import AuthorityState, FutureState, OperationState
from devices.models import Device, Role, Zone
from pki import keys, names, validity
from pki.certificates import ca_certificates, details, issuance
from pki.certificates.constraints import NameConstraints
from systemupdates.models import Assignment, Replica, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from wire import metadata
from zac import RELEASE

PASSWORD = "correct-horse-battery"
YEAR = timedelta(days=365)
EVERY_DAY = "DTSTART:20250101T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY"
"""The rule of a maintenance window."""


def now() -> datetime:
    """Return the time to the second, as certificates keep it."""
    return timezone.now().replace(microsecond=0)


def user(name: str = "admin", *rights: str) -> User:
    """A user with rights, given as app.codename."""
    made = User.objects.create_user(name, password=PASSWORD)
    for right in rights:
        app, codename = right.split(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        made.user_permissions.add(found)
    return made


def admin(name: str = "admin") -> User:
    """A user with all rights."""
    return User.objects.create_superuser(name, password=PASSWORD)


def zone(name: str = "TEST-ZONE", **values: Any) -> Zone:
    """The zone, with the settings of a demo zone."""
    given = {"refresh_seconds": 60, "lead_time_seconds": 60, "freeze_seconds": 600, **values}
    return Zone.objects.create(name=name, **{"public_key": "zone-key", **given})


@lru_cache(maxsize=4)
def _key(_number: int = 0) -> str:
    return keys.generate_key(256)


@lru_cache(maxsize=64)
def root_pem(
    name: str,
    since: datetime,
    until: datetime,
    name_constraints: NameConstraints | None = None,
) -> str:
    """A self-signed root."""
    return ca_certificates.build_root(
        key_pem=_key(0),
        subject=names.Subject.parse(name),
        validity=validity.Validity(since, until),
        serial=issuance.generate_serial(),
        name_constraints=name_constraints,
    )


def server(name: str = "zen-ps-01", role: str = Role.PRIMARY, **values: Any) -> Device:
    """A registered server with a recent contact."""
    number = int(uuid.uuid5(uuid.NAMESPACE_DNS, name)) % 250 + 1
    given = {
        "fqdn": f"{name}.acme.example",
        "addresses": [f"10.0.0.{number}"],
        "role": role,
        "last_contact": timezone.now(),
        "registered_at": timezone.now(),
        "version": RELEASE,
        "os": "Linux",
        **values,
    }
    return Device.objects.create(name=name, **given)


def device(name: str = "pc-001", **values: Any) -> Device:
    """A registered managed device with a recent contact."""
    return server(name, Role.MANAGED, **values)


def authority(
    holder: Device | None = None,
    *,
    name: str = "TEST-ZONE",
    kind: str = Authority.Kind.INTERNAL,
    state: str = AuthorityState.CURRENT,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Authority:
    """A zone CA with a real root certificate and without a stored key."""
    since = since or now() - YEAR
    pem = root_pem(name, since, until or now() + 9 * YEAR)
    facts = details.get_details(pem)
    return Authority.objects.create(
        kind=kind,
        state=state,
        root_pem=pem,
        subject=facts.subject,
        common_name=facts.common_name,
        key_length=facts.key_length,
        not_before=facts.not_before,
        not_after=facts.not_after,
        sha256=facts.digest,
        certificate_server=holder,
    )


def certificate(
    holder: Device,
    issuer: Authority,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    superseded_at: datetime | None = None,
    pem: str = "",
) -> ServerCertificate:
    """The certificate that a server shows; dates may differ from those in the PEM."""
    pem = pem or leaf_pem(holder, issuer)
    facts = details.get_details(pem)
    return ServerCertificate.objects.create(
        device=holder,
        authority=issuer,
        chain_pem=pem,
        subject=holder.fqdn,
        issuer=facts.issuer_common_name,
        not_before=since or facts.not_before,
        not_after=until or facts.not_after,
        key_length=facts.key_length,
        md5=facts.md5,
        sha1=facts.sha1,
        sha256=facts.sha256,
        digest=facts.digest,
        active_since=since or facts.not_before,
        superseded_at=superseded_at,
    )


@lru_cache(maxsize=512)
def _leaf(fqdn: str, addresses: tuple[str, ...], root: str, moment: datetime) -> str:
    signer = issuance.Issuer.open(root, _key(0), moment)
    prepared = signer.prepare(
        public_key=keys.get_public_key(_key(1)),
        subject=names.Subject(fqdn),
        names=names.Names((fqdn,), addresses),
        validity=validity.get_server_validity(moment, 365, root),
        serial=issuance.generate_serial(),
    )
    return signer.issue(prepared)


def leaf_pem(holder: Device, issuer: Authority) -> str:
    """A real server certificate, from a time when its CA was valid."""
    moment = min(now(), issuer.not_after - timedelta(days=2))
    return _leaf(holder.fqdn, tuple(holder.addresses), issuer.root_pem, moment)


def update(server: Device, *, state: str = UpdateState.REPLICATING, **values: Any) -> SystemUpdate:
    """A system update that one server initiated."""
    given = {"name": "Remint CA 2026-11-23", "kind": metadata.REMINT_CA, **values}
    return SystemUpdate.objects.create(initiating_server=server, state=state, **given)


def operation(
    issuer: Authority,
    *,
    state: str = OperationState.REPLICATING,
    kind: str = Operation.Kind.REMINT_CA,
    activates_in: timedelta | None = timedelta(days=7),
    **values: Any,
) -> Operation:
    """An operation with its system update."""
    holder = issuer.certificate_server
    assert holder is not None
    given = {
        "name": "Remint CA 2026-11-23",
        "parameters": {},
        "immediate": activates_in is None,
        "activates_at": None if activates_in is None else timezone.now() + activates_in,
        **values,
    }
    if "update" not in given and state != OperationState.PREPARING:
        given["update"] = update(holder, activates_at=given["activates_at"], name=given["name"])
    return Operation.objects.create(
        state=state, kind=kind, authority=issuer, signing_server=holder, **given
    )


def agent_upgrade(*devices: Device, state: str = "running", **values: Any) -> AgentUpgrade:
    """An upgrade of the agents of some devices, to which it was offered."""
    given = {"version": "9.9.9+0123456789ab", "sha256": "ab" * 32, "size": 1, "signature": "s"}
    upgrade = AgentUpgrade.objects.create(
        **{**given, "state": state, "created_at": now(), "starts_at": now(), **values}
    )
    for one in devices:
        upgrade.targets.create(
            device=one, state="offered", changed_at=now(), previous_version=one.version
        )
    return upgrade


def replica(
    of: SystemUpdate, on: Device, state: str = ReplicaState.PENDING, **values: Any
) -> Replica:
    """The content of an update on a content server."""
    return Replica.objects.create(update=of, server=on, state=state, **values)


def assignment(
    of: SystemUpdate, to: Device, state: str = AssignmentState.PENDING, **values: Any
) -> Assignment:
    """An update for a device."""
    return Assignment.objects.create(update=of, device=to, state=state, **values)


def future(
    of: Operation | None, holder: Device, state: str = FutureState.AWAITED, **values: Any
) -> FutureCertificate:
    """The certificate that a server will show."""
    return FutureCertificate.objects.create(operation=of, device=holder, state=state, **values)


def failed_operation(count: int, prefix: str) -> Operation:
    """Return an operation whose update has failed on devices with a prefix in their names."""
    made = operation(authority(server("ps-01")))
    for number in range(count):
        assignment(made.update, device(f"{prefix}{number:02}"), "failed")
    return made


def acme_certificate(name: str, authority: Authority, **values: Any) -> AcmeCertificate:
    """A certificate that a host without an agent uses, without its chain."""
    key, _ = AcmeAccountKey.objects.get_or_create(key_id="hosts", defaults={"label": "hosts"})
    account, _ = AcmeAccount.objects.get_or_create(
        thumbprint="hosts", defaults={"account_key": key, "jwk": {}}
    )
    serial = f"{AcmeCertificate.objects.count() + 1:x}"
    given = {
        "serial": serial,
        "digest": hashlib.sha256(serial.encode()).hexdigest(),
        "not_before": now(),
        "not_after": now() + timedelta(days=90),
        "fetched_at": now(),
        **values,
    }
    return AcmeCertificate.objects.create(
        account=account, authority=authority, subject=name, names=[name], **given
    )
