"""Make and revoke API tokens: each act with its line in the ledger."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from audit.models import Entry
from console.access import api_tokens
from console.models import ApiToken
from faults import Conflict, Forbidden, NotFound


@transaction.atomic
def make(
    user: User, name: str, *, rights: list[str], expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """Make a token for a user; its text is returned once and kept only as SHA-256.

    It can hold no right that the user lacks.
    """
    beyond = [
        right for right in rights if right not in api_tokens.RIGHTS or not user.has_perm(right)
    ]
    if beyond:
        raise Forbidden(
            f"You lack the right {beyond[0]}, so a token of yours cannot have it. "
            "Nothing was changed."
        )
    text, digest = api_tokens.new_secret()
    try:
        with transaction.atomic():
            token = ApiToken.objects.create(
                user=user, name=name, digest=digest, rights=sorted(rights), expires_at=expires_at
            )
    except IntegrityError as error:
        raise Conflict(
            f"You have a token of the name {name} already. Nothing was changed.",
            action="Choose another name, or revoke the other token first.",
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
def revoke(user: User, pk: int, *, now: datetime) -> ApiToken:
    """Revoke a token of this user; it opens nothing from now on. A foreign one is not found."""
    token = ApiToken.objects.select_for_update().filter(user=user, pk=pk, revoked_at=None).first()
    if token is None:
        raise NotFound("You have no such token.")
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    Entry.objects.record("revoke-api-token", f"console.ApiToken:{token.pk}", note=token.name)
    return token
