"""Send syslog messages over TLS, and confirm that the server has read them.

Syslog has no acknowledgment. So the connection is closed after each batch, and the batch counts as
received only if the server responds to the close_notify alert, which follows all messages, by
closing the connection in order. RFC 5425 requires this of servers.

See: RFC 5425 4.4 and 5.1; D-205
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress

from django.utils.translation import gettext as _

from audit.forwarding.messages import frame
from faults import Fault, Invalid, Unavailable

CONNECT_TIMEOUT, TOTAL_TIMEOUT = 5.0, 20.0


def create_context(roots_pem: str) -> ssl.SSLContext:
    """Return the TLS settings: TLS 1.2 or later, certificate chain and host name are verified.

    Raises Invalid if the root certificates cannot be read.
    """
    try:
        context = ssl.create_default_context(cadata=roots_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise Invalid(
            _("The root certificates cannot be read. Nothing was changed."),
            action=_("Enter one or more certificates in PEM format."),
            field="roots_pem",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def send(host: str, port: int, roots_pem: str, messages: Iterable[bytes]) -> None:
    """Send messages and wait until the server has read them.

    Raises Unavailable. Then the server can have received a part of the messages.
    """
    context = create_context(roots_pem)
    deadline = time.monotonic() + TOTAL_TIMEOUT
    try:
        with (
            socket.create_connection((host, port), timeout=CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            for message in messages:
                connection.settimeout(_get_remaining(deadline))
                connection.sendall(frame(message))
            _close(connection, deadline)
    except ssl.SSLCertVerificationError as error:
        raise _get_fault(
            host, _("its certificate is not valid: %s") % error.verify_message
        ) from error
    except TimeoutError as error:
        raise _get_fault(host, _("it did not respond in time")) from error
    except socket.gaierror as error:
        raise _get_fault(host, _("its name cannot be resolved")) from error
    except OSError as error:
        raise _get_fault(host, error.strerror or str(error)) from error


def _close(connection: ssl.SSLSocket, deadline: float) -> None:
    """Close the TLS connection in order. Raises OSError unless the server closes it, too."""
    connection.settimeout(_get_remaining(deadline))
    # A server that closes the TCP connection after it has read everything sends no alert.
    with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        connection.unwrap()


def _get_remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


def _get_fault(host: str, reason: str) -> Fault:
    return Unavailable(
        _("Could not send to the syslog server %(host)s: %(reason)s.")
        % {"host": host, "reason": reason.rstrip(".")},
        action=_("Check host, port, root certificates, and the server. Nothing is lost."),
    )
