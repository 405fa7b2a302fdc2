"""Models of administrators, their second factors, and the policies that apply to all of them."""

from __future__ import annotations

from administrators.models.accounts import (
    AccountMac,
    Administrator,
    RoleRequest,
    SetupLink,
    SetupLinkQuerySet,
    roles_of,
)
from administrators.models.policies import Policies, PoliciesQuerySet
from administrators.models.second_factors import (
    FailedCode,
    Passkey,
    RecoveryCode,
    SecondFactor,
    UsedChallenge,
)

__all__ = [
    "AccountMac",
    "Administrator",
    "FailedCode",
    "Passkey",
    "Policies",
    "PoliciesQuerySet",
    "RecoveryCode",
    "RoleRequest",
    "SecondFactor",
    "SetupLink",
    "SetupLinkQuerySet",
    "UsedChallenge",
    "roles_of",
]
