"""The subjects of audit entries in words.

An entry stores the model and the key of its subject, which are part of its hash and never change.
The console shows the kind and the name of the object, and the labels of its states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.models import Entry


class Kind(NamedTuple):
    """A kind of object: its label, and the field that contains its name."""

    label: str | Promise
    name: str = ""


# This package does not import the models, because their packages import it.
KINDS = {
    "auth.User": Kind(_("Administrator"), "username"),
    "certificates.Authority": Kind(_("CA"), "subject"),
    "certificates.HealthAcceptance": Kind(_("Health checks")),
    "certificates.FutureCertificate": Kind(_("New certificate of"), "device__name"),
    "certificates.Operation": Kind(_("Operation"), "name"),
    "certificates.VaultJob": Kind(_("CA key operation on"), "server__name"),
    "console.ApiToken": Kind(_("API token"), "name"),
    "devices.Device": Kind(_("Device"), "name"),
    "devices.RegistrationKey": Kind(_("Registration key"), "label"),
    "devices.Zone": Kind(_("Zone"), "name"),
    "notifications.Delivery": Kind(_("Notification"), "title"),
    "notifications.Target": Kind(_("Notification target"), "name"),
    "people.Policies": Kind(_("Account rules")),
    "people.Rules": Kind(_("Account rules")),
    "systemupdates.Assignment": Kind(_("Update of"), "device__name"),
    "systemupdates.Replica": Kind(_("Content on"), "server__name"),
    "systemupdates.Stage": Kind(_("Deployment stage"), "name"),
    "systemupdates.SystemUpdate": Kind(_("System update"), "name"),
}
DOCUMENTS = {
    "activated": _("Signed trust notice (activation)"),
    "cancel": _("Signed trust notice (cancellation)"),
    "go": _("Activation order"),
    "manifest": _("Content of a system update"),
    "report": _("Report of an operation"),
    "retire": _("Signed trust notice (retirement)"),
    "rollback": _("Signed trust notice (rollback)"),
    "statement": _("Identity statement of a server"),
}
DOCUMENT_PREFIX, DOCUMENT_SUFFIX = "application/vnd.zcc.", "+json"


@dataclass(frozen=True)
class EntryRow:
    """An entry with its subject and its states in words."""

    entry: Entry
    subject: str

    @property
    def before(self) -> str:
        """Return the label of the state before."""
        return describe_state(self.entry.subject, self.entry.here)

    @property
    def after(self) -> str:
        """Return the label of the state after."""
        return describe_state(self.entry.subject, self.entry.there)


def build_rows(entries: Iterable[Entry]) -> list[EntryRow]:
    """Return the entries with their subjects and states in words."""
    found = list(entries)
    subjects = describe_subjects(found)
    return [EntryRow(entry, subjects[entry.subject]) for entry in found]


def describe_subjects(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the text for each subject of the entries. Uses one query for each kind of object."""
    subjects = {entry.subject for entry in entries}
    keys: dict[str, dict[str, str]] = defaultdict(dict)
    for subject in subjects:
        label, _colon, key = subject.partition(":")
        if label in KINDS and key:
            keys[label][subject] = key
    names: dict[str, str] = {}
    for label, wanted in keys.items():
        names |= _get_names(label, wanted)
    return {subject: _describe(subject, names.get(subject, "")) for subject in subjects}


def describe_state(subject: str, state: str) -> str:
    """Return the label of a state of a subject, or the state if it has no label."""
    model = _get_model(subject.partition(":")[0])
    if model is None:
        return state
    try:
        field: Any = model._meta.get_field("state")
    except FieldDoesNotExist:
        return state
    return str(dict(field.flatchoices).get(state, state))


def _describe(subject: str, name: str) -> str:
    kind = KINDS.get(subject.partition(":")[0])
    if kind is not None:
        return f"{kind.label} {name}".strip()
    inner = subject.removeprefix(DOCUMENT_PREFIX).removesuffix(DOCUMENT_SUFFIX)
    return str(DOCUMENTS.get(inner, subject))


def _get_names(label: str, wanted: dict[str, str]) -> dict[str, str]:
    """Return the names by subject; the name of an object that was deleted is its key."""
    model, field = _get_model(label), KINDS[label].name
    if model is None or not field:
        return {}
    keys = {subject: _parse_key(model, text) for subject, text in wanted.items()}
    known = [key for key in keys.values() if key is not None]
    rows = dict(model.objects.filter(pk__in=known).values_list("pk", field))
    return {
        subject: str(rows.get(key) or wanted[subject])
        for subject, key in keys.items()
        if key is not None
    }


def _get_model(label: str) -> Any:
    """Return the model, or None if it is not described or was renamed."""
    try:
        return apps.get_model(label) if label in KINDS else None
    except LookupError:
        return None


def _parse_key(model: Any, text: str) -> Any:
    try:
        return model._meta.pk.to_python(text)
    except ValidationError:
        return None
