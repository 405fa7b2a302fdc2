"""Rights in the REST API: every operation of the OpenAPI document is in the matrix."""

import hashlib
import re
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import serializers
from django.db import transaction

from certificates.models import VaultJob
from console.models import ApiToken
from tests.api.conftest import (
    ADMINISTER,
    APPROVE,
    AUDIT,
    BASE,
    CA,
    CHANGE,
    COVERED,
    DEPLOY,
    EVERY_RIGHT,
    NOTIFY,
    ZONE,
    caller,
    problem,
)
from zcc.api import api

pytestmark = pytest.mark.django_db
# Method and path: the required right, "" for any authenticated user.
MATRIX = {
    "GET /zone": "",
    "PATCH /zone": ZONE,
    "GET /devices": "",
    "GET /devices/{device_id}": "",
    "PUT /devices/{device_id}/dns-names": CHANGE,
    "PUT /devices/{device_id}/content": CHANGE,
    "POST /devices/{device_id}/approve": APPROVE,
    "POST /devices/{device_id}/replace": APPROVE,
    "POST /devices/{device_id}/release": APPROVE,
    "POST /devices/{device_id}/approve-change": APPROVE,
    "POST /devices/{device_id}/reject-change": APPROVE,
    "POST /devices/{device_id}/unregister": CHANGE,
    "POST /devices/{device_id}/retire": CHANGE,
    "GET /registration-keys": APPROVE,
    "POST /registration-keys": APPROVE,
    "POST /registration-keys/{key_id}/revoke": APPROVE,
    "GET /updates": "",
    "GET /updates/{update_id}": "",
    "GET /updates/{update_id}/assignments": "",
    "GET /updates/{update_id}/replicas": "",
    "DELETE /updates/{update_id}": DEPLOY,
    "GET /updates/{update_id}/release": "",
    "GET /updates/{update_id}/rollout": "",
    "POST /updates/{update_id}/replicate-now": DEPLOY,
    "POST /updates/{update_id}/redeploy": DEPLOY,
    "POST /updates/{update_id}/baseline": DEPLOY,
    "GET /replicas/{replica_id}": "",
    "POST /replicas/{replica_id}/exclude": DEPLOY,
    "POST /replicas/{replica_id}/include": DEPLOY,
    "GET /devices/{device_id}/assignments": "",
    "GET /assignments/{assignment_id}": "",
    "POST /assignments/{assignment_id}/clear-error": DEPLOY,
    "POST /assignments/{assignment_id}/refresh": DEPLOY,
    "GET /older-agents": "",
    "GET /agent-upgrades": "",
    "POST /agent-upgrades": DEPLOY,
    "GET /agent-upgrades/{upgrade_id}": "",
    "GET /agent-upgrades/{upgrade_id}/devices": "",
    "POST /agent-upgrades/{upgrade_id}/confirm": CA,
    "POST /agent-upgrades/{upgrade_id}/pause": DEPLOY,
    "POST /agent-upgrades/{upgrade_id}/resume": DEPLOY,
    "POST /agent-upgrades/{upgrade_id}/cancel": DEPLOY,
    "GET /deployment-stages": "",
    "POST /deployment-stages": DEPLOY,
    "GET /deployment-stages/{stage_id}": "",
    "PUT /deployment-stages/{stage_id}": DEPLOY,
    "DELETE /deployment-stages/{stage_id}": DEPLOY,
    "POST /deployment-stages/{stage_id}/move": DEPLOY,
    "GET /trust": "",
    "GET /health-checks": "",
    "POST /health-checks/{check_key}/acceptances": ZONE,
    "DELETE /health-check-acceptances/{acceptance_id}": ZONE,
    "GET /waiting-servers": "",
    "GET /operations/{operation_id}/not-refreshed": "",
    "POST /assignments/{assignment_id}/ignore": DEPLOY,
    "POST /assignments/{assignment_id}/redeploy": DEPLOY,
    "GET /audit-entries": AUDIT,
    "GET /audit-entries/{seq}": AUDIT,
    "GET /me": "",
    "GET /tokens": "",
    "POST /tokens": "",
    "POST /tokens/{token_id}/revoke": "",
    "GET /roles": ADMINISTER,
    "GET /administrators": ADMINISTER,
    "POST /administrators": ADMINISTER,
    "GET /administrators/{administrator_id}": ADMINISTER,
    "PUT /administrators/{administrator_id}/roles": ADMINISTER,
    "POST /administrators/{administrator_id}/roles/confirm": ADMINISTER,
    "POST /administrators/{administrator_id}/roles/refuse": ADMINISTER,
    "POST /administrators/{administrator_id}/setup-link": ADMINISTER,
    "POST /administrators/{administrator_id}/set-up-link": ADMINISTER,
    "POST /administrators/{administrator_id}/temporary-password": ADMINISTER,
    "POST /administrators/{administrator_id}/deactivate": ADMINISTER,
    "POST /administrators/{administrator_id}/activate": ADMINISTER,
    "POST /administrators/{administrator_id}/unlock": ADMINISTER,
    "POST /administrators/{administrator_id}/end-sessions": ADMINISTER,
    "POST /administrators/{administrator_id}/revoke-tokens": ADMINISTER,
    "POST /administrators/{administrator_id}/reset-second-factor": ADMINISTER,
    "GET /rules": ADMINISTER,
    "PUT /rules": ADMINISTER,
    "POST /rules/confirm-end": CA,
    "POST /rules/refuse-end": CA,
    "GET /notification-events": NOTIFY,
    "GET /expirations.ics": "",
    "GET /activation-times": "",
    "GET /operations/{operation_id}/hosts-at-risk": "",
    "GET /acme-account-keys": CA,
    "POST /acme-account-keys": CA,
    "POST /acme-account-keys/{account_key_id}/disable": CA,
    "GET /host-certificates": CA,
    "POST /host-certificates/{host_certificate_id}/revoke": CA,
    "GET /maintenance-windows": "",
    "POST /maintenance-windows": ZONE,
    "PUT /maintenance-windows/{window_id}": ZONE,
    "DELETE /maintenance-windows/{window_id}": ZONE,
    "GET /change-freezes": "",
    "POST /change-freezes": ZONE,
    "PUT /change-freezes/{freeze_id}": ZONE,
    "DELETE /change-freezes/{freeze_id}": ZONE,
    "GET /pilot-group": "",
    "PUT /pilot-group": ZONE,
    "POST /operations/{operation_id}/continue-after-pilot": CA,
    "GET /mail-server": NOTIFY,
    "PUT /mail-server": NOTIFY,
    "DELETE /mail-server": NOTIFY,
    "POST /mail-server/test": NOTIFY,
    "GET /notification-targets": NOTIFY,
    "POST /notification-targets": NOTIFY,
    "GET /notification-targets/{target_id}": NOTIFY,
    "PUT /notification-targets/{target_id}": NOTIFY,
    "DELETE /notification-targets/{target_id}": NOTIFY,
    "POST /notification-targets/{target_id}/new-secret": NOTIFY,
    "POST /notification-targets/{target_id}/test": NOTIFY,
    "GET /notifications": NOTIFY,
    "GET /notifications/{notification_id}": NOTIFY,
    "POST /notifications/{notification_id}/send-again": NOTIFY,
    "GET /authority": "",
    "GET /authority/name-constraints": "",
    "GET /authorities": "",
    "GET /authorities/{authority_id}": "",
    "GET /authorities/{authority_id}/certificate": "",
    "POST /authorities/{authority_id}/key-record": AUDIT,
    "GET /authorities/{authority_id}/details": "",
    "GET /gates": "",
    "GET /activation-limits": "",
    "POST /authority/move": CA,
    "POST /authority/backup": CA,
    "POST /authority/restore": CA,
    "GET /jobs/{job_id}": CA,
    "POST /jobs/{job_id}/confirm": CA,
    "POST /jobs/{job_id}/refuse": CA,
    "GET /confirmations": CA,
    "POST /operations/{operation_id}/acts/{act_name}/confirm": CA,
    "POST /operations/{operation_id}/acts/{act_name}/refuse": CA,
    "GET /jobs/{job_id}/result": CA,
    "POST /operations/remint-ca": CA,
    "POST /operations/change-ca/internal": CA,
    "POST /operations/change-ca/external": CA,
    "POST /operations/change-ca/subordinate": CA,
    "GET /operations/{operation_id}/ca-csr": CA,
    "POST /operations/{operation_id}/ca-certificate": CA,
    "POST /operations/remint-servers": CA,
    "GET /operations": "",
    "GET /operations/{operation_id}": "",
    "POST /operations/{operation_id}/cancel": CA,
    "POST /operations/{operation_id}/confirm": CA,
    "POST /operations/{operation_id}/clear-failure": CA,
    "POST /operations/{operation_id}/assign-now": DEPLOY,
    "PUT /operations/{operation_id}/activation-time": CA,
    "POST /operations/{operation_id}/force": CA,
    "POST /operations/{operation_id}/continue-without-cross-certificate": CA,
    "POST /operations/{operation_id}/without-bridge": CA,
    "POST /operations/{operation_id}/replicate-now": DEPLOY,
    "POST /operations/{operation_id}/replicas/{replica_id}/exclude": DEPLOY,
    "GET /readiness-policy": "",
    "PUT /readiness-policy": CA,
    "GET /operations/{operation_id}/rollout": "",
    "POST /operations/{operation_id}/roll-back": CA,
    "POST /operations/{operation_id}/try-again": CA,
    "POST /operations/{operation_id}/report": "",
    "POST /servers/{server_id}/try-again": CA,
    "GET /servers/{server_id}/certificates": "",
    "GET /servers/{server_id}/certificates/{certificate_id}": "",
    "POST /servers/{server_id}/certificates/{certificate_id}/revoke": CA,
    "GET /revocations": "",
    "GET /servers": "",
    "GET /servers/{server_id}": "",
    "GET /servers/{server_id}/certificate": "",
    "GET /servers/{server_id}/certificate/details": "",
    "GET /servers/{server_id}/future-certificate": "",
    "PUT /servers/{server_id}/future-certificate": CA,
    "POST /servers/{server_id}/future-certificate": CA,
    "GET /servers/{server_id}/csr": "",
    "GET /csrs": "",
    "POST /csrs": CA,
    "POST /certificates": CA,
}
ROLES = {
    "nobody": None,
    "viewer": (),
    "deployer": (DEPLOY, CHANGE, APPROVE, ZONE),
    "ca-administrator": (CA, AUDIT),
    "chief": (ADMINISTER, NOTIFY),
}
PARAMETERS = re.compile(r"{(\w+)}")


