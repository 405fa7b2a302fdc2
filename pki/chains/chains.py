"""Order and check chains of certificates (RFC 5280, 6; docs/decisions.md D-13 to D-15)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from faults.texts import gettext as _
from pki.certificates import loading
from pki.certificates.loading import PublicKey, split
from pki.chains import authorities, judge, paths, server
from pki.chains.loaded import Loaded, load_file
from pki.chains.server import Requirements
from pki.errors import BadChain, PkiFault, WrongKey
from pki.formats.bundles import to_pem_bundle

__all__ = [
    "Requirements",
    "build_chain",
    "check_links",
    "choose_chain",
    "get_public_key",
    "has_key",
    "is_root",
    "is_signed_by",
    "join",
    "split",
    "split_root",
    "verify_chain",
]


def is_root(pem: str) -> bool:
    """Return True if a certificate is a self-signed CA."""
    found = Loaded.parse(pem)
    return found.is_self_signed and loading.is_ca(found.certificate)


def is_signed_by(pem: str, issuer_pem: str) -> bool:
    """Return True if the certificate is signed with the issuer's key and has the issuer's name."""
    return Loaded.parse(pem).is_signed_by(Loaded.parse(issuer_pem))


def join(*pems: str) -> str:
    """Return the certificates concatenated as one PEM text."""
    return to_pem_bundle(list(pems))


def split_root(
    certs: list[str], *, at: datetime | None = None, hosts: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """Return the root of an uploaded CA chain and its intermediates, lowest first (D-13, D-161).

    Each of them can issue server certificates that devices accept, and at least one can issue a
    certificate for each of the hosts. Certificates that no chain to the root needs are ignored,
    also those not valid at the time `at` if they were renewed.
    """
    pool = load_file(certs)
    root = authorities.find_root(pool)
    intermediates = authorities.select_intermediates(pool, root, at)
    authorities.check_names(root, intermediates, hosts)
    return root.pem, [found.pem for found in intermediates]


def build_chain(certs: list[str], *, root_pem: str, public_key: str) -> list[str]:
    """Return the chain of the certificate with this key: leaf first, without the root.

    The certificates can be in any order and can include some that the chain does not need. A
    different root among them is an error, because it could be an attack.
    """
    root = Loaded.parse(root_pem)
    leaves, pool = _split_leaves(load_file(certs), root, public_key)
    path = paths.find_path(leaves[0], pool, root, None)
    paths.check_path(path, root)
    return [found.pem for found in path]


def choose_chain(
    certs: list[str],
    known: list[str],
    *,
    root_pem: str,
    public_key: str,
    expected: Requirements,
) -> tuple[list[str], list[str]]:
    """Return a chain as `build_chain` does, and the warnings about it (D-15, D-161).

    Of several certificates and paths, a chain that meets the requirements is taken: the newest
    certificate, and the path that stays valid for the longest time. `known` are intermediates that
    are not from the file. Each kind of error raises its own fault. Warnings are about names and
    dates for which some devices might reject the certificate.
    """
    root = Loaded.parse(root_pem)
    leaves, pool = _split_leaves(load_file(certs, known), root, public_key)

    def check(path: paths.Path) -> tuple[list[str], list[str]]:
        return [found.pem for found in path], server.check_server(path, root, expected)

    def check_leaf(leaf: Loaded) -> tuple[list[str], list[str]]:
        return paths.try_each(paths.list_paths(leaf, pool, root, expected.active_at), check)

    return paths.try_each(leaves, check_leaf)


def check_links(chain: list[str], *, root_pem: str) -> None:
    """Raise BadChain unless each certificate signs the one before it, up to the root."""
    server.check_links(tuple(map(Loaded.parse, chain)), Loaded.parse(root_pem))


def verify_chain(chain_pem: str, *, roots: list[str], host: str, now: datetime) -> str:
    """Verify a served chain as a device does at that time and return the trusted root as PEM."""
    served = [Loaded.parse(pem) for pem in split(chain_pem)]
    if not served or not roots:
        raise BadChain(
            _(
                "The chain does not contain a certificate, or there is no root certificate "
                "to verify it."
            )
        )

    def verify(root: Loaded) -> str:
        path = paths.find_path(served[0], served[1:], root, now)
        for found in (*path, root):
            server.check_dates(found, now, now)
        judge.check_server(path, root, host)
        return root.pem

    try:
        return paths.try_each(map(Loaded.parse, roots), verify)
    except PkiFault as fault:
        raise BadChain(fault.explanation, action=fault.action) from fault


def _split_leaves(
    pool: list[Loaded], root: Loaded, public_key: str
) -> tuple[list[Loaded], list[Loaded]]:
    """Return the certificates with this key, the best first, and the possible intermediates."""
    key = loading.load_public_key(public_key)
    others = [found for found in pool if found.entity != root.entity]
    leaves = [found for found in others if _has_key(found.certificate, key)]
    if not leaves:
        raise WrongKey(
            _("None of the certificates in the file match the key of the CSR."),
            action=_("Import the certificate that was issued for this server's CSR."),
        )
    for found in others:
        if found not in leaves and found.is_self_signed:
            raise BadChain(
                _("The root %(found)s is not the expected root %(root)s.")
                % {"found": found, "root": root},
                action=_("Import certificates that chain to the root of the zone CA."),
            )
    leaves.sort(key=_rank_leaf, reverse=True)
    return leaves, [found for found in others if found not in leaves]


def _rank_leaf(found: Loaded) -> tuple[bool, datetime]:
    """Return the sort key of a certificate: server certificates, then the newest."""
    certificate = found.certificate
    return not loading.is_ca(certificate), certificate.not_valid_before_utc


def _has_key(certificate: x509.Certificate, key: PublicKey) -> bool:
    try:
        return loading.get_public_key(certificate) == key
    except PkiFault:
        return False


def get_public_key(pem: str) -> str:
    """Return the public key of a certificate as SubjectPublicKeyInfo PEM."""
    return loading.serialize_public_key(loading.get_public_key(loading.load_certificate(pem)))


def has_key(pem: str, public_key: str) -> bool:
    """Return True if a certificate is for this public key."""
    return _has_key(loading.load_certificate(pem), loading.load_public_key(public_key))
