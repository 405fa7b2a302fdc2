"""What only servers do: keys, requests and chains, by way of `pki`. Never imported elsewhere."""

from __future__ import annotations

import os

from pki import bundles, chains, csr, keys, sealing
from pki.names import Names, Subject
from wire.messages import CsrOrder, VaultKeys
from zac import store
from zac.host import ServerPart

VAULT, CA_VAULT = "vault.key", "ca-vault.key"


class Tools(ServerPart):
    """The server part of the agent."""

    def make_key(self, length: int) -> str:
        return keys.make_key(length)

    def make_csr(self, key: str, order: CsrOrder) -> str:
        subject = Subject(
            order.common_name,
            organization=order.organization,
            organizational_unit=order.organizational_unit,
            locality=order.locality,
            state=order.state,
            country=order.country,
        )
        names = Names(dns=tuple(order.dns_names), addresses=tuple(order.addresses))
        return csr.make_csr(key, subject, names)

    def read_key(self, data: bytes) -> str:
        return keys.read_key(data)

    def read_chain(self, data: bytes, root: str, key: str) -> str:
        found = bundles.read_certificates(data)
        ordered = chains.build_chain(found, root_pem=root, public_key=keys.public_key(key))
        return "".join(one for one in ordered if one != root)

    def same_key(self, key: str, certificate: str) -> bool:
        return keys.same_key(key, certificate)

    def make_vault_keys(self, folder: str) -> VaultKeys:
        store.make_folder(folder)
        return VaultKeys(
            vault=_vault_key(os.path.join(folder, VAULT)),
            ca_vault=_vault_key(os.path.join(folder, CA_VAULT)),
        )


def _vault_key(path: str) -> str:
    public = path + ".pub"
    known = store.read(public)
    if known and os.path.exists(path):
        return known.decode()
    made = sealing.make_vault_key()
    store.write(public, made.public.encode())
    sealing.write_private_file(path, made.private)
    return made.public
