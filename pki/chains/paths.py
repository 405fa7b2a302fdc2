"""Paths from a certificate to a root, for loaded certificates. For use inside `pki` only.

See: RFC 5280 6
"""

from __future__ import annotations

from collections import deque

from cryptography import x509

from pki import keys
from pki.certificates import loading
from pki.errors import BadCertificate, BadChain, PkiFault, WeakKey
from pki.names import escape_text, format_name


def quote(certificate: x509.Certificate) -> str:
    """Return the subject of a certificate in quotes, for messages."""
    return f'"{escape_text(format_name(certificate.subject), 200)}"'


def get_root(pool: list[x509.Certificate]) -> x509.Certificate:
    """Return the only self-signed certificate of a list, or raise BadChain."""
    roots = [found for found in pool if loading.is_self_signed(found)]
    if len(roots) == 1:
        return roots[0]
    if roots:
        named = " and ".join(sorted(quote(root) for root in roots))
        raise BadChain(
            f"The file contains more than one root certificate: {named}.",
            action="Upload only the chain of the new CA.",
        )
    for found in pool:
        if found.subject == found.issuer:
            raise BadChain(
                f"{quote(found)} appears to be a root certificate, but its "
                "self-signature is invalid."
            )
    raise _build_missing_issuer_error(_get_topmost(pool))


def find_path(
    leaf: x509.Certificate, pool: list[x509.Certificate], root: x509.Certificate
) -> list[x509.Certificate]:
    """Return the shortest path from leaf to root, without the root, or raise BadChain.

    Each certificate is visited once, so the cost is at most quadratic in the size of the pool.
    """
    child: dict[x509.Certificate, x509.Certificate | None] = {leaf: None}
    queue = deque([leaf])
    dead_end = leaf
    while queue:
        here = queue.popleft()
        if here == root or loading.is_signed_by(here, root):
            return _trace_back(here, child)
        issuers = [one for one in pool if one not in child and loading.is_signed_by(here, one)]
        child.update(dict.fromkeys(issuers, here))
        queue.extend(issuers)
        dead_end = dead_end if issuers else here
    raise _build_missing_issuer_error(dead_end)


def check_path(path: list[x509.Certificate], root: x509.Certificate) -> None:
    """Raise BadChain unless each issuer of a path is a CA that can issue the certificates below."""
    below = 1 if loading.is_ca(path[0]) else 0
    for found in [*path[1:], root]:
        check_authority(found, is_root=found is root)
        limit = _get_path_length(found)
        if limit is not None and below > limit:
            raise BadChain(
                f"The path length constraint of {quote(found)} allows {limit} CA "
                f"certificates below it, but the chain contains {below}."
            )
        if found.subject != found.issuer:
            below += 1


def check_authority(certificate: x509.Certificate, *, is_root: bool = False) -> None:
    """Raise unless a certificate is a CA certificate with a strong key and signature."""
    if not loading.is_ca(certificate):
        raise BadChain(f"{quote(certificate)} is not a CA certificate.")
    check_strength(certificate, is_root=is_root)


def check_strength(certificate: x509.Certificate, *, is_root: bool = False) -> None:
    """Raise unless key and signature are strong. The self-signature of a root is not checked."""
    try:
        keys.check_key(loading.get_public_key(certificate))
    except PkiFault as fault:
        raise WeakKey(f"{quote(certificate)}: {fault.explanation}") from fault
    try:
        strong = loading.is_strong_hash(certificate.signature_hash_algorithm)
    except Exception:  # an unsupported algorithm
        strong = False
    if not strong and not is_root:
        raise BadCertificate(
            f"{quote(certificate)} is signed with a weak or unsupported algorithm."
        )


def _trace_back(
    top: x509.Certificate, child: dict[x509.Certificate, x509.Certificate | None]
) -> list[x509.Certificate]:
    path: list[x509.Certificate] = []
    here: x509.Certificate | None = top
    while here is not None:
        path.append(here)
        here = child[here]
    return path[::-1]


def _get_path_length(certificate: x509.Certificate) -> int | None:
    found = loading.get_extension(certificate, x509.BasicConstraints)
    return found.path_length if isinstance(found, x509.BasicConstraints) else None


def _get_topmost(pool: list[x509.Certificate]) -> x509.Certificate:
    """Return a certificate whose issuer is not in the pool."""
    subjects = {found.subject for found in pool}
    return next((found for found in pool if found.issuer not in subjects), pool[0])


def _build_missing_issuer_error(certificate: x509.Certificate) -> BadChain:
    issuer = escape_text(format_name(certificate.issuer), 200)
    return BadChain(
        f'The chain is not complete: the issuer of {quote(certificate)}, "{issuer}", is missing.',
        action="Upload the complete chain, up to and including the root.",
    )
