"""Downloads: certificates and CSRs as PEM files (S-89)."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from certificates.models import Authority, FutureCertificate
from console.pages.tables import as_download
from devices.middleware import ZoneRequest
from devices.models import Device
from pki.chains import chains as chains_chain


def _pem(text: str, name: str, kind: str = "application/x-pem-file") -> HttpResponse:
    return as_download(HttpResponse(text, content_type=kind), name)


def _chain(request: ZoneRequest, chain: str, name: str) -> HttpResponse:
    """Give a certificate with its chain, or alone."""
    if request.GET.get("part") == "certificate":
        return _pem(chains_chain.split(chain)[0], f"{name}-certificate.pem")
    return _pem(chain, f"{name}.pem")


@require_safe
def ca_pem(request: ZoneRequest) -> HttpResponse:
    """Give the certificate of the zone CA."""
    authority = Authority.objects.current()
    return _pem(authority.root_pem, f"{slugify(authority.common_name) or 'zone'}-ca.pem")


@require_safe
def server_pem(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Give the certificate that a server shows now, with its chain."""
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    certificate = device.certificates.filter(superseded_at=None).first()
    if certificate is None:
        raise Http404
    return _chain(request, certificate.chain_pem, _file(device))


@require_safe
def past_pem(request: ZoneRequest, pk: UUID, certificate: int) -> HttpResponse:
    """Give a certificate that a server has shown before, with its chain."""
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    found = get_object_or_404(device.certificates, pk=certificate)
    return _chain(request, found.chain_pem, f"{_file(device)}-{found.digest[:8]}")


@require_safe
def future_pem(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Give the certificate that a server will show, with its chain."""
    device, coming = _coming(pk)
    if not coming.chain_pem:
        raise Http404
    return _chain(request, coming.chain_pem, f"{_file(device)}-new")


@require_safe
def csr(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Give the certification request of a server (D-18)."""
    device, coming = _coming(pk)
    if not coming.csr_pem:
        raise Http404
    return _pem(coming.csr_pem, f"{_file(device)}.csr", "application/pkcs10")


def _coming(pk: UUID) -> tuple[Device, FutureCertificate]:
    device = get_object_or_404(Device.objects.certified(), pk=pk)
    coming = FutureCertificate.objects.open().filter(device=device).foremost()
    return device, get_object_or_404(coming)


def _file(device: Device) -> str:
    name = device.fqdn or device.name
    return "".join(char if char.isalnum() or char in ".-" else "_" for char in name)
