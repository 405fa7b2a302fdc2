"""The server pane's table: which servers in which order, and what each row shows (R150 to R160)."""

from __future__ import annotations

from dataclasses import dataclass
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
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import FutureCertificate, Operation, ServerCertificate
from certificates.operations.states import READY, FutureState, OperationState
from console.pages.formatting import SOON
from console.pages.tables import Asked, Column
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState

FAILED = (FutureState.CREATE_FAILED, FutureState.CSR_FAILED)
CLOSED = (FutureState.ACTIVE, FutureState.DISCARDED)
UPDATE_FAILED = (AssignmentState.FAILED, AssignmentState.NEEDS_CRT)
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
FIXED = "issued_to"
# From this many hexadecimal digits on a search also means the start of a fingerprint.
LEAST_DIGITS = 4
HINTS = {
    FutureState.AWAITED: gettext_lazy("after the update reaches the server"),
    FutureState.CSR_GENERATED: gettext_lazy("have it signed, then import the certificate"),
    FutureState.CSR_FAILED: gettext_lazy("mend the cause, then try again"),
    FutureState.CREATE_FAILED: gettext_lazy("mend the cause, then try again"),
}
CHIPS: tuple[tuple[str, str | Promise], ...] = (
    ("", gettext_lazy("All")),
    ("expiring", gettext_lazy("Expiring")),
    ("expired", gettext_lazy("Expired")),
    ("failed", gettext_lazy("Failed")),
    ("csr", gettext_lazy("CSR waiting")),
    ("ready", gettext_lazy("New certificate ready")),
)


def running() -> list[Operation]:
    """Return the operations whose update the table speaks of, the newest first."""
    shown = (OperationState.COMPLETED, OperationState.CANCELLED, OperationState.ROLLED_BACK)
    found = Operation.objects.exclude(state__in=shown)
    of = ("update", "authority", "future_authority", "requested_by", "asked_by")
    return list(found.select_related(*of))


def servers(now: datetime, updates: list[UUID]) -> QuerySet[Device]:
    """Return the zone's certified servers with what the table sorts, filters and searches by."""
    mine = Assignment.objects.filter(device=OuterRef("pk"), update__in=updates)
    newest = mine.order_by("-update__created_at").values("state")[:1]
    nothing = Value("", output_field=CharField())
    open_ = ~Q(futures__state__in=CLOSED)
    return Device.objects.certified().annotate(
        cert=FilteredRelation("certificates", condition=Q(certificates__superseded_at=None)),
        # A server may wait for its first certificate and for that of an operation: never two rows.
        coming=FilteredRelation("futures", condition=open_ & Q(futures__operation__isnull=False)),
        first=FilteredRelation("futures", condition=open_ & Q(futures__operation=None)),
        future_state=Coalesce("coming__state", "first__state"),
        update_state=Subquery(newest, output_field=CharField()) if updates else nothing,
        status=Case(
            When(future_state__isnull=False, then=F("future_state")),
            When(cert__not_after__lt=now, then=Value("expired")),
            When(cert__not_after__isnull=True, then=Value("none")),
            default=Value("active"),
        ),
    )


def _conditions(now: datetime) -> dict[str, Q]:
    return {
        "expiring": Q(cert__not_after__gte=now, cert__not_after__lt=now + SOON),
        "expired": Q(cert__not_after__lt=now),
        "failed": Q(future_state__in=FAILED) | Q(update_state__in=UPDATE_FAILED),
        "csr": Q(future_state=FutureState.CSR_GENERATED),
        "ready": Q(future_state__in=READY),
    }


def counts(found: QuerySet[Device], asked: Asked, now: datetime) -> dict[str, Any]:
    """Count in one query what each chip leaves of the search, and what ends soon in all."""
    wanted = {"all": Q(), **_conditions(now)}
    within = _counted(wanted, _search(asked.q)) if asked.q else {}
    numbers = found.aggregate(
        last=Max("cert__not_after", filter=wanted["expired"]),
        first=Min("cert__not_after", filter=wanted["expiring"]),
        **{f"n_{name}": count for name, count in _counted(wanted, Q()).items()},
        **{f"found_{name}": count for name, count in within.items()},
    )
    of_all = {"total": "n_all", "expired": "n_expired", "expiring": "n_expiring"}
    every = {name: numbers[key] for name, key in of_all.items()}
    # Without a search what a chip leaves of it is what there is of all: counted once.
    found_in = {f"n_{name}": numbers[f"found_{name}"] for name in within}
    return {**numbers, **every, **found_in}


def _counted(wanted: dict[str, Q], search: Q) -> dict[str, Count]:
    return {name: Count("pk", filter=(q & search) or None) for name, q in wanted.items()}


def chips(numbers: dict[str, Any], asked: Asked) -> list[dict[str, Any]]:
    """Return the filter chips with their counts."""
    return [
        {"key": key, "label": label, "n": numbers[f"n_{key or 'all'}"], "on": asked.state == key}
        for key, label in CHIPS
    ]


