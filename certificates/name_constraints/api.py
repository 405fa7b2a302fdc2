"""REST API: the name constraints of the zone CA, and those that are proposed for the next one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from certificates.name_constraints import proposal
from console.rest.api import RequestBody, Text
from pki.certificates.constraints import MAX_ENTRIES, NameConstraints

router = Router(tags=["authority"])


class NameConstraintsIn(RequestBody):
    """The domains and networks that a new CA is limited to."""

    domains: list[Text] = Field(max_length=MAX_ENTRIES)
    networks: list[Text] = Field(default_factory=list, max_length=MAX_ENTRIES)
    excluded: list[Text] = Field(
        default_factory=list,
        max_length=MAX_ENTRIES,
        description="domains and networks, parts of the permitted ones",
    )

    def parse(self) -> NameConstraints:
        """Return the constraints. Raises BadName with the name of the field."""
        return NameConstraints.parse(self.domains, self.networks, self.excluded)


class NameConstraintsOut(Schema):
    """The domains and networks that a CA is limited to."""

    domains: list[str]
    networks: list[str]
    excluded: list[str]


class ProposalOut(Schema):
    """The constraints of the zone CA, null if it has none, and a proposal for a new CA."""

    current: NameConstraintsOut | None
    proposal: NameConstraintsOut


@router.get("/authority/name-constraints", response=ProposalOut)
def show_name_constraints(request: HttpRequest) -> Any:
    """Get the name constraints of the zone CA, and those proposed for a new CA.

    The proposal contains the domains and networks of all servers.
    """
    found = proposal.get_current()
    return {
        "current": found and found.serialize(),
        "proposal": proposal.propose().serialize(),
    }
