"""What a program reads in the problem document of an invalid request (RFC 9457)."""

import pytest

from tests.api.conftest import problem
from tests.support import factories


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"refresh_seconds": "abc"}, "refresh_seconds", "Input should be a valid integer"),
        ({"colour": "red"}, "colour", "This name is not known."),
        (["refresh_seconds"], "", "Input should be a valid dictionary"),
    ],
)
def test_an_invalid_body_is_described_with_the_names_of_the_caller(everybody, body, field, message):
    response = problem(everybody.patch("zone", body), 422)
    assert response["errors"][0]["field"] == field
    assert response["errors"][0]["message"].startswith(message)
    begin = f"The request is invalid: {field}: {message}" if field else "The request is invalid: "
    assert response["detail"].startswith(begin)
    assert "body" not in response["detail"]


@pytest.mark.parametrize(
    ("query", "field"), [("limit=many", "limit"), ("parent_id=ps-01", "parent_id")]
)
def test_an_invalid_parameter_is_named_as_in_the_address(everybody, query, field):
    response = problem(everybody.get(f"devices?{query}"), 422)
    assert response["errors"][0]["field"] == field


@pytest.mark.parametrize("path", ["devices", "servers", "updates", "updates/{update}/assignments"])
def test_a_list_that_cannot_be_sorted_as_requested_says_by_what_it_can_be(everybody, path):
    if "{" in path:
        update = factories.update(factories.server("ps-09"))
        path = path.format(update=update.pk)
    response = problem(everybody.get(f"{path}?sort=-bogus"), 422)
    assert response["errors"][0]["field"] == "sort"
    known = response["action"].removeprefix("Use one of these fields: ").rstrip(".").split(", ")
    for name in known:
        assert everybody.get(f"{path}?sort=-{name}").status_code == 200, name


def test_an_unknown_address_leads_to_the_list_of_addresses(everybody):
    response = problem(everybody.get("nowhere"), 404)
    assert "/api/v1/docs" in response["action"]
    assert "Home" not in response["action"]
