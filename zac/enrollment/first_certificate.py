"""A server's first certificate, and one that replaces it outside an update."""

from __future__ import annotations

from wire.messages import CertificateAnswer, CsrOrder, CsrRequest
from wire.values import replace
from zac.host import files
from zac.host.host import Host
from zac.network import calls
from zac.trust import pem
from zac.updates import preflight
from zac.updates.certificate import NoKey

PATH = "/zac/v1/certificate"
CURVE = 256


def make_request(
    host: Host, *, common_name: str, fqdn: str, addresses: "list[str]", key: str = ""
) -> str:
    """Return the request for the first certificate; its key, made unless given, stays here."""
    order = CsrOrder(
        common_name=common_name,
        key_length=CURVE,
        dns_names=[fqdn] if fqdn else [],
        addresses=list(addresses),
    )
    return _request(host, order, key)


def collect(host: Host) -> bool:
    """Ask for the certificate that waits at the console; True if a new one is in force."""
    answer = calls.get(host, PATH, CertificateAnswer)
    if answer is None:
        return False
    if answer.chain:
        return install(host, answer.chain)
    if answer.order is not None and answer.generation > host.state.load().first_sent:
        csr = _request(host, answer.order)
        calls.tell(host, PATH, CsrRequest(csr=csr, generation=answer.generation))
        host.state.change(lambda held: replace(held, first_sent=answer.generation))
    return False


def install(host: Host, chain: str) -> bool:
    """Put a chain in force with its key; True if it was not. Raises NoKey, selftest.Unusable."""
    generation = host.security.current()
    leaf = pem.split(chain)[0] if pem.split(chain) else ""
    if generation.server and leaf and pem.split(generation.server)[:1] == [leaf]:
        return False
    key = (files.read(_place(host, "key.pem")) or b"").decode()
    if not leaf or not key or not host.server.same_key(key, leaf):
        raise NoKey("The certificate does not fit the key of this server.")
    trial = _place(host, "trial.pem")
    files.write(trial, (key + chain).encode())
    names = [name for name in (host.device.fqdn, *host.device.addresses) if name]
    preflight.check(trial, generation.trust.current, names[:1], dateless=host.clock.absurd)
    with host.state.held():
        generation = host.security.current()
        host.security.use(replace(generation, server=key + chain))
    files.remove_tree(_place(host))
    host.note("certificate", generation=host.security.name())
    return True


def _request(host: Host, order: CsrOrder, key: str = "") -> str:
    key = key or host.server.make_key(order.key_length)
    csr = host.server.make_csr(key, order)
    files.make_folder(_place(host))
    files.write(_place(host, "key.pem"), key.encode())
    return csr


def _place(host: Host, *names: str) -> str:
    return host.home.at("remint-repo", "first", *names)
