"""The initial certificate of a server, and a replacement outside an update."""

from __future__ import annotations

from wire.records import replace
from wire.update_messages import CertificateResponse, CsrParameters, CsrRequest
from zac.host import files
from zac.host.host import Host
from zac.network import calls
from zac.trust import pem
from zac.updates import preflight
from zac.updates.server_certificate import KeyMissing

PATH = "/zac/v1/certificate"
KEY_LENGTH = 256


def create_csr(
    host: Host, *, common_name: str, fqdn: str, addresses: "list[str]", key: str = ""
) -> str:
    """Return the CSR of the initial certificate. A new private key is created unless given."""
    parameters = CsrParameters(
        common_name=common_name,
        key_length=KEY_LENGTH,
        dns_names=[fqdn] if fqdn else [],
        addresses=list(addresses),
    )
    return _build_csr(host, parameters, key)


def fetch(host: Host) -> bool:
    """Get the pending certificate or submit a CSR; return True if a certificate was installed."""
    response, is_from_console = calls.get_with_trust(
        host, PATH, CertificateResponse, allow_unverified=False
    )
    if response is None:
        return False
    if response.chain:
        return install(host, response.chain)
    submitted = host.state.load().initial_csr_generation
    parameters = response.csr_parameters if is_from_console else None
    if parameters is not None and response.generation > submitted:
        csr = _build_csr(host, parameters)
        calls.send(host, PATH, CsrRequest(csr=csr, generation=response.generation))
        host.state.update(lambda held: replace(held, initial_csr_generation=response.generation))
    return False


def install(host: Host, chain: str) -> bool:
    """Activate a chain with its private key; return False if it is already in use.

    Raises KeyMissing, preflight.UnusableCertificate.
    """
    generation = host.trust_store.current()
    leaf = pem.split(chain)[0] if pem.split(chain) else ""
    if generation.server and leaf and pem.split(generation.server)[:1] == [leaf]:
        return False
    key = (files.read(_path_to(host, "key.pem")) or b"").decode()
    if not leaf or not key or not host.server_part.is_same_key(key, leaf):
        raise KeyMissing("The certificate does not match the private key of this server.")
    path = _path_to(host, "trial.pem")
    files.write(path, (key + chain).encode())
    names = [name for name in (host.device.fqdn, *host.device.addresses) if name]
    preflight.verify_certificate(
        path, generation.trust.current, names[:1], dateless=host.clock.is_unusable
    )
    with host.state.locked():
        generation = host.trust_store.current()
        host.trust_store.activate(replace(generation, server=key + chain))
    files.remove_tree(_path_to(host))
    host.log_event("certificate", generation=host.trust_store.current_name())
    return True


def _build_csr(host: Host, parameters: CsrParameters, key: str = "") -> str:
    key = key or host.server_part.generate_key(parameters.key_length)
    csr = host.server_part.build_csr(key, parameters)
    files.make_folder(_path_to(host))
    files.write(_path_to(host, "key.pem"), key.encode())
    return csr


def _path_to(host: Host, *names: str) -> str:
    return host.home.path_to("remint-repo", "first", *names)
