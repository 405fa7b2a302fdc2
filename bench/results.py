"""The result of a benchmark: one figure, its limit, and the verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

MARK = "ROW "


@dataclass(frozen=True)
class Row:
    """One figure. `least` or `most` is its limit; without either it is informational."""

    name: str
    what: str
    figure: float
    least: float | None = None
    most: float | None = None
    detail: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Return whether the limit is kept."""
        if self.least is None and self.most is None:
            return ""
        low = self.least is not None and self.figure < self.least
        high = self.most is not None and self.figure > self.most
        return "MISSED" if low or high else "reached"

    @property
    def limit(self) -> str:
        """Return the limit in words."""
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else ""

    def line(self) -> str:
        """Return the row of the table."""
        figure = f"{self.figure:.3g}"
        return f"{self.name:<6}{self.what:<84}{figure:>9}  {self.limit:<9}{self.verdict}"


def tell(row: Row) -> None:
    """Send a row to the process that runs the benchmarks."""
    print(MARK + json.dumps(asdict(row)), flush=True)


def read(line: str) -> Row | None:
    """Parse a row from the output of a benchmark."""
    return Row(**json.loads(line[len(MARK) :])) if line.startswith(MARK) else None
