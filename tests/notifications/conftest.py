"""Targets that lead to real receivers on loopback."""

import pytest

from notifications.delivery import events
from notifications.models import Target
from notifications.targets import targets

EVERY = list(events.EVENTS)


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
