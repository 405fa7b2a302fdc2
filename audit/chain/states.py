"""The state machine of every model with a state: the allowed transitions as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faults import Conflict


class InvalidTransition(Conflict):
    """The current state does not allow the transition."""

    action = gettext_lazy("Reload the page to see the current status.")


@dataclass(frozen=True)
class StateMachine:
    """The transitions of one kind of object.

    `name` starts the error message. `transitions` maps each state to the states that can follow;
    a state without successors is closed.
    """

    name: str | Promise
    transitions: Mapping[str, tuple[str, ...]]

    @property
    def closed(self) -> tuple[str, ...]:
        """Return the states that nothing can follow."""
        return tuple(state for state, following in self.transitions.items() if not following)

    def can_change(self, current: str, new: str) -> bool:
        """Return True if `new` can follow `current`."""
        return new in self.transitions.get(current, ())

    def states_before(self, new: str) -> list[str]:
        """Return the states that `new` can follow."""
        return [state for state in self.transitions if self.can_change(state, new)]

    def check(self, current: str, new: str) -> None:
        """Raise InvalidTransition unless `new` can follow `current`."""
        if not self.can_change(current, new):
            raise InvalidTransition(
                _("%(name)s cannot change from “%(current)s” to “%(new)s”. Nothing was changed.")
                % {"name": self.name, "current": self._label(current), "new": self._label(new)}
            )

    def _label(self, state: str) -> str:
        """Return the label of a state, or the state itself if it has none."""
        known = next((one for one in self.transitions if one == state), state)
        return str(getattr(known, "label", known))
