"""Sign and post one notification, as the Standard Webhooks specification says.

The receiver reckons HMAC-SHA256 over `id.timestamp.body` and compares it with the header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime

from devices.identity import zone_keys
from faults import Fault
from notifications.channels import ssrf_guard
from notifications.models import Delivery, Target

PREFIX = "whsec_"
SECRET_BYTES = 32
GOOD = range(200, 300)


def new_secret() -> str:
    """Return the text of a new secret (256 random bits), to be shown once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(target: Target, *, url: str, secret: str) -> str:
    """Seal URL and secret to the Primary Servers; moved to another target they do not open."""
    plain = json.dumps({"url": url, "secret": secret}).encode()
    return zone_keys.here().seal_for_all(plain, binding=_binding(target))


def opened(target: Target) -> tuple[str, str]:
    """Return URL and secret of a target."""
    plain = json.loads(zone_keys.here().open_for_all(target.sealed, binding=_binding(target)))
    return plain["url"], plain["secret"]


def _binding(target: Target) -> str:
    return f"webhook|{target.binding}"


def signature(secret: str, *, guid: str, stamp: str, body: bytes) -> str:
    """Return the value of the header webhook-signature."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{guid}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def send(delivery: Delivery, *, now: datetime) -> tuple[bool, str]:
    """Post one notification; returns whether it was taken, and the answer in words."""
    url, secret = opened(delivery.target)
    value = {
        "type": delivery.event,
        "timestamp": delivery.created_at.isoformat(),
        "data": {"title": delivery.title, "text": delivery.text, **delivery.facts},
    }
    body = json.dumps(value, ensure_ascii=False).encode()
    guid, stamp = str(delivery.pk), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "zcc",
        "webhook-id": guid,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(secret, guid=guid, stamp=stamp, body=body),
    }
    try:
        status = ssrf_guard.post(url, body, headers)
    except Fault as fault:
        return False, str(fault)
    except Exception as error:
        return False, _words(error)
    return status in GOOD, f"HTTP {status}"


WORDS = {
    "ConnectionRefusedError": "The connection was refused.",
    "TimeoutError": "The host did not answer in time.",
    "ReadTimeoutError": "The host did not answer in time.",
    "SSLCertVerificationError": "The certificate of the host is not trusted.",
    "SSLError": "The TLS connection failed.",
    "SoftTimeLimitExceeded": "The host did not answer in time.",
}


def _words(error: BaseException) -> str:
    """Return what went wrong without the URL, which may be a secret."""
    root: BaseException = error
    inner: list[BaseException] = [error]
    while inner:
        root = inner[0]
        parts = (getattr(root, "reason", None), *root.args)
        inner = [part for part in parts if isinstance(part, BaseException)]
    name = type(root).__name__
    return WORDS.get(name, f"The connection failed ({name}).")
