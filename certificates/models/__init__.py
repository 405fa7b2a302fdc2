"""Models of certificate authorities, server certificates, and operations."""

from certificates.models.acceptance import HealthAcceptance
from certificates.models.acme import (
    AcmeAccount,
    AcmeAccountKey,
    AcmeAuthorization,
    AcmeCertificate,
    AcmeNonce,
    AcmeOrder,
)
from certificates.models.agent_upgrade import AgentUpgrade, AgentUpgradeTarget
from certificates.models.authority import Authority, CrossCertificate, IssuedCertificate
from certificates.models.backup import BackupStatus
from certificates.models.draft import Draft
from certificates.models.duration import WorkDuration
from certificates.models.job import VaultJob
from certificates.models.maintenance import ChangeFreeze, MaintenanceWindow, PilotSettings
from certificates.models.operation import CA_KINDS, Operation
from certificates.models.revocation import OcspResponse, Revocation, RevocationList
from certificates.models.server import FutureCertificate, ServerCertificate

__all__ = [
    "CA_KINDS",
    "AcmeAccount",
    "AcmeAccountKey",
    "AcmeAuthorization",
    "AcmeCertificate",
    "AcmeNonce",
    "AcmeOrder",
    "AgentUpgrade",
    "AgentUpgradeTarget",
    "Authority",
    "BackupStatus",
    "ChangeFreeze",
    "CrossCertificate",
    "Draft",
    "FutureCertificate",
    "HealthAcceptance",
    "IssuedCertificate",
    "MaintenanceWindow",
    "OcspResponse",
    "Operation",
    "PilotSettings",
    "Revocation",
    "RevocationList",
    "ServerCertificate",
    "VaultJob",
    "WorkDuration",
]
