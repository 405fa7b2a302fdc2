"""Nonces: created without storing them, and used once on all Primary Servers (RFC 8555 6.5).

A nonce contains its time and a MAC. It is stored when a correctly signed request has used it, so
requests for nonces store nothing. See: D-301
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from certificates.acme.problems import BadNonce
from certificates.models import AcmeNonce
from devices.identity import zone_keys

LIFETIME = timedelta(hours=1)
TIME_BYTES, RANDOM_BYTES, MAC_BYTES = 6, 12, 15
PURPOSE = "acme-nonce"


def create(now: datetime) -> str:
    """Return a new nonce (base64url)."""
    text = int(now.timestamp()).to_bytes(TIME_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    return base64.urlsafe_b64encode(text + _compute_mac(text)).decode().rstrip("=")


def use(nonce: object, now: datetime) -> None:
    """Use a nonce. Raise BadNonce if it is not valid, has expired, or was used before."""
    _check(nonce, now)
    try:
        with transaction.atomic():
            AcmeNonce.objects.create(value=str(nonce), used_at=now)
    except IntegrityError as error:
        raise BadNonce(_("The nonce was used before. Nothing was changed.")) from error


def _check(nonce: object, now: datetime) -> None:
    rejected = BadNonce(_("The nonce is not valid, or has expired. Nothing was changed."))
    size = TIME_BYTES + RANDOM_BYTES + MAC_BYTES
    try:
        raw = base64.b64decode(nonce, b"-_", validate=True) if isinstance(nonce, str) else b""
    except (binascii.Error, ValueError) as error:
        raise rejected from error
    text, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if len(raw) != size or not hmac.compare_digest(mac, _compute_mac(text)):
        raise rejected
    age = now.timestamp() - int.from_bytes(text[:TIME_BYTES], "big")
    if not -LIFETIME.total_seconds() <= age <= LIFETIME.total_seconds():
        raise rejected


def delete_expired(now: datetime) -> None:
    """Delete the used nonces that would no longer be accepted."""
    AcmeNonce.objects.filter(used_at__lt=now - 3 * LIFETIME).delete()


def _compute_mac(text: bytes) -> bytes:
    return bytes.fromhex(zone_keys.get_keyring().get_mac(PURPOSE, text.hex()))[:MAC_BYTES]
