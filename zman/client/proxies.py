"""Connections to a console, directly or through the proxy of the environment.

See: https://docs.python.org/3/library/urllib.request.html#urllib.request.getproxies
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, Timeout, make_headers
from urllib3.util import parse_url

from faults import Invalid

TIMEOUT = Timeout(connect=10, read=60)


def open_pool(url: str, trusted: ssl.SSLContext) -> PoolManager:
    """Return a connection pool that verifies servers with `trusted`.

    It uses the proxy in HTTPS_PROXY or ALL_PROXY, except for hosts in NO_PROXY.
    """
    options: dict[str, Any] = {"ssl_context": trusted, "timeout": TIMEOUT}
    found = getproxies()
    proxy = found.get("https") or found.get("all")
    if not proxy or proxy_bypass(parse_url(url).netloc or ""):
        return PoolManager(**options)
    given = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    if given.scheme not in {"http", "https"}:
        raise Invalid(
            "The proxy in HTTPS_PROXY or ALL_PROXY is not an HTTP proxy. Nothing was sent.",
            action="Use the URL of an HTTP proxy, or add the console to NO_PROXY.",
        )
    headers = make_headers(proxy_basic_auth=unquote(given.auth)) if given.auth else None
    return ProxyManager(given.url, proxy_headers=headers, **options)
