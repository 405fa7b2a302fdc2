"""REST API: docs/api.md lists all deprecated names with replacements that exist.

That most deprecated names still work is tested with the resource that they belong to.
"""

import re

import pytest

from certificates.models import Operation
from tests.api.conftest import BASE
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from zcc.api import api
from zcc.runtime.components import BASE_DIR

PAGE = (BASE_DIR / "docs" / "api.md").read_text()
DEPRECATED = PAGE[PAGE.index("### Deprecated names") : PAGE.index("## zman")]
SCHEMA = api.get_openapi_schema()
SCHEMAS = SCHEMA["components"]["schemas"]
EXTERNAL = PublicCA()


def plain_path(path: str) -> str:
    """Return a path with one name for all parameters, without the query."""
    return re.sub(r"{\w+}", "{id}", path.removeprefix(BASE).split("?")[0])


def paths() -> set[str]:
    return {plain_path(path) for path in SCHEMA["paths"]}


def deprecated_names() -> set[str]:
    """Return the paths, parameters, and fields that the OpenAPI document marks as deprecated."""
    operations = [
        (path, operation)
        for path, methods in SCHEMA["paths"].items()
        for operation in methods.values()
    ]
    parameters = [one for _path, operation in operations for one in operation.get("parameters", [])]
    fields = [
        field for schema in SCHEMAS.values() for field in schema.get("properties", {}).items()
    ]
    return {
        *(plain_path(path) for path, operation in operations if operation.get("deprecated")),
        *(one["name"] for one in parameters if one["schema"].get("deprecated")),
        *(name for name, field in fields if field.get("deprecated")),
    }


def rows(columns: int) -> list[list[str]]:
    """Return the cells of the rows of the tables that have this number of columns."""
    cells = [line.strip("| ").split(" | ") for line in DEPRECATED.splitlines() if "`" in line]
    return [row for row in cells if len(row) == columns]


def test_every_deprecated_name_is_listed():
    names = deprecated_names()
    assert len(names) > 15
    assert {name for name in names if f"{name}`" not in DEPRECATED} == set()


def test_every_deprecated_name_has_an_existing_replacement():
    fields = {name for schema in SCHEMAS.values() for name in schema.get("properties", {})}
    for old, _where, new in rows(3):
        olds, news = re.findall(r"`(\w+)`", old), re.findall(r"`(\w+)`", new)
        assert len(olds) == len(news) > 0, old
        assert set(news) <= fields, new
    for _old, new in rows(2):
        found = re.search(r"(/[^`]+)`", new)
        assert found is not None, new
        assert plain_path(found[1]) in paths(), new


# The second name is deprecated.
@pytest.mark.parametrize("name", ["manual_csr", "by_hand"])
def test_csrs_can_be_generated_manually(everybody, zone, name):
    chain = "".join([EXTERNAL.root.pem, *EXTERNAL.chain])
    at = walkthrough.soon().isoformat()
    body = {"certificates": chain, "activates_at": at, name: True}
    assert everybody.post("operations/change-ca/external", body).status_code == 201
    assert Operation.objects.get().parameters["manual_csr"] is True
    future = everybody.get(f"servers/{zone.first.id}").json()["future"]
    assert future["manual_csr"] is future["by_hand"] is True


@pytest.mark.parametrize("name", ["manual_csr", "by_hand"])
def test_csrs_of_servers_can_be_generated_manually(everybody, zone, name):
    at = walkthrough.soon().isoformat()
    body = {"server_ids": [zone.first.id], "name": "One", "activates_at": at, name: True}
    response = everybody.post("operations/remint-servers", body)
    assert response.status_code == 201, response.content
    assert Operation.objects.get().parameters["manual_csr"] is True
