"""Results of the TLS stacks of a device in a preflight check, as text.

A stack that rejects the new certificate is a warning: programs of the device that use it, and
connect to servers of the zone, would lose contact. The agent of the device does not use it.

See: D-271
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from console.requests.stored_texts import translate_stored
from wire.update_messages import PASSED, REJECTED

LABELS = {
    "openssl": "OpenSSL",
    "openssl-strict": "OpenSSL -x509_strict",
    "gnutls": "GnuTLS",
    "nss": "NSS",
    "java": "Java",
    "curl": "curl",
}


def describe(results: Iterable[dict[str, Any]] | None) -> list[str]:
    """Return a sentence for all stacks that accept the new certificate, and one for each other.

    Stacks without a result, because the server did not respond to them, are not named.
    """
    rows = list(results or [])
    accepting = [_label(row) for row in rows if row.get("code") == PASSED]
    found = [_("%s: new certificate accepted.") % ", ".join(accepting)] if accepting else []
    return [*found, *(_reject(row) for row in rows if row.get("code") == REJECTED)]


def _reject(row: dict[str, Any]) -> str:
    values = {"stack": _label(row), "reason": translate_stored(row.get("detail") or "—")}
    return _("%(stack)s: new certificate rejected (%(reason)s).") % values


def _label(row: dict[str, Any]) -> str:
    name = str(row.get("stack", ""))
    return f"{LABELS.get(name, name)} {row.get('version', '')}".strip()
