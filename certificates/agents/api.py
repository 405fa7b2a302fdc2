"""The calls of agents under /zac/v1/: register, refresh, certificates, reports (wire.messages)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from audit.chain import actor
from certificates import tasks
from certificates.agents import responses
from certificates.issuance import imports, requests
from certificates.models import Authority
from console.pages.errors import STATUS
from devices.identity import authentication
from devices.models import Device, Zone
from devices.registration import registration, throttle
from faults import Fault, Forbidden, Invalid, NotFound, Unauthenticated
from systemupdates.assignments import assignment
from systemupdates.content import store
from wire import http_range, json_codec, messages
from wire.preflight import RehearsalReport

BODY_AT_MOST = 1 << 20
View = Callable[..., HttpResponse]


def send(message: Any, status: int = 200) -> HttpResponse:
    """Answer with one message as JSON."""
    return HttpResponse(json_codec.dump(message), status=status, content_type="application/json")


def problem(fault: Fault) -> HttpResponse:
    """Answer with a problem document (RFC 9457)."""
    status = STATUS[fault.kind]
    kind = f"urn:zcc:{type(fault).__name__}"
    said = messages.Problem(
        title=fault.explanation,
        status=status,
        detail=fault.explanation,
        action=fault.action,
        type=kind,
    )
    return HttpResponse(
        json_codec.dump(said), status=status, content_type="application/problem+json"
    )


def call(method: str) -> Callable[[View], View]:
    """Make a view an agent call of one method: no session, faults as problem documents."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponse:
            try:
                if request.method != method:
                    raise Invalid(f"This call takes {method}.")
                if int(request.headers.get("Content-Length") or 0) > BODY_AT_MOST:
                    raise Invalid("The message is larger than 1 MiB.")
                return view(request, *args, **kwargs)
            except Fault as fault:
                return problem(fault)

        return csrf_exempt(login_not_required(wrapped))

    return decorate


def by_device(view: View) -> View:
    """Let only a registered device in that signed this very request, once (S-55, S-56)."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponse:
        device = authentication.authenticate(
            request.headers.get("Authorization", ""),
            method=request.method or "",
            path=request.get_full_path(),
            body=request.body,
            now=timezone.now(),
        )
        with actor.acting(actor.Actor(f"device {device.name}", _address(request))):
            return view(request, device, *args, **kwargs)

    return wrapped


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


@call("GET")
def zone(request: HttpRequest) -> HttpResponse:
    """Say what anybody may know of the zone."""
    here, authority = Zone.objects.the(), Authority.objects.current()
    return send(
        messages.Zone(
            zone=str(here.guid),
            name=here.name,
            time=timezone.now().timestamp(),
            ca_pem=authority.root_pem,
            ca_sha256=authority.sha256,
            zone_pub=here.public_key,
        )
    )


@call("POST")
def hello(request: HttpRequest) -> HttpResponse:
    """Prove to a stranger that this server belongs to the zone (S-53)."""
    throttle.check(throttle.GREETINGS, _address(request))
    throttle.count(throttle.GREETINGS, _address(request))
    said = json_codec.load(messages.Hello, request.body)
    return send(responses.statement(said, now=timezone.now()))


@call("POST")
def register(request: HttpRequest) -> HttpResponse:
    """Let a device in; an address that guesses keys has to wait (S-69)."""
    throttle.check(throttle.REFUSALS, _address(request))
    try:
        return _register(request)
    except (Forbidden, Unauthenticated):
        throttle.count(throttle.REFUSALS, _address(request))
        raise


def _register(request: HttpRequest) -> HttpResponse:
    said = json_codec.load(messages.Register, request.body)
    now = timezone.now()
    header = request.headers.get("Authorization", "")
    returning = None
    if header:
        returning = authentication.authenticate(
            header, method="POST", path=request.get_full_path(), body=request.body, now=now
        )
    with actor.acting(actor.Actor(f"device {said.name}"[:200], _address(request))):
        with transaction.atomic():
            device = registration.register(said, returning=returning, now=now)
            responses.welcome(device)
        transaction.on_commit(tasks.nudge_all, robust=True)
        return send(responses.registered(device, now=now), status=201)


@call("POST")
@by_device
def unregister(request: HttpRequest, device: Device) -> HttpResponse:
    """Let a device go."""
    registration.unregister(device)
    return HttpResponse(status=204)


@call("POST")
@by_device
def refresh(request: HttpRequest, device: Device) -> HttpResponse:
    """Hear how a device stands and give it everything that waits for it."""
    said = json_codec.load(messages.Refresh, request.body)
    body = responses.refreshed(device, said, now=timezone.now())
    return HttpResponse(body, content_type="application/json")


@call("POST")
@by_device
def status(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Hear how an update fares on a device."""
    said = json_codec.load(messages.StatusReport, request.body)
    moved = assignment.report(device, update, said, now=timezone.now())
    tasks.nudge_update(moved.update_id)
    return HttpResponse(status=204)


@call("POST")
@by_device
def rehearsal(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Hear how a device's handshakes with future certificates went."""
    said = json_codec.load(RehearsalReport, request.body)
    assignment.rehearsed(device, update, said, now=timezone.now())
    return HttpResponse(status=204)


@csrf_exempt
@login_not_required
def certificate(request: HttpRequest, update: str = requests.FIRST) -> HttpResponse:
    """Take a server's request (POST), or give what it waits for (GET)."""
    return _give(request, update) if request.method == "GET" else _take(request, update)


@call("GET")
@by_device
def _give(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    _approved(device)
    future = requests.future_of(device, update)
    said = requests.answer(future)
    return send(said, status=200 if said.chain else 202)


@call("POST")
@by_device
def _take(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    _approved(device)
    said = json_codec.load(messages.CsrRequest, request.body)
    future = requests.future_of(device, update)
    if said.chain:
        imports.from_repository(future, said.chain, now=timezone.now())
    else:
        requests.receive(future, said)
    if future.authority is not None:
        tasks.nudge_signing(future.authority)
    return HttpResponse(status=202)


def _approved(device: Device) -> None:
    if device.state != "registered":
        raise Forbidden("An administrator has yet to let this server in.")


@call("GET")
@by_device
def go(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Give a server the go, once there is one (D-26)."""
    notice = responses.go_for(device, update)
    if notice is None:
        raise NotFound("There is no go yet.")
    return send(notice)


@call("GET")
def recovery(request: HttpRequest) -> HttpResponse:
    """Give the notices that a device may check without trusting TLS (B-10)."""
    return send(responses.recovery())


@call("GET")
def contact(request: HttpRequest) -> HttpResponse:
    """Answer a verified contact; only the handshake matters."""
    return HttpResponse(
        json.dumps({"time": timezone.now().timestamp()}), content_type="application/json"
    )


@call("GET")
def file(request: HttpRequest, digest: str) -> HttpResponse:
    """Serve content by its digest; it is public, never holds keys, and is checked by digest."""
    path = store.find(digest)
    if path is None:
        raise NotFound("This server does not hold that content.")
    data = path.read_bytes()
    wanted = request.headers.get("Range", "")
    span = http_range.span(wanted, len(data))
    if span is None:
        answer = HttpResponse(status=416)
        answer.headers["Content-Range"] = f"bytes */{len(data)}"
        return answer
    begin, end = span
    answer = HttpResponse(
        data[begin:end],
        status=206 if wanted else 200,
        content_type="application/octet-stream",
    )
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Range"] = http_range.content_range(begin, end, len(data))
    return answer
