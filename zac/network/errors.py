"""Why a connection to a server failed.

Unreachable and CertificateRejected are separate everywhere: only the second one means that server
and device do not trust the same CA, or that the certificate of the server is revoked.
"""

from __future__ import annotations

from faults import Fault, Kind


class Unreachable(Fault):
    """The connection could not be established or was interrupted."""

    kind = Kind.UNAVAILABLE
    action = "Check the network, address, and port, and make sure that the server is running."


class ServerBusy(Fault):
    """The server cannot process the call at the moment. Retry after `retry_after` seconds."""

    kind = Kind.UNAVAILABLE
    action = "The agent retries automatically."

    def __init__(self, explanation: str, *, retry_after: int = 0) -> None:
        super().__init__(explanation)
        self.retry_after = retry_after


class CertificateRejected(Fault):
    """The server's certificate is not valid for the roots that this device trusts."""

    kind = Kind.UNAVAILABLE
    action = (
        "The server and this device do not trust the same CA. Run zac "
        "recover or the Certificate Remint Tool."
    )

    def __init__(self, explanation: str, code: int = 0) -> None:
        super().__init__(explanation)
        self.code = code


class CertificateRevoked(CertificateRejected):
    """The zone has revoked the certificate of the server."""

    action = (
        "This device uses the other servers. It accepts the server again when it has its new "
        "certificate. If it gets none, look at the server on the Certificates page."
    )


class BadAddress(Unreachable):
    """The address of the server is not valid."""

    kind = Kind.INVALID
    action = "Specify the address in the format https://SERVER:PORT"
