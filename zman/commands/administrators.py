"""Administrators, account rules, approval requests, and API tokens."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any

from faults import Invalid, NotFound
from zman.cli.files import write_secret
from zman.cli.output import Output
from zman.cli.parser import Commands, add_file_option
from zman.client.client import Console
from zman.client.lookup import find_unique

# Action: call, help, question before it, message after it.
ACTIONS = {
    "deactivate": (
        "deactivate",
        "deactivate an administrator",
        "Deactivate {}?",
        "Deactivated {}.",
    ),
    "activate": ("activate", "reactivate an administrator", "", "Reactivated {}."),
    "unlock": ("unlock", "unlock a locked account", "", "Unlocked {}."),
    "end-sessions": (
        "end-sessions",
        "end all sessions of an administrator",
        "End all sessions of {}?",
        "Ended all sessions of {}.",
    ),
    "revoke-tokens": (
        "revoke-tokens",
        "revoke all API tokens of an administrator",
        "Revoke all API tokens of {}?",
        "Revoked all API tokens of {}.",
    ),
    "reset-2fa": (
        "reset-second-factor",
        "reset two-factor authentication",
        "Reset two-factor authentication for {}?",
        "Reset two-factor authentication for {}.",
    ),
}
# Credential: call, field of the response.
CREDENTIALS = {
    "setup-link": ("setup-link", "setup_link"),
    "temporary-password": ("temporary-password", "temporary_password"),
}
FILE_HELP = "write to FILE, which only its owner can read, instead of standard output"
SWITCH = {"on": True, "off": False}
DECISIONS = {
    "approve": "approve a request of another administrator",
    "reject": "reject a request of another administrator",
    "withdraw": "withdraw your own request",
}
PAST = {"approve": "Approved", "reject": "Rejected", "withdraw": "Withdrew"}


def add_commands(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_requests(commands)
    _add_administrators(commands.group("admin", "manage administrators"))
    changed = commands.add("rules", change_rules, "change the account rules")
    changed.add_argument(
        "--second-factor", choices=SWITCH, default="", help="require two-factor authentication"
    )
    changed.add_argument(
        "--two-administrators", choices=SWITCH, default="", help="require a second administrator"
    )
    tokens = commands.group("token", "manage your API tokens")
    created = tokens.add("create", create_token, "create an API token (shown only once)")
    created.add_argument("name", metavar="NAME")
    created.add_argument(
        "--right", action="append", default=[], help="can be specified multiple times"
    )
    created.add_argument("--days", type=int, default=30, help="validity in days")
    add_file_option(created, FILE_HELP)
    tokens.add("revoke", revoke_token, "revoke an API token").add_argument(
        "name", metavar="NAME", help="name or ID"
    )


def _add_requests(commands: Commands) -> None:
    requests = commands.group("request", "approve, reject, or withdraw requests")
    for name, words in DECISIONS.items():
        decision = requests.add(name, decide, words, decision=name)
        decision.add_argument(
            "id", metavar="ID", help="ID or its first characters (see: zman list requests)"
        )
        if name == "reject":
            decision.add_argument(
                "--reason", default="", help="reason that the requester sees (up to 500 characters)"
            )
    commands.alias("confirm", requests, "approve")
    commands.alias("refuse", requests, "reject")


def _add_administrators(admin: Commands) -> None:
    created = admin.add("create", create, "create an administrator and print the setup link")
    created.add_argument("name", metavar="NAME")
    created.add_argument("--email", default="", help="email address")
    created.add_argument(
        "--role", action="append", required=True, help="can be specified multiple times"
    )
    created.add_argument("--oidc", action="store_true", help="logs in with OpenID Connect")
    roles = admin.add("roles", set_roles, "set the roles of an administrator")
    roles.add_argument("name", metavar="NAME")
    roles.add_argument("role", nargs="+", metavar="ROLE")
    for name, (_path, words, _question, _message) in ACTIONS.items():
        admin.add(name, run_action, words, action=name).add_argument("name", metavar="NAME")
    for name in CREDENTIALS:
        words = f"print a new {name.replace('-', ' ')}"
        added = admin.add(name, create_credential, words, credential=name)
        added.add_argument("name", metavar="NAME")
        add_file_option(added, FILE_HELP)
    admin.alias("set-up-link", name="setup-link")
    admin.alias("reset-second-factor", name="reset-2fa")


def _get_administrator(api: Console, name: str) -> dict[str, Any]:
    return find_unique(api, "administrators", name, "administrator")


def create(api: Console, out: Output, args: Namespace) -> None:
    """Create an administrator and print the setup link."""
    body = {
        "name": args.name,
        "email": args.email,
        "roles": args.role,
        "login_method": "oidc" if args.oidc else "password",
    }
    created = api.post("administrators", body)
    link = "" if args.oidc else " The setup link can be used once and expires after 24 hours."
    out.say(f"Created {created['name']}.{link}")
    _write_credential(out, created, "setup_link")


def _write_credential(out: Output, created: dict[str, Any], field: str, path: str = "") -> None:
    """Write a credential, which the console shows only once."""
    if out.is_for_programs and not path:
        out.record(created, field)
    elif created[field]:
        write_secret(out, created[field], path)


def set_roles(api: Console, out: Output, args: Namespace) -> None:
    """Set the roles of an administrator."""
    found = _get_administrator(api, args.name)
    out.confirm(f"Set the roles of {found['name']} to {', '.join(args.role)}?", yes=args.yes)
    changed = api.put(f"administrators/{found['id']}/roles", {"roles": args.role})
    out.result(changed, f"{found['name']} now has the roles {', '.join(changed['roles'])}.")


def run_action(api: Console, out: Output, args: Namespace) -> None:
    """Run one of ACTIONS on an administrator."""
    path, _words, question, message = ACTIONS[args.action]
    found = _get_administrator(api, args.name)
    if question:
        out.confirm(question.format(found["name"]), yes=args.yes)
    changed = api.post(f"administrators/{found['id']}/{path}")
    out.result(changed, message.format(found["name"]))


def create_credential(api: Console, out: Output, args: Namespace) -> None:
    """Create a setup link or a temporary password."""
    path, field = CREDENTIALS[args.credential]
    found = _get_administrator(api, args.name)
    out.confirm(
        f"This invalidates the current password of {found['name']}. Continue?", yes=args.yes
    )
    _write_credential(out, api.post(f"administrators/{found['id']}/{path}"), field, args.to_file)


def change_rules(api: Console, out: Output, args: Namespace) -> None:
    """Change the account rules that are given."""
    given = {
        "requires_second_factor": args.second_factor,
        "two_administrators": args.two_administrators,
    }
    if not any(given.values()):
        raise Invalid(
            "Specify at least one rule to change.", action="To view the rules, run: zman show rules"
        )
    current = api.get("rules")
    body = {name: SWITCH.get(value, current[name]) for name, value in given.items()}
    changed = api.put("rules", body)
    message = (
        "Two-administrator approval will be turned off when another "
        "administrator approves your request (zman request approve rules)."
        if changed["turn_off_requested_by"]
        else "Account rules updated."
    )
    out.result(changed, message)


def decide(api: Console, out: Output, args: Namespace) -> None:
    """Approve, reject, or withdraw a request."""
    request = _get_request(api, args.id)
    decision, title = args.decision, request["title"]
    if decision == "withdraw" and not request["own"]:
        raise Invalid(f"{title} is not your request.", action="To reject it, use: request reject")
    path = request["confirm"] if decision == "approve" else request["refuse"]
    if not path:
        raise Invalid(f"{title} cannot be rejected. It expires after 24 hours.")
    question = f"{decision.capitalize()} {title}, requested by {request['requested_by']}?"
    out.confirm(question, yes=args.yes)
    reason = args.reason if decision == "reject" else ""
    # A console of the previous version does not know the reason.
    changed = api.post(path, {"reason": reason} if reason else None)
    out.result(changed, f"{PAST[decision]} {title}.")


def _get_request(api: Console, key: str) -> dict[str, Any]:
    found = [request for request in api.get("confirmations") if request["id"].startswith(key)]
    if not found:
        raise NotFound(
            f"No pending request has the ID {key}.",
            action="To list pending requests, run: zman list requests",
        )
    if len(found) > 1:
        raise Invalid(f"The ID {key} matches more than one request.", action="Specify the full ID.")
    request: dict[str, Any] = found[0]
    return request


def create_token(api: Console, out: Output, args: Namespace) -> None:
    """Create an API token. Its rights cannot exceed those of the token that is used."""
    expires_at = datetime.now(UTC) + timedelta(days=args.days)
    body = {"name": args.name, "rights": args.right, "expires_at": expires_at.isoformat()}
    _write_credential(out, api.post("tokens", body), "token", args.to_file)


def revoke_token(api: Console, out: Output, args: Namespace) -> None:
    """Revoke one of your API tokens."""
    tokens = api.iter_all("tokens")
    token = next((item for item in tokens if args.name in (item["name"], str(item["id"]))), None)
    if token is None:
        raise NotFound(
            f"You do not have a token named {args.name}.",
            action="To list your tokens, run: zman list tokens",
        )
    out.confirm(
        f"Revoke {token['name']}? Programs that use this token lose access immediately.",
        yes=args.yes,
    )
    out.result(api.post(f"tokens/{token['id']}/revoke"), f"Revoked {token['name']}.")
