"""The REST API: every router under one roof, as docs/api.md tells."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import URLPattern
from django.views.decorators.http import require_safe
from ninja.openapi.docs import Swagger

from certificates.api import ROUTERS
from console.api import Api, having, program
from devices.api import router as devices
from devices.zone_api import router as zone
from ledger.api import router as ledger
from ledger.token_api import router as tokens
from notifications.api import router as notifications
from people.api import router as people
from systemupdates.api import ROUTERS as UPDATES


class Docs(Swagger):
    """The page that shows the document; its scripts come from this server."""

    template = "console/api_docs.html"


def _make() -> Api:
    api = Api(
        title="Zone Control Center",
        version=settings.VERSION,
        description="The certificate authority of a zone: see it, replace it, follow the change.",
        docs=Docs(),
        docs_decorator=require_safe,
        urls_namespace="api",
        auth=having(),
    )
    for router in (zone, devices, *UPDATES, ledger, tokens, people, notifications, *ROUTERS):
        api.add_router("", router)
    return api


api = _make()


def _urls() -> tuple[list[Any], str, str]:
    """Return the addresses, each as one for programs; the page with the document stays a page."""
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name != "openapi-view":
            pattern.callback = program(pattern.callback)
    return patterns, app, namespace


urls = _urls()
