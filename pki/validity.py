"""Validity periods of certificates (docs/decisions.md D-7, D-8, D-10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from faults.texts import gettext as _
from pki.certificates import loading
from pki.errors import NotIssued

BACKDATED = timedelta(hours=24)  # for hosts whose clock is behind
MIN_YEARS, MAX_YEARS = 1, 10
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Validity:
    """The start and end of the validity period, as aware datetimes in whole seconds."""

    not_before: datetime
    not_after: datetime

    def __post_init__(self) -> None:
        if self.not_before.tzinfo is None or self.not_after.tzinfo is None:
            raise NotIssued(_("Validity dates must have a time zone."))
        if self.not_before >= self.not_after:
            raise NotIssued(_("The certificate's end date is before its start date."))


def get_root_validity(now: datetime, years: int) -> Validity:
    """Return the validity of a new root: whole calendar years minus one second (D-7)."""
    if not MIN_YEARS <= years <= MAX_YEARS:
        raise NotIssued(
            _("The CA validity must be %(min)s to %(max)s years, not %(years)s.")
            % {"min": MIN_YEARS, "max": MAX_YEARS, "years": years},
            field="years",
        )
    now = now.replace(microsecond=0)
    return Validity(now - BACKDATED, _add_years(now, years) - _SECOND)


def get_server_validity(now: datetime, days: int, issuer_pem: str) -> Validity:
    """Return the validity of a new server certificate, limited to that of its issuer (D-8)."""
    if days < 1:
        raise NotIssued(
            _("The server certificate validity must be at least one day."), field="days"
        )
    now = now.replace(microsecond=0)
    wanted = Validity(now - BACKDATED, now + timedelta(days=days) - _SECOND)
    return limit_to_issuer(wanted, issuer_pem, now=now)


def limit_to_issuer(wanted: Validity, issuer_pem: str, *, now: datetime) -> Validity:
    """Return a validity limited to that of the issuer. Raise NotIssued if the issuer expired."""
    issuer = loading.load_certificate(issuer_pem)
    if issuer.not_valid_after_utc <= now:
        raise NotIssued(_("The zone CA has expired."), action=_("Remint the CA first."))
    return Validity(
        max(wanted.not_before, issuer.not_valid_before_utc),
        min(wanted.not_after, issuer.not_valid_after_utc),
    )


def _add_years(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # February 29 in a year that is not a leap year
        return moment.replace(year=moment.year + years, day=28)
