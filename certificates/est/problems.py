"""The errors of the EST server, which clients receive as plain text.

See: RFC 7030 4.2.3
"""

from __future__ import annotations

from certificates.acme.problems import AcmeProblem, describe_fault
from faults import Fault, TooMany


class EstProblem(AcmeProblem):
    """A request of an EST client was rejected: it cannot be parsed, or its CSR is not allowed."""


class NotAuthenticated(EstProblem):
    """The request contains no valid account key."""

    status = 401


class KeyRejected(EstProblem):
    """The account key is disabled or expired, or does not allow EST."""

    status = 403


class NothingToRenew(EstProblem):
    """There is no certificate that this request can renew."""

    status = 403


class UnsupportedContent(EstProblem):
    """The content type of the request is not that of a CSR."""

    status = 415


class ContentTooLarge(EstProblem):
    """The request is too long."""

    status = 413


class OrderFailed(EstProblem):
    """The worker has rejected the CSR."""

    def __init__(self, explanation: str, status: int) -> None:
        super().__init__(explanation)
        self.status = status


def get_status(fault: Fault) -> int:
    """Return the HTTP status of a fault."""
    if isinstance(fault, TooMany):
        return 429
    return int(describe_fault(fault)["status"])
