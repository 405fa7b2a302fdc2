"""A chart of counts over time as SVG drawn on the server: no script, no inline style (B-6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise

WIDTH, HEIGHT = 720, 170
STEPS = 48
GRID = 4
EDGE = 60


@dataclass(frozen=True)
class Series:
    """One line: how many had come so far at each edge of the chart."""

    key: str
    label: str | Promise
    counts: Sequence[int]

    @property
    def last(self) -> int:
        """Return how many there are now."""
        return self.counts[-1] if self.counts else 0


@dataclass(frozen=True)
class Line:
    """A line as it is drawn."""

    key: str
    label: str | Promise
    last: int
    path: str


@dataclass(frozen=True)
class Mark:
    """A moment with a name, such as the activation, as an upright line."""

    key: str
    label: str | Promise
    at: datetime
    x: float = 0.0

    @property
    def anchor(self) -> str:
        """Return on which side of its line the name fits."""
        if self.x > WIDTH - EDGE:
            return "end"
        return "start" if self.x < EDGE else "middle"


@dataclass(frozen=True)
class Chart:
    """What the template draws; `rows` is the same as numbers, for those who cannot see it."""

    lines: list[Line]
    marks: list[Mark]
    levels: list[tuple[float, int]]
    since: datetime
    until: datetime
    rows: list[tuple[datetime, list[int]]]
    width: int = WIDTH
    height: int = HEIGHT


def edges(since: datetime, until: datetime, steps: int = STEPS) -> list[datetime]:
    """Return the moments at which the lines are counted, the first and the last included."""
    span = max(until - since, timedelta(seconds=1))
    return [since + span * number / steps for number in range(steps + 1)]


def draw(
    moments: Sequence[datetime], series: Sequence[Series], *, of: int, marks: Sequence[Mark] = ()
) -> Chart:
    """Return the chart of some series whose greatest possible count is `of`."""
    since, until = moments[0], moments[-1]
    top = max([of, 1, *(max(one.counts, default=0) for one in series)])
    wide = (until - since).total_seconds() or 1.0

    def x(moment: datetime) -> float:
        return round((moment - since).total_seconds() / wide * WIDTH, 1)

    def y(n: int) -> float:
        return round(HEIGHT - n / top * HEIGHT, 1)

    every = max(1, len(moments) // 8)
    told = [*range(0, len(moments) - 1, every), len(moments) - 1]
    return Chart(
        lines=[Line(s.key, s.label, s.last, _path(moments, s.counts, x, y)) for s in series],
        marks=[Mark(m.key, m.label, m.at, x(m.at)) for m in marks if since <= m.at <= until],
        levels=[(y(n), n) for n in _levels(top)],
        since=since,
        until=until,
        rows=[(moments[at], [s.counts[at] for s in series]) for at in told],
    )


def _path(
    moments: Sequence[datetime],
    counts: Sequence[int],
    x: Callable[[datetime], float],
    y: Callable[[int], float],
) -> str:
    """Return the path of a line that goes up in steps: nothing happens between two counts."""
    if not counts:
        return ""
    parts = [f"M{x(moments[0])} {y(counts[0])}"]
    before = counts[0]
    for moment, n in zip(moments[1:], counts[1:], strict=True):
        if n != before:
            parts.append(f"H{x(moment)}V{y(n)}")
            before = n
    return "".join([*parts, f"H{x(moments[-1])}"])


def _levels(top: int) -> list[int]:
    """Return the numbers that the grid names: none twice."""
    return sorted({round(top * number / GRID) for number in range(GRID + 1)})
