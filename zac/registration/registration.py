"""Registration of a device: verify the zone, send the secret over verified TLS, store the result.

device.json is written last, so a device is registered completely or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import platform
from http import HTTPStatus
from typing import Callable, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

from faults import Fault
from wire import authentication, json_codec, registration_key
from wire.envelope import PublicKeys
from wire.messages import (
    CERTIFIED_ROLES,
    MANAGED,
    PRIMARY,
    RegisterRequest,
    RegisterResponse,
    VaultKeys,
)
from wire.metadata import IdentityStatement, TrustList
from wire.records import Record, field, replace
from zac import VERSION
from zac.host import state
from zac.host.home import Device, ZoneCache
from zac.host.host import Host
from zac.network import calls, contact, tls
from zac.network.contact import VerifiedIdentity
from zac.network.errors import BadAddress
from zac.registration import initial_certificate
from zac.trust import pem, store, trust_list
from zac.trust.store import Generation
from zac.updates import refresh

PATH = "/zac/v1/register"


class ZoneNotPinned(Fault):
    """Neither a registration key nor a fingerprint identifies the zone."""

    action = "Specify --key KEY (from the console) or --fingerprint HEX (of the zone key)."


class RegistrationOptions(Record):
    """Options of the registration.

    `confirm_fingerprint` asks the user to confirm the fingerprint of the zone key.
    """

    url: str
    key: str = ""
    fingerprint: str = ""
    confirm_fingerprint: Optional[Callable[[str], bool]] = None
    name: str = ""
    role: str = MANAGED
    fqdn: str = ""
    addresses: List[str] = field(default_factory=list)
    port: int = 0
    content_port: int = 0
    preflight_port: int = 0
    parent: str = ""


def register(host: Host, options: RegistrationOptions) -> RegisterResponse:
    """Register this host and return the response; makes no changes if it raises a fault."""
    if urlsplit(options.url).scheme == "http":
        # A content server would respond, but it cannot register devices.
        raise BadAddress("%s is not an HTTPS address. Nothing was changed." % options.url)
    identity = contact.verify_identity(host.transport, options.url, _zone_key_check(host, options))
    host.clock.learn(identity.statement.time)
    previous = _get_previous(host)
    is_same_zone = previous is not None and previous.zone_pub == identity.zone_pub
    previous_id = previous.id if previous is not None and is_same_zone else ""
    if previous is not None and is_same_zone:
        options = _with_previous_values(options, previous)
    request = _build_request(host, options, previous_id)
    second_pub = previous.second_pub if previous is not None and is_same_zone else ""
    keys = PublicKeys(identity.zone_pub, second_pub)
    sent = _send(host, options.url, identity, request)
    response, document = _read_trust(identity.statement, keys, sent)
    store_registration(
        host,
        options,
        response,
        keep_state=is_same_zone,
        document=document,
        second_pub=second_pub,
    )
    return response


def _get_previous(host: Host) -> Optional[Device]:
    """Return the identity of this host, also if it was unregistered, None if it never had one."""
    return host.home.device_or_none() or host.home.former_device()


def _with_previous_values(options: RegistrationOptions, previous: Device) -> RegistrationOptions:
    """Return the options, with the values of the previous registration for those not given."""
    kept = ("name", "fqdn", "addresses", "port", "content_port", "preflight_port", "parent")
    values = {name: getattr(options, name) or getattr(previous, name) for name in kept}
    return replace(options, **values)


def store_registration(
    host: Host,
    options: RegistrationOptions,
    response: RegisterResponse,
    *,
    keep_state: bool,
    document: Optional[TrustList] = None,
    second_pub: str = "",
) -> None:
    """Store trust, servers and, last, the identity of this host.

    With `keep_state`, the state of updates and the server certificate are kept. `second_pub` is
    the second zone key that this host had before.
    """
    # What an earlier registration has kept of revocations ends here (D-282).
    accepted = trust_list.summarize(document, None, 0.0) if document is not None else None
    second_pub = second_pub or (document.second_key if document is not None else "")
    with host.state.locked():
        if not keep_state:
            host.state.update(lambda _held: state.State(epoch=response.trust_epoch))
        server, trust = "", response.trust
        if host.trust_store.exists() and keep_state:
            server = host.trust_store.current().server
        if server:
            trust = store.with_offered(response.trust, host.trust_store.current().trust)
        host.trust_store.activate(Generation(trust, server))
        host.state.update(lambda held: replace(held, epoch=max(held.epoch, response.trust_epoch)))
    host.home.save_zone_cache(
        ZoneCache(
            servers=response.servers,
            refresh_s=max(response.refresh_s, refresh.MIN_REFRESH_SECONDS),
            approved=response.approved,
            server_id=response.server_id,
            zone_name=response.zone_name,
            trust_list=accepted,
            has_authentic_responses=accepted is not None,
        )
    )
    host.home.save_device(replace(_build_device(options, response), second_pub=second_pub))
    host.clock.learn(response.time)
    host.log_event("registered", id=response.id, zone=response.zone, role=options.role)


def zone_fingerprint(public: bytes) -> str:
    """Return the fingerprint of a zone's public key: SHA-256, hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def create_vault_keys(host: Host) -> VaultKeys:
    """Create this Primary Server's vault keys unless they exist; return the public halves."""
    return host.server_part.create_vault_keys(host.home.path)


