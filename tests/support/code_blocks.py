"""The code blocks of a document, each with the heading above it and its number below that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """A fenced code block."""

    heading: str
    number: int
    language: str
    text: str

    @property
    def commands(self) -> str:
        """The block as a shell script: without the prompts of a user or of root."""
        return re.sub(r"^[$#] ", "", self.text, flags=re.MULTILINE)


def read(document: Path) -> list[Block]:
    """Return the code blocks of a document."""
    found: list[Block] = []
    heading = ""
    language: str | None = None
    lines: list[str] = []
    for line in document.read_text().splitlines():
        if line.strip().startswith("```"):
            if language is not None:
                number = 1 + sum(block.heading == heading for block in found)
                found.append(Block(heading, number, language, "\n".join(lines) + "\n"))
                language = None
            else:
                language, lines = line.strip().removeprefix("```"), []
        elif language is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


def get(document: Path, heading: str, number: int = 1) -> Block:
    """Return one block."""
    return next(
        block for block in read(document) if (block.heading, block.number) == (heading, number)
    )
