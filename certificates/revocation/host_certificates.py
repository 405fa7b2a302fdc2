"""Certificates of hosts without an agent: what they are, and which of them devices could meet.

Devices connect only to servers of the zone. So a certificate of a host concerns them only if it has
a name of a server. See: D-332, D-333
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.models import RowAltered
from audit.rows import alarms
from certificates.models import AcmeCertificate, Revocation
from console.pages import formatting
from devices.models import Device, Role
from devices.registration.server_names import ServerNames, get_console_names, normalize
from faults import Conflict
from pki.certificates import details
from pki.chains import chains
from pki.errors import PkiFault
from pki.names import Names, covers

CHUNK_SIZE = 500


def get_leaf(certificate: AcmeCertificate) -> str:
    """Return the certificate without its chain as PEM. Raises RowAltered if it is another one.

    The MAC of the row covers the digest of the certificate, and not its chain.
    """
    leaf = "".join(chains.split(certificate.chain_pem)[:1])
    if not leaf or details.get_digest(leaf) != certificate.digest:
        raise RowAltered(
            _("The certificate of %s was changed in the database. Nothing was done with it.")
            % certificate.subject
        )
    return leaf


def get_names(certificate: AcmeCertificate) -> Names:
    """Return the DNS names in a certificate, which the CA has signed. Raises RowAltered."""
    return Names(tuple(details.get_details(get_leaf(certificate)).dns_names), ())


def check_server_names(wanted: ServerNames) -> None:
    """Raise Conflict if a host has a valid certificate with a name that a server is to have.

    Devices would accept the host as this server.
    """
    names = [normalize(name) for name in (wanted.fqdn, *wanted.dns_names) if name]
    for row in _list_candidates(names, timezone.now()):
        with suppress(RowAltered, PkiFault):
            held = get_names(row)
            shared = next((name for name in names if covers(held, name)), None)
            if shared is not None:
                raise _build_conflict(shared, row)


def _list_candidates(names: Sequence[str], now: datetime) -> QuerySet[AcmeCertificate]:
    """Return the valid certificates whose records contain one of the names, also as a wildcard."""
    texts = {f'"{text}"' for name in names for text in (name, f"*.{name.partition('.')[2]}")}
    has_name = Q(pk__in=[])
    for text in texts:
        has_name |= Q(names_text__icontains=text)
    rows = AcmeCertificate.objects.annotate(names_text=Cast("names", TextField()))
    revoked = Revocation.objects.values("digest")
    found = rows.filter(has_name, not_after__gt=now).exclude(digest__in=revoked)
    return found.select_related("account__account_key").order_by("-not_before")


def _build_conflict(name: str, row: AcmeCertificate) -> Conflict:
    explanation = _(
        "%(name)s is in a valid certificate of the host %(host)s (account key %(key)s, SHA-256 "
        "%(digest)s). Nothing was changed."
    )
    digest = formatting.format_fingerprint(row.digest[:16])
    values = {"host": row.subject, "key": row.account.account_key.label, "digest": digest}
    return Conflict(
        explanation % {"name": name, **values},
        action=_(
            "Revoke it first on the page Host Certificates, and try again. If the host is to keep "
            "the name, enter a different name for the server."
        ),
    )


def select_for_devices(rows: Sequence[Revocation]) -> list[Revocation]:
    """Return the revocations that devices need: all but those of hosts without a server's name.

    Each client of a host can add revocations, and all devices would have to download them.
    """
    found = _load([row.digest for row in rows if row.device_id is None])
    if not found:
        return list(rows)
    taken = _list_server_names()
    not_needed = {digest for digest, names in found.items() if not _has_any(names, taken)}
    return [row for row in rows if row.digest not in not_needed]


def _load(digests: Sequence[str]) -> dict[str, Names]:
    """Return the names of those certificates that are authentic certificates of hosts."""
    found: dict[str, Names] = {}
    for start in range(0, len(digests), CHUNK_SIZE):
        chunk = digests[start : start + CHUNK_SIZE]
        for row in AcmeCertificate.objects.filter(digest__in=chunk):
            # Devices get the revocation of a certificate whose names are not known for certain.
            with suppress(RowAltered, PkiFault):
                found |= {row.digest: get_names(row)} if alarms.is_authentic(row) else {}
    return found


def _list_server_names() -> frozenset[str]:
    """Return the names of all servers, also of those that are waiting or were retired."""
    rows = Device.objects.exclude(role=Role.MANAGED).values_list("fqdn", "dns_names")
    names = {normalize(name) for fqdn, others in rows for name in (fqdn, *others) if name}
    return get_console_names() | names


def _has_any(names: Names, taken: frozenset[str]) -> bool:
    if not taken.isdisjoint(names.dns):
        return True
    has_wildcard = any(name.startswith("*.") for name in names.dns)
    return has_wildcard and any(covers(names, name) for name in taken)
