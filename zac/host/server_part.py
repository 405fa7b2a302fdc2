"""What only servers do: keys, requests and chains, by way of `pki`. Never imported elsewhere."""

from __future__ import annotations

import os

from pki import keys
from pki.chains import chains as chains_paths
from pki.formats import bundles, csr
from pki.names import Names, Subject
from pki.protection import sealing
from wire import server_files
from wire.messages import CsrOrder, VaultKeys
from zac.host import files
from zac.host.host import ServerPart


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
        ordered = chains_paths.build_chain(found, root_pem=root, public_key=keys.public_key(key))
        return "".join(one for one in ordered if one != root)

    def same_key(self, key: str, certificate: str) -> bool:
        return keys.same_key(key, certificate)

    def make_vault_keys(self, home: str) -> VaultKeys:
        def at(name: str) -> str:
            return os.path.join(home, name)

        private = server_files.ca_vault_key(home)
        files.make_folder(os.path.dirname(at(server_files.VAULT_KEY)))
        if not os.path.exists(at(server_files.CA_VAULT_PUBLIC)):
            files.make_folder(str(private.parent))
        return VaultKeys(
            vault=sealing.keep_vault_key(at(server_files.VAULT_KEY), at(server_files.VAULT_PUBLIC)),
            ca_vault=sealing.keep_vault_key(private, at(server_files.CA_VAULT_PUBLIC)),
        )
