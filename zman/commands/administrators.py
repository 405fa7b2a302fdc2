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
    "deactivate": ("keep somebody out", "Keep {} out?"),
    "activate": ("let somebody in again", ""),
    "unlock": ("end a lock-out", ""),
    "end-sessions": ("end every session", "End every session of {}?"),
    "revoke-tokens": ("revoke every API token", "Revoke every API token of {}?"),
    "reset-second-factor": ("take the factor away", "Take the second factor away from {}?"),
}
HANDED = {"set-up-link": "set_up_link", "temporary-password": "temporary_password"}
SWITCH = {"on": True, "off": False}


def add_commands(commands: Any, add: Add) -> None:
    """Add the commands of this room to the parser."""
    admin = commands.add_parser("admin", help="administrators: let in, roles, reset, unlock")
    whats = admin.add_subparsers(dest="what", required=True, metavar="ACT")
    made = add(whats, "create", create, "let somebody in; prints their set-up link")
    made.add_argument("name")
    made.add_argument("--email", default="")
    made.add_argument("--role", action="append", required=True, help="may be given several times")
    made.add_argument("--oidc", action="store_true", help="logs in with OpenID Connect")
    given = add(whats, "roles", set_roles, "give an administrator other roles")
    given.add_argument("name")
    given.add_argument("role", nargs="+")
    for name, (words, _question) in ACTS.items():
        add(whats, name, act, words).add_argument("name")
    for name in HANDED:
        handed = add(whats, name, hand_over, f"print a new {name.replace('-', ' ')}")
        handed.add_argument("name")
        handed.add_argument("-o", "--output", default="", metavar="FILE", help="instead of stdout")
    ruled = add(commands, "rules", rules, "change what holds for all administrators")
    ruled.add_argument("--second-factor", choices=SWITCH, default="")
    ruled.add_argument("--two-administrators", choices=SWITCH, default="")
    for name, words in (
        ("confirm", "agree, as the second of two administrators"),
        ("refuse", "refuse what another administrator asked for, or withdraw your own"),
    ):
        asked = add(commands, name, decide, words)
        asked.add_argument("id", help="or the start of it; see: zman list confirmations")
    token = commands.add_parser("token", help="your own API tokens")
    hows = token.add_subparsers(dest="what", required=True, metavar="create|revoke")
    fresh = add(hows, "create", make_token, "make a token; its text is told this once")
    fresh.add_argument("name")
    fresh.add_argument("--right", action="append", default=[], help="may be given several times")
    fresh.add_argument("--days", type=int, default=30)
    fresh.add_argument("-o", "--output", default="", metavar="FILE", help="instead of stdout")
    add(hows, "revoke", revoke_token, "revoke a token").add_argument("name", help="name or id")


def _person(api: Console, name: str) -> dict[str, Any]:
    return named(api, "administrators", name, "administrator")


def create(api: Console, out: Output, told: Namespace) -> None:
    """Let somebody in."""
    signs_in = "oidc" if told.oidc else "password"
    order = {"name": told.name, "email": told.email, "roles": told.role, "signs_in": signs_in}
    made = api.post("administrators", order)
    out.say(f"{made['name']} is let in. The link is good for one use within 24 hours.")
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
    out.confirm(f"Give {person['name']} the roles {', '.join(told.role)}?", yes=told.yes)
    shown = api.put(f"administrators/{person['id']}/roles", {"roles": told.role})
    _shown(out, shown, f"{person['name']} has the roles {', '.join(shown['roles'])}.")


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
    out.confirm(f"The password of {person['name']} stops working now. Go on?", yes=told.yes)
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
        raise Invalid("Say what shall change.", action="To see the rules: zman show rules")
    shown = api.put("rules", order)
    asked = shown["end_asked_by"]
    said = "The rule of two ends once another administrator confirms it (zman confirm rules)."
    _shown(out, shown, said if asked else "The rules are changed.")


def decide(api: Console, out: Output, told: Namespace) -> None:
    """Confirm or refuse what waits for a second administrator."""
    found = [one for one in api.get("confirmations") if one["id"].startswith(told.id)]
    if not found:
        raise NotFound(
            f"Nothing with the id {told.id} waits for a second administrator.",
            action="See: zman list confirmations",
        )
    if len(found) > 1:
        raise Invalid(f"Several begin with {told.id}.", action="Give the whole id.")
    if not found[0][told.command]:
        raise Invalid(f"{found[0]['title']} cannot be refused: it ends by itself after a day.")
    asked = f"{told.command.capitalize()} {found[0]['title']}, asked for by"
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
        raise NotFound(f"You have no token {told.name}.", action="See: zman list tokens")
    out.confirm(f"Revoke {found[0]['name']}? What uses it is refused at once.", yes=told.yes)
    _shown(out, api.post(f"tokens/{found[0]['id']}/revoke"), f"{found[0]['name']} is revoked.")
