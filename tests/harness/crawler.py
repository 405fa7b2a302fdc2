"""Crawl a running console and its content servers: pages, REST responses, downloads."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from tests.harness.evidence import secrets
from tests.harness.program import Program
from tests.harness.visitor import Visitor
from tests.harness.zone import Zone

LINK = re.compile(r'(?:href|src|hx-get)="([^"]+)"')
PAGES_AT_MOST = 400
PAGES_AT_LEAST = 60
IDS_EACH = 3


def pages(visitor: Visitor, start: str = "/") -> Iterator[tuple[str, bytes]]:
    """Yield every page and download that one user can reach through links."""
    waiting, seen = [start], {start}
    while waiting and len(seen) < PAGES_AT_MOST:
        path = waiting.pop(0)
        page = visitor.get(path)
        assert page.status < 500, (path, page.status)
        yield path, page.body
        if "html" in page.headers.get("content-type", ""):
            for found in LINK.findall(page.text):
                there = _within(path, found.replace("&amp;", "&"))
                if there and there not in seen:
                    seen.add(there)
                    waiting.append(there)


def _within(path: str, link: str) -> str:
    parts = urlsplit(urldefrag(urljoin(path, link)).url)
    if parts.netloc or parts.scheme not in ("", "https"):
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def answers(api: Program) -> Iterator[tuple[str, bytes]]:
    """Yield the REST response to every GET, for some of the listed objects."""
    document = api.get("/openapi.json")
    asked = [
        path.removeprefix("/api/v1") for path, acts in document["paths"].items() if "get" in acts
    ]
    for path in asked:
        for address in _filled(api, path):
            page = api.call("GET", address)
            assert page.status < 500, (address, page.status)
            yield address, page.body


def _filled(api: Program, path: str) -> list[str]:
    if "{" not in path:
        return [path]
    start, rest = re.split(r"/\{[^}]+\}", path, maxsplit=1)
    listed = api.call("GET", start)
    if "{" in rest or listed.status != 200:
        return []
    items = json.loads(listed.body)
    rows: list[dict[str, Any]] = items.get("items", []) if isinstance(items, dict) else items
    ids = [row.get("id", row.get("seq")) for row in rows[:IDS_EACH]]
    return [f"{start}/{one}{rest}" for one in ids]


def depots(zone: Zone) -> Iterator[tuple[str, bytes]]:
    """Yield what content servers serve over plain HTTP."""
    for host in zone.hosts():
        digests = [path.name for path in (host.home / "content").glob("*")]
        names = [path.name for path in (host.home / "setup").glob("*")]
        if host.content_port:
            paths = ["recovery", "zenworks-setup/", *(f"content/{one}" for one in digests)]
            for path in [*paths, *(f"zenworks-setup/{name}" for name in names)]:
                address = f"http://{host.address}:{host.content_port}/{path}"
                with urllib.request.urlopen(address) as answer:
                    yield address, answer.read()


def shown_secrets(zone: Zone, visitor: Visitor, api: Program, *more: str) -> list[str]:
    """Return where a private key or a secret of the zone is exposed."""
    needles = [*secrets(zone.home), *(("a secret of the test", one.encode()) for one in more)]
    found, count = [], 0
    for source in (pages(visitor), answers(api), depots(zone)):
        for place, body in source:
            count += 1
            found += [f"{name} in {place}" for name, value in needles if value in body]
            if b"PRIVATE KEY-----" in body and not place.endswith(".bin"):
                found.append(f"a private key in {place}")
    assert count > PAGES_AT_LEAST, f"only {count} pages were seen"
    return found
