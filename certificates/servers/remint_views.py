"""Remint Certificate: one page with an internal CA, two with an external CA.

See: manual 1.3.2
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.forms import BaseForm
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import name_changes
from certificates.models import Authority, Draft, Operation
from certificates.operations import creation, requests
from certificates.operations.activation_time import get_limits
from certificates.operations.presentation import ca_forms, wizard
from certificates.operations.presentation.remint_ca import build_limits_context
from certificates.operations.presentation.wizard import Step
from certificates.servers import selection
from certificates.servers.forms import NamedActivationForm, RemintCsrStep, RemintInternalForm
from console.pages import formatting
from console.pages.responses import require_right, set_error_status, show_faults_on
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
may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


def get_steps(authority: Authority) -> tuple[Step, ...]:
    """Return the pages of the dialog."""
    return (SERVERS,) if authority.is_internal else (CSR, ACTIVATION)


def open_dialog(request: ZoneRequest, selected: list[Device], now: datetime) -> HttpResponse:
    """Open the dialog for servers and their satellites. The draft stores a snapshot of them."""
    satellites = selection.get_satellites(selected)
    data = {
        "selection": selection.build_snapshot([*selected, *satellites]),
        "satellites": [str(server.pk) for server in satellites],
    }
    draft = Draft.objects.begin(request.user, KIND, now=now, data=data)
    return _go_to_step(request, draft, get_steps(Authority.objects.current())[0], now)


def _split_selection(draft: Draft) -> tuple[list[Device], list[Device]]:
    """Return the selected servers, and the satellites that are offered with them."""
    satellites = set(draft.data["satellites"])
    servers = selection.get_servers(draft.data["selection"])
    selected = [server for server in servers if str(server.pk) not in satellites]
    return selected, [server for server in servers if str(server.pk) in satellites]


def _get_included_servers(draft: Draft, checked: list[str] | None = None) -> list[Device]:
    """Return the servers to remint, without excluded satellites."""
    selected, satellites = _split_selection(draft)
    entered = draft.data.get(CSR.key, {}).get("satellites", draft.data["satellites"])
    wanted = set(entered if checked is None else checked)
    return [*selected, *(server for server in satellites if str(server.pk) in wanted)]


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def remint_servers(request: ZoneRequest, pk: UUID, key: str) -> HttpResponse:
    """Show a page of the dialog, or submit it and continue."""
    now = timezone.now()
    draft = wizard.get_draft(request, KIND, pk, now)
    if draft is None:
        return wizard.respond_without_draft(request, pk)
    known = get_steps(Authority.objects.current())
    step = next((step for step in known if step.key == key), None)
    if step is None:
        raise Http404
    if request.method == "POST":
        return _submit_step(request, draft, step, now)
    if step == ACTIVATION and CSR.key not in draft.data:
        step = CSR
    return _render_step(request, draft, step, _build_form(request, draft, step, now))


def _build_form(request: ZoneRequest, draft: Draft, step: Step, now: datetime, **given: Any) -> Any:
    """Return the form of a page, bound to submitted data or with the values entered before."""
    selected, satellites = _split_selection(draft)
    given = given or {"initial": draft.data.get(step.key, {})}
    if step == CSR:
        return RemintCsrStep(selected, satellites, **given)
    checked = None
    if "initial" in given:
        given["initial"] = {"name": _suggest_name(selected, now), **given["initial"]}
    elif step == SERVERS:
        checked = given["data"].getlist("satellites")
    found = get_limits(
        Operation.Kind.REMINT_SERVER, servers=_get_included_servers(draft, checked), now=now
    )
    if step == ACTIVATION:
        return NamedActivationForm(request, found, **given)
    return RemintInternalForm(request, found, selected, satellites, **given)


@translation.override(settings.LANGUAGE_CODE)
def _suggest_name(chosen: list[Device], now: datetime) -> str:
    """Return a name that differs from those of other operations of the day.

    It is in English, because all users and the audit log have the same one.
    """
    subject = chosen[0].name if len(chosen) == 1 else _("%d servers") % len(chosen)
    name = f"{_('Remint Certificate')} {subject} {formatting.exact(now)}"
    return name[: requests.MAX_NAME_LENGTH]


def _submit_step(request: ZoneRequest, draft: Draft, step: Step, now: datetime) -> HttpResponse:
    changes = selection.list_changes(draft.data["selection"])
    if changes:
        return _show_changed_selection(request, draft, step, now, changes)
    form = _build_form(request, draft, step, now, data=request.POST)
    is_back = "back" in request.POST
    is_valid = not is_back and form.is_valid()
    draft.put(**{step.key: ca_forms.get_entered_values(form)})
    if is_back:
        return _go_to_step(request, draft, CSR, now)
    if not is_valid:
        return _render_step(request, draft, step, form)
    if step == CSR:
        return _go_to_step(request, draft, ACTIVATION, now)
    return _start_operation(request, draft, step, form, now)


def _show_changed_selection(
    request: ZoneRequest, draft: Draft, step: Step, now: datetime, changes: list[str]
) -> HttpResponse:
    """Show the current list with the changes. The administrator must review it again."""
    selected, satellites = _split_selection(draft)
    if not selected:
        raise Conflict(" ".join(changes), action=_("Select the servers again."))
    draft.put(selection=selection.build_snapshot([*selected, *satellites]))
    form = _build_form(request, draft, step, now, data=request.POST)
    form.is_valid()
    for text in changes:
        form.add_error(None, text)
    form.add_error(None, _("Review the list of servers again before you continue."))
    set_error_status(form, 409)
    return _render_step(request, draft, step, form)


def _go_to_step(request: ZoneRequest, draft: Draft, step: Step, now: datetime) -> HttpResponse:
    """Show a page of the draft. Without JavaScript, redirect to its URL."""
    if not request.htmx:
        url = reverse("certificates:remint_servers", args=[draft.pk, step.key])
        return HttpResponseRedirect(url)
    return _render_step(request, draft, step, _build_form(request, draft, step, now))


def _render_step(request: ZoneRequest, draft: Draft, step: Step, form: BaseForm) -> HttpResponse:
    known = get_steps(Authority.objects.current())
    last = step == known[-1]
    context: dict[str, Any] = {
        "title": _("Remint Certificate"),
        "here": reverse("certificates:remint_servers", args=[draft.pk, step.key]),
        "heading": wizard.build_headings(known, step.key) if len(known) > 1 else [],
        "previous_step": wizard.get_previous_key(known, step.key),
        "submit": _("OK") if step == SERVERS else _("Finish") if last else _("Next"),
        "chosen": _get_included_servers(draft)
        if step == ACTIVATION
        else _split_selection(draft)[0],
    }
    if isinstance(form, NamedActivationForm):
        context |= build_limits_context(form.limits, timezone.now())
        included = [server for part in _split_selection(draft) for server in part]
        context |= name_changes.build_context(
            _get_included_servers(draft) if step == ACTIVATION else included
        )
    return wizard.render_step(request, step, context, form=form)


def _start_operation(
    request: ZoneRequest, draft: Draft, step: Step, form: Any, now: datetime
) -> HttpResponse:
    """Start the operation. Show a fault on the page that has the field."""
    filled = {step: form}
    if step == ACTIVATION:
        filled[CSR] = _build_form(request, draft, CSR, now, data=draft.data.get(CSR.key, {}))
        if not filled[CSR].is_valid():
            return _render_step(request, draft, CSR, filled[CSR])
    try:
        with transaction.atomic():
            data = _build_request(draft, filled, form)
            operation = creation.remint_servers(data, by=request.user, key=draft.pk, now=now)
            tasks.enqueue_step_on_commit(operation)
            draft.delete()
    except Fault as fault:
        owner = next((s for s in filled if fault.field in filled[s].fields), step)
        with show_faults_on(filled[owner]):
            raise
        return _render_step(request, draft, owner, filled[owner])
    return wizard.close_after_start(request, operation, form.early_note())


def _build_request(
    draft: Draft, filled: dict[Step, Any], form: Any
) -> requests.RemintServersRequest:
    given = form.cleaned_data
    first = filled.get(CSR, form).cleaned_data
    common = {
        "servers": tuple(
            server.pk for server in _get_included_servers(draft, first.get("satellites", []))
        ),
        "activates_at": given.get("activates_at"),
        "window_override": given["window_override"],
        "name": given["name"].strip(),
    }
    if CSR not in filled:
        return requests.RemintServersRequest(
            common_name=given.get("common_name", "").strip(),
            key_length=given["key_length"],
            include_dns=given["include_dns"],
            **common,
        )
    values = filled[CSR].values()
    common_name = filled[CSR].cleaned_data.get("common_name", "").strip()
    return requests.RemintServersRequest(
        common_name="" if values["manual_csr"] else common_name, **values, **common
    )
