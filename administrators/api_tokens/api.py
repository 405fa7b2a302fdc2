"""The current user and their API tokens in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import AliasChoices, Field

from administrators.api_tokens import tokens as api_tokens
from console.access.api_tokens import RIGHTS, has_right
from console.models import ApiToken
from console.rest.api import Page, Paging, RequestBody, Text, Timestamp, paginate, require
from faults import Forbidden, Invalid, NotFound

router = Router(tags=["tokens"])
MAX_DIGITS = 18


class MeOut(Schema):
    """The current user, API token ("" for a session), and rights."""

    username: str
    token: str
    expires_at: datetime | None
    rights: list[str]


class TokenOut(Schema):
    """An API token. Its text is returned only when it is created.

    `parent` is the ID of the token with which it was created, null for a session.
    """

    id: int
    name: str
    parent: int | None = Field(None, validation_alias=AliasChoices("parent_id", "parent"))
    rights: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewToken(TokenOut):
    """A new API token with its text, which is returned only once."""

    token: str


class NewTokenBody(RequestBody):
    """The name, rights, and expiration date of a new API token."""

    name: Text = Field(min_length=1, max_length=50)
    rights: list[Text] = Field(default_factory=list, max_length=len(RIGHTS))
    expires_at: Timestamp


@router.get("/me", response=MeOut)
def get_me(request: Any) -> Any:
    """Get the current user and the rights of the session or API token."""
    token: ApiToken | None = getattr(request, "token", None)
    return {
        "username": request.user.get_username(),
        "token": token.name if token else "",
        "expires_at": token.expires_at if token else None,
        "rights": [right for right in RIGHTS if has_right(request, right)],
    }


@router.get("/tokens", response=Page[TokenOut])
def list_tokens(request: Any, paging: Query[Paging]) -> Any:
    """List your active API tokens."""
    usable = ApiToken.objects.usable(timezone.now()).filter(user=request.user)
    return paginate(usable.order_by("-pk"), paging)


@router.post("/tokens", response={201: NewToken}, auth=require(reauthenticated=True))
def create_token(request: Any, body: NewTokenBody) -> Any:
    """Create an API token.

    A token created with another token cannot have more rights or a later expiration date, and is
    revoked together with it.
    """
    if body.expires_at <= timezone.now():
        raise Invalid("The expiration date is in the past.", field="expires_at")
    current: ApiToken | None = getattr(request, "token", None)
    excess = [right for right in body.rights if not has_right(request, right)]
    if excess or (current and current.expires_at and body.expires_at > current.expires_at):
        raise Forbidden(
            "A token cannot have rights that you do not have, or a later "
            "expiration date than the token you are using. No token was "
            "created.",
            action=(
                "Request fewer rights or a shorter validity, or create the "
                "token on the API Tokens page."
            ),
        )
    token, text = api_tokens.create_token(
        request.user,
        body.name,
        rights=list(body.rights),
        expires_at=body.expires_at,
        parent=current,
    )
    return Status(201, {**TokenOut.from_orm(token).dict(), "token": text})


@router.post("/tokens/{token_id}/revoke", response=TokenOut)
def revoke_token(request: Any, token_id: str) -> Any:
    """Revoke one of your API tokens and all tokens that were created with it.

    A token can revoke only itself and the tokens that were created with it.
    """
    number = token_id if token_id.isascii() and token_id.isdecimal() else "0"
    if len(number) > MAX_DIGITS:
        raise NotFound("The token was not found.")
    current: ApiToken | None = getattr(request, "token", None)
    return api_tokens.revoke_token(request.user, int(number), now=timezone.now(), using=current)
