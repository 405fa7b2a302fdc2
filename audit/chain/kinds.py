"""The kinds of objects that audit entries name, and the names of objects at this moment.

An entry stores the names of its subject and of related objects, so that it can be read after they
were renamed or deleted. This package does not import the models, because their packages import it.

See: D-204
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MAX_NAME = 200


class Kind(NamedTuple):
    """A kind of object: its label, its phrase in a sentence, and the field with its name.

    `related` are foreign keys to other objects that an entry also names, as (field, model label).
    `view` is the URL name of the page of an object, or "". `is_listed` is True if the page is that
    of all objects of this kind.
    """

    label: str | Promise
    phrase: str | Promise
    name: str = ""
    related: tuple[tuple[str, str], ...] = ()
    view: str = ""
    is_listed: bool = False


DEVICE, AUTHORITY, USER = "devices.Device", "certificates.Authority", "auth.User"
UPDATE = "systemupdates.SystemUpdate"
POLICIES = "people.Policies"
"""The model of the account rules. Entries about changes of them still use its former name."""
KINDS = {
    USER: Kind(
        _("Administrator"),
        _("administrator {name}"),
        "username",
        (),
        "administrators:administrator",
    ),
    AUTHORITY: Kind(
        _("CA"),
        _("the CA {name}"),
        "subject",
        (("certificate_server", DEVICE),),
        "certificates:trust",
        is_listed=True,
    ),
    "certificates.AcmeAccountKey": Kind(
        _("ACME account key"),
        _("the ACME account key {name}"),
        "label",
        (),
        "certificates:acme_accounts",
        is_listed=True,
    ),
    "certificates.AcmeCertificate": Kind(
        _("Certificate of host"),
        _("the certificate of host {name}"),
        "subject",
        (),
        "certificates:host_certificates",
        is_listed=True,
    ),
    "certificates.AgentUpgrade": Kind(
        _("Agent upgrade"),
        _("the agent upgrade to {name}"),
        "version",
        (("requested_by", USER),),
        "certificates:agent_upgrade",
    ),
    "certificates.AgentUpgradeTarget": Kind(
        _("Agent upgrade of"),
        _("the agent upgrade of {name}"),
        "device__name",
        (("device", DEVICE), ("upgrade", "certificates.AgentUpgrade")),
    ),
    "certificates.ChangeFreeze": Kind(
        _("Change freeze"),
        _("the change freeze “{name}”"),
        "reason",
        (),
        "certificates:windows",
        is_listed=True,
    ),
    "certificates.MaintenanceWindow": Kind(
        _("Maintenance window"),
        _("the maintenance window {name}"),
        "name",
        (),
        "certificates:windows",
        is_listed=True,
    ),
    "certificates.PilotSettings": Kind(
        _("Pilot group"), _("the pilot group"), "", (), "certificates:windows", is_listed=True
    ),
    "certificates.HealthAcceptance": Kind(
        _("Health checks"), _("health check {name}"), "", (), "certificates:checks", is_listed=True
    ),
    "certificates.FutureCertificate": Kind(
        _("New certificate of"),
        _("the new certificate of {name}"),
        "device__name",
        (("device", DEVICE), ("operation", "certificates.Operation")),
    ),
    "certificates.Operation": Kind(
        _("Operation"),
        _("operation {name}"),
        "name",
        (("authority", AUTHORITY), ("future_authority", AUTHORITY)),
        "certificates:operation",
    ),
    "certificates.VaultJob": Kind(
        _("CA key operation on"),
        _("the CA key operation on {name}"),
        "server__name",
        (("server", DEVICE), ("target", DEVICE), ("authority", AUTHORITY)),
        "certificates:key_job",
    ),
    "console.ApiToken": Kind(_("API token"), _("API token {name}"), "name", (("user", USER),)),
    DEVICE: Kind(_("Device"), _("device {name}"), "name", (), "devices:device"),
    "devices.RegistrationKey": Kind(
        _("Registration key"),
        _("registration key {name}"),
        "label",
        (),
        "zone:keys",
        is_listed=True,
    ),
    "devices.Zone": Kind(_("Zone"), _("zone {name}"), "name", (), "zone:settings", is_listed=True),
    "ledger.SyslogServer": Kind(
        _("Syslog server"),
        _("syslog server {name}"),
        "host",
        (),
        "audit:forwarding",
        is_listed=True,
    ),
    "notifications.Delivery": Kind(
        _("Notification"), _("notification {name}"), "title", (), "notifications:delivery"
    ),
    "notifications.MailServer": Kind(
        _("Mail server"), _("mail server {name}"), "host", (), "notifications:list", is_listed=True
    ),
    "notifications.Target": Kind(
        _("Notification target"),
        _("notification target {name}"),
        "name",
        (),
        "notifications:change",
    ),
    POLICIES: Kind(
        _("Account rules"),
        _("the account rules"),
        "",
        (),
        "administrators:policies",
        is_listed=True,
    ),
    "people.Rules": Kind(
        _("Account rules"),
        _("the account rules"),
        "",
        (),
        "administrators:policies",
        is_listed=True,
    ),
    "systemupdates.Assignment": Kind(
        _("Update of"),
        _("the update of {name}"),
        "device__name",
        (("device", DEVICE), ("update", UPDATE)),
    ),
    "systemupdates.Replica": Kind(
        _("Content on"),
        _("the content on {name}"),
        "server__name",
        (("server", DEVICE), ("update", UPDATE)),
    ),
    "systemupdates.Stage": Kind(
        _("Deployment stage"),
        _("deployment stage {name}"),
        "name",
        (),
        "systemupdates:stages",
        is_listed=True,
    ),
    UPDATE: Kind(
        _("System update"), _("system update {name}"), "name", (), "systemupdates:details"
    ),
}


def find_names(subjects: Iterable[str], *, with_related: bool = True) -> dict[str, str]:
    """Return the current names of objects, and of the objects they refer to, by subject.

    A subject is the model label and the key, for example `devices.Device:1f95...`. The result
    excludes objects without a name and objects that do not exist. Uses one query for each kind.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        label, _colon, key = subject.partition(":")
        if key and label in KINDS and KINDS[label].name:
            keys[label].add(key)
    names: dict[str, str] = {}
    for label, wanted in keys.items():
        names |= _find_names_of(label, wanted, with_related=with_related)
    return names


