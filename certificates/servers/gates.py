"""Which act on selected servers works when, and why not (manual, 1.3.2; D-19, D-23, D-49).

The server decides, for the buttons of the pane as for what is sent by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from certificates.authority.gates import Gate
from certificates.models import Authority, FutureCertificate, Operation
from certificates.servers.selection import Facts, Short

ZIP_FROM = 2


class Act(TextChoices):
    """Remint Certificate and the menu Actions, in the manual's order (D-2, R196 to R198)."""

    REMINT = "remint-certificate", gettext_lazy("Remint Certificate")
    GENERATE = "generate-csr", gettext_lazy("Generate CSR")
    IMPORT = "import-certificate", gettext_lazy("Import Certificate")
    ZIP = "csr-zip", gettext_lazy("Download CSRs to Zip File")


ICONS = {
    Act.REMINT: "refresh-ccw",
    Act.GENERATE: "file-plus",
    Act.IMPORT: "file-input",
    Act.ZIP: "file-archive",
}


# What a selected server must not be for an act, in the order in which it is told.
STOPPED_BY = {
    Act.REMINT: ("waiting",),
    Act.GENERATE: ("not_external", "activating", "too_old"),
    Act.IMPORT: ("not_external", "without_csr", "activating"),
    Act.ZIP: ("not_external", "without_csr"),
}
TEXTS: dict[str, Any] = {
    "waiting": ngettext_lazy(
        "%(n)d of %(of)d selected servers already waits for a new certificate: %(names)s.",
        "%(n)d of %(of)d selected servers already wait for a new certificate: %(names)s.",
        "n",
    ),
    "not_external": ngettext_lazy(
        "%(n)d of %(of)d selected servers waits for no certificate of an external CA: %(names)s.",
        "%(n)d of %(of)d selected servers wait for no certificate of an external CA: %(names)s.",
        "n",
    ),
    "without_csr": ngettext_lazy(
        "%(n)d of %(of)d selected servers has no CSR yet: %(names)s.",
        "%(n)d of %(of)d selected servers have no CSR yet: %(names)s.",
        "n",
    ),
    "activating": ngettext_lazy(
        "%(n)d of %(of)d selected servers may be activating its new certificate: %(names)s.",
        "%(n)d of %(of)d selected servers may be activating their new certificates: %(names)s.",
        "n",
    ),
    "too_old": ngettext_lazy(
        "The agent of %(names)s is too old to generate a CSR. Update it, or place certificate and "
        "key in the remint repository of the server.",
        "The agents of %(names)s are too old to generate a CSR. Update them, or place certificate "
        "and key in the remint repository of each server.",
        "n",
    ),
}


@dataclass(frozen=True)
class Around:
    """What shuts an act whatever is selected."""

    of_ca: str | Promise = ""
    """The operation on the zone CA that is in progress, as its button is called."""
    ca_expired: bool = False
    """The zone CA is internal and has expired."""
    awaited: bool = False
    """Some server waits for a certificate of an external CA."""

    @classmethod
    def read(cls, now: datetime) -> Around:
        """Read how the zone stands."""
        pending = Operation.objects.blocking().of_ca().first()
        return cls.of(Authority.objects.filter(state="current").first(), pending, now)

    @classmethod
    def of(cls, authority: Authority | None, pending: Operation | None, now: datetime) -> Around:
        """Tell it of the zone CA and the operation on it that is in progress."""
        waiting = FutureCertificate.objects.open().filter(authority__kind=Authority.Kind.EXTERNAL)
        return cls(
            of_ca=pending.get_kind_display() if pending else "",
            ca_expired=bool(authority and authority.is_internal and authority.has_expired(now)),
            awaited=waiting.exists(),
        )


def server_gates(around: Around, facts: Facts | None) -> list[Gate]:
    """Return the acts with what shuts them; without facts the selection is not looked at."""
    return [
        Gate(
            button=act.value,
            label=act.label,
            reason=shut_around(act, around) or (shut_for(act, facts) if facts else ""),
            icon=ICONS[act],
        )
        for act in Act
    ]


def shut_around(act: Act, around: Around) -> str:
    """Return why an act is shut for every server, "" where it is not (R170, R196, D-23)."""
    if act != Act.REMINT:
        return "" if around.awaited else _("No server waits for a certificate of an external CA.")
    if around.of_ca:
        return _("%(operation)s is in progress. Wait until it ends, or cancel it.") % {
            "operation": around.of_ca
        }
    return _("The zone CA has expired. Remint the CA first.") if around.ca_expired else ""


def shut_for(act: Act, facts: Facts) -> str:
    """Return why an act does not suit the selected servers, "" where it does (R161)."""
    if not facts.servers:
        return _("Select at least one server first.")
    if act == Act.ZIP and facts.servers < ZIP_FROM:
        return _("Select several servers; for one use “Download CSR” in the column Options.")
    return next(filter(None, (_lacking(name, facts) for name in STOPPED_BY[act])), "")


def _lacking(name: str, facts: Facts) -> str:
    """Return how many selected servers something keeps from an act, and their first names."""
    short: Short = getattr(facts, name)
    if not short.n:
        return ""
    more = [_("and %d more") % (short.n - len(short.names))] if short.n > len(short.names) else []
    return str(
        TEXTS[name] % {"n": short.n, "of": facts.servers, "names": ", ".join([*short.names, *more])}
    )
