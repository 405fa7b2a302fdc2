"""The charts: grid lines at equal distances with round numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from console.pages import chart

START = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("top", "levels"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (14, [0, 5, 10, 15]),
        (27, [0, 10, 20, 30]),
        (200, [0, 50, 100, 150, 200]),
        (1234, [0, 500, 1000, 1500]),
    ],
)
def test_grid_lines_are_at_equal_distances(top, levels):
    moments = chart.time_steps(START, START + timedelta(hours=1), steps=2)
    built = chart.build_chart(moments, [chart.Series("all", "All", [0, top, top])], of=top)
    assert [n for _, n in built.levels] == levels
    places = [y for y, _ in built.levels]
    distances = [round(a - b, 1) for a, b in pairwise(places)]
    assert max(distances) - min(distances) <= 0.1 + 1e-9, "rounded to a tenth of a unit"
    assert places[0] == built.height
    assert places[-1] == 0