def get_model(label: str) -> Any:
    """Return the model of a kind, or None if the kind is unknown or its model was renamed."""
    try:
        return apps.get_model(label) if label in KINDS else None
    except LookupError:
        return None


def _find_names_of(label: str, wanted: set[str], *, with_related: bool) -> dict[str, str]:
    model, kind = get_model(label), KINDS[label]
    if model is None:
        return {}
    known = [key for key in (_parse_key(model, text) for text in wanted) if key is not None]
    related = kind.related if with_related else ()
    fields = [name for field, other in related for name in _get_fields(field, other)]
    found: dict[str, str] = {}
    rows: QuerySet[Any, Any] = (
        QuerySet(model).filter(pk__in=known).values_list("pk", kind.name, *fields)
    )
    for key, name, *values in rows:
        found[f"{label}:{key}"] = str(name)[:MAX_NAME]
        for (_field, other), (pk, text) in zip(
            related, zip(values[::2], values[1::2], strict=True), strict=True
        ):
            if pk is not None:
                found[f"{other}:{pk}"] = str(text)[:MAX_NAME]
    return found


def _get_fields(field: str, other: str) -> tuple[str, str]:
    return f"{field}__pk", f"{field}__{KINDS[other].name}"


def _parse_key(model: Any, text: str) -> Any:
    try:
        return model._meta.pk.to_python(text)
    except ValidationError:
        return None
