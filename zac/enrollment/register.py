"""Registration: prove the zone, then say the secret over verified TLS, then keep the answer.

Written last is device.json, so a device is registered completely or not at all.

The first Primary Server of a new zone: there is no server yet to register with.

The agent makes the keys, since they never leave this host; whoever creates the zone signs the
request and hands back identity and certificate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import platform
from typing import Callable, Dict, List, Optional

from faults import Fault
from wire import authentication, json_codec, registration_key
from wire.messages import (
    CERTIFIED_ROLES,
    MANAGED,
    PRIMARY,
    Problem,
    Register,
    Registered,
    VaultKeys,
)
from wire.values import Value, field, replace
from zac import VERSION
from zac.enrollment import first_certificate
from zac.host import files
from zac.host.home import Device, Known, NotRegistered
from zac.host.host import Host
from zac.network import calls, contact
from zac.network.contact import Greeting
from zac.trust import pem, store
from zac.trust.store import Generation
from zac.updates import refresh

PATH = "/zac/v1/register"


class NoPin(Fault):
    """Nothing says which zone is meant, so that anybody could pretend to be it."""

    action = "Add --key KEY from the console, or --fingerprint HEX of the zone."


class Options(Value):
    """What `zac reg` was told."""

    url: str
    key: str = ""
    fingerprint: str = ""
    ask: Optional[Callable[[str], bool]] = None
    name: str = ""
    role: str = MANAGED
    fqdn: str = ""
    addresses: List[str] = field(default_factory=list)
    port: int = 0
    content_port: int = 0
    rehearsal_port: int = 0
    parent: str = ""


def enrol(host: Host, options: Options) -> Registered:
    """Register this host; raises a fault and leaves everything as it was."""
    met = contact.greet(host.transport, options.url, _judge(host, options))
    host.clock.learn(met.statement.time)
    old = host.home.device_if_any()
    returns = old is not None and old.zone_pub == met.zone_pub
    request = _request(host, options, old.id if old is not None and returns else "")
    registered = _register(host, options.url, met, request)
    keep(host, options, registered, forget=not returns)
    return registered


def keep(host: Host, options: Options, registered: Registered, *, forget: bool) -> None:
    """Store trust, servers and, last, who this host is."""
    with host.state.held():
        if forget:
            host.state.change(lambda _old: type(_old)(epoch=registered.trust_epoch))
        server = ""
        if host.security.exists() and not forget:
            server = host.security.current().server
        held = registered.trust
        if server:
            held = store.joined(registered.trust, host.security.current().trust)
        host.security.use(Generation(held, server))
        host.state.change(lambda old: replace(old, epoch=max(old.epoch, registered.trust_epoch)))
    host.home.keep_known(
        Known(
            servers=registered.servers,
            refresh_s=max(registered.refresh_s, 0.2),
            approved=registered.approved,
            server_id=registered.server_id,
        )
    )
    host.home.keep_device(_device(options, registered))
    host.clock.learn(registered.time)
    host.note("registered", id=registered.id, zone=registered.zone, role=options.role)


def zone_fingerprint(public: bytes) -> str:
    """Return the fingerprint of a zone's public key: SHA-256, hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def vault_keys(host: Host) -> VaultKeys:
    """Make this Primary Server's vault keys unless they are there; returns the public halves."""
    return host.server.make_vault_keys(host.home.path)


def _judge(host: Host, options: Options) -> Callable[[bytes], bool]:
    if options.key:
        return registration_key.read(options.key).fits
    if options.fingerprint:
        wanted = options.fingerprint.replace(":", "").lower()
        return lambda public: hmac.compare_digest(wanted, zone_fingerprint(public))
    old = host.home.device_if_any()
    if old is not None:
        pinned = base64.b64decode(old.zone_pub)
        return lambda public: public == pinned
    ask = options.ask
    if ask is None:
        raise NoPin("This device does not know the zone, and no key was given.")
    return lambda public: ask(zone_fingerprint(public))


