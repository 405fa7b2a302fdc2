"""Targets that lead to real receivers on loopback."""

import ipaddress

import pytest

from notifications.delivery import events
from notifications.models import Target
from notifications.targets import targets
from tests.support import receivers

EVERY = list(events.EVENTS)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with receivers.http_server() as server:
        yield server


@pytest.fixture
def mailbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with receivers.mail_server() as (box, port):
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        yield box


@pytest.fixture
def hook(zone, receiver):
    """A webhook to the receiver; `secret` is what was shown once."""
    target, secret = targets.create_target(
        Target.Kind.WEBHOOK, targets.TargetSettings("pager", EVERY, url=receiver.url)
    )
    vars(target)["secret"] = secret
    return target


@pytest.fixture
def post(zone, mailbox):
    """A mail target."""
    order = targets.TargetSettings(
        "team", EVERY, recipients="team@acme.example, night@acme.example"
    )
    return targets.create_target(Target.Kind.MAIL, order)[0]
