"""Paths from a certificate to a root, on loaded certificates (RFC 5280, 6; inside `pki` only)."""

from __future__ import annotations

from collections import deque

from cryptography import x509

from pki import keys
from pki.certificates import loading
from pki.errors import BadCertificate, BadChain, PkiFault, WeakKey
from pki.names import shown, subject_of


def who(certificate: x509.Certificate) -> str:
    """Return the quoted subject of a certificate, for messages."""
    return f'"{shown(subject_of(certificate.subject), 200)}"'


def only_root(pool: list[x509.Certificate]) -> x509.Certificate:
    """Return the one self-signed certificate of a set, or raise BadChain."""
    roots = [found for found in pool if loading.is_self_signed(found)]
    if len(roots) == 1:
        return roots[0]
    if roots:
        named = " and ".join(sorted(who(root) for root in roots))
        raise BadChain(
            f"The file has more than one root certificate in it: {named}.",
            action="Upload the chain of the new CA alone.",
        )
    for found in pool:
        if found.subject == found.issuer:
            raise BadChain(f"{who(found)} looks like a root, but its own signature is wrong.")
    raise _missing_issuer(_topmost(pool))


def path_to(
    leaf: x509.Certificate, pool: list[x509.Certificate], root: x509.Certificate
) -> list[x509.Certificate]:
    """Return the shortest path from leaf to root, the root left out, or raise BadChain.

    Every certificate is visited once, so a hostile set costs at most its size squared.
    """
    child: dict[x509.Certificate, x509.Certificate | None] = {leaf: None}
    queue = deque([leaf])
    dead_end = leaf
    while queue:
        here = queue.popleft()
        if here == root or loading.is_signed_by(here, root):
            return _walk_back(here, child)
        issuers = [one for one in pool if one not in child and loading.is_signed_by(here, one)]
        child.update(dict.fromkeys(issuers, here))
        queue.extend(issuers)
        dead_end = dead_end if issuers else here
    raise _missing_issuer(dead_end)


def check_path(path: list[x509.Certificate], root: x509.Certificate) -> None:
    """Raise unless every issuer of a path is a CA that may issue what stands below it."""
    below = 1 if loading.may_sign_certificates(path[0]) else 0
    for found in [*path[1:], root]:
        check_authority(found, is_root=found is root)
        limit = _path_length(found)
        if limit is not None and below > limit:
            raise BadChain(
                f"The path length of {who(found)} allows {limit} CA certificates below it,"
                f" the chain has {below}."
            )
        if found.subject != found.issuer:
            below += 1


def check_authority(certificate: x509.Certificate, *, is_root: bool = False) -> None:
    """Raise unless a certificate is that of a CA, with a fit key and signature."""
    if not loading.may_sign_certificates(certificate):
        raise BadChain(f"{who(certificate)} is not the certificate of a CA.")
    check_strength(certificate, is_root=is_root)


def check_strength(certificate: x509.Certificate, *, is_root: bool = False) -> None:
    """Raise unless key and signature are strong; nobody relies on a root's own signature."""
    try:
        keys.check_loaded(loading.public_key_of(certificate))
    except PkiFault as fault:
        raise WeakKey(f"{who(certificate)}: {fault.explanation}") from fault
    try:
        strong = loading.is_strong(certificate.signature_hash_algorithm)
    except Exception:  # an algorithm that the library does not know
        strong = False
    if not strong and not is_root:
        raise BadCertificate(f"{who(certificate)} is signed with a weak or unknown algorithm.")


def _walk_back(
    top: x509.Certificate, child: dict[x509.Certificate, x509.Certificate | None]
) -> list[x509.Certificate]:
    path: list[x509.Certificate] = []
    here: x509.Certificate | None = top
    while here is not None:
        path.append(here)
        here = child[here]
    return path[::-1]


def _path_length(certificate: x509.Certificate) -> int | None:
    found = loading.extension(certificate, x509.BasicConstraints)
    return found.path_length if isinstance(found, x509.BasicConstraints) else None


def _topmost(pool: list[x509.Certificate]) -> x509.Certificate:
    """Return a certificate whose issuer is not in the set."""
    subjects = {found.subject for found in pool}
    return next((found for found in pool if found.issuer not in subjects), pool[0])


def _missing_issuer(certificate: x509.Certificate) -> BadChain:
    issuer = shown(subject_of(certificate.issuer), 200)
    return BadChain(
        f'The chain is not complete: the issuer of {who(certificate)}, "{issuer}", is missing.',
        action="Upload the complete chain, up to and including the root.",
    )
