"""The values before and after a change, from the detail of an audit entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

SIDES = ("before", "after")


@dataclass(frozen=True)
class Change:
    """A field and its values before and after, as text."""

    name: str
    before: str
    after: str


def list_changes(detail: Any) -> list[Change]:
    """Return the changed values of a detail. [] if it contains none.

    A detail has `before` and `after`, or a pair of both for each name.
    """
    if not isinstance(detail, dict):
        return []
    if not set(detail) & set(SIDES):
        pairs = {name: pair for name, pair in detail.items() if _is_pair(pair)}
        detail = {side: {name: pair[side] for name, pair in pairs.items()} for side in SIDES}
    before, after = (_as_dict(detail.get(side)) for side in SIDES)
    return [
        Change(name, _format(before.get(name)), _format(after.get(name)))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if value is None else {_("value"): value}


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(SIDES)


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)
