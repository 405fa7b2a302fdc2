"""The REST API with the routers of all apps; docs/api.md describes it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import URLPattern
from django.views.decorators.http import require_safe
from ninja.openapi.docs import Swagger

from administrators.accounts import api as accounts
from administrators.accounts import policy_api
from administrators.api_tokens import api as api_tokens
from administrators.approvals import api as role_approvals
from audit.entries import api as audit_entries
from certificates.acme import hosts_api as acme_hosts
from certificates.acme.account_keys import api as acme
from certificates.acme.host_certificates import api as host_certificates
from certificates.agent_upgrades import api as agent_upgrades
from certificates.approvals import api as approvals
from certificates.authority import api as authority
from certificates.key_records import api as key_records
from certificates.monitoring.calendar import api as calendar
from certificates.monitoring.checks import api as health_checks
from certificates.name_constraints import api as name_constraints
from certificates.operations.api import actions, creation, operations
from certificates.pilot import api as pilot
from certificates.revocation import api as revocations
from certificates.servers import api as servers
from certificates.servers import csr_api
from certificates.trust import api as trust
from certificates.windows import api as windows
from console.rest.api import Api, api_endpoint, require
from devices.inventory import api as inventory
from devices.inventory import decisions_api, keys_api
from devices.zone import api as zone
from notifications.mail_server import api as mail_server
from notifications.targets import api as targets
from systemupdates.assignments import api as assignments
from systemupdates.assignments import stage_api
from systemupdates.content import api as content
from systemupdates.updates import api as updates

# `creation` comes before `operations`: their paths look like that of an operation.
MODULES = (
    *(zone, inventory, decisions_api, keys_api, updates, assignments, content, stage_api),
    *(audit_entries, api_tokens, accounts, role_approvals, policy_api),
    *(targets, mail_server),
    *(authority, creation, operations, actions, approvals, trust, servers, csr_api),
    *(name_constraints, health_checks, calendar, agent_upgrades, key_records, revocations),
    *(windows, pilot, acme, acme_hosts, host_certificates),
)


class Docs(Swagger):
    """The page that shows the document; its scripts come from this server."""

    template = "console/api_docs.html"


def _build_api() -> Api:
    api = Api(
        title="Zone Control Center",
        version=settings.VERSION,
        description=(
            "View and replace the certificate authority of a zone, and monitor the change."
        ),
        docs=Docs(),
        docs_decorator=require_safe,
        urls_namespace="api",
        auth=require(),
    )
    for module in MODULES:
        api.add_router("", module.router)
    return api


api = _build_api()


def _urls() -> tuple[list[Any], str, str]:
    """Return the addresses, each as one for programs; the page with the document stays a page."""
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name != "openapi-view":
            pattern.callback = api_endpoint(pattern.callback)
    return patterns, app, namespace


urls = _urls()
