"""Health checks of what devices trust."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority
from certificates.monitoring.checks.findings import BAD, WARNING, Finding
from certificates.operations.states import AuthorityState
from certificates.trust import stragglers
from console.pages import formatting
from devices.models import Zone

SOON, VERY_SOON = timedelta(days=30), timedelta(days=7)


def check_old_roots(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find old roots that devices still use and that expire within 30 days, the first one first.

    Until then, such a device connects through the cross-certificate.
    """
    old = Authority.objects.filter(state=AuthorityState.GRACE, not_after__lte=now + SOON)
    if not old.exists():
        return
    roots = [root for root in stragglers.list_roots(now) if root.holders]
    for authority in old.order_by("not_after"):
        for root in roots:
            if root.authority == authority:
                yield _build_finding(root, now)


def _build_finding(root: stragglers.RootStatus, now: datetime) -> Finding:
    authority = root.authority
    text = ngettext(
        "%(count)s device still uses the old root %(root)s, which expires on %(when)s.",
        "%(count)s devices still use the old root %(root)s, which expires on %(when)s.",
        root.holders,
    )
    return Finding(
        BAD if authority.not_after - now <= VERY_SOON else WARNING,
        text
        % {
            "count": intcomma(root.holders),
            "root": formatting.describe_ca(authority.subject, authority.sha256),
            "when": formatting.stamp(authority.not_after),
        },
        _("Start these devices before then, or run the Certificate Remint Tool on them."),
        reverse("certificates:trust"),
        subject=authority.sha256,
    )
