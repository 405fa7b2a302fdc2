"""The errors of the ACME protocol, which clients receive as problem documents.

See: RFC 8555 6.7; RFC 9457
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from faults import Fault, Kind

PREFIX = "urn:ietf:params:acme:error:"
RETRY_SECONDS = 600


class AcmeProblem(Fault):
    """A request of an ACME client was rejected. `type` is the last part of the URN of the error.

    `more` are further members of the document, for example `subproblems`.
    """

    kind = Kind.REFUSED
    type = "malformed"
    status = 400

    def __init__(self, explanation: str, *, action: str = "", **more: Any) -> None:
        super().__init__(explanation, action=action)
        self.more = more

    def describe(self) -> dict[str, Any]:
        """Return the problem document."""
        return {
            "type": f"{PREFIX}{self.type}",
            "detail": str(self),
            "status": self.status,
            **self.more,
        }


class Malformed(AcmeProblem):
    """The request cannot be parsed, or a member is missing."""


class KeyInUse(Malformed):
    """The new public key of an account belongs to another account (RFC 8555 7.3.5)."""

    status = 409


class BadNonce(AcmeProblem):
    """The nonce is unknown, expired, or was used before. The client repeats the request."""

    type = "badNonce"


class BadSignatureAlgorithm(AcmeProblem):
    """The signature algorithm is not supported."""

    type = "badSignatureAlgorithm"


class BadPublicKey(AcmeProblem):
    """The public key of an account is not supported."""

    type = "badPublicKey"


class AccountDoesNotExist(AcmeProblem):
    """The account is not known."""

    type = "accountDoesNotExist"


class AccountUnauthorized(AcmeProblem):
    """The request is not signed correctly, or the account must not do this."""

    type = "unauthorized"
    status = 403


class ExternalAccountRequired(AcmeProblem):
    """The request contains no valid account key."""

    type = "externalAccountRequired"
    status = 403


class RejectedIdentifier(AcmeProblem):
    """The account key does not permit a name."""

    type = "rejectedIdentifier"
    status = 403


class UnsupportedIdentifier(AcmeProblem):
    """The type of a name is not supported."""

    type = "unsupportedIdentifier"


class OrderNotReady(AcmeProblem):
    """The order cannot be finalized in its status."""

    type = "orderNotReady"
    status = 403


class BadCsr(AcmeProblem):
    """The CSR does not match the order, or its key is not allowed."""

    type = "badCSR"


class AlreadyRevoked(AcmeProblem):
    """The certificate has been revoked before."""

    type = "alreadyRevoked"


class BadRevocationReason(AcmeProblem):
    """The reason of a revocation is not supported."""

    type = "badRevocationReason"


class AlreadyReplaced(AcmeProblem):
    """The certificate has been replaced by another order (RFC 9773 7.4)."""

    type = "alreadyReplaced"
    status = 409


class RateLimited(AcmeProblem):
    """A limit is reached. The client can try again after `retry_after` seconds."""

    type = "rateLimited"
    status = 429

    def __init__(
        self, explanation: str, *, action: str = "", retry_after: int = RETRY_SECONDS
    ) -> None:
        super().__init__(explanation, action=action)
        self.retry_after = retry_after


class ValidationFailed(AcmeProblem):
    """A challenge was not fulfilled. The type is that of the cause."""

    def __init__(self, explanation: str, *, kind: str) -> None:
        super().__init__(explanation)
        self.type = kind
        self.status = 403 if kind == "unauthorized" else 400


class ServerInternal(AcmeProblem):
    """The server cannot issue a certificate at the moment."""

    type = "serverInternal"
    status = 503


def describe_fault(fault: Fault) -> dict[str, Any]:
    """Return the problem document about any fault."""
    if isinstance(fault, AcmeProblem):
        return fault.describe()
    kind = "malformed" if fault.kind == Kind.INVALID else "unauthorized"
    if fault.kind in (Kind.UNAVAILABLE, Kind.TOO_MANY):
        return ServerInternal(fault.explanation, action=fault.action).describe()
    status = 400 if kind == "malformed" else 403
    return {"type": f"{PREFIX}{kind}", "detail": str(fault), "status": status}


def unexpected_content() -> Malformed:
    """Return the problem of a request whose content has a wrong type."""
    return Malformed(_("The content of the request has an unexpected type. Nothing was changed."))
