"""Create and revoke API tokens. Every change is recorded in the audit log."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from audit.models import Entry
from console.access import api_tokens
from console.models import ApiToken
from faults import Conflict, Forbidden, NotFound


@transaction.atomic
def create_token(
    user: User, name: str, *, rights: list[str], expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """Create a token and return it with its text, of which only the SHA-256 is stored.

    Raises Forbidden if the user does not have one of the rights.
    """
    excess = [
        right for right in rights if right not in api_tokens.RIGHTS or not user.has_perm(right)
    ]
    if excess:
        raise Forbidden(
            f"You cannot create a token with the {excess[0]} right because you "
            "do not have that right. Nothing was changed."
        )
    text, digest = api_tokens.new_secret()
    try:
        with transaction.atomic():
            token = ApiToken.objects.create(
                user=user, name=name, digest=digest, rights=sorted(rights), expires_at=expires_at
            )
    except IntegrityError as error:
        raise Conflict(
            f"You already have a token named {name}. Nothing was changed.",
            action="Choose a different name, or revoke the existing token first.",
            field="name",
        ) from error
    Entry.objects.record(
        "api-token",
        f"console.ApiToken:{token.pk}",
        note=name,
        detail={"user": user.username, "rights": token.rights, "expires_at": str(expires_at)},
    )
    return token, text


@transaction.atomic
def revoke_token(user: User, pk: int, *, now: datetime) -> ApiToken:
    """Revoke a token of the user; raise NotFound for a token of another user."""
    token = ApiToken.objects.select_for_update().filter(user=user, pk=pk, revoked_at=None).first()
    if token is None:
        raise NotFound("The token was not found.")
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    Entry.objects.record("revoke-api-token", f"console.ApiToken:{token.pk}", note=token.name)
    return token
