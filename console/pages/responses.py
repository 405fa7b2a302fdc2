"""Helpers of views: typed request, dialogs, required rights, faults in a form."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from console.pages.errors import STATUS
from faults import Fault, Forbidden, Kind

View = Callable[..., HttpResponseBase]
STATUS_OF_FORM = "fault_status"


class Request(HttpRequest):
    """A request of an authenticated user."""

    user: User
    htmx: HtmxDetails
    zone: Any
    """The zone, set by the middleware of the devices app."""


def trigger(response: HttpResponse, **events: dict[str, Any]) -> HttpResponse:
    """Add events that htmx triggers in the browser; the first `_` of a name becomes `:`."""
    all_events = json.loads(response.headers.get("HX-Trigger", "{}"))
    all_events.update({name.replace("_", ":", 1): detail for name, detail in events.items()})
    response.headers["HX-Trigger"] = json.dumps(all_events)
    return response


def render_once(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Return a page with a `form` and with what it has `created`, which is shown only once."""
    status = 422 if context["form"].errors else 201 if context["created"] else 200
    response = render(request, template, context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def close_dialog(
    request: Request, back: str, *, message: str, is_left: bool = False
) -> HttpResponse:
    """Close a dialog after its action, and show the message on the page.

    With htmx, the panes are loaded again. Without htmx, or if the page `is_left` because it no
    longer applies, the response opens the page at `back`.
    """
    if not request.htmx or is_left:
        messages.success(request, message)
        return HttpResponseRedirect(back)
    response = HttpResponse(status=204)
    result = {"text": message, "is_result": True}
    return trigger(response, zcc_close={}, zcc_changed={}, zcc_announce=result)


def render_dialog(
    request: Request, template: str, context: dict[str, Any], *, form: BaseForm | None = None
) -> HttpResponse:
    """Return a dialog: a fragment for htmx, a page without JavaScript."""
    frame = "console/dialog.html" if request.htmx else "console/dialog_page.html"
    status = 200
    if form is not None and form.errors:
        status = vars(form).get(STATUS_OF_FORM, 422)
    context = {"frame_template": frame, "form": form, "here": request.path, **context}
    return render(request, template, context, status=status)


@contextmanager
def show_faults_on(form: BaseForm) -> Iterator[None]:
    """Convert a Fault to an error of its form field, or of the form."""
    try:
        yield
    except Fault as fault:
        field = fault.field if fault.field in form.fields else None
        form.add_error(field, str(fault))
        is_input_error = field is not None or fault.kind in (Kind.INVALID, Kind.REFUSED)
        set_error_status(form, 422 if is_input_error else STATUS[fault.kind])


def set_error_status(form: BaseForm, status: int) -> None:
    """Set the HTTP status of the dialog that shows the errors of a form."""
    vars(form)[STATUS_OF_FORM] = status


def require_right(right: str, label: str | Promise) -> Callable[[View], View]:
    """Return a decorator that rejects users without a right and names the right."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: Request, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(right):
                raise missing_right(label)
            return view(request, **kwargs)

        vars(checked).update(right=right, right_label=label)
        return checked

    return decorate


def missing_right(label: str | Promise) -> Forbidden:
    """Return the fault for a missing right."""
    return Forbidden(
        _("Your account does not have the “%(right)s” right. Nothing was changed.")
        % {"right": label},
        action=_("Ask an administrator who can grant rights: %s.") % _list_grantors(),
    )


def _list_grantors() -> str:
    """Return the names of up to three Super Administrators, who can grant rights."""
    users = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
    names = list(users.values_list("username", flat=True)[:3])
    return ", ".join(names) or _("no user currently has this right")


def safe_redirect_url(request: HttpRequest, url: str) -> str:
    """Return a URL if it is in this console, else the URL of the Home page."""
    is_safe = url_has_allowed_host_and_scheme(
        url, {request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe else str(settings.LOGIN_REDIRECT_URL)
