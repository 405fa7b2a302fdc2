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


def list_rejections(results: Iterable[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Return the results of the stacks that reject the new certificate."""
    return [row for row in results or [] if row.get("code") == REJECTED]


def describe(results: Iterable[dict[str, Any]] | None) -> list[str]:
    """Return a sentence for all stacks that accept the new certificate, and one for each other.

    Stacks without a result, because the server did not respond to them, are not named.
    """
    rows = list(results or [])
    accepting = [get_label(row) for row in rows if row.get("code") == PASSED]
    found = [_("%s: new certificate accepted.") % ", ".join(accepting)] if accepting else []
    return [*found, *map(_reject, list_rejections(rows))]


def _reject(row: dict[str, Any]) -> str:
    values = {"stack": get_label(row), "reason": translate_stored(row.get("detail") or "—")}
    return _("%(stack)s: new certificate rejected (%(reason)s).") % values


def get_label(row: dict[str, Any]) -> str:
    """Return the name and version of the stack of a result."""
    name = str(row.get("stack", ""))
    return f"{LABELS.get(name, name)} {row.get('version', '')}".strip()
