"""Accept findings of health checks with a reason, and withdraw the acceptance."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.models import HealthAcceptance
from certificates.monitoring.checks.registry import get_check
from console.requests.language import in_english
from faults import Invalid, NotFound, Refused

RIGHT = "devices.change_zone"
MAX_REASON = 500


@transaction.atomic
def accept(key: str, subject: str, reason: str, *, by: str) -> HealthAcceptance:
    """Accept the finding of a check about a subject. The finding is no longer shown as open.

    `by` is the name of the user.

    Raises a fault if the check is unknown or not acceptable, or if the reason is missing.
    """
    check = get_check(key)
    if not check.acceptable:
        raise Refused(
            _("A finding of this health check cannot be accepted. Nothing was changed."),
            action=_("Correct what it found."),
        )
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise Invalid(
            _("Enter a reason of 1 to %d characters. Nothing was changed.") % MAX_REASON,
            field="reason",
        )
    Entry.objects.record(
        "accept-finding",
        _get_subject(key),
        note=f"{in_english(check.label)}: {reason}",
        detail={"finding": subject},
    )
    acceptance, _created = HealthAcceptance.objects.update_or_create(
        check_key=key,
        subject=subject,
        defaults={"reason": reason, "accepted_by": by},
    )
    return acceptance


@transaction.atomic
def withdraw(acceptance: HealthAcceptance) -> None:
    """Withdraw an acceptance. The finding is open again. Raises NotFound if it was withdrawn."""
    checkpoint = Entry.objects.lock_checkpoint()
    stored = HealthAcceptance.objects.filter(pk=acceptance.pk).first()
    if stored is None:
        raise NotFound(_("The acceptance was not found. Nothing was changed."))
    # An altered row is evidence, and is decided about with check_rows.
    stored.check_row_mac()
    Entry.objects.append(
        checkpoint,
        "withdraw-acceptance",
        _get_subject(acceptance.check_key),
        note=acceptance.reason,
        detail={"finding": acceptance.subject},
    )
    acceptance.delete()


def _get_subject(key: str) -> str:
    return f"certificates.HealthAcceptance:{key}"
