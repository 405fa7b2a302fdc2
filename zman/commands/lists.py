"""The lists of the REST API and their columns."""

from __future__ import annotations

from typing import NamedTuple


class ResourceList(NamedTuple):
    """A list of the API.

    `columns` and `wide` map headings to fields; `search`, `state` and `sort` are the names of the
    query parameters, "" if the list does not support them. `name` is the field that other commands
    accept. `query` is always sent.
    """

    path: str
    columns: dict[str, str]
    wide: dict[str, str] = {}  # noqa: RUF012 - never changed
    search: str = ""
    state: str = ""
    sort: str = ""
    name: str = "name"
    is_paged: bool = True
    query: dict[str, str] = {}  # noqa: RUF012 - never changed


LISTS = {
    "servers": ResourceList(
        "servers",
        {
            "Server": "name",
            "Role": "role",
            "Status": "status",
            "Expires": "certificate.not_after",
            "Issuer": "certificate.issuer",
        },
        {
            "Address": "fqdn",
            "Version": "version",
            "New certificate": "future.state",
            "SHA-256": "certificate.sha256",
            "ID": "id",
        },
        search="q",
        state="state",
        sort="sort",
    ),
    "devices": ResourceList(
        "devices",
        {
            "Device": "name",
            "Role": "role",
            "State": "state",
            "Address": "fqdn",
            "Last contact": "last_contact",
            "Version": "version",
        },
        {
            "IP addresses": "addresses",
            "Operating system": "os",
            "Registered": "registered_at",
            "Root SHA-256": "root_sha256",
            "ID": "id",
        },
        search="q",
        state="state",
        sort="sort",
    ),
    "operations": ResourceList(
        "operations",
        {
            "ID": "id",
            "Kind": "kind",
            "State": "state",
            "Activation": "activates_at",
            "Name": "name",
            "Requested by": "requested_by",
        },
        {
            "Created": "created_at",
            "Activated": "activated_at",
            "Ended": "ended_at",
            "Reason": "reason",
        },
        state="state",
        name="id",
    ),
    "updates": ResourceList(
        "updates",
        {"Name": "name", "State": "state", "Devices": "devices", "ID": "id"},
        search="q",
        state="state",
        sort="sort",
    ),
    "older-agents": ResourceList(
        "older-agents",
        {"Device": "name", "Role": "role", "Version": "version", "Upgraded with": "upgraded_with"},
        {"ID": "id"},
        is_paged=False,
    ),
    "agent-upgrades": ResourceList(
        "agent-upgrades",
        {
            "ID": "id",
            "Version": "version",
            "State": "state",
            "Devices": "devices",
            "Start": "starts_at",
        },
        {"Pilot": "pilot", "Requested by": "requested_by", "Ended": "ended_at"},
        name="id",
    ),
    "assignments": ResourceList(
        "updates/{}/assignments",
        {"Device": "device", "State": "state", "Changed": "changed_at", "Reason": "reason"},
        {"ID": "id"},
        search="q",
        state="state",
        sort="sort",
        name="device",
    ),
    "replicas": ResourceList(
        "updates/{}/replicas",
        {
            "Server": "server",
            "State": "status",
            "Percent": "progress",
            "Last contact": "last_contact",
            "Recommended action": "todo",
            "Reason": "reason",
        },
        {"ID": "id"},
        name="server",
    ),
    "devices-at-risk": ResourceList(
        "operations/{}/rollout",
        {"Device": "name", "Role": "role", "Reason": "why", "Last contact": "last_contact"},
        {"ID": "id"},
        search="q",
        query={"why": "at-risk"},
    ),
    "hosts-at-risk": ResourceList(
        "operations/{}/hosts-at-risk",
        {"Host": "name", "Account key": "account_key", "Expires": "not_after"},
        {"Names": "names", "Downloaded": "fetched_at"},
    ),
    "authorities": ResourceList(
        "authorities",
        {"Subject": "subject", "Kind": "kind", "State": "state", "Expires": "not_after"},
        {"SHA-256": "sha256", "ID": "id"},
        name="id",
    ),
    "revocations": ResourceList(
        "revocations",
        {"Subject": "subject", "Reason": "reason", "Revoked": "revoked_at", "By": "revoked_by"},
        {"Expires": "not_after", "Serial number": "serial", "SHA-256": "sha256"},
        name="sha256",
    ),
    "waiting-servers": ResourceList(
        "waiting-servers",
        {"Server": "server", "Waiting for": "text", "Recommended action": "todo"},
        name="server",
        is_paged=False,
    ),
    "stragglers": ResourceList(
        "trust",
        {"Device": "name", "Role": "role", "Status": "status", "Last contact": "last_contact"},
        {"ID": "id"},
        search="q",
    ),
    "stages": ResourceList(
        "deployment-stages",
        {"No.": "position", "Stage": "name", "Timeout (s)": "timeout_seconds"},
    ),
    "maintenance-windows": ResourceList(
        "maintenance-windows",
        {"Name": "name", "Next opening": "opens_at", "Closes": "closes_at"},
        {"Rule": "rule", "ID": "id"},
        is_paged=False,
    ),
    "change-freezes": ResourceList(
        "change-freezes",
        {"ID": "id", "Begin": "begins_at", "End": "ends_at", "Reason": "reason"},
        name="id",
        is_paged=False,
    ),
    "host-certificates": ResourceList(
        "host-certificates",
        {"Host": "name", "Account key": "account_key", "Revoked": "is_revoked"},
        {"Names": "names", "Expires": "not_after", "SHA-256": "sha256", "ID": "id"},
        search="q",
    ),
    "acme-account-keys": ResourceList(
        "acme-account-keys",
        {"ID": "id", "Name": "label", "Permitted names": "names", "Disabled": "disabled_at"},
        {"Key ID": "key_id", "EST": "allows_est", "Accounts": "accounts", "Expires": "expires_at"},
        name="id",
    ),
    "registration-keys": ResourceList(
        "registration-keys",
        {
            "ID": "id",
            "Name": "label",
            "Role": "role",
            "Uses left": "uses_left",
            "Expires": "expires_at",
            "Revoked": "revoked_at",
        },
        {"Approves": "approves", "Domains": "domains", "Networks": "networks", "Device": "device"},
        name="id",
    ),
    "requests": ResourceList(
        "confirmations",
        {
            "ID": "id",
            "Request": "title",
            "Requested by": "requested_by",
            "Requested at": "requested_at",
            "Own": "own",
        },
        name="id",
        is_paged=False,
    ),
    "administrators": ResourceList(
        "administrators",
        {
            "Name": "name",
            "Roles": "roles",
            "Login method": "login_method",
            "Two-factor": "second_factor",
            "Active": "active",
            "Last login": "last_login",
        },
        {"Email": "email", "ID": "id"},
        search="q",
        state="state",
    ),
    "roles": ResourceList(
        "roles", {"Role": "key", "Name": "label", "Rights": "rights"}, name="key", is_paged=False
    ),
    "tokens": ResourceList(
        "tokens", {"Name": "name", "Rights": "rights", "Expires": "expires_at", "ID": "id"}
    ),
    "notification-targets": ResourceList(
        "notification-targets",
        {
            "Name": "name",
            "Kind": "kind",
            "Recipients": "recipients",
            "Host": "host",
            "Events": "events",
            "Active": "active",
        },
        {"ID": "id"},
        search="q",
    ),
    "notifications": ResourceList(
        "notifications",
        {
            "ID": "id",
            "Time": "created_at",
            "Event": "event",
            "Target": "target",
            "State": "state",
            "Title": "title",
        },
        search="q",
        state="state",
        name="id",
    ),
    "events": ResourceList(
        "notification-events", {"Event": "key", "Meaning": "label"}, name="key", is_paged=False
    ),
    "health-checks": ResourceList(
        "health-checks",
        {"Check": "key", "Passed": "passed", "Findings": "findings"},
        name="key",
        is_paged=False,
    ),
    "audit": ResourceList(
        "audit-entries",
        {
            "No.": "seq",
            "Time": "at",
            "User": "actor",
            "Action": "action",
            "Subject": "subject",
            "Note": "note",
        },
        search="q",
        name="seq",
    ),
}
OLD_NAMES = {
    "confirmations": "requests",
    "late": "stragglers",
    "targets": "notification-targets",
    "waiting": "waiting-servers",
}
