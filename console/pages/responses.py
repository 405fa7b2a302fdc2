"""What views share: the typed request, dialogs, the right to act, faults shown in a form."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from console.pages.errors import STATUS
from faults import Fault, Forbidden, Kind

View = Callable[..., HttpResponse]
STATUS_OF_FORM = "fault_status"


class Request(HttpRequest):
    """A request of a user who is logged in."""

    user: User
    htmx: HtmxDetails
    zone: Any
    """The zone; a middleware of a higher storey sets it."""


def trigger(response: HttpResponse, **events: dict[str, Any]) -> HttpResponse:
    """Add events that the browser fires on the page; `_` in a name stands for `:`."""
    fired = json.loads(response.headers.get("HX-Trigger", "{}"))
    fired.update({name.replace("_", ":", 1): detail for name, detail in events.items()})
    response.headers["HX-Trigger"] = json.dumps(fired)
    return response


def close_dialog(request: Request, back: str, *, said: str) -> HttpResponse:
    """End a dialog that did its work: close it and reload the panes, or go back to the page."""
    if not request.htmx:
        return HttpResponseRedirect(back)
    response = HttpResponse(status=204)
    return trigger(response, zcc_close={}, zcc_changed={}, zcc_announce={"text": said})


def dialog(
    request: Request, template: str, context: dict[str, Any], *, form: BaseForm | None = None
) -> HttpResponse:
    """Show a dialog: inside the page for htmx, as a page of its own without JavaScript."""
    frame = "console/dialog.html" if request.htmx else "console/dialog_page.html"
    status = 200
    if form is not None and form.errors:
        status = vars(form).get(STATUS_OF_FORM, 422)
    context = {"frame_template": frame, "form": form, **context}
    return render(request, template, context, status=status)


@contextmanager
def faults_on(form: BaseForm) -> Iterator[None]:
    """Turn a Fault into an error of the form: next to its field, or above all of them."""
    try:
        yield
    except Fault as fault:
        field = fault.field if fault.field in form.fields else None
        form.add_error(field, str(fault))
        about_input = field is not None or fault.kind in (Kind.INVALID, Kind.REFUSED)
        answer_with(form, 422 if about_input else STATUS[fault.kind])


def answer_with(form: BaseForm, status: int) -> None:
    """Let the dialog that shows this form with its errors have a status of its own."""
    vars(form)[STATUS_OF_FORM] = status


def needs(right: str, label: str) -> Callable[[View], View]:
    """Let a view be reached only with a right; the refusal says which one is missing."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: Request, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(right):
                raise missing(label)
            return view(request, **kwargs)

        vars(checked)["right"] = right
        return checked

    return decorate


def missing(label: str) -> Forbidden:
    """Return the refusal for want of a right."""
    return Forbidden(
        _("Your account lacks the right “%(right)s”. Nothing was changed.") % {"right": label},
        action=_("Ask an administrator who may grant rights: %s.") % _who_grants(),
    )


def _who_grants() -> str:
    """Return the names of a few who may: those who can do everything."""
    able = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
    names = list(able.values_list("username", flat=True)[:3])
    return ", ".join(names) or _("there is none now")


def inside(request: HttpRequest, there: str) -> str:
    """Return an address of this console, whatever was asked for."""
    safe = url_has_allowed_host_and_scheme(
        there, {request.get_host()}, require_https=request.is_secure()
    )
    return there if safe else str(settings.LOGIN_REDIRECT_URL)
