"""The lists of the REST API, and what is shown of each thing in them."""

from __future__ import annotations

from typing import NamedTuple

CERTIFICATE = {"Until": "certificate.not_after", "Issuer": "certificate.issuer"}


class Listed(NamedTuple):
    """A list of the API: its path, its columns, the query that each option becomes."""

    path: str
    columns: dict[str, str]
    search: str = ""
    state: str = ""
    sort: str = ""


LISTS = {
    "servers": Listed(
        "servers",
        {"Server": "name", "Address": "fqdn", "Role": "role", "Status": "status", **CERTIFICATE},
        "q",
        "state",
        "sort",
    ),
    "devices": Listed(
        "devices",
        {
            "Device": "name",
            "Role": "role",
            "State": "state",
            "Address": "fqdn",
            "Last contact": "last_contact",
            "Version": "version",
        },
        "q",
        "state",
        "sort",
    ),
    "operations": Listed(
        "operations",
        {
            "Id": "id",
            "Kind": "kind",
            "State": "state",
            "Activation": "activates_at",
            "Name": "name",
            "By": "requested_by",
        },
        "",
        "state",
    ),
    "updates": Listed(
        "updates",
        {"Id": "id", "Name": "name", "State": "state", "Devices": "devices"},
        "q",
        "state",
        "sort",
    ),
    "authorities": Listed(
        "authorities",
        {
            "Id": "id",
            "Subject": "subject",
            "Kind": "kind",
            "State": "state",
            "Until": "not_after",
            "SHA-256": "sha256",
        },
    ),
    "registration-keys": Listed(
        "registration-keys",
        {
            "Id": "id",
            "Name": "label",
            "Role": "role",
            "Uses left": "uses_left",
            "Until": "expires_at",
            "Revoked": "revoked_at",
        },
    ),
    "stages": Listed(
        "deployment-stages",
        {"No.": "position", "Stage": "name", "Timeout (s)": "timeout_seconds"},
    ),
    "late": Listed(
        "trust",
        {
            "Device": "name",
            "Role": "role",
            "Standing": "standing",
            "Last contact": "last_contact",
        },
        "q",
    ),
    "audit": Listed(
        "audit-entries",
        {
            "No.": "seq",
            "Time": "at",
            "Who": "actor",
            "Action": "action",
            "Subject": "subject",
            "Note": "note",
        },
        "q",
    ),
    "tokens": Listed(
        "tokens", {"Id": "id", "Name": "name", "Rights": "rights", "Until": "expires_at"}
    ),
    "administrators": Listed(
        "administrators",
        {
            "Id": "id",
            "Name": "name",
            "Roles": "roles",
            "Logs in with": "signs_in",
            "Second factor": "second_factor",
            "Active": "active",
            "Last login": "last_login",
        },
        "q",
        "state",
    ),
    "targets": Listed(
        "notification-targets",
        {
            "Id": "id",
            "Name": "name",
            "Kind": "kind",
            "To": "recipients",
            "Host": "host",
            "Events": "events",
            "Active": "active",
        },
        "q",
    ),
    "notifications": Listed(
        "notifications",
        {
            "Id": "id",
            "Time": "created_at",
            "Event": "event",
            "Target": "target",
            "State": "state",
            "Title": "title",
        },
        "q",
        "state",
    ),
}
# Lists that are short and have no pages.
WHOLE = {
    "waiting": Listed(
        "waiting-servers",
        {"Server": "server", "Waits": "text", "To do": "todo"},
    ),
    "roles": Listed("roles", {"Role": "key", "Name": "label", "Rights": "rights"}),
    "confirmations": Listed(
        "confirmations",
        {"Id": "id", "What": "title", "By": "requested_by", "Since": "requested_at", "Own": "own"},
    ),
    "events": Listed("notification-events", {"Event": "key", "Meaning": "label"}),
}
OF_UPDATE = {
    "assignments": Listed(
        "updates/{}/assignments",
        {"Device": "device", "State": "state", "Changed": "changed_at", "Reason": "reason"},
        "q",
        "state",
        "sort",
    ),
    "replicas": Listed(
        "updates/{}/replicas",
        {
            "Server": "server",
            "State": "status",
            "Percent": "progress",
            "Last contact": "last_contact",
            "To do": "todo",
            "Reason": "reason",
        },
    ),
}
