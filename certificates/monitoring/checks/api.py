"""Health checks in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from certificates.models import HealthAcceptance
from certificates.monitoring.checks import acceptance, registry
from certificates.monitoring.checks.findings import Result
from console.rest.api import RequestBody, Text, get_by_number, require
from devices.models import Zone

router = Router(tags=["health checks"])
MAY_ACCEPT = require(acceptance.RIGHT, reauthenticated=True)


class AcceptanceOut(Schema):
    """The acceptance of a finding."""

    id: int
    check: str = Field(validation_alias="check_key")
    subject: str
    reason: str
    accepted_by: str
    accepted_at: datetime


class FindingOut(Schema):
    """A finding of a health check: severity (`bad` or `warn`), text, and correction.

    `acceptance` contains the ID, reason, and administrator of an accepted finding.
    """

    subject: str
    severity: str
    text: str
    correction: str
    page: str
    acceptance: AcceptanceOut | None = None


class CheckOut(Schema):
    """A health check with its findings. `passed` is true if no finding is open."""

    key: str
    label: str
    passed: bool
    findings: list[FindingOut]


class AcceptanceIn(RequestBody):
    """The subject of the finding, as listed, and the reason why it is accepted."""

    subject: Text = ""
    reason: Text = ""


@router.get("/health-checks", response=list[CheckOut])
def list_checks(request: HttpRequest) -> Any:
    """Run all health checks and return their findings."""
    results = registry.run_checks(Zone.objects.get_zone(), timezone.now())
    return [_describe(result) for result in results]


@router.post(
    "/health-checks/{check_key}/acceptances", response={201: AcceptanceOut}, auth=MAY_ACCEPT
)
def accept_finding(request: HttpRequest, check_key: str, body: AcceptanceIn) -> Any:
    """Accept the finding of a health check about a subject, with a reason."""
    user = request.user.get_username()
    return Status(201, acceptance.accept(check_key, body.subject, body.reason, by=user))


@router.delete("/health-check-acceptances/{acceptance_id}", response={204: None}, auth=MAY_ACCEPT)
def withdraw_acceptance(request: HttpRequest, acceptance_id: str) -> Any:
    """Withdraw an acceptance. The finding is open again."""
    found = get_by_number(HealthAcceptance.objects.all(), acceptance_id)
    acceptance.withdraw(found)
    return Status(204, None)


def _describe(result: Result) -> dict[str, Any]:
    pairs = [(finding, None) for finding in result.findings]
    return {
        "key": result.check.key,
        "label": str(result.check.label),
        "passed": result.has_passed,
        "findings": [
            {
                "subject": finding.subject,
                "severity": finding.severity,
                "text": finding.text,
                "correction": finding.correction,
                "page": finding.url,
                "acceptance": accepted,
            }
            for finding, accepted in [*pairs, *result.accepted]
        ],
    }
