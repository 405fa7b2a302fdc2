"""Paths from a certificate to a root, for loaded certificates. For use inside `pki` only.

See: RFC 5280 6; RFC 4158; D-161
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from cryptography import x509

from faults.texts import gettext as _
from pki import keys
from pki.certificates import loading
from pki.chains.loaded import Loaded
from pki.errors import BadCertificate, BadChain, PkiFault, WeakKey
from pki.escaping import escape_text
from pki.names import format_name

MAX_STEPS = 2000
MAX_PATHS = 8  # for one certificate
Item = TypeVar("Item")
Result = TypeVar("Result")
_NEVER = datetime.min.replace(tzinfo=UTC)

Path = tuple[Loaded, ...]


def list_paths(
    leaf: Loaded, pool: list[Loaded], root: Loaded, active_at: datetime | None
) -> Iterator[Path]:
    """Yield up to MAX_PATHS paths from leaf to root, without the root, or raise BadChain.

    The path that stays valid for the longest time is the first, and the order of the pool does not
    matter. A path that is not valid at `active_at` is among the last.
    """
    yield from islice(_search(leaf, pool, root, active_at), MAX_PATHS)


def _search(
    leaf: Loaded, pool: list[Loaded], root: Loaded, active_at: datetime | None
) -> Iterator[Path]:
    """Yield paths, the best first. A path contains each CA once, so their number is limited."""
    usable = _select_leading_to(root, [leaf, *pool])
    if leaf not in usable:
        raise build_missing_issuer_error(_find_dead_end(leaf, pool))
    candidates = sorted(usable, key=lambda found: found.der)
    queue: list[tuple[float, int, int, Path]] = [(*_rank((leaf,), active_at), 0, (leaf,))]
    for step in range(1, MAX_STEPS):
        if not queue:
            return
        *_order, path = heapq.heappop(queue)
        if path[-1].is_signed_by(root):
            yield path
        known = {root.entity, *(found.entity for found in path)}
        for number, issuer in enumerate(candidates):
            if issuer.entity not in known and path[-1].is_signed_by(issuer):
                longer = (*path, issuer)
                tie = step * len(candidates) + number
                heapq.heappush(queue, (*_rank(longer, active_at), tie, longer))


def find_path(leaf: Loaded, pool: list[Loaded], root: Loaded, active_at: datetime | None) -> Path:
    """Return the path that stays valid for the longest time, or raise BadChain."""
    return next(list_paths(leaf, pool, root, active_at))


def try_each(items: Iterable[Item], attempt: Callable[[Item], Result]) -> Result:
    """Return the result of the first attempt that raises no PkiFault, or raise the first fault."""
    first_fault: PkiFault | None = None
    for item in items:
        try:
            return attempt(item)
        except PkiFault as fault:
            first_fault = first_fault or fault
    raise first_fault or BadChain(_("The file does not contain a chain that can be used."))


def check_path(path: Path, root: Loaded) -> None:
    """Raise BadChain unless each issuer of a path is a CA that can issue the certificates below."""
    below = 1 if loading.is_ca(path[0].certificate) else 0
    for found in [*path[1:], root]:
        check_authority(found, is_root=found is root)
        limit = _get_path_length(found.certificate)
        if limit is not None and below > limit:
            raise BadChain(
                _(
                    "The path length constraint of %(found)s allows %(limit)s CA certificates "
                    "below it, but the chain contains %(below)s."
                )
                % {"found": found, "limit": limit, "below": below},
                action=_("Ask the CA for a chain without this limit."),
            )
        if found.certificate.subject != found.certificate.issuer:
            below += 1


def check_authority(found: Loaded, *, is_root: bool = False) -> None:
    """Raise unless a certificate is a CA certificate with a strong key and signature."""
    if not loading.is_ca(found.certificate):
        raise BadChain(
            _("%(found)s is not a CA certificate.") % {"found": found},
            action=_(
                "Each certificate above the server certificate must have the basic "
                "constraint CA, and the key usage keyCertSign if it has a key usage."
            ),
        )
    check_strength(found, is_root=is_root)


def check_strength(found: Loaded, *, is_root: bool = False) -> None:
    """Raise unless key and signature are strong. The self-signature of a root is not checked."""
    certificate = found.certificate
    try:
        keys.check_key(loading.get_public_key(certificate))
    except PkiFault as fault:
        raise WeakKey(f"{found}: {fault.explanation}") from fault
    if is_root:
        return
    try:
        strong = loading.is_strong_hash(certificate.signature_hash_algorithm)
    except Exception:  # an unsupported algorithm
        strong = False
    if not strong:
        raise BadCertificate(
            _("%(found)s is signed with a weak or unsupported algorithm.") % {"found": found},
            action=_(
                "Ask the CA for a certificate that is signed with SHA-256, SHA-384, or SHA-512."
            ),
        )


def build_missing_issuer_error(found: Loaded) -> BadChain:
    """Return the fault for a certificate whose issuer is not among the certificates."""
    issuer = escape_text(format_name(found.certificate.issuer), 200)
    return BadChain(
        _('The chain is not complete: the issuer of %(found)s, "%(issuer)s", is missing.')
        % {"found": found, "issuer": issuer},
        action=_("Upload the complete chain, up to and including the root."),
    )


def _rank(path: Path, active_at: datetime | None) -> tuple[float, int]:
    """Return the sort key of a path: paths that end late first, then short ones."""
    return -min(_get_end(found, active_at) for found in path).timestamp(), len(path)


def _get_end(found: Loaded, active_at: datetime | None) -> datetime:
    is_early = active_at is not None and found.certificate.not_valid_before_utc > active_at
    return _NEVER if is_early else found.certificate.not_valid_after_utc


def _select_leading_to(root: Loaded, pool: list[Loaded]) -> set[Loaded]:
    """Return the certificates from which a path leads to the root."""
    waiting = list(dict.fromkeys(pool))
    found: set[Loaded] = set()
    issuers = deque([root])
    while issuers:
        issuer = issuers.popleft()
        issued = [one for one in waiting if one.is_signed_by(issuer)]
        waiting = [one for one in waiting if one not in issued]
        found.update(issued)
        issuers.extend(issued)
    return found


def _find_dead_end(leaf: Loaded, pool: list[Loaded]) -> Loaded:
    """Return the last certificate above the leaf for which no issuer is in the pool."""
    seen, queue, dead_end = {leaf}, deque([leaf]), leaf
    while queue:
        here = queue.popleft()
        issuers = [one for one in pool if one not in seen and here.is_signed_by(one)]
        seen.update(issuers)
        queue.extend(issuers)
        dead_end = dead_end if issuers else here
    return dead_end


def _get_path_length(certificate: x509.Certificate) -> int | None:
    found = loading.get_extension(certificate, x509.BasicConstraints)
    return found.path_length if isinstance(found, x509.BasicConstraints) else None
