"""A health check and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from django.urls import reverse
from django.utils.functional import Promise

from certificates.models import HealthAcceptance
from devices.models import Zone

BAD, WARNING = "bad", "warn"
MAX_FINDINGS = 5
"""Most findings of one check that are shown one by one."""


@dataclass(frozen=True)
class Finding:
    """A fact that endangers the zone, its correction, and the page where it can be made.

    `subject` identifies what the finding is about. An acceptance applies to this subject only.
    """

    severity: str
    text: str
    correction: str
    url: str
    subject: str = ""


@dataclass(frozen=True)
class Check:
    """A health check. `run` returns its findings, the most severe first.

    A check that is not `acceptable` finds a fault that must be corrected.
    """

    key: str
    label: str | Promise
    run: Callable[[Zone, datetime], Iterable[Finding]]
    acceptable: bool = True


def get_accept_url(check: Check, finding: Finding) -> str:
    """Return the URL of the dialog that accepts a finding."""
    page = reverse("certificates:accept_finding", args=[check.key])
    return f"{page}?{urlencode({'subject': finding.subject}, quote_via=quote)}"


@dataclass(frozen=True)
class Result:
    """A check with its open findings, and with those that an administrator accepted."""

    check: Check
    findings: list[Finding]
    accepted: list[tuple[Finding, HealthAcceptance]]

    @property
    def has_passed(self) -> bool:
        """Return True if there is no open finding."""
        return not self.findings
