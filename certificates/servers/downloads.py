"""Downloads of certificates and CSRs as PEM files."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from certificates.authority.api import build_pem_response
from certificates.models import Authority, FutureCertificate
from certificates.servers.selection import get_current, get_file_name, get_future
from devices.middleware import ZoneRequest
from devices.models import Device
from pki.chains import chains


def _chain_response(request: ZoneRequest, chain: str, name: str) -> HttpResponse:
    """Return a certificate with its chain, or alone if `part=certificate` is requested."""
    if request.GET.get("part") == "certificate":
        return build_pem_response(chains.split(chain)[0], f"{name}-certificate.pem")
    return build_pem_response(chain, f"{name}.pem")


@require_safe
def ca_pem(request: ZoneRequest) -> HttpResponse:
    """Return the certificate of the zone CA."""
    authority = Authority.objects.current()
    name = slugify(authority.common_name) or "zone"
    return build_pem_response(authority.root_pem, f"{name}-ca.pem")


@require_safe
def server_pem(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the current certificate of a server."""
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    certificate = get_current(device)
    if certificate is None:
        raise Http404
    return _chain_response(request, certificate.chain_pem, get_file_name(device))


@require_safe
def previous_pem(request: ZoneRequest, pk: UUID, certificate: int) -> HttpResponse:
    """Return a previous certificate of a server."""
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    found = get_object_or_404(device.certificates, pk=certificate)
    return _chain_response(request, found.chain_pem, f"{get_file_name(device)}-{found.digest[:8]}")


@require_safe
def future_pem(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the new certificate of a server."""
    device, future = _get_future(pk)
    if not future.chain_pem:
        raise Http404
    return _chain_response(request, future.chain_pem, f"{get_file_name(device)}-new")


@require_safe
def csr(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the CSR of a server.

    See: D-18
    """
    device, future = _get_future(pk)
    if not future.csr_pem:
        raise Http404
    return build_pem_response(future.csr_pem, f"{get_file_name(device)}.csr", "application/pkcs10")


def _get_future(pk: UUID) -> tuple[Device, FutureCertificate]:
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    future = get_future(device)
    if future is None:
        raise Http404
    return device, future
