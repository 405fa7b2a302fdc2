"""What the database keeps of authorities, server certificates and operations."""

from certificates.models.authority import Authority, Bridge, Issued
from certificates.models.draft import Draft
from certificates.models.duration import Tally
from certificates.models.job import VaultJob
from certificates.models.operation import CA_KINDS, Operation
from certificates.models.server import FutureCertificate, ServerCertificate

__all__ = [
    "CA_KINDS",
    "Authority",
    "Bridge",
    "Draft",
    "FutureCertificate",
    "Issued",
    "Operation",
    "ServerCertificate",
    "Tally",
    "VaultJob",
]