def list_operations():
    return [tuple(name.split(" ", 1)) for name in MATRIX]


def build_url(path, values):
    return BASE + PARAMETERS.sub(lambda found: str(values[found[1]]), path)


@pytest.fixture
def make_owner(resources):
    """Return a function that makes the user of a client the owner of the job and the token."""

    def change_owner(client):
        VaultJob.objects.update(requested_by=client.user)
        # A token can revoke only the tokens that were created with it.
        mine = ApiToken.objects.filter(user=client.user, name="test").first()
        ApiToken.objects.filter(pk=resources["token_id"]).update(user=client.user, parent=mine)
        return client

    return change_owner


def test_every_operation_of_the_document_is_in_the_matrix():
    paths = api.get_openapi_schema()["paths"]
    found = {
        f"{method.upper()} {path.removeprefix(BASE)}": operation.get("x-right", "")
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert found == MATRIX


@pytest.mark.parametrize("role", ROLES)
def test_each_role_can_do_what_its_rights_allow_and_nothing_else(resources, make_owner, role):
    rights = ROLES[role]
    client = make_owner(caller(role, *(rights or ())))
    if rights is None:
        client.text = ""
    wrong = {}
    for method, path in list_operations():
        required = MATRIX[f"{method} {path}"]
        # The rollback keeps calls independent of each other.
        with transaction.atomic():
            status = client.call(method, build_url(path, resources)).status_code
            transaction.set_rollback(True)
        if rights is None:
            expected = status == 401
        elif required and required not in rights:
            expected = status == 403
        else:
            expected = status not in (401, 403, 404, 405) and status < 500
        if not expected:
            wrong[f"{method} {path}"] = status
    assert not wrong


def test_an_unknown_or_invalid_id_is_not_found(resources):
    client = caller("everybody", *EVERY_RIGHT)
    wrong = {}
    for method, path in list_operations():
        if "{" not in path:
            continue
        for key in (uuid4(), 999_999, "no-id", "9" * 30, "%00", "-1"):
            unknown = dict.fromkeys(resources, key)
            body = BODIES.get(f"{method} {path}")
            status = client.call(method, build_url(path, unknown), body).status_code
            uploads = path.endswith("future-certificate") and method == "POST"
            if status != (422 if uploads else 404):
                wrong[f"{method} {path} {key}"] = status
    assert not wrong


BODIES = {
    "POST /servers/{server_id}/certificates/{certificate_id}/revoke": {"reason": "superseded"},
    "POST /host-certificates/{host_certificate_id}/revoke": {"reason": "superseded"},
    "POST /health-checks/{check_key}/acceptances": {"reason": "not here"},
    "PUT /administrators/{administrator_id}/roles": {"roles": ["viewer"]},
    "PUT /notification-targets/{target_id}": {"name": "a", "events": ["operation.blocked"]},
    "PUT /devices/{device_id}/dns-names": {"dns_names": []},
    "PUT /devices/{device_id}/content": {},
    "POST /devices/{device_id}/approve-change": {},
    "POST /devices/{device_id}/reject-change": {},
    "PUT /deployment-stages/{stage_id}": {"name": "x"},
    "PUT /pilot-group": {"on": False},
    "PUT /maintenance-windows/{window_id}": {"name": "x", "rule": "x"},
    "PUT /change-freezes/{freeze_id}": {
        "begins_at": "2030-01-01T00:00:00Z",
        "ends_at": "2030-01-02T00:00:00Z",
        "reason": "x",
    },
    "POST /deployment-stages/{stage_id}/move": {"up": True},
    "POST /operations/{operation_id}/ca-certificate": {"certificates": "AAAA"},
    "PUT /operations/{operation_id}/activation-time": {"activates_at": "2030-01-01T00:00:00Z"},
    "PUT /servers/{server_id}/future-certificate": {"certificate": "AAAA"},
}


def test_a_job_of_another_user_is_not_found(resources):
    client = caller("other", CA)
    problem(client.get(f"jobs/{resources['job_id']}"), 404)
    problem(client.get(f"jobs/{resources['job_id']}/result"), 404)


def test_no_get_request_changes_data(resources, make_owner):
    client = make_owner(caller("everybody", *EVERY_RIGHT))
    client.get("zone")
    before = digest_tables()
    for method, path in list_operations():
        if method == "GET":
            assert client.get(build_url(path, resources)).status_code != 404, path
            assert client.call("HEAD", build_url(path, resources)).status_code != 405, path
    assert digest_tables() == before


def digest_tables():
    """Return a digest of all tables of the product."""
    labels = (
        *("certificates", "systemupdates", "people", "notifications"),
        *("devices", "ledger", "console", "auth"),
    )
    rows = [
        serializers.serialize("json", model._default_manager.order_by("pk"))
        for label in labels
        for model in apps.get_app_config(label).get_models()
    ]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def test_the_digest_covers_api_tokens(resources):
    caller("other")
    before = digest_tables()
    ApiToken.objects.update(name="other")
    assert digest_tables() != before


def test_every_operation_has_a_test_of_success_and_of_rejection():
    """Operations that only read can be rejected only because of a missing right or a wrong ID."""
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.stem != "test_document":
            import_module(f"tests.api.{path.stem}")
    assert COVERED["success"] == set(MATRIX)
    changing = {name for name in MATRIX if not name.startswith("GET ")} - NEVER_REJECTED
    assert changing <= COVERED["rejection"]
    assert COVERED["rejection"] <= set(MATRIX)


# Operations that also succeed if there is nothing to do.
NEVER_REJECTED = {
    "POST /assignments/{assignment_id}/refresh",
    "POST /updates/{update_id}/replicate-now",
    "POST /operations/{operation_id}/clear-failure",
    "POST /operations/{operation_id}/report",
    "POST /authorities/{authority_id}/key-record",
}
