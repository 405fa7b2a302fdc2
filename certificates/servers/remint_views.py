"""Remint Certificate: one page under an internal CA, two under an external one (manual, 1.3.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.forms import BaseForm
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from certificates.authority import gates
from certificates.models import Authority, Draft, Operation
from certificates.operations import creation, requests
from certificates.operations.activation_time import limits
from certificates.operations.presentation import ca_forms, wizard
from certificates.operations.presentation.remint_ca import limit_words
from certificates.operations.presentation.wizard import Step
from certificates.servers import selection
from certificates.servers.forms import NamedUpdate, RemintCsrStep, RemintInternalForm
from console.pages import formatting
from console.pages.responses import answer_with, faults_on, needs
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict, Fault

KIND = Draft.Kind.REMINT
FOLDER = "certificates/dialogs/"
SERVERS = Step("servers", gettext_lazy("Remint Certificate"), f"{FOLDER}remint_servers.html")
CSR = Step("csr", gettext_lazy("Generate CSR"), f"{FOLDER}remint_servers_csr.html")
ACTIVATION = Step(
    "activation", gettext_lazy("Activation"), f"{FOLDER}remint_servers_activation.html"
)
may_change = needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))


def steps(authority: Authority) -> tuple[Step, ...]:
    """Return the pages: under an internal CA there is one."""
    return (SERVERS,) if authority.is_internal else (CSR, ACTIVATION)


def begin(request: ZoneRequest, selected: list[Device], now: datetime) -> HttpResponse:
    """Open the dialog for some servers and the satellites that belong to them.

    The list is frozen in the draft.
    """
    along = selection.satellites_of(selected)
    data = {
        "selection": selection.freeze([*selected, *along]),
        "satellites": [str(server.pk) for server in along],
    }
    draft = Draft.objects.begin(request.user, KIND, now=now, data=data)
    return _go(request, draft, steps(Authority.objects.current())[0], now)


def _listed(draft: Draft) -> tuple[list[Device], list[Device]]:
    """Return the selected servers and the satellites that are offered along."""
    along = set(draft.data["satellites"])
    every = selection.servers(draft.data["selection"])
    selected = [server for server in every if str(server.pk) not in along]
    return selected, [server for server in every if str(server.pk) in along]


def _included(draft: Draft, ticked: list[str] | None = None) -> list[Device]:
    """Return the servers that are to be reminted: without the satellites that are left out."""
    selected, along = _listed(draft)
    entered = draft.data.get(CSR.key, {}).get("satellites", draft.data["satellites"])
    wanted = set(entered if ticked is None else ticked)
    return [*selected, *(server for server in along if str(server.pk) in wanted)]


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def remint_servers(request: ZoneRequest, pk: UUID, key: str) -> HttpResponse:
    """Show a page of the dialog, or take it and go on."""
    now = timezone.now()
    draft = wizard.draft_of(request, KIND, pk, now)
    if draft is None:
        return wizard.ended(request, pk)
    known = steps(Authority.objects.current())
    step = next((step for step in known if step.key == key), None)
    if step is None:
        raise Http404
    if request.method == "POST":
        return _take(request, draft, step, now)
    if step == ACTIVATION and CSR.key not in draft.data:
        step = CSR
    return _show(request, draft, step, _form(request, draft, step, now))


def _form(request: ZoneRequest, draft: Draft, step: Step, now: datetime, **given: Any) -> Any:
    """Return the form of a page: of what is given, else with what was entered before."""
    selected, along = _listed(draft)
    given = given or {"initial": draft.data.get(step.key, {})}
    if step == CSR:
        return RemintCsrStep(selected, along, **given)
    ticked = None
    if "initial" in given:
        given["initial"] = {"name": _suggested_name(selected, now), **given["initial"]}
    elif step == SERVERS:
        ticked = given["data"].getlist("satellites")
    found = limits(Operation.Kind.REMINT_SERVER, servers=_included(draft, ticked), now=now)
    if step == ACTIVATION:
        return NamedUpdate(request, found, **given)
    return RemintInternalForm(request, found, selected, along, **given)


def _suggested_name(chosen: list[Device], now: datetime) -> str:
    who = chosen[0].name if len(chosen) == 1 else _("%d servers") % len(chosen)
    return f"{_('Remint Certificate')} {who} {formatting.day(now)}"[: requests.NAME_AT_MOST]


def _take(request: ZoneRequest, draft: Draft, step: Step, now: datetime) -> HttpResponse:
    told = selection.differences(draft.data["selection"])
    if told:
        return _look_again(request, draft, step, now, told)
    form = _form(request, draft, step, now, data=request.POST)
    goes_back = "back" in request.POST
    is_valid = not goes_back and form.is_valid()
    draft.put(**{step.key: ca_forms.plain(form)})
    if goes_back:
        return _go(request, draft, CSR, now)
    if not is_valid:
        return _show(request, draft, step, form)
    if step == CSR:
        return _go(request, draft, ACTIVATION, now)
    return _finish(request, draft, step, form, now)


def _look_again(
    request: ZoneRequest, draft: Draft, step: Step, now: datetime, told: list[str]
) -> HttpResponse:
    """Show the list as it is now, with what changed since; nothing is done on another list."""
    selected, along = _listed(draft)
    if not selected:
        raise Conflict(" ".join(told), action=_("Select the servers again."))
    draft.put(selection=selection.freeze([*selected, *along]))
    form = _form(request, draft, step, now, data=request.POST)
    form.is_valid()
    for text in told:
        form.add_error(None, text)
    form.add_error(None, _("Look at the list of servers again before you go on."))
    answer_with(form, 409)
    return _show(request, draft, step, form)


def _go(request: ZoneRequest, draft: Draft, step: Step, now: datetime) -> HttpResponse:
    """Show a page of the draft; without JavaScript it has an address of its own."""
    if not request.htmx:
        there = reverse("certificates:remint_servers", args=[draft.pk, step.key])
        return HttpResponseRedirect(there)
    return _show(request, draft, step, _form(request, draft, step, now))


def _show(request: ZoneRequest, draft: Draft, step: Step, form: BaseForm) -> HttpResponse:
    known = steps(Authority.objects.current())
    last = step == known[-1]
    context: dict[str, Any] = {
        "title": _("Remint Certificate"),
        "here": reverse("certificates:remint_servers", args=[draft.pk, step.key]),
        "heading": wizard.heading(known, step.key) if len(known) > 1 else [],
        "back": wizard.before(known, step.key),
        "submit": _("OK") if step == SERVERS else _("Finish") if last else _("Next"),
        "chosen": _included(draft) if step == ACTIVATION else _listed(draft)[0],
    }
    if isinstance(form, NamedUpdate):
        context |= limit_words(form.limits, timezone.now())
    return wizard.show(request, step, context, form=form)


def _finish(
    request: ZoneRequest, draft: Draft, step: Step, form: Any, now: datetime
) -> HttpResponse:
    """Start the operation; whatever is refused is told on the page it was entered on."""
    filled = {step: form}
    if step == ACTIVATION:
        filled[CSR] = _form(request, draft, CSR, now, data=draft.data.get(CSR.key, {}))
        if not filled[CSR].is_valid():
            return _show(request, draft, CSR, filled[CSR])
    try:
        with transaction.atomic():
            order = _order(draft, filled, form)
            operation = creation.remint_servers(order, by=request.user, key=draft.pk, now=now)
            wizard.nudge(operation)
            draft.delete()
    except Fault as fault:
        owner = next((s for s in filled if fault.field in filled[s].fields), step)
        with faults_on(filled[owner]):
            raise
        return _show(request, draft, owner, filled[owner])
    return wizard.started(request, operation, form.early_note())


def _order(draft: Draft, filled: dict[Step, Any], form: Any) -> requests.RemintServers:
    given = form.cleaned_data
    first = filled.get(CSR, form).cleaned_data
    common = {
        "servers": tuple(server.pk for server in _included(draft, first.get("satellites", []))),
        "activates_at": given.get("activates_at"),
        "name": given["name"].strip(),
    }
    if CSR not in filled:
        return requests.RemintServers(
            common_name=given.get("common_name", "").strip(),
            key_length=given["key_length"],
            include_dns=given["include_dns"],
            **common,
        )
    values = filled[CSR].values()
    asked = filled[CSR].cleaned_data.get("common_name", "").strip()
    return requests.RemintServers(
        common_name="" if values["by_hand"] else asked, **values, **common
    )
