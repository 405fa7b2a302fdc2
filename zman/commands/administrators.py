"""Administrators, their rules, and tokens: let in, roles, reset, unlock."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from faults import Invalid, NotFound
from zman.cli.output import Output
from zman.client.client import Console
from zman.commands.resources import named, write_secret

Add = Callable[..., ArgumentParser]
# What is asked before an act on an administrator.
ACTS = {
    "deactivate": ("deactivate an administrator", "Keep {} out?"),
    "activate": ("reactivate an administrator", ""),
    "unlock": ("unlock a locked account", ""),
    "end-sessions": ("end all sessions of an administrator", "End all sessions of {}?"),
    "revoke-tokens": ("revoke all API tokens of an administrator", "Revoke all API tokens of {}?"),
    "reset-second-factor": (
        "reset two-factor authentication",
        "Reset two-factor authentication for {}?",
    ),
}
HANDED = {"set-up-link": "set_up_link", "temporary-password": "temporary_password"}
SWITCH = {"on": True, "off": False}


def add_commands(commands: Any, add: Add) -> None:
    """Add the commands of this room to the parser."""
    admin = commands.add_parser("admin", help="manage administrators")
    whats = admin.add_subparsers(dest="what", required=True, metavar="ACT")
    made = add(whats, "create", create, ("create an administrator and print the setup link"))
    made.add_argument("name")
    made.add_argument("--email", default="")
    made.add_argument(
        "--role", action="append", required=True, help="can be specified multiple times"
    )
    made.add_argument("--oidc", action="store_true", help="logs in with OpenID Connect")
    given = add(whats, "roles", set_roles, "set the roles of an administrator")
    given.add_argument("name")
    given.add_argument("role", nargs="+")
    for name, (words, _question) in ACTS.items():
        add(whats, name, act, words).add_argument("name")
    for name in HANDED:
        handed = add(whats, name, hand_over, f"print a new {name.replace('-', ' ')}")
        handed.add_argument("name")
        handed.add_argument(
            "-o",
            "--output",
            default="",
            metavar="FILE",
            help="write to FILE instead of standard output",
        )
    ruled = add(commands, "rules", rules, "change the account rules")
    ruled.add_argument("--second-factor", choices=SWITCH, default="")
    ruled.add_argument("--two-administrators", choices=SWITCH, default="")
    for name, words in (
        ("confirm", "approve a request as the second administrator"),
        ("refuse", "reject another administrator's request, or withdraw your own"),
    ):
        asked = add(commands, name, decide, words)
        asked.add_argument(
            "id", help=("request ID or unique prefix (see: zman list confirmations)")
        )
    token = commands.add_parser("token", help="manage your API tokens")
    hows = token.add_subparsers(dest="what", required=True, metavar="create|revoke")
    fresh = add(hows, "create", make_token, "create an API token (shown only once)")
    fresh.add_argument("name")
    fresh.add_argument(
        "--right", action="append", default=[], help="can be specified multiple times"
    )
    fresh.add_argument("--days", type=int, default=30)
    fresh.add_argument(
        "-o",
        "--output",
        default="",
        metavar="FILE",
        help="write to FILE instead of standard output",
    )
    add(hows, "revoke", revoke_token, "revoke an API token").add_argument("name", help="name or ID")


def _person(api: Console, name: str) -> dict[str, Any]:
    return named(api, "administrators", name, "administrator")


def create(api: Console, out: Output, told: Namespace) -> None:
    """Let somebody in."""
    signs_in = "oidc" if told.oidc else "password"
    order = {"name": told.name, "email": told.email, "roles": told.role, "signs_in": signs_in}
    made = api.post("administrators", order)
    out.say(f"Created {made['name']}. The setup link can be used once and expires after 24 hours.")
    _hand(out, made, "set_up_link")


def _hand(out: Output, made: dict[str, Any], key: str, path: str = "") -> None:
    """Print what has to be handed over; it cannot be asked for again."""
    if out.as_json and not path:
        out.data(made)
    elif made[key]:
        write_secret(out, made[key], path)


def set_roles(api: Console, out: Output, told: Namespace) -> None:
    """Give an administrator other roles."""
    person = _person(api, told.name)
    out.confirm(f"Set the roles of {person['name']} to {', '.join(told.role)}?", yes=told.yes)
    shown = api.put(f"administrators/{person['id']}/roles", {"roles": told.role})
    _shown(out, shown, f"{person['name']} now has the roles {', '.join(shown['roles'])}.")


def act(api: Console, out: Output, told: Namespace) -> None:
    """Do one of the acts on an administrator."""
    person = _person(api, told.name)
    question = ACTS[told.what][1].format(person["name"])
    if question:
        out.confirm(question, yes=told.yes)
    shown = api.post(f"administrators/{person['id']}/{told.what}")
    _shown(out, shown, f"{told.what.replace('-', ' ')}: {person['name']}.")


def _shown(out: Output, shown: dict[str, Any], said: str) -> None:
    if out.as_json:
        out.data(shown)
    out.say(said)


def hand_over(api: Console, out: Output, told: Namespace) -> None:
    """Make another set-up link or a temporary password."""
    person = _person(api, told.name)
    out.confirm(
        (f"This invalidates the current password of {person['name']}. Continue?"), yes=told.yes
    )
    made = api.post(f"administrators/{person['id']}/{told.what}")
    _hand(out, made, HANDED[told.what], told.output)


def rules(api: Console, out: Output, told: Namespace) -> None:
    """Change the rules; what is not named stays as it is."""
    known = api.get("rules")
    order = {name: known[name] for name in ("requires_second_factor", "two_administrators")}
    if told.second_factor:
        order["requires_second_factor"] = SWITCH[told.second_factor]
    if told.two_administrators:
        order["two_administrators"] = SWITCH[told.two_administrators]
    if not told.second_factor and not told.two_administrators:
        raise Invalid(
            "Specify at least one rule to change.", action="To view the rules, run: zman show rules"
        )
    shown = api.put("rules", order)
    asked = shown["end_asked_by"]
    said = (
        "Two-administrator approval will be turned off when another "
        "administrator approves your request (zman confirm rules)."
    )
    _shown(out, shown, said if asked else "Account rules updated.")


def decide(api: Console, out: Output, told: Namespace) -> None:
    """Confirm or refuse what waits for a second administrator."""
    found = [one for one in api.get("confirmations") if one["id"].startswith(told.id)]
    if not found:
        raise NotFound(
            f"No pending request has the ID {told.id}.",
            action="To list pending requests, run: zman list confirmations",
        )
    if len(found) > 1:
        raise Invalid(
            f"The ID {told.id} matches more than one request.", action="Specify the full ID."
        )
    if not found[0][told.command]:
        raise Invalid(f"{found[0]['title']} cannot be rejected. It expires after 24 hours.")
    asked = f"{told.command.capitalize()} {found[0]['title']}, requested by"
    out.confirm(f"{asked} {found[0]['requested_by']}?", yes=told.yes)
    shown = api.post(found[0][told.command])
    _shown(out, shown, f"{told.command}: {found[0]['title']}.")


def make_token(api: Console, out: Output, told: Namespace) -> None:
    """Make a token that can do no more than the one that is used for it."""
    until = datetime.now(UTC) + timedelta(days=told.days)
    order = {"name": told.name, "rights": told.right, "expires_at": until.isoformat()}
    _hand(out, api.post("tokens", order), "token", told.output)


def revoke_token(api: Console, out: Output, told: Namespace) -> None:
    """Revoke a token of one's own."""
    every = api.every("tokens")
    found = [one for one in every if told.name in (one["name"], str(one["id"]))]
    if not found:
        raise NotFound(
            f"You do not have a token named {told.name}.",
            action="To list your tokens, run: zman list tokens",
        )
    out.confirm(
        (f"Revoke {found[0]['name']}? Programs that use this token lose access immediately."),
        yes=told.yes,
    )
    _shown(out, api.post(f"tokens/{found[0]['id']}/revoke"), f"Revoked {found[0]['name']}.")
