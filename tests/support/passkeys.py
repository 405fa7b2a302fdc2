"""A browser that has opened the console with its host name, for tests of passkeys."""

from __future__ import annotations

from typing import Any

from django.test import Client

from devices.models import Device
from tests.support import clients, factories
from tests.support.authenticators import Authenticator
from wire import messages

HOST = "console.example"
ADD, ADD_OPTIONS = "/preferences/passkeys/add/", "/preferences/passkeys/options/"
USE_OPTIONS, LOGIN, CODE = "/login/passkey/", "/login/", "/login/code/"


class Browser(Client):
    """A browser that has opened the console with its host name."""

    def __init__(self, **more: Any) -> None:
        super().__init__(SERVER_NAME=HOST, **more)

    def log_in(self, user: Any, *, reauthenticated: bool = True) -> Browser:
        """Log a user in without the login page."""
        self.cookies = clients.log_in(user, reauthenticated=reauthenticated).cookies
        return self

    def give_password(self, name: str = "person") -> Any:
        return self.post(LOGIN, {"username": name, "password": factories.PASSWORD})

    def ask(self, url: str = USE_OPTIONS) -> dict[str, Any]:
        """Return what the console asks the authenticator."""
        options: dict[str, Any] = self.post(url).json()
        return options

    def give_passkey(self, authenticator: Authenticator) -> Any:
        return self.post(CODE, {"passkey": authenticator.get(self.ask())})

    def add(self, authenticator: Authenticator, name: str = "laptop") -> Any:
        response = authenticator.create(self.ask(ADD_OPTIONS))
        return self.post(ADD, {"name": name, "response": response})


def enable() -> None:
    """Let all Primary Servers report that their consoles know passkeys."""
    Device.objects.primaries().update(features=[messages.FEATURE_PASSKEYS])


def add(user: Any) -> Authenticator:
    """Add a passkey to the account of a user."""
    made = Authenticator()
    assert Browser().log_in(user).add(made).status_code == 200
    return made
