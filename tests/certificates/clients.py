"""A logged-in client, and what dialogs are sent."""

import json
from datetime import timedelta

from django.utils import timezone

from tests.support import factories
from tests.support.clients import log_in

PAGE = "/configuration/certificates/"


def entered(user, *, reauthenticated=True, htmx=True):
    """Log a user in, with a fresh proof of the password unless told."""
    return log_in(user, reauthenticated=reauthenticated, htmx=htmx)


def events(response):
    """Return what an answer makes the page do."""
    return json.loads(response.headers.get("HX-Trigger", "{}"))


def local(**later):
    """Return a moment as a datetime-local field sends it."""
    return timezone.localtime(timezone.now() + timedelta(**later)).strftime("%Y-%m-%dT%H:%M")


def external_root(name="CN=Acme Root", *, days=3650):
    """A root that no zone knows."""
    return factories.root_pem(
        name, factories.now() - timedelta(days=1), factories.now() + timedelta(days=days)
    )
