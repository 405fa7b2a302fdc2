"""The CA certificates for EST clients: roots, cross-certificates, and chains of CAs.

While a root is replaced, they are those of a root CA key update (RFC 4210 4.4): the old and the new
root, the new key signed by the old one (NewWithOld), and the old key signed by the new one
(OldWithNew). See: RFC 7030 4.1; D-314
"""

from __future__ import annotations

from datetime import datetime

from audit.rows import alarms
from certificates.acme import issuers
from certificates.models import Authority, CrossCertificate
from certificates.trust import roots
from pki.chains import chains


def list_ca_certificates(now: datetime) -> list[str]:
    """Return the certificates that clients need, as PEM, current root first."""
    trust = roots.build_trust()
    trusted = [trust.current, *trust.pending, *trust.in_grace]
    early = issuers.find_issuing_authority(now)
    if early is not None and alarms.is_authentic(early):
        trusted.append(early.root_pem)
    authorities = [
        one
        for one in Authority.objects.filter(state__in=("current", "future", "grace"))
        if one.root_pem in trusted and alarms.is_authentic(one)
    ]
    # A client trusts the roots of this list, so it contains none that the zone does not trust.
    chain = [
        pem
        for one in authorities
        for pem in chains.split(one.intermediates_pem)
        if not chains.is_root(pem)
    ]
    return list(dict.fromkeys([*trusted, *_list_cross_certificates(authorities), *chain]))


def _list_cross_certificates(authorities: list[Authority]) -> list[str]:
    """Return the cross-certificates between CAs, in both directions.

    Their rows have no MAC, so each is verified with the certificates of both CAs.
    """
    rows = CrossCertificate.objects.filter(issuer__in=authorities, subject__in=authorities)
    by_id = {one.pk: one for one in authorities}
    return [
        row.pem
        for row in rows.order_by("pk")
        if _is_between(row.pem, by_id[row.issuer_id], by_id[row.subject_id])
    ]


def _is_between(pem: str, issuer: Authority, subject: Authority) -> bool:
    has_key = chains.get_public_key(pem) == chains.get_public_key(subject.root_pem)
    return has_key and chains.is_signed_by(pem, issuer.root_pem)