def matching(found: QuerySet[Device], asked: Asked, now: datetime) -> QuerySet[Device]:
    """Return the servers that the search and the chip leave."""
    condition = _conditions(now).get(asked.state)
    if condition is not None:
        found = found.filter(condition)
    return found.filter(_search(asked.q)) if asked.q else found


def _search(text: str) -> Q:
    plain = text.replace(":", "").replace(" ", "").lower()
    q = Q(name__icontains=text) | Q(fqdn__icontains=text) | Q(cert__subject__icontains=text)
    if len(plain) >= LEAST_DIGITS and all(char in "0123456789abcdef" for char in plain):
        colons = ":".join(plain[i : i + 2] for i in range(0, len(plain), 2))
        q |= Q(cert__digest__startswith=plain) | Q(cert__sha1__istartswith=colons)
        q |= Q(cert__md5__istartswith=colons)
    return q


def ordered(
    found: QuerySet[Device], field: str, now: datetime, *, descending: bool
) -> QuerySet[Device]:
    """Return the servers in order; without a field those that need attention come first."""
    if field:
        by = F(field).desc(nulls_last=True) if descending else F(field).asc(nulls_last=True)
        return found.order_by(by, "name", "pk")
    states = _conditions(now)
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
    return found.order_by(rank, F("cert__not_after").asc(nulls_last=True), "name", "pk")


@dataclass
class Row:
    """One server of the table."""

    device: Device
    now: datetime
    certificate: ServerCertificate | None = None
    future: FutureCertificate | None = None
    assignment: Assignment | None = None

    @property
    def status(self) -> tuple[str, str]:
        """Return the tone and the words of Certificate Status (R157, 1.3.1)."""
        if self.future is not None:
            state = self.future.state
            tone = "bad" if state in FAILED else "good" if state in READY else "wait"
            return tone, self.future.get_state_display()
        if self.certificate is None:
            return "warn", _("No certificate yet")
        if self.certificate.has_expired(self.now):
            return "bad", _("Expired")
        return "ok", _("Active")

    @property
    def hint(self) -> str:
        """Return what the status waits for, or what to do next; "" where it says all."""
        if self.future is None:
            return ""
        if self.future.by_hand and self.future.state == FutureState.AWAITED:
            return _("waits for the files in its remint repository")
        return str(HINTS.get(FutureState(self.future.state), ""))

    @property
    def update_status(self) -> tuple[str, str]:
        """Return the tone and the words of Update Status (R159)."""
        if self.assignment is None:
            return "", ""
        state = self.assignment.state
        tones = {
            AssignmentState.APPLIED: "ok",
            AssignmentState.ACTIVATED: "ok",
            AssignmentState.FAILED: "bad",
            AssignmentState.NEEDS_CRT: "bad",
            AssignmentState.DOWNLOADING: "busy",
            AssignmentState.APPLYING: "busy",
            AssignmentState.ACTIVATING: "busy",
        }
        return tones.get(AssignmentState(state), ""), self.assignment.get_state_display()

    @property
    def has_failed(self) -> bool:
        """Tell whether there is a failure to explain."""
        future = self.future is not None and self.future.state in FAILED
        return future or (self.assignment is not None and self.assignment.state in UPDATE_FAILED)

    @property
    def has_future(self) -> bool:
        """Tell whether the future certificate can be viewed."""
        return self.future is not None and self.future.state in READY

    @property
    def has_csr(self) -> bool:
        """Tell whether there is a CSR to download."""
        future = self.future
        return future is not None and future.state == FutureState.CSR_GENERATED


def rows(keys: list[UUID], updates: list[UUID], now: datetime) -> list[Row]:
    """Return the rows of these servers in this order, in four queries for any number."""
    found = {device.pk: Row(device, now) for device in Device.objects.filter(pk__in=keys)}
    for certificate in ServerCertificate.objects.current().filter(device__in=keys):
        found[certificate.device_id].certificate = certificate
    for future in FutureCertificate.objects.open().filter(device__in=keys).foremost():
        found[future.device_id].future = future
    assigned = Assignment.objects.filter(device__in=keys, update__in=updates)
    for assignment in assigned.order_by("update__created_at"):
        found[assignment.device_id].assignment = assignment
    return [found[key] for key in keys if key in found]


def cell(row: Row, column: str) -> str:
    """Return one cell as plain text, for the export."""
    certificate = row.certificate
    plain = {
        "issued_to": row.device.name,
        "subject": row.device.fqdn,
        "status": row.status[1],
        "update_status": row.update_status[1],
        "version": row.device.version,
    }
    if column in plain or certificate is None:
        return str(plain.get(column, ""))
    return {
        "issuer": certificate.issuer,
        "valid_from": timezone.localtime(certificate.not_before).isoformat(),
        "expires": timezone.localtime(certificate.not_after).isoformat(),
        "sha256": certificate.sha256,
        "sha1": certificate.sha1,
        "md5": certificate.md5,
    }[column]
