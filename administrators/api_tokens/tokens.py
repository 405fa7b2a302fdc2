"""Create and revoke API tokens. Every change is recorded in the audit log."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from administrators.protection import account_macs
from audit.models import Entry
from console.access import api_tokens
from console.models import ApiToken
from faults import Conflict, Forbidden, NotFound


@transaction.atomic
def create_token(
    user: User,
    name: str,
    *,
    rights: list[str],
    expires_at: datetime | None,
    parent: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """Create a token and return it with its text, of which only the SHA-256 is stored.

    Raises Forbidden if the user does not have one of the rights. A token that is created with the
    token `parent` is revoked together with it.
    """
    Entry.objects.lock_checkpoint()
    if parent is not None:
        _lock(parent)
    excess = [
        right for right in rights if right not in api_tokens.RIGHTS or not user.has_perm(right)
    ]
    if excess:
        raise Forbidden(
            _(
                "You cannot create a token with the %(right)s right because you do not have "
                "that right. Nothing was changed."
            )
            % {"right": excess[0]}
        )
    text, digest = api_tokens.new_secret()
    try:
        with transaction.atomic():
            token = ApiToken.objects.create(
                user=user,
                parent=parent,
                name=name,
                digest=digest,
                rights=sorted(rights),
                expires_at=expires_at,
            )
            account_macs.stamp_token(token)
    except IntegrityError as error:
        raise Conflict(
            _("You already have a token named %(name)s. Nothing was changed.") % {"name": name},
            action=_("Choose a different name, or revoke the existing token first."),
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
def revoke_token(user: User, pk: int, *, now: datetime, using: ApiToken | None = None) -> ApiToken:
    """Revoke a token of the user and all tokens that were created with it.

    Raises NotFound for a token of another user. With the token `using`, only this token and the
    tokens that were created with it can be revoked.
    """
    Entry.objects.lock_checkpoint()
    token = ApiToken.objects.select_for_update().filter(user=user, pk=pk, revoked_at=None).first()
    if token is None:
        raise NotFound(_("The token was not found."))
    if using is not None and using.pk not in _list_ancestors(token):
        raise Forbidden(
            _(
                "The token %(token)s was not created with the token that you are using. An "
                "API token can revoke only itself and the tokens that were created with it. "
                "Nothing was changed."
            )
            % {"token": token.name},
            action=_("Revoke the token on the API Tokens page."),
        )
    token.revoked_at = now
    for one in (token, *_list_descendants(token)):
        ApiToken.objects.filter(pk=one.pk).update(revoked_at=now)
        Entry.objects.record("revoke-api-token", f"console.ApiToken:{one.pk}", note=one.name)
    return token


def _lock(parent: ApiToken) -> None:
    """Lock a token until the transaction ends; raise Forbidden if it is revoked."""
    unrevoked = ApiToken.objects.select_for_update().filter(pk=parent.pk, revoked_at=None)
    if unrevoked.first() is None:
        raise Forbidden(_("The token that you are using has been revoked. No token was created."))


def _list_ancestors(token: ApiToken) -> list[int]:
    """Return the IDs of a token and of the tokens that it was created with."""
    found: list[int] = []
    current: ApiToken | None = token
    while current is not None:
        found.append(current.pk)
        current = current.parent
    return found


def _list_descendants(token: ApiToken) -> list[ApiToken]:
    """Return the unrevoked tokens that were created with a token, also indirectly."""
    found: list[ApiToken] = []
    parents = [token.pk]
    while parents:
        children = ApiToken.objects.select_for_update().filter(parent__in=parents)
        parents = [child.pk for child in children]
        found += [child for child in children if child.revoked_at is None]
    return found
