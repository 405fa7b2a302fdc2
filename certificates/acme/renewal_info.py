"""Renewal information (ARI): when a host should renew its certificate.

While an operation prepares a new CA, hosts renew before its activation, so that they have a chain
of the new CA in time. See: RFC 9773; D-302
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates.acme import issuers
from certificates.acme.problems import Malformed
from certificates.models import AcmeCertificate, Revocation
from certificates.operations.states import AuthorityState
from pki.certificates.revocation import get_key_id

# How long clients keep the information.
RETRY_SECONDS = 3600
SPREAD = 12
"""Hosts renew in a twelfth of the lifetime, and end before the last tenth of a lead time."""
MARGIN = 10
IN_FORCE = (AuthorityState.CURRENT, AuthorityState.FUTURE)


@dataclass(frozen=True)
class Window:
    """The time in which a host renews. A window in the past means now."""

    start: datetime
    end: datetime


def build_id(certificate: AcmeCertificate) -> str:
    """Return the identifier of a certificate (RFC 9773 4.1)."""
    serial = int(certificate.serial, 16)
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    key_id = bytes.fromhex(get_key_id(certificate.authority.root_pem))
    return f"{_encode(key_id)}.{_encode(number)}"


def find(identifier: str) -> AcmeCertificate | None:
    """Return the certificate with an identifier, or None. Raises Malformed."""
    key_id, separator, number = identifier.partition(".")
    if not separator:
        raise Malformed(_("The identifier of the certificate cannot be parsed."))
    serial = int.from_bytes(_decode(number), "big")
    wanted = _decode(key_id).hex()
    rows = AcmeCertificate.objects.select_related("authority").filter(serial=f"{serial:x}"[:40])
    for found in rows[:2]:
        if get_key_id(found.authority.root_pem) == wanted and alarms.is_authentic(found):
            return found
    return None


def get_window(certificate: AcmeCertificate, now: datetime) -> Window:
    """Return when a host should renew a certificate."""
    past = Window(now - timedelta(hours=2), now - timedelta(hours=1))
    if Revocation.objects.filter(digest=certificate.digest).exists():
        return past
    regular = _get_regular_window(certificate)
    authority = issuers.find_issuing_authority(now)
    if authority is None or authority.pk == certificate.authority_id:
        return regular
    if certificate.authority.state not in IN_FORCE:
        # Another CA is in force, also while a further one is prepared.
        return past
    operation = issuers.find_early_operation()
    if operation is None or operation.activates_at is None:
        # Another CA is in force. Devices stop trusting the previous one.
        return past
    begin = authority.created_at
    end = operation.activates_at - (operation.activates_at - begin) / MARGIN
    if end <= max(begin, now):
        return past
    return Window(begin, end) if end < regular.end else regular


def _get_regular_window(certificate: AcmeCertificate) -> Window:
    lifetime = certificate.not_after - certificate.not_before
    begin = certificate.not_before + lifetime * 2 / 3
    return Window(begin, begin + lifetime / SPREAD)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(_("The identifier of the certificate cannot be parsed.")) from error
