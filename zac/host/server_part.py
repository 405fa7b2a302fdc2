"""The server part of the agent: keys, CSRs and chains, with `pki`. Only servers import it."""

from __future__ import annotations

import os

from pki import keys
from pki.chains import chains
from pki.formats import bundles, csr
from pki.names import Names, Subject
from wire import server_files
from wire.messages import VaultKeys
from wire.update_messages import CsrParameters
from zac.host import files
from zac.host.host import ServerPart


class PkiServerPart(ServerPart):
    """The server part, implemented with the package `pki`."""

    def generate_key(self, length: int) -> str:
        return keys.generate_key(length)

    def build_csr(self, key: str, parameters: CsrParameters) -> str:
        names = Names(dns=tuple(parameters.dns_names), addresses=tuple(parameters.addresses))
        subject = Subject(
            csr.choose_common_name(parameters.common_name, names),
            organization=parameters.organization,
            organizational_unit=parameters.organizational_unit,
            locality=parameters.locality,
            state=parameters.state,
            country=parameters.country,
        )
        return csr.build_csr(key, subject, names)

    def parse_key(self, data: bytes) -> str:
        return keys.parse_key(data)

    def build_chain(self, data: bytes, root: str, key: str) -> str:
        certificates = bundles.parse_certificates(data)
        chain = chains.build_chain(certificates, root_pem=root, public_key=keys.get_public_key(key))
        return "".join(certificate for certificate in chain if certificate != root)

    def is_same_key(self, key: str, certificate: str) -> bool:
        return keys.is_same_key(key, certificate)

    def create_vault_keys(self, home: str) -> VaultKeys:
        # Satellites have no vault keys, and work with older versions of cryptography.
        from pki.protection import sealing  # noqa: PLC0415 - Primary Servers only

        def path_to(name: str) -> str:
            return os.path.join(home, name)

        private = server_files.ca_vault_key_path(home)
        files.make_folder(os.path.dirname(path_to(server_files.VAULT_KEY)))
        if not os.path.exists(path_to(server_files.CA_VAULT_PUBLIC)):
            files.make_folder(str(private.parent))
        return VaultKeys(
            vault=sealing.load_or_create_vault_key(
                path_to(server_files.VAULT_KEY), path_to(server_files.VAULT_PUBLIC)
            ),
            ca_vault=sealing.load_or_create_vault_key(
                private, path_to(server_files.CA_VAULT_PUBLIC)
            ),
        )
