"""The REST API responds as its OpenAPI document describes, to valid and invalid requests.

Schemathesis builds the requests from the document. The seed is fixed, so they are always the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from ninja.responses import NinjaJSONEncoder
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from certificates.models import VaultJob
from console.models import ApiToken
from tests.api.conftest import caller
from tests.api.test_rights import ROLES
from zcc.api import api

pytestmark = pytest.mark.django_db
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
EXAMPLES = 4
SCHEMA = schemathesis.openapi.from_dict(
    json.loads(json.dumps(api.get_openapi_schema(), cls=NinjaJSONEncoder))
)
SCHEMA.app = get_wsgi_application()
# A text that is too long can also exceed the maximum body size.
REJECTION = SCHEMA.config.checks.negative_data_rejection
REJECTION.expected_statuses = [*REJECTION.expected_statuses, "413"]
EVERY: Any = SCHEMA.get_all_operations()
OPERATIONS = {found.ok().label: found.ok() for found in EVERY}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the connection of the transaction of the test, as the test client of Django does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def use_existing_servers(body: Any, resources: dict[str, Any]) -> Any:
    """Return a body with the IDs of existing servers, so that more than the parser is tested."""
    if isinstance(body, dict):
        return {name: _existing_id(name, value, resources) for name, value in body.items()}
    return body


def _existing_id(name: str, value: Any, resources: dict[str, Any]) -> Any:
    if name in ("server_id", "certificate_server_id") and isinstance(value, str):
        return str(resources["server_id"])
    if name == "server_ids" and isinstance(value, list) and value:
        return [str(resources["server_id"])]
    return value


@pytest.mark.parametrize("label", OPERATIONS)
def test_responses_match_the_document(
    resources: dict[str, Any], label: str, subtests: pytest.Subtests
) -> None:
    # One zone for all roles: creating it takes longer than the calls, which are rolled back.
    for role, rights in ROLES.items():
        with subtests.test(role=role), transaction.atomic():
            call_as(role, rights, OPERATIONS[label], resources)
            transaction.set_rollback(True)


def call_as(
    role: str, rights: Sequence[str] | None, operation: Any, resources: dict[str, Any]
) -> None:
    """Call an operation with generated requests, and compare the responses with the document."""
    client = caller(role, *(rights or ()))
    VaultJob.objects.update(requested_by=client.user)
    ApiToken.objects.filter(pk=resources["token_id"]).update(user=client.user)
    headers = {"Accept-Encoding": "identity"}
    if rights is not None:
        headers["Authorization"] = f"Bearer {client.text}"
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES))

    @seed(20261124)
    @settings(
        max_examples=2 if rights is None else EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, existing=st.booleans())
    def call(case: Any, existing: bool) -> None:
        if existing:
            if case.path_parameters:
                for name in case.path_parameters:
                    case.path_parameters[name] = str(resources[name])
            case.body = use_existing_servers(case.body, resources)
        # The rollback keeps calls independent of each other.
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    call()
