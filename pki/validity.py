"""From when until when a certificate is valid (docs/decisions.md D-7, D-8, D-10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pki.certificates import loading
from pki.errors import NotIssued

BACKDATED = timedelta(hours=24)  # for hosts whose clock is slow
MIN_YEARS, MAX_YEARS = 1, 10
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Validity:
    """The first and the last second of a certificate, aware and in whole seconds."""

    not_before: datetime
    not_after: datetime

    def __post_init__(self) -> None:
        if self.not_before.tzinfo is None or self.not_after.tzinfo is None:
            raise NotIssued("The validity of a certificate needs a time zone.")
        if self.not_before >= self.not_after:
            raise NotIssued("The certificate would end before it begins.")


def root_validity(now: datetime, years: int) -> Validity:
    """Return the validity of a root made now: whole calendar years less one second (D-7)."""
    if not MIN_YEARS <= years <= MAX_YEARS:
        raise NotIssued(
            f"A CA is valid for {MIN_YEARS} to {MAX_YEARS} years, not for {years}.", field="years"
        )
    now = now.replace(microsecond=0)
    return Validity(now - BACKDATED, _years_later(now, years) - _SECOND)


def server_validity(now: datetime, days: int, issuer_pem: str) -> Validity:
    """Return the validity of a server certificate made now, within that of its issuer (D-8)."""
    if days < 1:
        raise NotIssued("A server certificate is valid for at least one day.", field="days")
    now = now.replace(microsecond=0)
    wanted = Validity(now - BACKDATED, now + timedelta(days=days) - _SECOND)
    return within(wanted, issuer_pem, now=now)


def within(wanted: Validity, issuer_pem: str, *, now: datetime) -> Validity:
    """Return as much of a validity as lies within that of the issuer, or raise NotIssued."""
    issuer = loading.load_certificate(issuer_pem)
    if issuer.not_valid_after_utc <= now:
        raise NotIssued("The zone CA has expired.", action="Remint the CA first.")
    return Validity(
        max(wanted.not_before, issuer.not_valid_before_utc),
        min(wanted.not_after, issuer.not_valid_after_utc),
    )


def _years_later(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # the 29th of February, in a year that has none
        return moment.replace(year=moment.year + years, day=28)
