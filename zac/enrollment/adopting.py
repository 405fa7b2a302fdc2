"""The first Primary Server of a new zone: there is no server yet to register with.

The agent makes the keys, since they never leave this host; whoever creates the zone signs the
request and hands back identity and certificate.
"""

from __future__ import annotations

from typing import List, Optional

from wire import json_codec
from wire.messages import PRIMARY, Registered, VaultKeys
from wire.values import Value
from zac.enrollment import first_certificate, register
from zac.enrollment.register import Options
from zac.host import files
from zac.host.home import NotRegistered
from zac.host.host import Host


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
    vault = register.vault_keys(host)
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
    register.keep(host, Options(**vars(options)), adoption.registered, forget=False)
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
