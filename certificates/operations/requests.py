"""What an administrator asked for: plain values, checked before an operation stands.

The root and the chain of an external CA that is to be the zone's: what is refused (D-13).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from certificates.models import Authority
from certificates.operations.activation_time import stamp
from faults import Fault, Invalid, Refused
from pki import keys, names
from pki.certificates import details
from pki.chains import chains

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


def check_new_root(root_pem: str, *, now: datetime) -> None:
    """Refuse a root that the zone trusts already, or one that is not valid at a time."""
    facts = details.describe(root_pem)
    if Authority.objects.filter(sha256=facts.digest, state__in=("current", "grace")).exists():
        raise Refused(
            _("This root is already trusted as a CA of the zone. Nothing was changed."),
            action=_("To replace server certificates under the same root use Remint Certificate."),
            field="file",
        )
    if not facts.not_before <= now < facts.not_after:
        raise Refused(
            _valid_only(facts),
            action=_("Choose a root that is valid when it becomes active."),
            field="file",
        )


def check_chain(root_pem: str, intermediates_pem: str, *, at: datetime) -> None:
    """Refuse a chain without its root, or an intermediate CA that is not valid at a time."""
    others = chains.split(intermediates_pem)
    root, _rest = chains.split_root([root_pem, *others])
    if details.digest(root) != details.digest(root_pem):
        raise Invalid(_("The certificate given as the root is not self-signed."), field="file")
    for facts in map(details.describe, others):
        if not facts.not_before <= at < facts.not_after:
            raise Invalid(_valid_only(facts), field="file")


def _valid_only(facts: details.CertificateDetails) -> str:
    return _("%(subject)s is valid from %(begin)s until %(end)s only. Nothing was changed.") % {
        "subject": facts.subject,
        "begin": stamp(facts.not_before),
        "end": stamp(facts.not_after),
    }
