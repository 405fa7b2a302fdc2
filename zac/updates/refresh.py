"""The refresh of a device: report its status, apply changes of the zone, advance its updates."""

from __future__ import annotations

from typing import List, Optional

from faults import Fault
from wire.envelope import Envelope
from wire.messages import (
    CERTIFIED_ROLES,
    CONSOLE_FEATURES,
    FEATURE_CONTENT_SERVER,
    FEATURE_CSR,
    FEATURE_PREFLIGHT,
    FEATURE_RECOVERY,
    MANAGED,
    PRIMARY,
    RefreshRequest,
    RefreshResponse,
    Trust,
)
from wire.metadata import ACTIVATION_ORDER, TrustList
from wire.records import replace
from zac import VERSION
from zac.content import content, replication
from zac.hooks import report
from zac.host import state
from zac.host.clock import NOTABLE_CLOCK_CHANGE
from zac.host.home import Home, ZoneCache
from zac.host.host import Host, servers_with_url
from zac.network import calls
from zac.network.calls import Answer
from zac.network.errors import CertificateRejected, Unreachable
from zac.network.tls import Connection
from zac.registration import initial_certificate
from zac.trust import pem, retirement, store, trust_list
from zac.trust.store import with_trust
from zac.updates import (
    activation,
    notices,
    preflight,
    repository,
    server_certificate,
    state_machine,
    status,
)
from zac.upgrades import installation, offers, programs

MIN_REFRESH_SECONDS = 0.2


def refresh(host: Host, *, retry_failed: bool = False) -> RefreshResponse:
    """Refresh once and return the response; raises NotRegistered, NoServer, NoTrustedServer.

    With `retry_failed`, failed updates are retried immediately.

    See: manual A.4
    """
    response = _exchange(host)
    if retry_failed:
        notices.redeploy(host, list(host.state.load().updates))
    if response.approved:
        _apply(host, response)
        advance_updates(host)
        preflight.repeat_checks(host)
        if replicate_content(host, response):
            response = _exchange(host)
        offers.receive(host, response.agent_upgrade)
    _contact_next_server(host)
    activation.delete_unused(host)
    return response


def advance_updates(host: Host) -> None:
    """Advance all updates and send queued reports, without a refresh."""
    fetch_activation_orders(host)
    state_machine.advance_all(host)
    state_machine.send_reports(host)


def replicate_content(host: Host, response: RefreshResponse) -> bool:
    """Download and delete content as requested; return True if there is something to report."""
    if not host.serves_content:
        return False
    return replication.replicate(host, response.replicate, response.withdraw)


def fetch_activation_orders(host: Host) -> None:
    """Request the activation order of each update that is ready and does not have one."""
    for record in host.state.load().updates.values():
        if record.step == state.READY and activation.activation_due_at(host, record) is None:
            path = "/zac/v1/updates/%s/" % record.id
            order = calls.get(
                host,
                path + "activation-order",
                Envelope,
                allow_unverified=record.manifest().immediate,
                previous_path=path + "go",
            )
            if order is not None:
                notices.process_notices(host, [order])


def list_features(home: Home, role: str) -> List[str]:
    """Return the features of an agent with a role (D-49)."""
    features = [FEATURE_PREFLIGHT, FEATURE_RECOVERY]
    if role in CERTIFIED_ROLES:
        features.append(FEATURE_CSR)
    if role != MANAGED:
        features.append(FEATURE_CONTENT_SERVER)
    if role == PRIMARY:
        features += CONSOLE_FEATURES
    return features + installation.list_features(home)


def _exchange(host: Host) -> RefreshResponse:
    answer = calls.post(
        host,
        "/zac/v1/refresh",
        lambda connection: _build_request(host, connection),
        RefreshResponse,
    )
    host.contacts.tried = host.contacts.rejected = 0
    checkpoint = answer.message.audit_checkpoint if answer.is_from_console else None
    host.state.update(lambda held: state.after_refresh(held, checkpoint))
    if answer.is_from_console:
        response = answer.message
        _learn_time(host, response.time)
    else:
        response = _without_unsigned_parts(host, answer.message)
    document = _accept_trust_list(host, response)
    host.home.save_zone_cache(_build_zone_cache(host, answer, response, document))
    return replace(response, trust=document.trust if document else None)


def _build_zone_cache(
    host: Host,
    answer: Answer[RefreshResponse],
    response: RefreshResponse,
    document: Optional[TrustList],
) -> ZoneCache:
    held = host.home.zone_cache()
    cache = replace(
        held,
        refresh_s=max(response.refresh_s, MIN_REFRESH_SECONDS),
        approved=response.approved,
        server_id=response.server_id or held.server_id,
        refreshed=round(host.clock.now(), 3),
        zone_name=response.zone_name or held.zone_name,
        has_authentic_responses=held.has_authentic_responses or answer.is_authentic,
    )
    if document is not None:
        accepted = trust_list.summarize(document, held.trust_list, host.clock.now())
        return replace(cache, servers=document.servers, trust_list=accepted)
    if held.trust_list is None and response.servers:
        # A console of the previous version, which does not sign the list of its servers.
        return replace(cache, servers=response.servers)
    return cache


def _learn_time(host: Host, now: float) -> None:
    change = host.clock.learn(now)
    if abs(change) > NOTABLE_CLOCK_CHANGE:
        host.log_event("clock", moved=round(change, 1), offset=round(host.clock.offset, 1))


