"""The setup pages: token, zone, and the certificate from an external CA."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.signing import b64_decode, b64_encode
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.authority.bootstrap import ZoneRequest
from certificates.models import Authority
from console.pages.responses import show_faults_on
from devices.models import Zone
from pki.certificates import details
from zcc.runtime import environment
from zcc.setup import bootstrap, first_run
from zcc.setup.forms import CertificateForm, InternalForm, TokenForm, get_initial_values

SESSION_KEY = "setup"
View = Callable[[HttpRequest], HttpResponse]


def require_setup_token(view: View) -> View:
    """Allow a view only while there is no zone, and after the setup token was entered."""

    @login_not_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if not first_run.is_open():
            raise Http404
        if not first_run.is_token_hash(request.session.get(SESSION_KEY, "")):
            return _show_token_form(request)
        return view(request)

    return wrapped


def _show_token_form(request: HttpRequest) -> HttpResponse:
    form = TokenForm(request.POST if "token" in request.POST else None)
    if form.is_valid():
        digest = first_run.hash_token(form.cleaned_data["token"])
        if first_run.is_token_hash(digest):
            request.session.cycle_key()
            request.session[SESSION_KEY] = digest
            return HttpResponseRedirect(reverse("setup_zone"))
        form.add_error("token", _("The setup token is incorrect. Nothing was changed."))
    return _render_form(request, "token", form)


@require_http_methods(["GET", "HEAD", "POST"])
@require_setup_token
def zone(request: HttpRequest) -> HttpResponse:
    """Create the zone. With an external CA, create a CSR first."""
    if _get_saved_input_path().exists():
        return _import_certificate(request)
    form = InternalForm(request.POST or None, request.FILES or None, initial=get_initial_values())
    if not form.is_valid():
        return _render_form(request, "zone", form)
    values = form.cleaned_data
    with show_faults_on(form):
        bootstrap.check_name(values["name"])
        bootstrap.check_no_zone(Path(settings.SERVER_HOME))
        if values["kind"] == "external":
            _prepare(values)
            return HttpResponseRedirect(reverse("setup_zone"))
        zone_request = ZoneRequest(
            name=values["name"],
            subject=values["subject"],
            key_length=values["key_length"],
            years=values["years"],
            subordinate=values["kind"] == "subordinate",
        )
        return _create_zone(request, zone_request, values, values)
    return _render_form(request, "zone", form)


def _import_certificate(request: HttpRequest) -> HttpResponse:
    saved = json.loads(_get_saved_input_path().read_text())
    authority = b64_decode(saved["authority"].encode())
    form = CertificateForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        with show_faults_on(form):
            found = bootstrap.read_external_ca(authority, form.cleaned_data["certificate"])
            zone_request = ZoneRequest(saved["name"], external=found)
            return _create_zone(request, zone_request, saved, form.cleaned_data)
    root, intermediates = bootstrap.read_ca_certificates(authority)
    context = {
        "root": details.get_details(root),
        "intermediates": [details.get_details(pem) for pem in intermediates],
        "saved": saved,
    }
    return _render_form(request, "certificate", form, **context)


@require_safe
@require_setup_token
def csr(request: HttpRequest) -> HttpResponse:
    """Download the CSR of the first server."""
    if not _get_saved_input_path().exists():
        raise Http404
    saved = json.loads(_get_saved_input_path().read_text())
    prepared = bootstrap.prepare_server(_build_server(saved))
    response = HttpResponse(prepared["csr"], "application/pkcs10")
    response.headers["Content-Disposition"] = f'attachment; filename="{saved["fqdn"]}.csr"'
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@require_setup_token
def restart(request: HttpRequest) -> HttpResponse:
    """Discard the input for an external CA and start over."""
    _get_saved_input_path().unlink(missing_ok=True)
    return HttpResponseRedirect(reverse("setup_zone"))


def _prepare(values: dict[str, Any]) -> None:
    """Check the external CA, create the CSR, and save the input until the CSR is signed."""
    bootstrap.check_external_ca(values["authority"], values["fqdn"])
    bootstrap.prepare_server(_build_server(values))
    saved = {name: values[name] for name in ("name", "server_name", "fqdn", "addresses")}
    saved["authority"] = b64_encode(values["authority"]).decode()
    bootstrap.write_private(_get_saved_input_path(), saved)


def _create_zone(
    request: HttpRequest,
    zone_request: ZoneRequest,
    server: dict[str, Any],
    administrator: dict[str, Any],
) -> HttpResponse:
    """Create the zone and return the page with the result."""
    first_administrator = bootstrap.Administrator(
        administrator["username"], administrator["password"]
    )
    warnings = bootstrap.create_zone(zone_request, _build_server(server), first_administrator)
    request.session.flush()
    ca = Authority.objects.current()
    context = {
        "zone_name": Zone.objects.get_zone().name,
        "ca": details.get_details(ca.root_pem),
        "is_subordinate": zone_request.subordinate,
        "warnings": warnings,
    }
    return render(request, "setup/done.html", context)


def _render_form(request: HttpRequest, name: str, form: BaseForm, **more: Any) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, f"setup/{name}.html", {"form": form, **more}, status=status)


def _get_saved_input_path() -> Path:
    return Path(settings.SERVER_HOME) / first_run.FOLDER / "order.json"


def _build_server(values: dict[str, Any]) -> bootstrap.FirstServer:
    return bootstrap.FirstServer(
        name=values["server_name"],
        fqdn=values["fqdn"],
        addresses=values["addresses"],
        **environment.ports(),
        home=Path(settings.SERVER_HOME),
    )
