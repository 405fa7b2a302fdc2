"""Health checks of the revocation lists (CRLs) and of OCSP responses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.models import Authority
from certificates.monitoring.checks.findings import BAD, WARNING, Finding
from certificates.revocation import lists, ocsp
from console.pages import formatting
from devices.models import Zone


def check_lists(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find CAs whose revocation list has expired or is not renewed, those that expired first.

    A program that requires a list rejects all certificates of the CA when it has expired.
    """
    statuses = [one for one in lists.list_statuses(now) if one.is_late(now)]
    for status in sorted(statuses, key=lambda one: not one.has_expired(now)):
        authority = status.authority
        yield Finding(
            BAD if status.has_expired(now) else WARNING,
            _describe(status, now),
            _get_correction(authority),
            reverse("certificates:trust"),
            subject=authority.sha256,
        )


def _describe(status: lists.ListStatus, now: datetime) -> str:
    name = formatting.describe_ca(status.authority.subject, status.authority.sha256)
    if status.next_update is None:
        return _("The CA %(ca)s has no revocation list (CRL).") % {"ca": name}
    values = {"ca": name, "when": formatting.stamp(status.next_update)}
    if status.has_expired(now):
        text = _(
            "The revocation list (CRL) of %(ca)s expired on %(when)s. Programs that require a list "
            "reject all servers."
        )
        return text % values
    return _("The revocation list (CRL) of %(ca)s is not renewed. It expires on %(when)s.") % values


def check_responses(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find CAs with OCSP responses that have expired or are not renewed."""
    for status in ocsp.list_statuses(now):
        if not status.is_late(now):
            continue
        authority = status.authority
        texts = (
            _("OCSP responses of the CA %(ca)s are not renewed. They expire on %(when)s."),
            _("OCSP responses of the CA %(ca)s expired on %(when)s. OCSP requests are rejected."),
        )
        name = formatting.describe_ca(authority.subject, authority.sha256)
        has_expired = status.has_expired(now)
        yield Finding(
            BAD if has_expired else WARNING,
            texts[has_expired] % {"ca": name, "when": formatting.stamp(status.next_update)},
            _get_correction(authority),
            reverse("certificates:trust"),
            subject=authority.sha256,
        )


def _get_correction(authority: Authority) -> str:
    """Return what to do. The fault of the CA key says it best."""
    if authority.fault:
        return f"{authority.fault} {authority.fault_action}".strip()
    if authority.certificate_server is None or not authority.sealed_key:
        return _("Use Restore CA, or Remint CA.")
    return _("Check the worker of the certificate server %(server)s.") % {
        "server": authority.certificate_server.name
    }
