"""Order and check chains of certificates (RFC 5280, 6; docs/decisions.md D-13 to D-15)."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from pki.certificates import loading
from pki.certificates.loading import PublicKey, split
from pki.chains import paths, server
from pki.errors import BadChain, PkiFault, WrongKey
from pki.formats.bundles import to_pem_bundle
from pki.names import Names, check_fqdn

__all__ = [
    "build_chain",
    "check_links",
    "check_server_chain",
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
    certificate = loading.load_certificate(pem)
    return loading.is_self_signed(certificate) and loading.is_ca(certificate)


def is_signed_by(pem: str, issuer_pem: str) -> bool:
    """Return True if the certificate is signed with the issuer's key and has the issuer's name."""
    return loading.is_signed_by(loading.load_certificate(pem), loading.load_certificate(issuer_pem))


def join(*pems: str) -> str:
    """Return the certificates concatenated as one PEM text."""
    return to_pem_bundle(list(pems))


def split_root(certs: list[str]) -> tuple[str, list[str]]:
    """Return the root of an uploaded CA chain and its intermediates, lowest first (D-13)."""
    by_certificate = _load_certificates(certs)
    pool = list(by_certificate)
    root = paths.get_root(pool)
    paths.check_authority(root, is_root=True)
    others = [found for found in pool if found != root]
    for found in others:
        paths.check_authority(found)
    found_paths = [paths.find_path(found, others, root) for found in others]
    for path in found_paths:
        paths.check_path(path, root)
    found_paths.sort(key=len, reverse=True)
    return by_certificate[root], [by_certificate[path[0]] for path in found_paths]


def build_chain(certs: list[str], *, root_pem: str, public_key: str) -> list[str]:
    """Return the chain of the certificate with this key: leaf first, without the root.

    The certificates can be in any order and can include some that the chain does not need. A
    different root among them is an error, because it could be an attack.
    """
    root = loading.load_certificate(root_pem)
    by_certificate = _load_certificates(certs)
    pool = [found for found in by_certificate if found != root]
    leaf = _select_certificate(pool, loading.load_public_key(public_key))
    for found in pool:
        if found != leaf and loading.is_self_signed(found):
            raise BadChain(
                (f"The root {paths.quote(found)} is not the expected root {paths.quote(root)}."),
                action="Import certificates that chain to the root of the zone CA.",
            )
    path = paths.find_path(leaf, pool, root)
    paths.check_path(path, root)
    return [by_certificate[found] for found in path]


def check_links(chain: list[str], *, root_pem: str) -> None:
    """Raise BadChain unless each certificate signs the one before it, up to the root."""
    loaded = [loading.load_certificate(pem) for pem in chain]
    server.check_links(loaded, loading.load_certificate(root_pem))


def check_server_chain(
    chain: list[str],
    *,
    root_pem: str,
    names_needed: Names,
    now: datetime,
    active_at: datetime | None,
    fqdn: str,
) -> list[str]:
    """Check a server chain as returned by `build_chain` and return the warnings (D-15).

    `active_at` is the activation time, None for now. Each kind of error raises its own fault.
    Warnings are about names and clocks for which some devices might reject the certificate.
    """
    if not chain:
        raise BadChain("The chain does not contain a certificate.")
    expected = server.Requirements(
        names=names_needed, fqdn=check_fqdn(fqdn), now=now, active_at=max(now, active_at or now)
    )
    loaded = [loading.load_certificate(pem) for pem in chain]
    return server.check_server(loaded, loading.load_certificate(root_pem), expected)


def verify_chain(chain_pem: str, *, roots: list[str], host: str, now: datetime) -> str:
    """Verify a served chain as a device does at that time and return the trusted root as PEM."""
    anchors = _load_certificates(roots)
    chain = [loading.load_certificate(pem) for pem in split(chain_pem)]
    if not chain or not anchors:
        raise BadChain(
            "The chain does not contain a certificate, or there is "
            "no root certificate to verify it."
        )
    return anchors[server.verify(chain, roots=list(anchors), host=host, at=now)]


def _load_certificates(certs: list[str]) -> dict[x509.Certificate, str]:
    if not certs:
        raise BadChain("No certificate was provided.")
    return {loading.load_certificate(pem): pem for pem in certs}


def _select_certificate(pool: list[x509.Certificate], key: PublicKey) -> x509.Certificate:
    """Return the newest certificate with this key, preferably a server certificate."""
    own = [found for found in pool if _has_key(found, key)]
    if not own:
        raise WrongKey(
            "None of the certificates in the file match the key of the CSR.",
            action="Import the certificate that was issued for this server's CSR.",
        )
    return max(
        own,
        key=lambda found: (not loading.is_ca(found), found.not_valid_before_utc),
    )


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