def _request(host: Host, options: Options, device: str) -> Register:
    csr = None
    if options.role in CERTIFIED_ROLES:
        csr = first_certificate.make_request(
            host,
            common_name=options.fqdn or options.name,
            fqdn=options.fqdn,
            addresses=options.addresses,
        )
    return Register(
        name=options.name or os.uname().nodename,
        role=options.role,
        agent=VERSION,
        addresses=options.addresses,
        fqdn=options.fqdn,
        os="%s %s" % (platform.system(), platform.release()),
        key=registration_key.read(options.key).secret if options.key else None,
        csr=csr,
        vault_keys=vault_keys(host) if options.role == PRIMARY else None,
        features=refresh.features(options.role),
        port=options.port,
        content_port=options.content_port,
        rehearsal_port=options.rehearsal_port,
        parent=options.parent,
        device=device,
    )


def _register(host: Host, url: str, met: Greeting, request: Register) -> Registered:
    data = json_codec.dump(request)
    with host.transport.verified(url, met.statement.roots) as line:
        answer = line.send("POST", PATH, data, _proof(host, request, data))
    if answer.status not in (200, 201):
        try:
            told = json_codec.load(Problem, answer.body)
        except json_codec.Malformed:
            told = Problem("The server answered %d." % answer.status, answer.status)
        raise calls.Rejected(told.detail or told.title, action=told.action)
    registered = json_codec.load(Registered, answer.body)
    if registered.zone_pub != met.zone_pub or registered.zone != met.statement.zone:
        raise contact.NotProven("The server registered this device in another zone.")
    for root in store.roots(registered.trust):
        pem.describe(root)
    return registered


def _proof(host: Host, request: Register, data: bytes) -> Dict[str, str]:
    """Let a device that returns without a key prove its old identity (D-51)."""
    if request.key or not request.device:
        return {}
    device = host.device
    credentials = authentication.sign(
        device.secret,
        device=device.id,
        counter=host.home.next_counter(),
        method="POST",
        path=PATH,
        body=data,
    )
    return {"Authorization": credentials.header()}


def _device(options: Options, registered: Registered) -> Device:
    return Device(
        id=registered.id,
        secret=registered.secret,
        epoch=registered.epoch,
        zone=registered.zone,
        zone_pub=registered.zone_pub,
        name=options.name or os.uname().nodename,
        url=options.url.rstrip("/"),
        role=options.role,
        fqdn=options.fqdn,
        addresses=options.addresses,
        port=options.port,
        content_port=options.content_port,
        rehearsal_port=options.rehearsal_port,
        parent=options.parent,
    )


class Prepared(Value):
    """What create_zone needs of this host."""

    csr: str
    vault_keys: VaultKeys


class Adoption(Value):
    """What create_zone hands back: identity and first certificate (leaf first, no root)."""

    registered: Registered
    chain: str


def prepare(host: Host, options: Options, key: Optional[bytes] = None) -> str:
    """Make vault keys, server key and request; returns Prepared as JSON.

    A given key is taken over instead of a new one: its certificate exists already (R065).
    """
    vault = vault_keys(host)
    csr = first_certificate.make_request(
        host,
        common_name=options.fqdn or options.name,
        fqdn=options.fqdn,
        addresses=options.addresses,
        key=host.server.read_key(key) if key else "",
    )
    kept = {name: told for name, told in vars(options).items() if name != "ask"}
    files.write(host.home.at("adopting.json"), json_codec.dump(kept))
    return json_codec.dump(Prepared(csr=csr, vault_keys=vault)).decode()


def finish(host: Host, data: bytes) -> None:
    """Take over identity, trust and certificate; harmless to repeat."""
    adoption = json_codec.load(Adoption, data)
    kept = files.read(host.home.at("adopting.json"))
    if kept is None:
        raise NotRegistered("This host was not prepared.", action="Run: zac adopt --prepare")
    options = json_codec.load(_Kept, kept)
    keep(host, Options(**vars(options)), adoption.registered, forget=False)
    first_certificate.install(host, adoption.chain)


class _Kept(Value):
    """The options of `prepare`, without the one that is a function."""

    url: str
    name: str
    fqdn: str
    addresses: List[str]
    port: int
    content_port: int
    rehearsal_port: int
    role: str = PRIMARY
