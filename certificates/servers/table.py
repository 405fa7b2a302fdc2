"""The table of server certificates: search, filters, and order.

See: manual 1.3.1
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    FilteredRelation,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from certificates.models import Operation
from certificates.operations.states import READY, FutureState, OperationState
from certificates.servers.rows import FAILED_STATES
from console.pages.formatting import SOON
from console.pages.listing import Table
from console.pages.paging import SortKey, sort_rows
from console.pages.tables import Column, TableQuery, build_order
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import ERRORS, AssignmentState

CLOSED_STATES = (FutureState.ACTIVE, FutureState.DISCARDED)
COLUMNS = (
    Column("issued_to", gettext_lazy("Issued To"), "name"),
    Column("subject", gettext_lazy("Subject"), "fqdn"),
    Column("issuer", gettext_lazy("Issued By"), "cert__issuer"),
    Column("valid_from", gettext_lazy("Valid From"), "cert__not_before"),
    Column("expires", gettext_lazy("Expires On"), "cert__not_after"),
    Column("sha256", gettext_lazy("SHA256 Fingerprint"), "cert__sha256"),
    Column("sha1", gettext_lazy("SHA1 Fingerprint"), "cert__sha1"),
    Column("md5", gettext_lazy("MD5 Fingerprint"), "cert__md5"),
    Column("status", gettext_lazy("Certificate Status"), "status"),
    Column("options", gettext_lazy("Options"), "future_state"),
    Column("update_status", gettext_lazy("Update Status"), "update_state"),
    Column("version", gettext_lazy("Version"), "version"),
)
SERVERS = Table("servers", COLUMNS, (), fixed="issued_to")
# A search text of at least this many hexadecimal digits also matches the start of a fingerprint.
MIN_FINGERPRINT_DIGITS = 4
CHIPS: tuple[tuple[str, str | Promise], ...] = (
    ("", gettext_lazy("All")),
    ("expiring", gettext_lazy("Expiring")),
    ("expired", gettext_lazy("Expired")),
    ("failed", gettext_lazy("Failed")),
    ("csr", gettext_lazy("Waiting for signature")),
    ("ready", gettext_lazy("New certificate ready")),
)


# States of operations whose updates the table does not show.
HIDDEN = (OperationState.COMPLETED, OperationState.CANCELED, OperationState.ROLLED_BACK)
RELATED = ("update", "authority", "future_authority", "requested_by", "action_requested_by")


def list_running_operations() -> list[Operation]:
    """Return the operations whose updates the table shows, newest first."""
    return list(Operation.objects.exclude(state__in=HIDDEN).select_related(*RELATED))


def list_shown_operations() -> list[Operation]:
    """Return the running operations, the one that ended last, and those with a requested action.

    They are read in one query, newest first.
    """
    ended = Operation.objects.filter(ended_at__isnull=False).order_by("-ended_at")
    shown = ~Q(state__in=HIDDEN) | ~Q(requested_action="") | Q(pk__in=ended.values("pk")[:1])
    return list(Operation.objects.filter(shown).select_related(*RELATED))


def get_servers(now: datetime, updates: list[UUID]) -> QuerySet[Device]:
    """Return the servers with certificates, annotated for sorting, filters, and search."""
    assignments = Assignment.objects.filter(device=OuterRef("pk"), update__in=updates)
    newest = assignments.order_by("-update__created_at").values("state")[:1]
    nothing = Value("", output_field=CharField())
    is_open = ~Q(futures__state__in=CLOSED_STATES)
    return Device.objects.certified().annotate(
        cert=FilteredRelation("certificates", condition=Q(certificates__superseded_at=None)),
        # A server can have two open certificates, its initial one and one of an operation. It must
        # still appear only once.
        operation_future=FilteredRelation(
            "futures", condition=is_open & Q(futures__operation__isnull=False)
        ),
        initial_future=FilteredRelation("futures", condition=is_open & Q(futures__operation=None)),
        future_state=Coalesce("operation_future__state", "initial_future__state"),
        update_state=Subquery(newest, output_field=CharField()) if updates else nothing,
        status=Case(
            When(future_state__isnull=False, then=F("future_state")),
            When(cert__not_after__lt=now, then=Value("expired")),
            When(cert__not_after__isnull=True, then=Value("none")),
            default=Value("active"),
        ),
    )


def _get_filters(now: datetime) -> dict[str, Q]:
    return {
        "expiring": Q(cert__not_after__gte=now, cert__not_after__lt=now + SOON),
        "expired": Q(cert__not_after__lt=now),
        "failed": Q(future_state__in=FAILED_STATES) | Q(update_state__in=ERRORS),
        "csr": Q(future_state=FutureState.CSR_GENERATED),
        "ready": Q(future_state__in=READY)
        & (Q(update_state=None) | ~Q(update_state=AssignmentState.FAILED)),
    }


def count_servers(found: QuerySet[Device], query: TableQuery, now: datetime) -> dict[str, Any]:
    """Return the counts for all filters within the search, and the next and last expiry dates.

    One query is used.
    """
    wanted = {"all": Q(), **_get_filters(now)}
    within = _build_counts(wanted, _build_search_filter(query.q)) if query.q else {}
    numbers = found.aggregate(
        last=Max("cert__not_after", filter=wanted["expired"]),
        first=Min("cert__not_after", filter=wanted["expiring"]),
        **{f"n_{name}": count for name, count in _build_counts(wanted, Q()).items()},
        **{f"found_{name}": count for name, count in within.items()},
    )
    of_all = {"total": "n_all", "expired": "n_expired", "expiring": "n_expiring"}
    every = {name: numbers[key] for name, key in of_all.items()}
    # Without a search, the counts within the search equal the total counts.
    found_in = {f"n_{name}": numbers[f"found_{name}"] for name in within}
    return {**numbers, **every, **found_in}


def _build_counts(wanted: dict[str, Q], search: Q) -> dict[str, Count]:
    return {name: Count("pk", filter=(q & search) or None) for name, q in wanted.items()}


def build_chips(numbers: dict[str, Any], query: TableQuery) -> list[dict[str, Any]]:
    """Return the filter chips with their counts."""
    return [
        {"key": key, "label": label, "n": numbers[f"n_{key or 'all'}"], "on": query.state == key}
        for key, label in CHIPS
    ]


def filter_servers(found: QuerySet[Device], query: TableQuery, now: datetime) -> QuerySet[Device]:
    """Return the servers that match the search and the selected filter."""
    condition = _get_filters(now).get(query.state)
    if condition is not None:
        found = found.filter(condition)
    return found.filter(_build_search_filter(query.q)) if query.q else found


def _build_search_filter(text: str) -> Q:
    plain = text.replace(":", "").replace(" ", "").lower()
    q = Q(name__icontains=text) | Q(fqdn__icontains=text) | Q(cert__subject__icontains=text)
    if len(plain) >= MIN_FINGERPRINT_DIGITS and all(char in "0123456789abcdef" for char in plain):
        colons = ":".join(plain[i : i + 2] for i in range(0, len(plain), 2))
        q |= Q(cert__digest__startswith=plain) | Q(cert__sha1__istartswith=colons)
        q |= Q(cert__md5__istartswith=colons)
    return q


def sort_servers(
    found: QuerySet[Device], field: str, now: datetime, *, descending: bool
) -> QuerySet[Device]:
    """Return the servers sorted by a field, or by how much they need attention."""
    return sort_rows(found, get_order(field, now, descending=descending))


def get_order(field: str, now: datetime, *, descending: bool) -> list[SortKey]:
    """Return the sort keys for a field, or for how much servers need attention."""
    if field:
        return [*build_order(field, ["name"], descending=descending)]
    states = _get_filters(now)
    rank = Case(
        When(states["failed"], then=0),
        When(states["expired"], then=1),
        When(states["expiring"], then=2),
        When(cert__not_after__isnull=True, then=3),
        When(states["csr"], then=4),
        When(states["ready"], then=5),
        default=6,
        output_field=IntegerField(),
    )
    return [rank, "cert__not_after", "name"]
