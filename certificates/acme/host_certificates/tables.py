"""The table of the certificates of hosts without an agent.

See: D-331
"""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy

from certificates.models import AcmeCertificate, Revocation
from console.pages.listing import Table
from console.pages.tables import Column

ORDER = ("-not_before", "-pk")
VALID, REVOKED = "valid", "revoked"
CHIPS = {
    "": gettext_lazy("All"),
    VALID: gettext_lazy("Valid"),
    REVOKED: gettext_lazy("Revoked"),
}


def get_names(row: Any) -> str:
    """Return the names in a certificate."""
    return ", ".join(row.names)


HOSTS = Table(
    "host-certificates",
    (
        Column("name", gettext_lazy("Name"), "subject"),
        Column("account", gettext_lazy("Account key"), "account__account_key__label"),
        Column("issuer", gettext_lazy("Issued by")),
        Column("state", gettext_lazy("Status")),
        Column("downloaded", gettext_lazy("Downloaded"), "fetched_at"),
        Column("expires", gettext_lazy("Expires"), "not_after"),
    ),
    (
        (gettext_lazy("Name"), lambda row: row.subject),
        (gettext_lazy("Names"), get_names),
        (gettext_lazy("Account key"), lambda row: row.account.account_key.label),
        (gettext_lazy("Issued by"), lambda row: row.authority.subject),
        (gettext_lazy("Downloaded"), lambda row: row.fetched_at),
        (gettext_lazy("Replaced"), lambda row: row.replaced_at),
        (gettext_lazy("Revoked"), lambda row: row.is_revoked),
        (gettext_lazy("Expires"), lambda row: row.not_after),
        (gettext_lazy("SHA256 Fingerprint"), lambda row: row.digest),
    ),
    fixed="name",
)


def list_certificates(search: str) -> QuerySet[Any]:
    """Return certificates whose names or account key contain a text, and whether each is revoked.

    `is_revoked` is added to each row.
    """
    is_revoked = Exists(Revocation.objects.filter(digest=OuterRef("digest")))
    rows = AcmeCertificate.objects.select_related("account__account_key", "authority")
    rows = rows.annotate(is_revoked=is_revoked, names_text=Cast("names", TextField()))
    by_name = Q(subject__icontains=search) | Q(names_text__icontains=search)
    return rows.filter(by_name | Q(account__account_key__label__icontains=search))
