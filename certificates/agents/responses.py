"""Responses to agents: identity, registration, refresh, and activation order."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from certificates.agent_upgrades import delivery as agent_delivery
from certificates.agents import pending_items, update_states
from certificates.agents.pending_items import envelope_to_dict
from certificates.agents.status_reports import update_device_status
from certificates.agents.update_states import save_reported_updates
from certificates.issuance.requests import (
    create_initial_certificate,
    rebuild_csr_parameters,
    request_new_csr,
)
from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations import distribution
from certificates.trust import roots, trust_list
from certificates.trust.trust_list import list_server_addresses
from devices.identity import zone_keys
from devices.models import Device, Zone
from devices.witnesses import checkpoints
from pki.certificates import details
from pki.chains import chains
from systemupdates.assignments import assignment
from systemupdates.content import replication
from systemupdates.models import Assignment, TrustNotice
from wire import json_codec, messages, metadata, records
from wire.envelope import Envelope

PENDING_REFRESH_SECONDS = 60
# States of an operation in which its activation order is in force.
ORDERED_STATES = ("activating", "activated", "completed")


def build_identity_statement(
    request: messages.HelloRequest, *, now: datetime
) -> messages.HelloResponse:
    """Sign the certificate of this server and the trusted roots for the nonce of a new device."""
    keyring = zone_keys.get_keyring()
    zone = Zone.objects.get_zone()
    pem = (keyring.home / "security" / "current" / "server.pem").read_text()
    trusted = roots.build_trust()
    payload = metadata.IdentityStatement(
        zone=str(zone.guid),
        nonce=request.nonce,
        host=request.host,
        certificate_sha256=details.get_digest(chains.split(pem)[0]),
        roots=[trusted.current, *trusted.in_grace, *trusted.pending],
        time=now.timestamp(),
        trust_version=trust_list.get_trust_list(zone, now=now).version,
    )
    signed = keyring.sign_without_entry(metadata.IDENTITY_STATEMENT, json_codec.dump(payload))
    return messages.HelloResponse(zone_pub=zone_keys.get_public_zone_key(zone), statement=signed)


def assign_pending_work(device: Device) -> None:
    """Assign updates, content, and an initial certificate to a device that has registered.

    See: manual A.3
    """
    assignment.offer_again(device, distribution.list_superseded_updates(device))
    if device.is_content_server:
        replication.create_replicas_for_server(device)
    if not device.is_certified:
        return
    for future in FutureCertificate.objects.open().filter(device=device, operation__isnull=False):
        request_new_csr(future, csr_parameters=rebuild_csr_parameters(future, device))
    distribution.add_server(device)
    if device.requested_change:
        # Its certificate depends on the decision of an administrator.
        return
    create_initial_certificate(device, Authority.objects.current())


def build_register_response(device: Device, *, now: datetime) -> messages.RegisterResponse:
    """Return the identity, secret, trusted roots, and servers for a registered device."""
    zone = Zone.objects.get_zone()
    guid = str(device.pk)
    return messages.RegisterResponse(
        id=guid,
        secret=zone_keys.get_keyring().device_secret(guid, device.credential_epoch),
        epoch=device.credential_epoch,
        trust_epoch=zone.epoch,
        zone=str(zone.guid),
        zone_pub=zone_keys.get_public_zone_key(zone),
        time=now.timestamp(),
        approved=device.state == "registered",
        trust=roots.build_trust(),
        servers=list_server_addresses(),
        refresh_s=float(zone.refresh_seconds),
        server_id=str(zone_keys.get_keyring().server_id),
        zone_name=zone.name,
        trust_list=trust_list.get_trust_list(zone, now=now).envelope,
    )


def build_refresh_response(
    device: Device, report: messages.RefreshRequest, *, now: datetime
) -> bytes:
    """Return the refresh response as JSON. The common part is built once per zone revision."""
    update_device_status(device, report, now=now)
    agent_delivery.save_result(device, report, now=now)
    zone = Zone.objects.get_zone()
    interval = _get_refresh_interval(device, zone)
    is_registered = device.state == "registered"
    cancellations = save_reported_updates(device, report.updates, now=now) if is_registered else []
    items = (
        pending_items.get_pending_items(device, report)
        if device.has_pending_work or device.role != messages.MANAGED
        else {}
    )
    if cancellations:
        notices = [envelope_to_dict(envelope) for envelope in cancellations]
        items["notices"] = [*items.get("notices", []), *notices]
    own: dict[str, object] = {
        "approved": device.state == "registered",
        "time": now.timestamp(),
        **items,
    }
    if device.state != "registered":
        waiting = float(min(zone.refresh_seconds, PENDING_REFRESH_SECONDS))
        return json.dumps({**own, "refresh_s": waiting}).encode()
    checkpoint = checkpoints.exchange(device.name, report.audit_checkpoint, now=now)
    if checkpoint is not None:
        own["audit_checkpoint"] = records.to_plain(checkpoint)
    # Two JSON objects joined as text: the second is the same for every device.
    if report.trust_version is None:
        common = _build_common_part(str(zone.guid), zone.revision, interval)
    else:
        zone = trust_list.exceed_version(zone, report.trust_version, now=now)
        listed = None
        if report.trust_version != zone.revision:
            signed = trust_list.get_trust_list(zone, now=now)
            if signed.version == zone.revision or signed.version > report.trust_version:
                listed = signed.envelope
            if signed.version != zone.revision:
                interval = min(interval, trust_list.get_unsigned_interval(zone, now))
        common = _build_signed_part(zone.name, listed, interval)
    return f"{json.dumps(own)[:-1]}, {common[1:]}".encode()


def _get_refresh_interval(device: Device, zone: Zone) -> float:
    """Return the refresh interval in seconds. Content servers also refresh to replicate.

    See: D-34
    """
    if not device.is_content_server:
        return float(zone.refresh_seconds)
    return float(min(zone.refresh_seconds, device.get_replication_interval(zone).total_seconds()))


@lru_cache(maxsize=16)
def _build_signed_part(zone_name: str, listed: Envelope | None, interval: float) -> str:
    """Return the common part of responses; `listed` is the trust list unless it is unchanged."""
    part = {
        "refresh_s": interval,
        "server_id": str(zone_keys.get_keyring().server_id),
        "zone_name": zone_name,
        "trust_list": envelope_to_dict(listed) if listed else None,
    }
    return json.dumps(part)


@lru_cache(maxsize=16)
def _build_common_part(guid: str, revision: int, interval: float) -> str:
    """Return the common part for agents of the previous version, which is not signed."""
    plain = messages.RefreshResponse(
        time=0,
        approved=True,
        refresh_s=interval,
        trust=roots.build_trust(),
        servers=list_server_addresses(),
        server_id=str(zone_keys.get_keyring().server_id),
        zone_name=Zone.objects.get_zone().name,
    )
    common = json.loads(json_codec.dump(plain))
    names = ("refresh_s", "trust", "servers", "server_id", "zone_name")
    return json.dumps({name: common[name] for name in names})


def get_activation_order(device: Device, update_id: str) -> Envelope | None:
    """Return the activation order for an update that is assigned to this server, else None."""
    try:
        row = Assignment.objects.filter(device=device, update_id=UUID(update_id)).first()
    except ValueError:
        row = None
    if row is None or row.state in ("ignored", "canceled"):
        return None
    operation = Operation.objects.filter(update=row.update_id).first()
    orders = TrustNotice.objects.filter(
        update=row.update_id, kind=TrustNotice.Kind.ACTIVATION_ORDER
    )
    order = orders.order_by("-pk").first()
    if operation is None or order is None or operation.state not in ORDERED_STATES:
        return None
    return order.get_envelope()


def clear_cache() -> None:
    """Clear cached responses (for tests, and after a restore)."""
    _build_common_part.cache_clear()
    _build_signed_part.cache_clear()
    trust_list.clear_cache()
    checkpoints.clear_cache()
    update_states.clear_cache()
