"""Home: how the zone stands, and what needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from administrators.accounts import policies
from certificates.authority.views import Standing, standing
from certificates.monitoring import health
from certificates.operations.activation_time import silent_devices
from certificates.operations.states import OperationState
from certificates.servers import table
from certificates.trust import stragglers
from console.pages import formatting, tables
from devices.middleware import ZoneRequest
from devices.models import Device


@dataclass(frozen=True)
class ToDo:
    """One thing that needs attention, and where to see to it."""

    tone: str
    text: str
    url: str


@require_safe
def home(request: ZoneRequest) -> HttpResponse:
    """Home."""
    now = timezone.now()
    stand = standing(request, now)
    updates = [p.operation.update_id for p in (*stand.of_ca, *stand.of_servers)]
    every = table.servers(now, [update for update in updates if update is not None])
    asked = tables.Asked.read(QueryDict())
    numbers = {
        chip["key"] or "all": chip["n"]
        for chip in table.chips(table.counts(every, asked, now), asked)
    }
    silent = silent_devices(request.zone, now)
    waits = stragglers.servers(request.zone, now)
    context = {
        "nav": "home",
        "now": now,
        "authority": stand.authority,
        "operations": [*stand.of_ca, *stand.of_servers],
        "servers": numbers,
        "devices": Device.objects.registered().count(),
        "silent": silent,
        "waiting": waits[: stragglers.AT_MOST],
        "more_wait": len(waits) > stragglers.AT_MOST,
        "todo": [
            *_background(now),
            *_confirmations(stand, now),
            *_authority(stand, now),
            *_servers(numbers),
            *_devices(silent),
        ],
    }
    if stand.authority is not None:
        context["tone"], context["words"] = formatting.expiry(stand.authority.not_after, now)
    return render(request, "certificates/home.html", context)


def _background(now: datetime) -> list[ToDo]:
    """Tell that the background work has stopped (S-109)."""
    if not health.is_sweep_missed(now):
        return []
    text = _("The worker was not heard for a minute: operations do not move on.")
    return [ToDo("bad", text, "/healthz")]


def _confirmations(stand: Standing, now: datetime) -> list[ToDo]:
    """Tell what waits for a second administrator (B-29)."""
    page = reverse("certificates:page")
    waiting = [p.headline for p in stand.of_ca if p.operation.state == OperationState.PROPOSED]
    text = _("%s waits for a second administrator.")
    waiting += [text % job.get_kind_display() for job in stand.proposals]
    found = [ToDo("warn", words, page) for words in waiting]
    for asked in stand.asked:
        there = reverse("certificates:operation", args=[asked.pk])
        found.append(ToDo("warn", text % f"{asked.name}: {asked.asked_label}", there))
    if policies.asked_to_end(now) is not None:
        there = reverse("administrators:end_rule")
        found.append(ToDo("warn", _("The end of the rule of two waits for you."), there))
    return found


def _authority(stand: Standing, now: datetime) -> list[ToDo]:
    page = reverse("certificates:page")
    found = [
        ToDo("bad", p.headline, page) for p in stand.of_ca + stand.of_servers if p.tone == "bad"
    ]
    if stand.authority is None:
        return found
    tone, words = formatting.expiry(stand.authority.not_after, now)
    if tone == "bad":
        found.append(ToDo("bad", _("The zone CA has expired."), page))
    elif tone and not stand.of_ca:
        found.append(ToDo("warn", _("The zone CA expires %s.") % words, page))
    return found


def _servers(numbers: dict[str, int]) -> list[ToDo]:
    page = reverse("certificates:page")
    texts = {
        "failed": ("bad", ngettext("%d server failed.", "%d servers failed.", numbers["failed"])),
        "expired": (
            "bad",
            ngettext(
                "%d server certificate has expired.",
                "%d server certificates have expired.",
                numbers["expired"],
            ),
        ),
        "expiring": (
            "warn",
            ngettext(
                "%d server certificate expires within 90 days.",
                "%d server certificates expire within 90 days.",
                numbers["expiring"],
            ),
        ),
    }
    return [
        ToDo(tone, text % numbers[key], f"{page}?state={key}")
        for key, (tone, text) in texts.items()
        if numbers[key]
    ]


def _devices(silent: int) -> list[ToDo]:
    text = ngettext(
        "%d device was not heard for more than two refresh intervals.",
        "%d devices were not heard for more than two refresh intervals.",
        silent,
    )
    there = f"{reverse('devices:list')}?state=silent"
    return [ToDo("warn", text % silent, there)] if silent else []
