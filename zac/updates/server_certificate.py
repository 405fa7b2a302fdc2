"""The new certificate of a server: private key, CSR, certificate, verification.

The private key never leaves the server. A certificate from the console takes precedence over one
that an administrator placed in the remint repository.

See: manual 1.2.4; D-16, D-17
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from faults import Fault, Kind
from wire.metadata import OLD_WITH_NEW, sha256
from wire.records import replace
from wire.update_messages import CertificateResponse, CsrParameters, CsrRequest
from zac.host import files, state
from zac.host.host import Host
from zac.host.state import UpdateRecord
from zac.network import calls
from zac.network.tls import host_of
from zac.trust import pem, store
from zac.trust.store import Generation
from zac.updates import preflight, repository
from zac.updates.preparation import repository_path
from zac.updates.state_machine import Step, create_step, register_step

KEY_LENGTH = 256
# The state of a request for which the console has neither a CSR nor an error.
AWAITED = "awaited"


class KeyMissing(Fault):
    """The private key of a certificate for this server is not on this server."""

    action = "Generate a new CSR for this server and have it signed."


@register_step
class AwaitingCertificate(Step):
    """Get the certificate; submit a CSR if one is required; otherwise wait."""

    name = state.AWAITING_CERTIFICATE

    def run(self, host: Host) -> Optional[Step]:
        record = self.record(host)
        path = csr_path(self.update)
        immediate = record.manifest().immediate
        response, is_from_console = calls.get_with_trust(
            host, path, CertificateResponse, allow_unverified=immediate
        )
        if response is None:
            return None
        if response.chain:
            store_certificate(host, record, response.chain)
            return Certified(self.update)
        if response.csr_parameters and not is_from_console:
            _submit_own_csr(host, record, response.generation)
        elif response.csr_parameters and response.generation != record.csr_generation:
            _submit_csr(host, record, response.csr_parameters, response.generation)
        elif record.manifest().manual_csr:
            _submit_from_repository(host, record, response)
        return None


@register_step
class Certified(Step):
    """The new certificate is verified. Serve the cross-certificate, for devices on the new root."""

    name = state.CERTIFIED

    def run(self, host: Host) -> Optional[Step]:
        cross = files.read(repository_path(host, self.update, OLD_WITH_NEW))
        if cross:
            with host.state.locked():
                generation = host.trust_store.current()
                name = host.trust_store.current_name()
                if host.trust_store.activate(_with_cross(generation, cross.decode())):
                    host.state.edit(
                        self.update, lambda record: replace(record, generation_without_cross=name)
                    )
        return create_step(state.READY, self.update)


def request_again(host: Host, updates: Sequence[str]) -> None:
    """Discard the new certificate of updates for which the console requests another CSR."""
    for update in updates if host.is_certified else ():
        with host.state.locked():
            record = host.state.get(update)
            if record is None or record.step not in (state.CERTIFIED, state.READY):
                continue
            if record.activation_order is not None:
                continue
            waiting = replace(record, step=state.AWAITING_CERTIFICATE)
            host.state.put(waiting)
            files.remove(new_certificate_path(host, update))
        host.log_event("certificate-discarded", update=update)


def csr_path(update: str) -> str:
    """Return the URL path of the CSR and certificate for an update."""
    return "/zac/v1/updates/%s/csr" % update


def store_certificate(host: Host, record: UpdateRecord, chain: str) -> None:
    """Verify a certificate as devices do, then store it in the repository as server.cer."""
    root = _new_root(host, record)
    key = _find_key(host, record.id, chain)
    _verify(host, record, key + chain, root)
    files.write(repository_path(host, record.id, "server.cer"), chain.encode())


def new_certificate_path(host: Host, update: str) -> str:
    """Return the path of the file with new key and chain, which exists once they are verified."""
    return repository_path(host, update, "future.pem")


def read_new_certificate(host: Host, update: str) -> str:
    """Return the new key and chain as one PEM text; raises KeyMissing."""
    data = files.read(new_certificate_path(host, update))
    if not data:
        raise KeyMissing("The new certificate for this server is missing.")
    return data.decode()


def delete_staged_files(host: Host, record: UpdateRecord) -> None:
    """Delete the files of an update from the repository, including private keys (D-17)."""
    files.remove_tree(repository_path(host, record.id))
    if record.manifest().manual_csr:
        repository.delete_files(host)


def submit_certificate(host: Host, record: UpdateRecord, data: bytes, raw_key: bytes) -> None:
    """Verify a certificate and its key as devices do, then submit the certificate."""
    root = _new_root(host, record)
    key = host.server_part.parse_key(raw_key)
    chain = host.server_part.build_chain(data, root, key)
    _verify(host, record, key + chain, root)
    request = CsrRequest(chain=chain, generation=max(record.csr_generation, 0))
    calls.send(host, csr_path(record.id), request)
    host.log_event("certificate-submitted", update=record.id)


def _new_root(host: Host, record: UpdateRecord) -> str:
    root = store.find(host.trust_store.current().trust, record.manifest().root_sha256)
    if root is None:
        raise KeyMissing("The new CA certificate for this update is missing on this device.")
    return root


def _submit_csr(
    host: Host, record: UpdateRecord, parameters: CsrParameters, generation: int
) -> None:
    try:
        key = host.server_part.generate_key(parameters.key_length)
        csr = host.server_part.build_csr(key, parameters)
        files.write(repository_path(host, record.id, "key.pem"), key.encode())
        files.write(repository_path(host, record.id, "csr.pem"), csr.encode())
        request = CsrRequest(csr=csr, generation=generation)
    except Fault as fault:
        request = CsrRequest(error=str(fault), generation=generation)
    immediate = record.manifest().immediate
    calls.send(host, csr_path(record.id), request, allow_unverified=immediate)
    host.state.edit(
        record.id,
        lambda record: replace(record, csr_generation=generation, csr_parameters=parameters),
    )
    host.log_event("csr-submitted", update=record.id, generation=generation)


def _submit_own_csr(host: Host, record: UpdateRecord, generation: int) -> None:
    """Submit a CSR with the names in this host's own record, and store nothing of the request.

    Anyone can have sent that request, because the connection was not verified. The existing key is
    used again: its certificate might already have been issued.
    """
    key, csr = (
        (files.read(repository_path(host, record.id, name)) or b"").decode()
        for name in ("key.pem", "csr.pem")
    )
    if not key or not csr:
        device = host.device
        parameters = CsrParameters(
            common_name=device.fqdn or device.name,
            key_length=KEY_LENGTH,
            dns_names=[device.fqdn] if device.fqdn else [],
            addresses=list(device.addresses),
        )
        key = host.server_part.generate_key(parameters.key_length)
        csr = host.server_part.build_csr(key, parameters)
        files.write(repository_path(host, record.id, "key.pem"), key.encode())
        files.write(repository_path(host, record.id, "csr.pem"), csr.encode())
        host.log_event("csr-created", update=record.id)
    request = CsrRequest(csr=csr, generation=generation)
    calls.send(host, csr_path(record.id), request, allow_unverified=True)


def _submit_from_repository(
    host: Host, record: UpdateRecord, response: CertificateResponse
) -> None:
    """Submit the files of an administrator, or what is wrong with them, unless it is known.

    The console knows neither if it still awaits the request, also after its database was restored.
    """
    data = raw_key = None
    unreadable: Optional[Fault] = None
    try:
        data = repository.read_certificate(host)
        raw_key = repository.read(host, repository.KEY)
    except Fault as fault:
        unreadable = fault
    if unreadable is None and (data is None or raw_key is None):
        if record.repository_fault:
            host.state.edit(record.id, lambda record: replace(record, repository_fault=""))
        return
    digest = sha256((data or b"") + (raw_key or b"") + str(unreadable or "").encode())
    if record.submitted_digest == digest and response.state != AWAITED:
        return
    error = ""
    try:
        if unreadable is not None:
            raise unreadable
        submit_certificate(host, record, data or b"", raw_key or b"")
    except Fault as fault:
        if fault.kind is Kind.UNAVAILABLE:
            raise
        error = ("%s %s" % (fault.explanation, fault.action)).strip()
        request = CsrRequest(error=error, generation=response.generation)
        calls.send(host, csr_path(record.id), request)
        host.log_event("repository-rejected", update=record.id, reason=str(fault))
    host.state.edit(
        record.id,
        lambda record: replace(record, submitted_digest=digest, repository_fault=error),
    )


def _verify(host: Host, record: UpdateRecord, key_and_chain: str, root: str) -> None:
    path = repository_path(host, record.id, "trial.pem")
    files.write(path, key_and_chain.encode())
    names = _server_names(host, record)
    preflight.verify_certificate(path, root, names, dateless=host.clock.is_unusable)
    files.rename(path, new_certificate_path(host, record.id))


def _find_key(host: Host, update: str, chain: str) -> str:
    leaf = pem.split(chain)[0] if pem.split(chain) else ""
    for data in (
        files.read(repository_path(host, update, "key.pem")),
        repository.read(host, repository.KEY),
    ):
        if data and leaf:
            key = host.server_part.parse_key(data)
            if host.server_part.is_same_key(key, leaf):
                return key
    raise KeyMissing("The certificate does not match the private key of this server.")


def _server_names(host: Host, record: UpdateRecord) -> List[str]:
    parameters = record.csr_parameters or CsrParameters("", 0)
    servers = host.home.zone_cache().servers
    names = [
        host.device.fqdn,
        *(host_of(one.url) for one in servers if one.id == host.device.id and one.url),
        *parameters.dns_names,
        *parameters.addresses,
    ]
    return [name for name in dict.fromkeys(names) if name and not name.startswith("*")]


def _with_cross(generation: Generation, cross: str) -> Generation:
    served = pem.split(generation.server)
    missing = [certificate for certificate in pem.split(cross) if certificate not in served]
    return replace(generation, server=generation.server + "".join(missing))
