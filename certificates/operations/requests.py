"""What an administrator asked for: plain values, checked before an operation stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from faults import Fault, Invalid
from pki import keys, names

YEARS = range(1, 11)
NAME_AT_MOST = 100


@dataclass(frozen=True)
class SubjectFields:
    """The parts of a server's subject besides its common name (R067 to R071, R189)."""

    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""

    def check(self) -> None:
        """Refuse values that X.520 does not allow, naming the field."""
        for field, value in vars(self).items():
            try:
                names.Subject("probe", **{field: value})
            except Fault as fault:
                raise Invalid(fault.explanation, action=fault.action, field=field) from fault


@dataclass(frozen=True)
class RemintCA:
    """Replace the zone CA by a new one of the same server (manual, 1.2.9).

    `activates_at` None asks for Immediate, which only an expired CA allows (D-23).
    """

    common_name: str
    key_length: int
    years: int
    include_dns: bool
    activates_at: datetime | None

    def check(self) -> None:
        """Refuse values outside the manual's ranges, naming the field."""
        check_subject(self.common_name, field="common_name")
        check_key_length(self.key_length)
        check_years(self.years)


@dataclass(frozen=True)
class ChangeToInternal:
    """Replace the zone CA by an internal one on any live Primary Server (manual, 1.2.4)."""

    certificate_server: UUID
    subject: str
    key_length: int
    years: int
    include_dns: bool
    activates_at: datetime | None

    def check(self) -> None:
        """Refuse values outside the manual's ranges, naming the field."""
        check_subject(self.subject, field="subject")
        check_key_length(self.key_length)
        check_years(self.years)


@dataclass(frozen=True)
class AdoptCA:
    """Replace the zone CA by that of a backup, whose key a Primary Server holds (D-31)."""

    certificate_server: UUID
    root_pem: str
    authority: UUID
    key_length: int
    include_dns: bool
    activates_at: datetime | None

    def check(self) -> None:
        """Refuse values outside the manual's ranges, naming the field."""
        check_key_length(self.key_length)


@dataclass(frozen=True)
class ChangeToExternal:
    """Replace the zone CA by an external one; its root becomes the zone CA (manual, 1.2.4).

    `by_hand`: the administrator generates the CSR for each server (R065), else ZENworks does.
    """

    root_pem: str
    intermediates_pem: str
    by_hand: bool
    key_length: int
    include_dns: bool
    activates_at: datetime | None
    subject: SubjectFields = SubjectFields()

    def check(self) -> None:
        """Refuse values outside the manual's ranges, naming the field."""
        check_key_length(self.key_length)
        self.subject.check()


@dataclass(frozen=True)
class RemintServers:
    """Replace the certificates of some servers (manual, 1.3.2).

    `common_name` is for a single server without satellites; else each server's FQDN is used.
    """

    servers: tuple[UUID, ...]
    common_name: str
    key_length: int
    include_dns: bool
    activates_at: datetime | None
    name: str
    by_hand: bool = False
    subject: SubjectFields = SubjectFields()

    def check(self) -> None:
        """Refuse values outside the manual's ranges, naming the field."""
        check_key_length(self.key_length)
        self.subject.check()
        if not self.servers:
            raise Invalid(_("Select at least one server."), field="servers")
        if not self.name.strip() or len(self.name) > NAME_AT_MOST:
            raise Invalid(
                _("Give the system update a name of 1 to %(most)s characters.")
                % {"most": NAME_AT_MOST},
                field="name",
            )


CAOrder = RemintCA | ChangeToInternal | AdoptCA | ChangeToExternal
Order = CAOrder | RemintServers


def check_subject(text: str, *, field: str) -> names.Subject:
    """Read a subject; a bare word is its common name (D-1, D-3)."""
    try:
        return names.Subject.parse(text)
    except Fault as fault:
        raise Invalid(fault.explanation, action=fault.action, field=field) from fault


def check_key_length(length: int) -> None:
    """Refuse a key length that this product does not make (D-9)."""
    if length not in keys.KEY_LENGTHS:
        offered = ", ".join(str(known) for known in keys.KEY_LENGTHS)
        raise Invalid(
            _("The key length must be one of %(offered)s.") % {"offered": offered},
            field="key_length",
        )


def check_years(years: int) -> None:
    """Refuse a validity outside 1 to 10 years (R134)."""
    if years not in YEARS:
        raise Invalid(_("The CA can be valid for 1 to 10 years."), field="years")
