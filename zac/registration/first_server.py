"""Setup of the first server of a new zone, when there is no server to register with.

The agent creates the private keys, which never leave this host. The process that creates the zone
signs the CSR, and returns the identity and the certificate.
"""

from __future__ import annotations

from typing import ClassVar, Dict, List, Optional

from wire import json_codec
from wire.messages import PRIMARY, RegisterResponse, VaultKeys
from wire.records import Record
from zac.host import files
from zac.host.home import NotRegistered
from zac.host.host import Host
from zac.registration import initial_certificate
from zac.registration.registration import (
    RegistrationOptions,
    create_vault_keys,
    store_registration,
)
from zac.updates import refresh

# The name of this file is that of the previous version, which might have prepared this host.
OPTIONS_FILE = "adopting.json"


class FirstServerRequest(Record):
    """The CSR, the public vault keys and the features of the first server."""

    csr: str
    vault_keys: VaultKeys
    features: List[str]


class FirstServerResponse(Record):
    """The identity of the first server and its certificate (leaf first, no root)."""

    registered: RegisterResponse
    chain: str


class _StoredOptions(Record):
    """The options of `prepare`, stored until `finish`."""

    json_names: ClassVar[Dict[str, str]] = {"preflight_port": "rehearsal_port"}

    url: str
    name: str
    fqdn: str
    addresses: List[str]
    port: int
    content_port: int
    preflight_port: int
    role: str = PRIMARY


def prepare(host: Host, options: RegistrationOptions, key: Optional[bytes] = None) -> str:
    """Create vault keys, server key and CSR; return a FirstServerRequest as JSON.

    An existing private key can be given if the server already has a certificate.
    """
    vault_keys = create_vault_keys(host)
    csr = initial_certificate.create_csr(
        host,
        common_name=options.fqdn or options.name,
        fqdn=options.fqdn,
        addresses=options.addresses,
        key=host.server_part.parse_key(key) if key else "",
    )
    stored = _StoredOptions(**{name: getattr(options, name) for name in _StoredOptions.__fields__})
    files.write(host.home.path_to(OPTIONS_FILE), json_codec.dump(stored))
    request = FirstServerRequest(
        csr=csr, vault_keys=vault_keys, features=refresh.list_features(host.home, PRIMARY)
    )
    return json_codec.dump(request).decode()


def finish(host: Host, data: bytes) -> None:
    """Store identity, trust and certificate from a FirstServerResponse. Safe to repeat."""
    response = json_codec.load(FirstServerResponse, data)
    stored = files.read(host.home.path_to(OPTIONS_FILE))
    if stored is None:
        raise NotRegistered(
            "This host has not been prepared as the first server.",
            action="Run: zac bootstrap --prepare",
        )
    options = json_codec.load(_StoredOptions, stored)
    store_registration(
        host, RegistrationOptions(**vars(options)), response.registered, keep_state=True
    )
    initial_certificate.install(host, response.chain)
