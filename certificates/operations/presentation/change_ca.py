"""Change CA: a wizard of two or three pages, stored as a draft (manual, 1.2.4)."""

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

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import name_changes
from certificates.models import Draft, Operation
from certificates.operations import creation, requests
from certificates.operations.activation_time import get_limits
from certificates.operations.presentation import ca_forms, wizard
from certificates.operations.presentation.ca_forms import ActivationStep, AuthorityStep
from certificates.operations.presentation.csr_forms import CsrStep
from certificates.operations.presentation.remint_ca import build_limits_context, check_button
from certificates.operations.presentation.wizard import Step
from certificates.pilot.settings import get_pilot_time
from console.pages.responses import require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Fault
from pki.certificates import details
from pki.chains import chains

KIND = Draft.Kind.CHANGE_CA
FOLDER = "certificates/dialogs/"
AUTHORITY = Step("authority", gettext_lazy("Certificate authority"), f"{FOLDER}change_ca.html")
CSR = Step("csr", gettext_lazy("Generate CSR"), f"{FOLDER}change_ca_csr.html", ca_forms.EXTERNAL)
ACTIVATION = Step("activation", gettext_lazy("Activation"), f"{FOLDER}change_ca_activation.html")
EVERY = (AUTHORITY, CSR, ACTIVATION)
may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def change_ca(request: ZoneRequest) -> HttpResponse:
    """Show the first page of Change CA, and create a draft when it is submitted."""
    now = timezone.now()
    check_button(gates.Button.CHANGE)
    if request.method != "POST":
        return _show(request, None, AUTHORITY, AuthorityStep(request.zone, now))
    draft = Draft.objects.begin(request.user, KIND, now=now, data={})
    return _submit(request, draft, AUTHORITY, now)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def change_ca_step(request: ZoneRequest, pk: UUID, key: str) -> HttpResponse:
    """Show a page of the draft, or process its submitted form."""
    now = timezone.now()
    draft = wizard.get_draft(request, KIND, pk, now)
    if draft is None:
        return wizard.respond_without_draft(request, pk)
    step = next((step for step in steps(draft) if step.key == key), None)
    if step is None:
        raise Http404
    if request.method == "POST":
        return _submit(request, draft, step, now)
    step = _first_incomplete(draft, step)
    return _show(request, draft, step, _form(request, draft, step, now))


def steps(draft: Draft | None) -> tuple[Step, ...]:
    """Return the pages of a draft. Only an external CA has the CSR page."""
    if draft is not None and draft.data.get("adopted"):
        return (ACTIVATION,)
    chosen = (draft.data.get("authority", {}) if draft else {}).get("change_to")
    return tuple(s for s in EVERY if not s.only or s.only == chosen)


def _first_incomplete(draft: Draft, requested: Step) -> Step:
    """Return the requested page, or the first incomplete page before it."""
    for step in steps(draft):
        if step == requested or step.key not in draft.data:
            return step
    return requested


def _form(request: ZoneRequest, draft: Draft, step: Step, now: datetime, **given: Any) -> Any:
    """Return the form of a page with the given data, or with the values that were entered."""
    given = given or {"initial": draft.data.get(step.key, {})}
    if step == AUTHORITY:
        return AuthorityStep(request.zone, now, stored_root=draft.data.get("root_pem", ""), **given)
    given.pop("files", None)
    if step == CSR:
        return CsrStep(**given)
    return ActivationStep(
        request, get_limits(Operation.Kind.CHANGE_CA, now=now, pilot=get_pilot_time()), **given
    )


def _submit(request: ZoneRequest, draft: Draft, step: Step, now: datetime) -> HttpResponse:
    form = _form(request, draft, step, now, data=request.POST, files=request.FILES)
    goes_back = "back" in request.POST
    is_valid = not goes_back and form.is_valid()
    _store(draft, step, form)
    if goes_back:
        return _show_step(request, draft, wizard.get_previous_key(steps(draft), step.key), now)
    if not is_valid:
        return _show(request, draft, step, form)
    if step == ACTIVATION:
        return _finish(request, draft, form, now)
    return _show_step(request, draft, wizard.get_next_key(steps(draft), step.key), now)


def _store(draft: Draft, step: Step, form: Any) -> None:
    """Store the entered values, even if invalid, and the uploaded root if it could be parsed."""
    parts: dict[str, Any] = {step.key: ca_forms.get_entered_values(form)}
    found = getattr(form, "found", None)
    if found:
        parts |= {"root_pem": found[0], "intermediates_pem": chains.join(*found[1])}
    draft.put(**parts)


def _show_step(request: ZoneRequest, draft: Draft, key: str, now: datetime) -> HttpResponse:
    """Show another page of the draft, or redirect to it if the browser has no JavaScript."""
    if not request.htmx:
        return HttpResponseRedirect(reverse("certificates:change_ca_step", args=[draft.pk, key]))
    step = next(step for step in EVERY if step.key == key)
    return _show(request, draft, step, _form(request, draft, step, now))


