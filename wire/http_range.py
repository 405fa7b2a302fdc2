"""Range requests for parts of a file. See: RFC 9110 14.1.2."""

from __future__ import annotations

import re
from typing import Optional, Tuple


def parse_range(header: str, size: int) -> Optional[Tuple[int, int]]:
    """Return the bytes (begin, end) that a Range header requests, None if not satisfiable."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not header or found is None or header.strip() == "bytes=-":
        return (0, size)
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    begin, end = int(first), min(int(last) + 1, size) if last else size
    return (begin, end) if begin < end else None


def content_range(begin: int, end: int, size: int) -> str:
    """Return the Content-Range header of a part."""
    return "bytes %d-%d/%d" % (begin, end - 1, size)
