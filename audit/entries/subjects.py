"""Audit entries in words: sentences, links, and states.

Names are those that the entry stores. Entries of version 0.1 store none: for them, the current
name is shown, or the key of an object that was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain.kinds import KINDS, USER, find_names, get_model
from audit.entries.changes import Change, list_changes
from audit.entries.sentences import get_sentence
from audit.models import Entry

DOCUMENTS = {
    "activated": gettext_lazy("Signed trust notice (activation)"),
    "cancel": gettext_lazy("Signed trust notice (cancellation)"),
    "go": gettext_lazy("Activation order"),
    "key-record": gettext_lazy("Record of a CA key"),
    "manifest": gettext_lazy("Content of a system update"),
    "report": gettext_lazy("Report of an operation"),
    "retire": gettext_lazy("Signed trust notice (retirement)"),
    "rollback": gettext_lazy("Signed trust notice (rollback)"),
    "statement": gettext_lazy("Identity statement of a server"),
}
DOCUMENT_PREFIX, DOCUMENT_SUFFIX = "application/vnd.zcc.", "+json"
SYSTEM = "system"


@dataclass(frozen=True)
class NamedObject:
    """An object that an entry names. `url` is "" if it has no page or no longer exists."""

    subject: str
    name: str
    url: str = ""

    @property
    def label(self) -> str:
        """Return the kind and the name."""
        return _describe(self.subject, self.name)

    @property
    def phrase(self) -> str:
        """Return the kind and the name as part of a sentence."""
        kind = KINDS.get(self.subject.partition(":")[0])
        return self.label if kind is None else str(kind.phrase).format(name=self.name).strip()


@dataclass(frozen=True)
class EntryRow:
    """An entry in words: its subject, and the other objects that it names."""

    entry: Entry
    about: NamedObject
    others: list[NamedObject] = field(default_factory=list)

    @property
    def subject(self) -> str:
        """Return the subject in words."""
        return self.about.label

    @property
    def before(self) -> str:
        """Return the label of the state before."""
        return describe_state(self.entry.subject, self.entry.here)

    @property
    def after(self) -> str:
        """Return the label of the state after."""
        return describe_state(self.entry.subject, self.entry.there)

    @property
    def changes(self) -> list[Change]:
        """Return the values before and after."""
        return list_changes(self.entry.detail)

    @property
    def sentence(self) -> str:
        """Return what happened as a sentence."""
        return self._get_template().format(**self._get_words(), subject=self._get_phrase())

    @property
    def linked_sentence(self) -> str:
        """Return the sentence as HTML, with links to the objects that still exist."""
        words = self._get_words()
        user = next((one for one in self.others if one.subject.startswith(f"{USER}:")), None)
        if user is not None and user.name == self.entry.actor:
            words["actor"] = _link(user.name, user.url)
        subject = _link(self._get_phrase(), self.about.url)
        return format_html(self._get_template(), **words, subject=subject)

    def _get_template(self) -> str:
        return get_sentence(self.entry.action, has_before=bool(self.entry.here))

    def _get_phrase(self) -> str:
        """Return the subject in words, with a capital letter if the sentence begins with it."""
        is_first = self._get_template().startswith("{subject}")
        return capfirst(self.about.phrase) if is_first else self.about.phrase

    def _get_words(self) -> dict[str, Any]:
        actor = self.entry.actor
        if actor == SYSTEM:
            actor = _("The system")
        elif actor.startswith("device "):
            actor = _("Device %s") % actor.removeprefix("device ")
        return {"actor": actor, "before": self.before or "—", "after": self.after or "—"}


def build_rows(entries: Iterable[Entry]) -> list[EntryRow]:
    """Return the entries in words. Uses one query for each kind of object."""
    found = list(entries)
    subjects = {key for entry in found for key in (entry.subject, *(entry.names or {}))}
    current = find_names(subjects, with_related=False)
    return [_build_row(entry, current) for entry in found]


def describe_entry(entry: Entry) -> EntryRow:
    """Return an entry in words with the stored names only, without links and queries."""
    return _build_row(entry, {})


def describe_state(subject: str, state: str) -> str:
    """Return the label of a state of a subject, or the state if it has no label."""
    model = get_model(subject.partition(":")[0])
    if model is None:
        return state
    try:
        known: Any = model._meta.get_field("state")
    except FieldDoesNotExist:
        return state
    return str(dict(known.flatchoices).get(state, state))


def get_url(subject: str) -> str:
    """Return the URL of the page of an object, or "" if it has none."""
    label, _colon, key = subject.partition(":")
    kind = KINDS.get(label)
    if kind is None or not kind.view:
        return ""
    try:
        return reverse(kind.view, args=() if kind.is_listed else (key,))
    except NoReverseMatch:
        return ""


def _build_row(entry: Entry, current: dict[str, str]) -> EntryRow:
    stored = entry.names or {}
    objects = {
        key: NamedObject(key, name, get_url(key) if _exists(key, current) else "")
        for key, name in stored.items()
    }
    about = objects.pop(entry.subject, None) or _build_unnamed(entry.subject, current)
    return EntryRow(entry, about, list(objects.values()))


def _build_unnamed(subject: str, current: dict[str, str]) -> NamedObject:
    """Return a subject without a stored name, with its current name or its key."""
    label, _colon, key = subject.partition(":")
    kind = KINDS.get(label)
    name = current.get(subject, key if kind is not None and kind.name else "")
    return NamedObject(subject, name, get_url(subject) if _exists(subject, current) else "")


def _exists(subject: str, current: dict[str, str]) -> bool:
    kind = KINDS.get(subject.partition(":")[0])
    return kind is not None and (not kind.name or subject in current)


def _describe(subject: str, name: str) -> str:
    kind = KINDS.get(subject.partition(":")[0])
    if kind is not None:
        return f"{kind.label} {name}".strip()
    inner = subject.removeprefix(DOCUMENT_PREFIX).removesuffix(DOCUMENT_SUFFIX)
    return str(DOCUMENTS.get(inner, subject))


def _link(text: str, url: str) -> str:
    return format_html('<a href="{}">{}</a>', url, text) if url else text
