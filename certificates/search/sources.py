"""What the search finds: pages, devices, certificates, operations, updates, and accounts.

Each kind needs one query, or two for devices, whatever it finds. Kinds that a user has no right to
see are not read.

See: D-224
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from certificates.models import Authority, IssuedCertificate, Operation, ServerCertificate
from certificates.operations.states import AuthorityState
from certificates.search.configuration_sources import CONFIGURATION_SOURCES
from certificates.search.results import (
    MAX_OF_KIND,
    Found,
    Group,
    Text,
    build_group,
    get_first,
    shorten,
)
from console.pages import formatting
from console.pages.navigation import get_menu
from devices.models import Device, RegistrationKey
from systemupdates.models import SystemUpdate

ADMINISTER, APPROVE = "people.administer", "devices.approve_device"


def search(user: Any, raw: str) -> list[Group]:
    """Return what matches a text, by kind, without the kinds that the user cannot see."""
    text = Text.parse(raw)
    found = [source(user, text) for source in SOURCES]
    return [group for group in found if group is not None and group.results]


def _find_pages(user: Any, text: Text) -> Group:
    menu = [child for item in get_menu(user) for child in (item, *item.children)]
    names = {item.view: str(item.label) for item in menu}
    words = text.raw.lower()
    views = [view for view, label in names.items() if words in label.lower()]
    return build_group(_("Pages"), views, lambda view: Found(names[view], "", reverse(view)))


def _find_devices(_user: Any, text: Text) -> Group:
    """Find devices whose name begins with the text first. The order by name uses an index."""
    ordered = Device.objects.order_by("name", "pk").only("guid", "name", "role", "fqdn", "state")
    found = list(get_first(ordered.filter(name__istartswith=text.raw)))
    if len(found) <= MAX_OF_KIND:
        parts = (
            Q(name__icontains=text.raw)
            | Q(fqdn__icontains=text.raw)
            | Q(addresses__icontains=text.raw)
        )
        if text.guid:
            parts |= Q(pk=text.guid)
        known = [device.pk for device in found]
        found += get_first(ordered.filter(parts).exclude(pk__in=known))

    def build(device: Device) -> Found:
        parts = (str(device.get_role_display()), device.fqdn)
        detail = " · ".join(part for part in parts if part)
        return Found(device.name, detail, reverse("devices:device", args=[device.pk]))

    return build_group(_("Devices and Servers"), found, build, page="devices:list", text=text)


def _find_certificates(_user: Any, text: Text) -> Group | None:
    """Find server certificates by fingerprint or serial number."""
    if not text.digits:
        return None
    rows = ServerCertificate.objects.filter(
        Q(digest__startswith=text.digits)
        | Q(sha1__startswith=text.colons)
        | Q(md5__startswith=text.colons)
        | Q(digest__in=_list_issued(text))
    )
    rows = rows.select_related("device").defer("chain_pem").order_by("superseded_at", "-pk")

    def build(certificate: ServerCertificate) -> Found:
        device = certificate.device
        if certificate.superseded_at is None:
            url = reverse("certificates:server", args=[device.pk])
            detail = _("Current certificate of %s") % device.name
        else:
            url = reverse("certificates:previous_certificate", args=[device.pk, certificate.pk])
            detail = _("Previous certificate of %s") % device.name
        return Found(certificate.subject, f"{detail} · {shorten(certificate.digest)}", url)

    return build_group(_("Server Certificates"), get_first(rows), build)


def _list_issued(text: Text) -> Any:
    """Return the digests of the certificates that the zone issued with a serial number."""
    serials = [text.digits.lstrip("0")]
    if text.digits.isdigit():
        serials.append(f"{int(text.digits):x}")
    issued = IssuedCertificate.objects.filter(serial__in=serials)
    return issued.exclude(sha256="").values("sha256")


def _find_roots(_user: Any, text: Text) -> Group:
    condition = Q(subject__icontains=text.raw)
    if text.digits:
        condition |= Q(sha256__startswith=text.digits) | Q(sha256__in=_list_issued(text))
    rows = Authority.objects.filter(condition).exclude(state=AuthorityState.DISCARDED)
    ordered = rows.defer("root_pem", "intermediates_pem", "sealed_key").order_by("-created_at")

    def build(root: Authority) -> Found:
        detail = f"{root.get_state_display()} · {shorten(root.sha256)}"
        return Found(root.subject, detail, f"{reverse('certificates:trust')}#root-{root.pk}")

    return build_group(_("Roots"), get_first(ordered), build)


def _find_operations(_user: Any, text: Text) -> Group:
    condition = Q(name__icontains=text.raw)
    condition |= Q(pk=text.guid) if text.guid else Q()
    kinds = [k for k, label in Operation.Kind.choices if text.raw.lower() in label.lower()]
    rows = Operation.objects.filter(condition | Q(kind__in=kinds)).order_by("-created_at")

    def build(operation: Operation) -> Found:
        detail = f"{operation.get_state_display()} · {formatting.stamp(operation.created_at)}"
        return Found(operation.name, detail, reverse("certificates:operation", args=[operation.pk]))

    page = "certificates:operations"
    return build_group(_("Operations"), get_first(rows), build, page=page, text=text)


def _find_updates(_user: Any, text: Text) -> Group:
    condition = Q(name__icontains=text.raw)
    condition |= Q(pk=text.guid) if text.guid else Q()
    rows = SystemUpdate.objects.visible().defer("envelope", "files").filter(condition)

    def build(update: SystemUpdate) -> Found:
        url = reverse("systemupdates:devices", args=[update.pk])
        return Found(update.name, str(update.get_state_display()), url)

    found = get_first(rows.order_by("-created_at"))
    return build_group(_("System Updates"), found, build, page="systemupdates:list", text=text)


def _find_administrators(user: Any, text: Text) -> Group | None:
    if not user.has_perm(ADMINISTER):
        return None
    rows = User.objects.filter(Q(username__icontains=text.raw) | Q(email__icontains=text.raw))

    def build(person: User) -> Found:
        detail = person.email if person.is_active else _("Deactivated")
        url = reverse("administrators:administrator", args=[person.pk])
        return Found(person.username, detail, url)

    found = get_first(rows.order_by("username"))
    return build_group(_("Administrators"), found, build, page="administrators:list", text=text)


def _find_registration_keys(user: Any, text: Text) -> Group | None:
    if not user.has_perm(APPROVE):
        return None
    rows = RegistrationKey.objects.filter(label__icontains=text.raw).order_by("-pk")

    def build(key: RegistrationKey) -> Found:
        page = reverse("zone:keys")
        url = f"{page}?{urlencode({'q': key.label})}"
        return Found(key.label, str(key.get_role_display()), url)

    return build_group(_("Registration Keys"), get_first(rows), build, page="zone:keys", text=text)


SOURCES: tuple[Callable[[Any, Text], Group | None], ...] = (
    _find_pages,
    _find_devices,
    _find_certificates,
    _find_roots,
    _find_operations,
    _find_updates,
    _find_administrators,
    _find_registration_keys,
    *CONFIGURATION_SOURCES,
)
