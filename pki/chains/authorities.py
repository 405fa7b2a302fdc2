"""The CA certificates of an uploaded file: its root, and the intermediates that can be used.

See: docs/decisions.md D-13, D-161
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from faults.texts import gettext as _
from pki.chains import judge, paths, server
from pki.chains.loaded import Loaded
from pki.chains.paths import Path
from pki.errors import BadChain, PkiFault


def find_root(pool: list[Loaded]) -> Loaded:
    """Return the root of a file, or raise a fault.

    Of several roots with the same name and key, the one that ends last is the root. An older root
    whose only purpose is to issue a cross-certificate of the root is not needed.
    """
    roots = [found for found in pool if found.is_self_signed]
    renewed = {root.entity: root for root in sorted(roots, key=_get_end)}
    not_needed = {
        issuer.entity for root in renewed.values() for issuer in _list_cross_issuers(root, pool)
    }
    needed = [root for entity, root in renewed.items() if entity not in not_needed]
    if len(needed) == 1:
        paths.check_authority(needed[0], is_root=True)
        judge.check_authority((), needed[0])
        return needed[0]
    if roots:
        named = " and ".join(sorted(str(root) for root in needed or roots))
        raise BadChain(
            _("The file contains more than one root certificate: %(named)s.") % {"named": named},
            action=_("Upload only the chain of the new CA."),
        )
    for found in pool:
        if found.certificate.subject == found.certificate.issuer:
            raise BadChain(
                _("%(found)s appears to be a root certificate, but its self-signature is invalid.")
                % {"found": found},
                action=_("Export the root certificate from the CA again."),
            )
    raise paths.build_missing_issuer_error(_get_topmost(pool))


def select_intermediates(pool: list[Loaded], root: Loaded, at: datetime | None) -> list[Loaded]:
    """Return the intermediates that can issue server certificates, lowest first, or raise a fault.

    A certificate that cannot be used raises its fault, unless another certificate of the same CA
    can be used. Cross-certificates of the root and their issuers are ignored.
    """
    crossing = _list_cross_issuers(root, pool)
    others = [found for found in pool if found.entity != root.entity]
    needed = [found for found in others if found not in crossing or _leads_to(found, others, root)]
    usable: dict[Loaded, Path] = {}
    faults: dict[Loaded, PkiFault] = {}
    for found in needed:
        try:
            usable[found] = _find_usable_path(found, needed, root, at)
        except PkiFault as fault:
            faults[found] = fault
    replaced = {found.entity for found in usable}
    for found, reason in faults.items():
        if found.entity not in replaced:
            raise reason
    return sorted(usable, key=lambda found: len(usable[found]), reverse=True)


def check_names(root: Loaded, intermediates: list[Loaded], hosts: Sequence[str]) -> None:
    """Raise BadChain unless at least one issuing CA can issue a certificate for each host.

    Issuing CAs are those without a CA below them.
    """
    issuing = [
        found
        for found in intermediates
        if not any(other.is_signed_by(found) for other in intermediates if other != found)
    ]
    found_paths = [paths.find_path(found, intermediates, root, None) for found in issuing] or [()]
    # Most files have one issuing CA, and one test certificate for all hosts is faster.
    groups: list[Sequence[str]] = [hosts] if len(found_paths) == 1 else [[host] for host in hosts]
    for group in groups:

        def check(path: Path, group: Sequence[str] = group) -> None:
            judge.check_names(path, root, group)

        paths.try_each(found_paths, check)


def _find_usable_path(found: Loaded, pool: list[Loaded], root: Loaded, at: datetime | None) -> Path:
    paths.check_authority(found)

    def check(path: Path) -> Path:
        paths.check_path(path, root)
        judge.check_authority(path, root)
        if at is not None:
            for one in path:
                server.check_dates(one, at, at)
        return path

    return paths.try_each(paths.list_paths(found, pool, root, at), check)


def _list_cross_issuers(root: Loaded, pool: list[Loaded]) -> list[Loaded]:
    """Return the certificates that lead from cross-certificates of a root to other roots."""
    found = [one for one in pool if one.entity == root.entity and not one.is_self_signed]
    for one in found:
        found.extend(
            issuer
            for issuer in pool
            if issuer.entity != root.entity and issuer not in found and one.is_signed_by(issuer)
        )
    return [one for one in found if one.entity != root.entity]


def _leads_to(found: Loaded, pool: list[Loaded], root: Loaded) -> bool:
    try:
        paths.find_path(found, pool, root, None)
    except PkiFault:
        return False
    return True


def _get_end(found: Loaded) -> datetime:
    return found.certificate.not_valid_after_utc


def _get_topmost(pool: list[Loaded]) -> Loaded:
    """Return a certificate whose issuer is not in the pool."""
    subjects = {found.certificate.subject for found in pool}
    return next((found for found in pool if found.certificate.issuer not in subjects), pool[0])
