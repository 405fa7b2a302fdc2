"""The pages of the first run: token, zone, and with an external CA its answer to the CSR."""

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

from certificates.authority.bootstrap import ZoneOrder
from certificates.models import Authority
from console.pages.responses import faults_on
from devices.models import Zone
from pki.certificates import details
from zcc.runtime import environment
from zcc.setup import bootstrap, first_run
from zcc.setup.forms import CertificateForm, InternalForm, TokenForm, known

PROVED = "setup"
View = Callable[[HttpRequest], HttpResponse]


def during_setup(view: View) -> View:
    """Let a view be reached in a console without a zone, after the token was given."""

    @login_not_required
    @functools.wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if not first_run.is_open():
            raise Http404
        if not first_run.proves(request.session.get(PROVED, "")):
            return _token(request)
        return view(request)

    return checked


def _token(request: HttpRequest) -> HttpResponse:
    form = TokenForm(request.POST if "token" in request.POST else None)
    if form.is_valid():
        digest = first_run.proof(form.cleaned_data["token"])
        if first_run.proves(digest):
            request.session.cycle_key()
            request.session[PROVED] = digest
            return HttpResponseRedirect(reverse("setup_zone"))
        form.add_error("token", _("This is not the set-up token. Nothing was changed."))
    return _page(request, "token", form)


@require_http_methods(["GET", "HEAD", "POST"])
@during_setup
def zone(request: HttpRequest) -> HttpResponse:
    """Ask what the zone is to be, and make it; an external CA gets a CSR first."""
    if _kept().exists():
        return _await_certificate(request)
    form = InternalForm(request.POST or None, request.FILES or None, initial=known())
    if not form.is_valid():
        return _page(request, "zone", form)
    given = form.cleaned_data
    with faults_on(form):
        bootstrap.check_name(given["name"])
        bootstrap.check_fresh(Path(settings.SERVER_HOME))
        if given["kind"] == "external":
            _prepare(given)
            return HttpResponseRedirect(reverse("setup_zone"))
        order = ZoneOrder(given["name"], given["subject"], given["key_length"], given["years"])
        return _made(request, bootstrap.begin(order, _place(given), _administrator(given)))
    return _page(request, "zone", form)


def _await_certificate(request: HttpRequest) -> HttpResponse:
    kept = json.loads(_kept().read_text())
    authority = b64_decode(kept["authority"].encode())
    form = CertificateForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        with faults_on(form):
            found = bootstrap.external(authority, form.cleaned_data["certificate"])
            order = ZoneOrder(kept["name"], external=found)
            place = _place(kept)
            return _made(request, bootstrap.begin(order, place, _administrator(form.cleaned_data)))
    root, others = bootstrap.read_authority(authority)
    facts = {
        "root": details.describe(root),
        "intermediates": [details.describe(one) for one in others],
        "kept": kept,
    }
    return _page(request, "certificate", form, **facts)


@require_safe
@during_setup
def csr(request: HttpRequest) -> HttpResponse:
    """Download the CSR of the first server (D-18)."""
    if not _kept().exists():
        raise Http404
    kept = json.loads(_kept().read_text())
    response = HttpResponse(bootstrap.prepare(_place(kept))["csr"], "application/pkcs10")
    response.headers["Content-Disposition"] = f'attachment; filename="{kept["fqdn"]}.csr"'
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@during_setup
def again(request: HttpRequest) -> HttpResponse:
    """Drop what was entered for an external CA and begin again."""
    _kept().unlink(missing_ok=True)
    return HttpResponseRedirect(reverse("setup_zone"))


def _prepare(given: dict[str, Any]) -> None:
    """Check the external CA and make the CSR; keep what was entered until the CA has answered."""
    bootstrap.read_authority(given["authority"])
    bootstrap.prepare(_place(given))
    wanted = ("name", "server_name", "fqdn", "addresses")
    kept = {name: given[name] for name in wanted}
    bootstrap.write_private(_kept(), {**kept, "authority": b64_encode(given["authority"]).decode()})


def _made(request: HttpRequest, warnings: list[str]) -> HttpResponse:
    request.session.flush()
    ca = Authority.objects.current()
    context = {
        "zone_name": Zone.objects.the().name,
        "ca": details.describe(ca.root_pem),
        "warnings": warnings,
    }
    return render(request, "setup/done.html", context)


def _page(request: HttpRequest, name: str, form: BaseForm, **more: Any) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, f"setup/{name}.html", {"form": form, **more}, status=status)


def _kept() -> Path:
    return Path(settings.SERVER_HOME) / first_run.FOLDER / "order.json"


def _administrator(given: dict[str, Any]) -> bootstrap.Administrator:
    return bootstrap.Administrator(given["username"], given["password"])


def _place(given: dict[str, Any]) -> bootstrap.Place:
    return bootstrap.Place(
        name=given["server_name"],
        fqdn=given["fqdn"],
        addresses=given["addresses"],
        port=environment.number("ZCC_PORT", 8443, least=1, most=65535),
        content_port=environment.number("ZCC_CONTENT_PORT", 8080, least=1, most=65535),
        rehearsal_port=environment.number("ZCC_REHEARSAL_PORT", 8444, least=1, most=65535),
        home=Path(settings.SERVER_HOME),
    )
