"""Whatever a program sends that knows the document alone: no bug, no answer it does not tell of.

Schemathesis makes the calls from the document, good and bad ones, always the same ones (S-94).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
# A text beyond its length may be beyond the limit of a body, too.
REJECTION = SCHEMA.config.checks.negative_data_rejection
REJECTION.expected_statuses = [*REJECTION.expected_statuses, "413"]
EVERY: Any = SCHEMA.get_all_operations()
OPERATIONS = {found.ok().label: found.ok() for found in EVERY}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the connection that the test began its transaction on, as Django's client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def put_real_ids(value: Any, things: dict[str, Any]) -> Any:
    """Return a body in which the ids of servers are those of the zone, so that it goes deep."""
    if isinstance(value, dict):
        return {name: _real(name, inside, things) for name, inside in value.items()}
    return value


def _real(name: str, value: Any, things: dict[str, Any]) -> Any:
    if name in ("server_id", "certificate_server_id") and isinstance(value, str):
        return str(things["server_id"])
    if name == "server_ids" and isinstance(value, list) and value:
        return [str(things["server_id"])]
    return value


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_document_allows_or_forbids_is_answered_as_it_says(
    things: dict[str, Any], label: str, role: str
) -> None:
    operation, rights = OPERATIONS[label], ROLES[role]
    who = caller(role, *(rights or ()))
    VaultJob.objects.update(requested_by=who.user)
    ApiToken.objects.filter(pk=things["token_id"]).update(user=who.user)
    headers = {"Accept-Encoding": "identity"}
    if rights is not None:
        headers["Authorization"] = f"Bearer {who.text}"
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in MODES))

    @seed(20261124)
    @settings(
        max_examples=2 if rights is None else EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, known=st.booleans())
    def call(case: Any, known: bool) -> None:
        if known:
            if case.path_parameters:
                for name in case.path_parameters:
                    case.path_parameters[name] = str(things[name])
            case.body = put_real_ids(case.body, things)
        # What one call does must not decide about the next one.
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)

    call()
