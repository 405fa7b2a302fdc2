"""Which roots are trusted and how the set changes: plain functions over wire.messages.Trust.

Trust is only ever added before an activation (D-28 of docs/decisions.md): cancelling or being late
is then harmless.
"""

from __future__ import annotations

from typing import Iterable, List, Optional, Sequence, Tuple

from wire.messages import Trust
from wire.values import replace
from zac.trust import pem

Roots = Tuple[str, ...]


def roots(trust: Trust) -> Roots:
    """Return every root trusted now, the current one first, none twice."""
    return tuple(_distinct([trust.current, *trust.in_grace, *trust.pending]))


def digests(trust: Trust) -> List[str]:
    """Return the fingerprints of every root trusted now, the current one first."""
    return pem.fingerprints(roots(trust))


def with_pending(trust: Trust, root: str) -> Trust:
    """Trust one more root, announced but not yet in force."""
    if pem.fingerprint(root) in digests(trust):
        return trust
    return replace(trust, pending=[*trust.pending, root])


def joined(trust: Trust, offered: Trust) -> Trust:
    """Add what the zone trusts; nothing is dropped and the current root stays."""
    known = set(digests(trust))
    grace = [root for root in offered.in_grace if pem.fingerprint(root) not in known]
    ahead = [root for root in [offered.current, *offered.pending] if root not in grace]
    added = [root for root in _distinct(ahead) if pem.fingerprint(root) not in known]
    return replace(
        trust, in_grace=_distinct([*trust.in_grace, *grace]), pending=[*trust.pending, *added]
    )


def activated(trust: Trust, digest: str) -> Trust:
    """Make a trusted root the current one; the one before stays trusted, in grace."""
    root = find(trust, digest)
    if root is None or digest == pem.fingerprint(trust.current):
        return trust
    return Trust(
        current=root,
        in_grace=_but([trust.current, *trust.in_grace], [digest]),
        pending=_but(trust.pending, [digest]),
    )


def without(trust: Trust, dropped: Iterable[str]) -> Trust:
    """Trust some roots no longer; the current one is never dropped."""
    gone = set(dropped) - {pem.fingerprint(trust.current)}
    return Trust(trust.current, _but(trust.in_grace, gone), _but(trust.pending, gone))


def reverted(trust: Trust, old: str, new: str, keep: str) -> Trust:
    """Make an earlier root the current one again; `keep` says what the later one becomes.

    "pending": it is still to come; "in_grace": servers may still use it; "": dropped.
    """
    root, later = find(trust, old), find(trust, new)
    if root is None or later is None or old == new:
        return trust
    held = Trust(root, _but(trust.in_grace, [old, new]), _but(trust.pending, [old, new]))
    if keep == "pending":
        return replace(held, pending=[later, *held.pending])
    if keep == "in_grace":
        return replace(held, in_grace=[later, *held.in_grace])
    return held


def find(trust: Trust, digest: str) -> Optional[str]:
    """Return the trusted root of that fingerprint."""
    return next((root for root in roots(trust) if pem.fingerprint(root) == digest), None)


def _but(pems: Sequence[str], dropped: Iterable[str]) -> List[str]:
    gone = set(dropped)
    return [text for text in _distinct(pems) if pem.fingerprint(text) not in gone]


def _distinct(pems: Sequence[str]) -> List[str]:
    by_digest = {pem.fingerprint(text): text for text in reversed(pems)}
    return list(dict.fromkeys(by_digest[pem.fingerprint(one)] for one in pems))