def _zone_key_check(host: Host, options: RegistrationOptions) -> Callable[[bytes], bool]:
    """Return a function that checks the zone's public key; raises ZoneNotPinned."""
    if options.key:
        return registration_key.parse(options.key).is_for_zone
    if options.fingerprint:
        expected = options.fingerprint.replace(":", "").lower()
        return lambda public: hmac.compare_digest(expected, zone_fingerprint(public))
    previous = _get_previous(host)
    if previous is not None:
        pinned = base64.b64decode(previous.zone_pub)
        return lambda public: public == pinned
    confirm = options.confirm_fingerprint
    if confirm is None:
        raise ZoneNotPinned(
            "This device has not been registered in the zone before, "
            "and no registration key was specified."
        )
    return lambda public: confirm(zone_fingerprint(public))


def _build_request(host: Host, options: RegistrationOptions, previous_id: str) -> RegisterRequest:
    csr = None
    if options.role in CERTIFIED_ROLES:
        csr = initial_certificate.create_csr(
            host,
            common_name=options.fqdn or options.name,
            fqdn=options.fqdn,
            addresses=options.addresses,
        )
    return RegisterRequest(
        name=options.name or os.uname().nodename,
        role=options.role,
        agent=VERSION,
        addresses=options.addresses,
        fqdn=options.fqdn,
        os="%s %s" % (platform.system(), platform.release()),
        key=registration_key.parse(options.key).secret if options.key else None,
        csr=csr,
        vault_keys=create_vault_keys(host) if options.role == PRIMARY else None,
        features=refresh.list_features(host.home, options.role),
        port=options.port,
        content_port=options.content_port,
        preflight_port=options.preflight_port,
        parent=options.parent,
        device=previous_id,
    )


def _send(
    host: Host, url: str, identity: VerifiedIdentity, request: RegisterRequest
) -> RegisterResponse:
    data = json_codec.dump(request)
    with host.transport.verified(url, identity.statement.roots) as connection:
        response = connection.send("POST", PATH, data, _proof_headers(host, request, data))
    if response.status in tls.BUSY:
        raise tls.busy(tls.host_of(url), response)
    if response.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise calls.rejection(response)
    registered = json_codec.load(RegisterResponse, response.body)
    if registered.zone_pub != identity.zone_pub or registered.zone != identity.statement.zone:
        raise contact.IdentityNotProven("The server belongs to a different zone.")
    return registered


def _read_trust(
    statement: IdentityStatement, keys: PublicKeys, response: RegisterResponse
) -> Tuple[RegisterResponse, Optional[TrustList]]:
    """Return the response with the roots and servers of its signed trust list, and this list.

    The signed statement was made for this call, so its version is that of the newest list. A
    console of the previous version has no list: then the statement must contain the roots. The
    second zone key does not sign statements, so a device that has stored it requires the list.
    """
    if response.trust_list is not None:
        document = trust_list.verify(
            response.trust_list,
            zone=statement.zone,
            keys=keys,
            min_version=statement.trust_version,
            now=statement.time,
        )
        listed = replace(response, trust=document.trust, servers=document.servers)
        return listed, document
    roots = store.roots(response.trust)
    if keys.second_pub or statement.trust_version or roots[:1] != tuple(statement.roots[:1]):
        raise contact.IdentityNotProven("The signed trust list is missing in the response.")
    if not set(roots) <= set(statement.roots):
        raise contact.IdentityNotProven("The response contains a root that the zone did not sign.")
    for root in roots:
        pem.describe(root)
    return response, None


def _proof_headers(host: Host, request: RegisterRequest, data: bytes) -> Dict[str, str]:
    """Return the credentials of the previous identity (D-51).

    With a registration key, they only prove that this is the same device (D-124).
    """
    device = _get_previous(host)
    if not request.device or device is None:
        return {}
    credentials = authentication.sign(
        device.secret,
        device=device.id,
        counter=host.home.next_counter(),
        method="POST",
        path=PATH,
        body=data,
    )
    name = authentication.PREVIOUS_IDENTITY if request.key else "Authorization"
    return {name: credentials.header()}


def _build_device(options: RegistrationOptions, response: RegisterResponse) -> Device:
    return Device(
        id=response.id,
        secret=response.secret,
        epoch=response.epoch,
        zone=response.zone,
        zone_pub=response.zone_pub,
        name=options.name or os.uname().nodename,
        url=options.url.rstrip("/"),
        role=options.role,
        fqdn=options.fqdn,
        addresses=options.addresses,
        port=options.port,
        content_port=options.content_port,
        preflight_port=options.preflight_port,
        parent=options.parent,
    )