def _without_unsigned_parts(host: Host, response: RefreshResponse) -> RefreshResponse:
    """Return a response that the console did not authenticate with its signed documents only."""
    fault = Fault("The response does not have a valid MAC of the console.")
    notices.reject_document(host, "refresh", fault)
    cache = host.home.zone_cache()
    return RefreshResponse(
        time=response.time,
        approved=cache.approved,
        refresh_s=cache.refresh_s,
        updates=response.updates,
        notices=response.notices,
        trust_list=response.trust_list,
    )


def _accept_trust_list(host: Host, response: RefreshResponse) -> Optional[TrustList]:
    """Return the signed trust list of a response, None if there is none or it is rejected."""
    accepted = host.home.zone_cache().trust_list
    if accepted is not None and accepted.expires_at <= host.clock.now():
        fault = Fault("The trust list in use has expired, and no newer one was received.")
        notices.reject_document(host, "trust-list", fault)
    if response.trust_list is None:
        return None
    device = host.device
    try:
        document = trust_list.verify(
            response.trust_list,
            zone=device.zone,
            keys=device.zone_keys,
            min_version=accepted.version if accepted else 0,
            now=host.clock.now(),
        )
    except Fault as fault:
        notices.reject_document(host, "trust-list", fault)
        return None
    if document.second_key and not device.second_pub:
        host.home.save_device(replace(device, second_pub=document.second_key))
        host.log_event("second-key", key=document.second_key)
    return document


def _build_request(host: Host, connection: Connection) -> RefreshRequest:
    device, generation, held = host.device, host.trust_store.current(), host.state.load()
    digests, now = store.digests(generation.trust), host.clock.now()
    pending = host.pending_replicas
    return RefreshRequest(
        time=host.clock.local(),
        agent=VERSION,
        generation=host.trust_store.current_name(),
        root_sha256=digests[0],
        anchored_sha256=connection.peer.anchored,
        skew=round(host.clock.local() - now, 3),
        fqdn=device.fqdn,
        addresses=device.addresses,
        features=list_features(host.home, device.role),
        contacts=host.contacts.tried,
        rejected_contacts=host.contacts.rejected,
        server_certificate_sha256=pem.fingerprint(generation.server) if generation.server else "",
        trusted_sha256=digests,
        stored_content=content.list_stored(host) if host.serves_content else [],
        rejected_documents=held.rejected_documents,
        audit_checkpoint=held.audit_checkpoint,
        replicas=replication.list_progress(host, pending) if host.serves_content else [],
        trust_version=trust_list.get_version_to_report(host.home.zone_cache().trust_list, now),
        updates=status.list_updates(host),
        remint_repository=repository.list_folders(host)[0] if host.is_certified else "",
        agent_upgrade=programs.get_result(host.home),
        host_report=report.build(host.home),
    )


def _apply(host: Host, response: RefreshResponse) -> None:
    canceled = notices.process_notices(host, response.notices)
    notices.process_manifests(host, response.updates, response.ignored)
    # An activation order can arrive together with the manifest of its update.
    orders = [notice for notice in response.notices if notice.payload_type == ACTIVATION_ORDER]
    notices.process_notices(host, orders)
    notices.redeploy(host, response.redeploy)
    _update_trust(host, response, remove_pending=canceled)
    retirement.retire_roots(host)
    if response.certificate_pending and host.is_certified:
        try:
            initial_certificate.fetch(host)
        except Fault as fault:
            host.log_event("certificate-rejected", reason=str(fault))
    status.send_certificates(host, response.send_certificates)
    server_certificate.request_again(host, response.new_csrs)


def _update_trust(host: Host, response: RefreshResponse, *, remove_pending: bool) -> None:
    if response.trust is None:
        return
    with host.state.locked():
        generation = host.trust_store.current()
        trust = store.with_offered(generation.trust, response.trust)
        offered = store.digests(response.trust)
        if remove_pending:
            pending = pem.fingerprints(trust.pending)
            trust = store.without(trust, [digest for digest in pending if digest not in offered])
        current = offered[0]
        is_foreign = not trust_list.is_authorized(host, pem.fingerprint(trust.current))
        keeps_current = _is_root_of_open_update(host, current) or _is_previous_root(trust, current)
        if is_foreign or not keeps_current:
            trust = store.with_current(trust, current)
        if host.trust_store.activate(with_trust(generation, trust)):
            host.log_event("trust", current=current[:16], trusted=len(store.digests(trust)))


def _is_root_of_open_update(host: Host, digest: str) -> bool:
    """Return True if an open update will make this root the current one."""
    records = host.state.load().updates.values()
    return any(record.is_open and record.manifest().root_sha256 == digest for record in records)


def _is_previous_root(trust: Trust, digest: str) -> bool:
    """Return True if this host has already replaced the root; the console might do so later."""
    return digest in pem.fingerprints(trust.in_grace)


def _contact_next_server(host: Host) -> None:
    cache = host.home.zone_cache()
    registered = host.device.url
    others = [
        server
        for server in servers_with_url(cache.servers)
        if server.url != registered and server.id != host.device.id
    ]
    if not others:
        return
    try:
        activation.contact_server(host, others[cache.turn % len(others)])
    except (Unreachable, CertificateRejected) as fault:
        host.log_warning("contact: %s" % fault.explanation)
    host.home.save_zone_cache(replace(cache, turn=cache.turn + 1))
