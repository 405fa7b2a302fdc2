"""A chart of counts over time, rendered on the server as SVG without script or inline style."""

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
    """A series: the cumulative count at each time step."""

    key: str
    label: str | Promise
    counts: Sequence[int]

    @property
    def last(self) -> int:
        """Return the latest count."""
        return self.counts[-1] if self.counts else 0


@dataclass(frozen=True)
class Line:
    """A series as an SVG path."""

    key: str
    label: str | Promise
    last: int
    path: str


@dataclass(frozen=True)
class Mark:
    """A labeled point in time, for example the activation, as a vertical line."""

    key: str
    label: str | Promise
    at: datetime
    x: float = 0.0

    @property
    def anchor(self) -> str:
        """Return the SVG text anchor that keeps the label inside the chart."""
        if self.x > WIDTH - EDGE:
            return "end"
        return "start" if self.x < EDGE else "middle"


@dataclass(frozen=True)
class Chart:
    """The data of the chart template; `rows` is the same data as a table for screen readers."""

    lines: list[Line]
    marks: list[Mark]
    levels: list[tuple[float, int]]
    since: datetime
    until: datetime
    rows: list[tuple[datetime, list[int]]]
    width: int = WIDTH
    height: int = HEIGHT


def time_steps(since: datetime, until: datetime, steps: int = STEPS) -> list[datetime]:
    """Return the times at which the series are counted, including the first and the last."""
    span = max(until - since, timedelta(seconds=1))
    return [since + span * number / steps for number in range(steps + 1)]


def build_chart(
    moments: Sequence[datetime], series: Sequence[Series], *, of: int, marks: Sequence[Mark] = ()
) -> Chart:
    """Return the chart of some series; `of` is their largest possible count."""
    since, until = moments[0], moments[-1]
    largest = max([of, 1, *(max(s.counts, default=0) for s in series)])
    step = _get_step(largest)
    # The axis ends at a grid line, so that all grid lines are at equal distances.
    top = -(-largest // step) * step
    seconds = (until - since).total_seconds() or 1.0

    def x(moment: datetime) -> float:
        return round((moment - since).total_seconds() / seconds * WIDTH, 1)

    def y(n: int) -> float:
        return round(HEIGHT - n / top * HEIGHT, 1)

    every = max(1, len(moments) // 8)
    row_indexes = [*range(0, len(moments) - 1, every), len(moments) - 1]
    return Chart(
        lines=[Line(s.key, s.label, s.last, _path(moments, s.counts, x, y)) for s in series],
        marks=[Mark(m.key, m.label, m.at, x(m.at)) for m in marks if since <= m.at <= until],
        levels=[(y(n), n) for n in range(0, top + 1, step)],
        since=since,
        until=until,
        rows=[(moments[at], [s.counts[at] for s in series]) for at in row_indexes],
    )


def _path(
    moments: Sequence[datetime],
    counts: Sequence[int],
    x: Callable[[datetime], float],
    y: Callable[[int], float],
) -> str:
    """Return the SVG path of a step line."""
    if not counts:
        return ""
    parts = [f"M{x(moments[0])} {y(counts[0])}"]
    before = counts[0]
    for moment, n in zip(moments[1:], counts[1:], strict=True):
        if n != before:
            parts.append(f"H{x(moment)}V{y(n)}")
            before = n
    return "".join([*parts, f"H{x(moments[-1])}"])


def _get_step(top: int) -> int:
    """Return the distance of the grid lines: 1, 2, or 5 times a power of ten."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * GRID >= top:
                return factor * power
        power *= 10
