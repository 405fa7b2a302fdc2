"""Browsers that are logged in, and the authenticator of a user."""

import pytest
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from administrators.login import second_factor
from administrators.models import SecondFactor
from tests.support import factories

FACTOR_URL = "/preferences/second-factor/"


class Authenticator:
    """The app on a user's telephone: its clock can be set ahead, so that no test waits."""

    def __init__(self, user):
        self.user = user
        self.ahead = 0
        self.codes: list[str] = []

    def code(self):
        factor = SecondFactor.objects.get(user=self.user)
        totp = TOTP(second_factor._decrypt(factor))
        totp.time = int(timezone.now().timestamp()) + self.ahead
        return f"{totp.token():06}"


@pytest.fixture
def enter():
    """Log a user in without the page, with a fresh proof of the password or without."""

    def log_in(user, *, reauthenticated=True):
        client = Client()
        client.force_login(user)
        session = client.session
        session["authenticated_at"] = timezone.now().timestamp() if reauthenticated else 0
        session.save()
        return client

    return log_in


@pytest.fixture
def person(zone):
    return factories.user("person", "certificates.certificate_authority")


@pytest.fixture
def authenticator(person):
    """Turn the second factor of the person on; `codes` are the recovery codes."""
    made = Authenticator(person)
    second_factor.start_setup(person)
    made.ahead = -30
    made.codes = second_factor.confirm_setup(person, made.code(), now=timezone.now())
    made.ahead = 0
    person.refresh_from_db()
    return made
