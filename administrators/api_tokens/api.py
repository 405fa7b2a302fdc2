"""Who the caller is, and its user's own tokens, in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from administrators.api_tokens import tokens as acts
from console.access.api_tokens import RIGHTS, allowed
from console.models import ApiToken
from console.rest.api import Moment, Order, Page, Paging, Text, having, page
from faults import Forbidden, Invalid, NotFound

router = Router(tags=["tokens"])
DIGITS_AT_MOST = 18


class MeOut(Schema):
    """The caller: its user, its token ("" for a session), and what it may do."""

    username: str
    token: str
    expires_at: datetime | None
    rights: list[str]


class TokenOut(Schema):
    """A token; its text is known to nobody but who made it."""

    id: int
    name: str
    rights: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewToken(TokenOut):
    """A token that was just made; the text is shown this once."""

    token: str


class TokenOrder(Order):
    """What a new token may do, and until when."""

    name: Text = Field(min_length=1, max_length=50)
    rights: list[Text] = Field(default_factory=list, max_length=len(RIGHTS))
    expires_at: Moment


@router.get("/me", response=MeOut)
def show_me(request: Any) -> Any:
    """Show who the caller is and what it may do."""
    token: ApiToken | None = getattr(request, "token", None)
    return {
        "username": request.user.get_username(),
        "token": token.name if token else "",
        "expires_at": token.expires_at if token else None,
        "rights": [right for right in RIGHTS if allowed(request, right)],
    }


@router.get("/tokens", response=Page[TokenOut])
def list_tokens(request: Any, paging: Query[Paging]) -> Any:
    """List the user's own tokens that still open something."""
    usable = ApiToken.objects.usable(timezone.now()).filter(user=request.user)
    return page(usable.order_by("-pk"), paging)


@router.post("/tokens", response={201: NewToken}, auth=having(proved=True))
def make_token(request: Any, order: TokenOrder) -> Any:
    """Make a token of the user; one made by a token can do no more, and lives no longer."""
    if order.expires_at <= timezone.now():
        raise Invalid("The token would have expired already.", field="expires_at")
    mine: ApiToken | None = getattr(request, "token", None)
    beyond = [right for right in order.rights if not allowed(request, right)]
    if beyond or (mine and mine.expires_at and order.expires_at > mine.expires_at):
        raise Forbidden(
            "The token would hold a right that the caller lacks, or live longer than the "
            "caller's own. Nothing was made.",
            action="Ask for less, or make it on the page API Tokens.",
        )
    token, text = acts.make(
        request.user, order.name, rights=list(order.rights), expires_at=order.expires_at
    )
    shown = TokenOut.from_orm(token).dict()
    return Status(201, {**shown, "token": text})


@router.post("/tokens/{token_id}/revoke", response=TokenOut)
def revoke_token(request: Any, token_id: str) -> Any:
    """Revoke one of the user's own tokens."""
    number = token_id if token_id.isascii() and token_id.isdecimal() else "0"
    if len(number) > DIGITS_AT_MOST:
        raise NotFound("You have no such token.")
    return acts.revoke(request.user, int(number), now=timezone.now())
