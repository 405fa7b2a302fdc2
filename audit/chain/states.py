"""A small table of states: which moves exist, which states are closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from faults import Conflict


class WrongMove(Conflict):
    """The thing is not in the state that the move starts from."""

    action = "Reload the page to see how it stands now."


@dataclass(frozen=True)
class Machine:
    """The moves of one kind of thing. A state without moves is closed."""

    name: str
    moves: Mapping[str, tuple[str, ...]]
    closed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        closed = frozenset(state for state, there in self.moves.items() if not there)
        object.__setattr__(self, "closed", closed)

    def check(self, here: str, there: str) -> None:
        """Raise WrongMove unless the table has a move from here to there."""
        if there not in self.moves.get(here, ()):
            raise WrongMove(f"{self.name} cannot go from {here} to {there}. Nothing was changed.")
