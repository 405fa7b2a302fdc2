"""Endpoints of the agent protocol under /zac/v1/. Messages are defined in wire.messages."""

from __future__ import annotations

import json
from contextlib import suppress

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from audit.chain import actor
from certificates import tasks
from certificates.agents import pending_items, responses, server_certificates, status_reports
from certificates.agents.endpoints import (
    agent_call,
    authenticate,
    authenticate_device,
    authenticate_returning,
    get_client_address,
    json_response,
)
from certificates.issuance import requests
from certificates.models import Authority
from console.requests.networks import get_network
from devices.identity import zone_keys
from devices.models import Device, Zone
from devices.registration import registration, throttle
from faults import Forbidden, NotFound, Unauthenticated
from systemupdates.assignments import reports
from systemupdates.content import store
from wire import http_range, limits, messages, update_messages
from wire.authentication import PREVIOUS_IDENTITY
from wire.update_messages import PreflightReport


@agent_call("GET")
def zone(request: HttpRequest) -> HttpResponse:
    """Get public information about the zone."""
    row, authority = Zone.objects.get_zone(), Authority.objects.current()
    return json_response(
        messages.ZoneInfo(
            zone=str(row.guid),
            name=row.name,
            time=timezone.now().timestamp(),
            ca_pem=authority.root_pem,
            ca_sha256=authority.sha256,
            zone_pub=zone_keys.get_public_zone_key(row),
        )
    )


@agent_call("POST")
def hello(request: HttpRequest) -> HttpResponse:
    """Prove to an unregistered device that this server belongs to the zone."""
    network = get_network(get_client_address(request))
    throttle.check(throttle.IDENTITY_REQUESTS, network)
    throttle.record(throttle.IDENTITY_REQUESTS, network)
    hello_request = limits.load(messages.HelloRequest, request.body)
    return json_response(responses.build_identity_statement(hello_request, now=timezone.now()))


@agent_call("POST")
def register(request: HttpRequest) -> HttpResponse:
    """Register a device. Failures are rate limited by address, valid keys are not."""
    try:
        return _register(request)
    except (Forbidden, Unauthenticated):
        network = get_network(get_client_address(request))
        throttle.check(throttle.FAILED_REGISTRATIONS, network)
        throttle.record(throttle.FAILED_REGISTRATIONS, network)
        raise


def _register(request: HttpRequest) -> HttpResponse:
    payload = limits.load(messages.RegisterRequest, request.body)
    now = timezone.now()
    header = request.headers.get("Authorization", "")
    returning = proven = None
    if header:
        returning = authenticate_returning(request, header)
    elif request.headers.get(PREVIOUS_IDENTITY):
        # With a registration key, a secret that is no longer valid is not an error.
        with suppress(Unauthenticated):
            proven = authenticate(request, request.headers[PREVIOUS_IDENTITY])
    with actor.acting_as(actor.Actor(f"device {payload.name}"[:200], get_client_address(request))):
        with transaction.atomic():
            device = registration.register(payload, returning=returning, proven=proven, now=now)
            responses.assign_pending_work(device)
        transaction.on_commit(tasks.enqueue_schedule_work, robust=True)
        return json_response(responses.build_register_response(device, now=now), status=201)


@agent_call("POST")
@authenticate_device
def unregister(request: HttpRequest, device: Device) -> HttpResponse:
    """Unregister a device."""
    registration.unregister(device)
    return HttpResponse(status=204)


@agent_call("POST")
@authenticate_device
def refresh(request: HttpRequest, device: Device) -> HttpResponse:
    """Receive a device's status report and return its pending changes."""
    payload = limits.load(messages.RefreshRequest, request.body)
    body = responses.build_refresh_response(device, payload, now=timezone.now())
    return HttpResponse(body, content_type="application/json")


@agent_call("POST")
@authenticate_device
def status(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Receive the status of an update on a device."""
    report = limits.load(messages.StatusReport, request.body)
    row = reports.save_status_report(device, update, report, now=timezone.now())
    if row.state == report.state == messages.ACTIVATED:
        status_reports.store_root_in_use(device, row)
    if device.role != messages.MANAGED:
        # An operation does not wait for a single device of many, but for `schedule_work` (D-307).
        tasks.enqueue_operation_of_update(row.update_id)
    return HttpResponse(status=204)


@agent_call("POST")
@authenticate_device
def preflight(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Receive the results of a device's preflight checks."""
    report = limits.load(PreflightReport, request.body)
    reports.save_preflight_report(device, update, report, now=timezone.now())
    return HttpResponse(status=204)


@csrf_exempt
@login_not_required
def certificate(request: HttpRequest, update: str = requests.INITIAL) -> HttpResponse:
    """Receive the CSR of a server (POST), or return its certificate once issued (GET)."""
    return (
        _get_certificate(request, update)
        if request.method == "GET"
        else _receive_csr(request, update)
    )


@agent_call("GET")
@authenticate_device
def _get_certificate(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    _require_approval(device)
    future = requests.get_future_certificate(device, update)
    response = requests.build_response(future)
    return json_response(response, status=200 if response.chain else 202)


@agent_call("POST")
@authenticate_device
def _receive_csr(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    _require_approval(device)
    payload = limits.load(update_messages.CsrRequest, request.body)
    if payload.chain and update == requests.INITIAL:
        server_certificates.store_current_certificate(device, payload.chain, now=timezone.now())
        return HttpResponse(status=204)
    future = requests.get_future_certificate(device, update)
    if payload.chain:
        server_certificates.store_new_certificate(future, payload.chain, now=timezone.now())
    else:
        requests.receive_csr(future, payload)
    if future.authority is not None:
        tasks.enqueue_signing(future.authority)
    return HttpResponse(status=202)


def _require_approval(device: Device) -> None:
    if device.state != "registered":
        raise Forbidden("This server is waiting for approval by an administrator.")


@agent_call("GET")
@authenticate_device
def activation_order(request: HttpRequest, device: Device, update: str) -> HttpResponse:
    """Return the signed activation order once it has been issued.

    See: D-26
    """
    order = responses.get_activation_order(device, update)
    if order is None:
        raise NotFound("The activation order has not been issued yet.")
    return json_response(order)


@agent_call("GET")
def recovery(request: HttpRequest) -> HttpResponse:
    """Return the signed trust notices, which devices can verify without trusting TLS."""
    return json_response(pending_items.build_recovery_notices())


@agent_call("GET")
def contact(request: HttpRequest) -> HttpResponse:
    """Respond to a verified connection. Only the TLS handshake matters."""
    return HttpResponse(
        json.dumps({"time": timezone.now().timestamp()}), content_type="application/json"
    )


@agent_call("GET")
def content(request: HttpRequest, digest: str) -> HttpResponse:
    """Return content, or a byte range of it, by its digest. Content is public and has no keys."""
    path = store.find_file(digest)
    if path is None:
        raise NotFound("The requested content is not available on this server.")
    data = path.read_bytes()
    requested = request.headers.get("Range", "")
    span = http_range.parse_range(requested, len(data))
    if span is None:
        response = HttpResponse(status=416)
        response.headers["Content-Range"] = f"bytes */{len(data)}"
        return response
    begin, end = span
    response = HttpResponse(
        data[begin:end],
        status=206 if requested else 200,
        content_type="application/octet-stream",
    )
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Range"] = http_range.content_range(begin, end, len(data))
    return response
