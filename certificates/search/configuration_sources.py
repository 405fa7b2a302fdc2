"""What the search finds in the configuration: hosts, account keys, targets, windows, and stages.

See: D-224
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from certificates.models import AcmeAccountKey, AcmeCertificate, MaintenanceWindow
from certificates.search.results import Found, Group, Text, build_group, get_first, shorten
from notifications.models import Target
from systemupdates.models import Stage

CA_RIGHT, NOTIFY = "certificates.certificate_authority", "notifications.manage"


def _find_account_keys(user: Any, text: Text) -> Group | None:
    if not user.has_perm(CA_RIGHT):
        return None
    condition = Q(label__icontains=text.raw) | Q(key_id=text.raw)
    rows = AcmeAccountKey.objects.filter(condition).order_by("-pk")
    page = "certificates:acme_accounts"

    def build(key: AcmeAccountKey) -> Found:
        return Found(key.label, "", f"{reverse(page)}?{urlencode({'q': key.label})}")

    return build_group(_("ACME Accounts"), get_first(rows), build, page=page, text=text)


def _find_hosts(user: Any, text: Text) -> Group | None:
    """Find certificates of hosts without an agent by name, fingerprint, or serial number."""
    if not user.has_perm(CA_RIGHT):
        return None
    condition = Q(names__icontains=text.raw)
    if text.digits:
        condition |= Q(digest__startswith=text.digits) | Q(serial=text.digits.lstrip("0"))
    rows = AcmeCertificate.objects.filter(condition).select_related("account__account_key")
    page = "certificates:host_certificates"

    def build(certificate: AcmeCertificate) -> Found:
        key = certificate.account.account_key.label
        url = f"{reverse(page)}?{urlencode({'q': certificate.subject})}"
        return Found(certificate.subject, f"{key} · {shorten(certificate.digest)}", url)

    found = get_first(rows.defer("chain_pem").order_by("-not_after"))
    return build_group(_("Host Certificates"), found, build, page=page, text=text)


def _find_targets(user: Any, text: Text) -> Group | None:
    if not user.has_perm(NOTIFY):
        return None
    rows = Target.objects.filter(Q(name__icontains=text.raw) | Q(host__icontains=text.raw))

    def build(target: Target) -> Found:
        url = reverse("notifications:change", args=[target.pk])
        return Found(target.name, str(target.get_kind_display()), url)

    return build_group(_("Notifications"), get_first(rows.order_by("name")), build)


def _find_windows(_user: Any, text: Text) -> Group:
    rows = MaintenanceWindow.objects.filter(name__icontains=text.raw)

    def build(window: MaintenanceWindow) -> Found:
        return Found(window.name, "", reverse("certificates:windows"))

    return build_group(_("Maintenance Windows"), get_first(rows), build)


def _find_stages(_user: Any, text: Text) -> Group:
    rows = Stage.objects.filter(name__icontains=text.raw)

    def build(stage: Stage) -> Found:
        return Found(stage.name, "", reverse("systemupdates:stages"))

    return build_group(_("Deployment Stages"), get_first(rows), build)


CONFIGURATION_SOURCES: tuple[Callable[[Any, Text], Group | None], ...] = (
    _find_account_keys,
    _find_hosts,
    _find_targets,
    _find_windows,
    _find_stages,
)
