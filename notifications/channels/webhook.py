"""Sign a notification and send it to a webhook, or send it to a service.

The receiver compares the HMAC-SHA256 of `id.timestamp.body` with the signature header.
See: Standard Webhooks
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime

from django.utils.translation import gettext_noop

from devices.identity import zone_keys
from faults import Fault
from notifications.channels import services, ssrf_guard
from notifications.models import Delivery, Target

PREFIX = "whsec_"
SECRET_BYTES = 32
SUCCESS = range(200, 300)


def new_secret() -> str:
    """Return the text of a new secret (256 random bits)."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def encrypt_target(target: Target, *, url: str, secret: str) -> str:
    """Encrypt URL and secret for the Primary Servers, bound to the target."""
    plain = json.dumps({"url": url, "secret": secret}).encode()
    return zone_keys.get_keyring().encrypt_for_servers(plain, binding=_binding(target))


def decrypt_target(target: Target) -> tuple[str, str]:
    """Return the URL and the secret of a target."""
    plain = json.loads(
        zone_keys.get_keyring().decrypt_for_servers(target.encrypted, binding=_binding(target))
    )
    return plain["url"], plain["secret"]


def _binding(target: Target) -> str:
    return f"webhook|{target.binding}"


def sign(secret: str, *, guid: str, timestamp: str, body: bytes) -> str:
    """Return the value of the webhook-signature header."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{guid}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def send(delivery: Delivery, *, now: datetime) -> tuple[bool, str]:
    """Send a notification; return True if it was accepted, and the response or error."""
    url, secret = decrypt_target(delivery.target)
    if delivery.target.kind != Target.Kind.WEBHOOK:
        message = services.build_message(url, secret, delivery)
        return _post(message.url, json.dumps(message.body).encode(), message.headers)
    value = {
        "type": delivery.event,
        "timestamp": delivery.created_at.isoformat(),
        "data": {"title": delivery.title, "text": delivery.text, **delivery.facts},
    }
    body = json.dumps(value, ensure_ascii=False).encode()
    guid, timestamp = str(delivery.pk), str(int(now.timestamp()))
    headers = {
        "webhook-id": guid,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(secret, guid=guid, timestamp=timestamp, body=body),
    }
    return _post(url, body, headers)


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[bool, str]:
    """Send a body in JSON; return True if it was accepted, and the response or error."""
    common = {"Content-Type": "application/json", "User-Agent": "zcc"}
    try:
        status = ssrf_guard.post(url, body, {**common, **headers})
    except Fault as fault:
        return False, str(fault)
    except Exception as error:
        return False, _describe_error(error)
    return status in SUCCESS, f"HTTP {status}"


ERROR_TEXTS = {
    "ConnectionRefusedError": gettext_noop("The connection was refused."),
    "TimeoutError": gettext_noop("The connection timed out."),
    "ReadTimeoutError": gettext_noop("The connection timed out."),
    "SSLCertVerificationError": gettext_noop("The TLS certificate of the host is not trusted."),
    "SSLError": gettext_noop("The TLS connection failed."),
    "SoftTimeLimitExceeded": gettext_noop("The connection timed out."),
}


def _describe_error(error: BaseException) -> str:
    """Return the text for an error, without the URL, which can contain a secret."""
    root: BaseException = error
    inner: list[BaseException] = [error]
    while inner:
        root = inner[0]
        parts = (getattr(root, "reason", None), *root.args)
        inner = [part for part in parts if isinstance(part, BaseException)]
    name = type(root).__name__
    return ERROR_TEXTS.get(name, f"The connection failed ({name}).")
