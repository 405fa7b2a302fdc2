"""Which actions on selected servers are available, and why others are not.

The server decides this both for the buttons of the pane and for the requests that they send.

See: manual 1.3.2; D-19; D-23; D-49
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
from certificates.servers.selection import BlockedServers, SelectionFacts

MIN_ZIP_SERVERS = 2


class ServerAction(TextChoices):
    """Remint Certificate and the Actions menu, in the order of the manual."""

    REMINT = "remint-certificate", gettext_lazy("Remint Certificate")
    GENERATE = "generate-csr", gettext_lazy("Generate CSR")
    IMPORT = "import-certificate", gettext_lazy("Import Certificate")
    ZIP = "csr-zip", gettext_lazy("Download CSRs to Zip File")


ICONS = {
    ServerAction.REMINT: "refresh-ccw",
    ServerAction.GENERATE: "file-plus",
    ServerAction.IMPORT: "file-input",
    ServerAction.ZIP: "file-archive",
}


# Reasons that make an action unavailable for a selected server, in the order of display.
BLOCKERS = {
    ServerAction.REMINT: ("waiting",),
    ServerAction.GENERATE: ("not_external", "activating", "too_old"),
    ServerAction.IMPORT: ("not_external", "without_csr", "activating"),
    ServerAction.ZIP: ("not_external", "without_csr"),
}
REASONS: dict[str, Any] = {
    "waiting": ngettext_lazy(
        "%(n)d of %(of)d selected servers is already waiting for a new certificate: %(names)s.",
        "%(n)d of %(of)d selected servers are already waiting for a new certificate: %(names)s.",
        "n",
    ),
    "not_external": ngettext_lazy(
        "%(n)d of %(of)d selected servers is not waiting for a certificate "
        "from an external CA: %(names)s.",
        "%(n)d of %(of)d selected servers are not waiting for a certificate "
        "from an external CA: %(names)s.",
        "n",
    ),
    "without_csr": ngettext_lazy(
        "%(n)d of %(of)d selected servers does not have a CSR yet: %(names)s.",
        "%(n)d of %(of)d selected servers do not have a CSR yet: %(names)s.",
        "n",
    ),
    "activating": ngettext_lazy(
        "%(n)d of %(of)d selected servers might already be activating its new "
        "certificate: %(names)s.",
        "%(n)d of %(of)d selected servers might already be activating their "
        "new certificates: %(names)s.",
        "n",
    ),
    "too_old": ngettext_lazy(
        "The agent on %(names)s is too old to generate a CSR. Update the "
        "agent, or copy the certificate and key to the remint repository of "
        "the server.",
        "The agents on %(names)s are too old to generate a CSR. Update the "
        "agents, or copy the certificate and key to the remint repository of "
        "each server.",
        "n",
    ),
}


@dataclass(frozen=True)
class ZoneFacts:
    """State of the zone that makes actions unavailable for every selection."""

    ca_operation: str | Promise = ""
    """The label of the CA operation that is in progress, or ""."""
    ca_expired: bool = False
    """The zone CA is internal and has expired."""
    has_pending_external: bool = False
    """A server is waiting for a certificate from an external CA."""

    @classmethod
    def get(cls, now: datetime) -> ZoneFacts:
        """Return the current state of the zone."""
        pending = Operation.objects.blocking().of_ca().first()
        return cls.build(Authority.objects.filter(state="current").first(), pending, now)

    @classmethod
    def build(
        cls, authority: Authority | None, pending: Operation | None, now: datetime
    ) -> ZoneFacts:
        """Return the state for a zone CA and the CA operation that is in progress."""
        external = FutureCertificate.objects.open().filter(authority__kind=Authority.Kind.EXTERNAL)
        return cls(
            ca_operation=pending.get_kind_display() if pending else "",
            ca_expired=bool(authority and authority.is_internal and authority.has_expired(now)),
            has_pending_external=external.exists(),
        )


def build_server_gates(zone: ZoneFacts, facts: SelectionFacts | None) -> list[Gate]:
    """Return the actions and why each is unavailable. Without facts, the selection is ignored."""
    return [
        Gate(
            button=action.value,
            label=action.label,
            reason=get_zone_reason(action, zone)
            or (get_selection_reason(action, facts) if facts else ""),
            icon=ICONS[action],
        )
        for action in ServerAction
    ]


def get_zone_reason(action: ServerAction, zone: ZoneFacts) -> str:
    """Return why an action is unavailable for every server, or ""."""
    if action != ServerAction.REMINT:
        return (
            ""
            if zone.has_pending_external
            else _("No servers are waiting for a certificate from an external CA.")
        )
    if zone.ca_operation:
        return _("%(operation)s is in progress. Wait for it to complete, or cancel it.") % {
            "operation": zone.ca_operation
        }
    return _("The zone CA has expired. Remint the CA first.") if zone.ca_expired else ""


def get_selection_reason(action: ServerAction, facts: SelectionFacts) -> str:
    """Return why an action is unavailable for the selected servers, or ""."""
    if not facts.servers:
        return _("Select at least one server.")
    if action == ServerAction.ZIP and facts.servers < MIN_ZIP_SERVERS:
        return _(
            "Select two or more servers. For a single server, use "
            "Download CSR in the Options column."
        )
    return next(filter(None, (_build_reason(name, facts) for name in BLOCKERS[action])), "")


def _build_reason(name: str, facts: SelectionFacts) -> str:
    """Return the message for a blocker, with the number and names of servers, or ""."""
    blocked: BlockedServers = getattr(facts, name)
    if not blocked.count:
        return ""
    more = (
        [_("and %d more") % (blocked.count - len(blocked.names))]
        if blocked.count > len(blocked.names)
        else []
    )
    return str(
        REASONS[name]
        % {"n": blocked.count, "of": facts.servers, "names": ", ".join([*blocked.names, *more])}
    )