def _show(request: ZoneRequest, draft: Draft | None, step: Step, form: BaseForm) -> HttpResponse:
    here = reverse("certificates:change_ca")
    known = steps(draft)
    # The first page has the steps of both CA types, and CSS hides those of the other type.
    heading = wizard.build_headings(EVERY if step == AUTHORITY else known, step.key)
    if draft is not None:
        here = reverse("certificates:change_ca_step", args=[draft.pk, step.key])
    context: dict[str, Any] = {
        "title": _("Change Certificate Authority"),
        "here": here,
        "heading": heading,
        "previous_step": wizard.get_previous_key(known, step.key),
        "submit": _("Finish") if step == ACTIVATION else _("Next"),
    }
    if draft is not None and draft.data.get("root_pem"):
        context |= _build_chain_context(draft)
    if isinstance(form, ActivationStep):
        context |= build_limits_context(form.limits, timezone.now())
        context |= name_changes.build_context(Device.objects.certified())
        context["chosen"] = draft.data.get("authority", {}) if draft is not None else {}
        context |= _build_backup_context(draft)
    return wizard.render_step(request, step, context, form=form)


def _build_backup_context(draft: Draft | None) -> dict[str, Any]:
    """Return the template context for a CA from a backup, if the draft has one (D-31)."""
    adopted = draft.data.get("adopted") if draft is not None else None
    if not adopted:
        return {}
    holder = Device.objects.filter(pk=adopted["server"]).first()
    return {
        "adopted": True,
        "holder": holder,
        **_build_root_context(adopted["root_pem"], []),
    }


def _build_chain_context(draft: Draft) -> dict[str, Any]:
    others = chains.split(draft.data["intermediates_pem"])
    return _build_root_context(draft.data["root_pem"], others)


def _build_root_context(pem: str, intermediates: list[str]) -> dict[str, Any]:
    """Return the certificates of an uploaded file as template context."""
    return {
        "root": details.get_details(pem),
        "intermediates": [details.get_details(found) for found in intermediates],
    }


def _finish(request: ZoneRequest, draft: Draft, form: Any, now: datetime) -> HttpResponse:
    """Start the operation. A fault is shown on the page with the field that caused it."""
    filled = {ACTIVATION: form}
    for step in steps(draft)[:-1]:
        filled[step] = _form(request, draft, step, now, data=draft.data.get(step.key, {}))
        if not filled[step].is_valid():
            return _show(request, draft, step, filled[step])
    try:
        with transaction.atomic():
            operation = _start(request, draft, filled, now)
            tasks.enqueue_step_on_commit(operation)
            draft.delete()
    except Fault as fault:
        owner = next((s for s in filled if fault.field in filled[s].fields), ACTIVATION)
        with show_faults_on(filled[owner]):
            raise
        return _show(request, draft, owner, filled[owner])
    return wizard.close_after_start(request, operation, form.early_note())


def _start(request: ZoneRequest, draft: Draft, filled: dict[Step, Any], now: datetime) -> Operation:
    entered = filled[ACTIVATION].cleaned_data
    when = {
        "activates_at": entered.get("activates_at"),
        "window_override": entered["window_override"],
    }
    if draft.data.get("adopted"):
        return _take_over(request, draft, when, now)
    given = filled[AUTHORITY].cleaned_data
    if CSR in filled:
        external = requests.ChangeToExternalRequest(
            root_pem=draft.data["root_pem"],
            intermediates_pem=draft.data["intermediates_pem"],
            **when,
            **filled[CSR].values(),
        )
        return creation.change_to_external(external, by=request.user, key=draft.pk, now=now)
    values = {
        "certificate_server": UUID(given["certificate_server"]),
        "subject": given["subject"].strip(),
        "key_length": given["key_length"],
        "include_dns": given["include_dns"],
        "name_constraints": filled[AUTHORITY].get_name_constraints(),
        **when,
    }
    internal: requests.ChangeToInternalRequest | requests.ChangeToSubordinateRequest
    if given["change_to"] == ca_forms.SUBORDINATE:
        internal = requests.ChangeToSubordinateRequest(**values)
    else:
        internal = requests.ChangeToInternalRequest(years=given["years"], **values)
    return creation.change_to_internal(internal, by=request.user, key=draft.pk, now=now)


def _take_over(
    request: ZoneRequest, draft: Draft, when: dict[str, Any], now: datetime
) -> Operation:
    adopted = draft.data["adopted"]
    take_over = requests.TakeOverCARequest(
        certificate_server=UUID(adopted["server"]),
        root_pem=adopted["root_pem"],
        intermediates_pem=adopted.get("intermediates_pem", ""),
        authority=UUID(adopted["authority"]),
        key_length=details.get_details(adopted["root_pem"]).key_length,
        include_dns=True,
        **when,
    )
    sealed_key = adopted["sealed_key"]
    return creation.take_over_ca(take_over, sealed_key, by=request.user, key=draft.pk, now=now)
