"""The mail server in the REST API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.rest.api import RequestBody, Text, require
from faults import NotFound
from notifications.mail_server import probe, settings
from notifications.mail_server.settings import MailServerSettings
from notifications.models import MailServer

router = Router(tags=["notifications"])
RIGHT = "notifications.manage"
CAN_MANAGE = require(RIGHT)
CAN_CHANGE = require(RIGHT, reauthenticated=True)
MAX_TEXT, MAX_PORT = 200, 65535


class MailServerOut(Schema):
    """The mail server that is set in the console, without its password."""

    host: str
    port: int
    security: str
    sender: str
    username: str


class MailServerBody(RequestBody):
    """The settings of the mail server. Without a password, the current one is kept."""

    host: Text = Field(min_length=1, max_length=253)
    port: int = Field(587, ge=1, le=MAX_PORT)
    security: MailServer.Security = MailServer.Security.STARTTLS
    sender: Text = Field(max_length=254)
    username: Text = Field("", max_length=MAX_TEXT)
    password: Text = Field("", max_length=MAX_TEXT)


class TestMessageOut(Schema):
    """The address to which the mail server has accepted a test message."""

    to: str


@router.get("/mail-server", response=MailServerOut, auth=CAN_MANAGE)
def get_mail_server(request: HttpRequest) -> Any:
    """Get the mail server that is set in the console."""
    server = settings.get_mail_server()
    if server is None:
        raise NotFound(_("No mail server is set in the console."))
    return server


@router.put("/mail-server", response=MailServerOut, auth=CAN_CHANGE)
def set_mail_server(request: HttpRequest, body: MailServerBody) -> Any:
    """Set the mail server. To change host, port, security, or user name, send the password."""
    return settings.save_mail_server(
        MailServerSettings(
            host=body.host,
            port=body.port,
            security=body.security,
            sender=body.sender,
            username=body.username,
            secret=body.password,
        )
    )


@router.delete("/mail-server", response={204: None}, auth=CAN_CHANGE)
def delete_mail_server(request: HttpRequest) -> Any:
    """Remove the mail server that is set in the console."""
    settings.delete_mail_server()
    return Status(204, None)


@router.post("/mail-server/test", response=TestMessageOut, auth=CAN_MANAGE)
def test_mail_server(request: HttpRequest) -> Any:
    """Send a test message to the email address of the user, and wait for the mail server."""
    user: Any = request.user
    return {"to": probe.send_test(user)}
