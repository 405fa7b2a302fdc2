"""A client of the REST API: verified TLS, problems as faults, complete lists, safe retries."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

from urllib3 import BaseHTTPResponse, PoolManager, make_headers
from urllib3.exceptions import HTTPError

from faults import Fault, Kind, NotFound, Unavailable
from zman import VERSION
from zman.cli.exit_codes import Bug, NotVerified
from zman.cli.profiles import Connection
from zman.client import proxies

ATTEMPTS = 4
PAUSE_SECONDS = 0.5
PAGE_SIZE = 200
FIRST_ERROR_STATUS = 300
NOT_FOUND_STATUS = 404
STATUS_KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    NOT_FOUND_STATUS: Kind.NOT_FOUND,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    422: Kind.INVALID,
    429: Kind.TOO_MANY,
}
FIRST_BUG_STATUS = 500
UNAVAILABLE = (502, 503, 504)


class Console:
    """The REST API of one console, called with an API token."""

    def __init__(self, connection: Connection, pool: PoolManager | None = None) -> None:
        self._connection = connection
        try:
            trusted = ssl.create_default_context(
                cafile=str(connection.ca_file) if connection.ca_file else None
            )
        except (OSError, ssl.SSLError) as error:
            raise NotVerified(
                f"{connection.ca_file} does not contain a valid certificate."
            ) from error
        self._headers = {
            "Authorization": f"Bearer {connection.token}",
            **make_headers(accept_encoding="gzip", user_agent=f"zman/{VERSION}"),
        }
        self._pool = pool or proxies.open_pool(connection.url, trusted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.clear()

    def get(self, path: str, **query: Any) -> Any:
        """Return the resource at a path. Empty query values are not sent."""
        given = {name: value for name, value in query.items() if value not in ("", None)}
        return self._send("GET", path, query=given).json()

    def get_file(self, path: str, **query: Any) -> bytes:
        """Return the content of a file at a path."""
        return self._send("GET", path, query=query).data

    def iter_all(self, path: str, *, limit: int = 0, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, at most `limit` unless that is 0."""
        offset = 0
        while True:
            size = min(PAGE_SIZE, limit - offset) if limit else PAGE_SIZE
            page = self.get(path, limit=size, offset=offset, **query)
            yield from page["items"]
            offset += len(page["items"])
            if not page["items"] or offset >= page["total"] or (limit and offset >= limit):
                return

    def start(self, path: str, body: dict[str, Any], key: str = "") -> Any:
        """Start an operation. The idempotency key makes a retry return the same operation."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self._send("POST", path, json=body, headers=headers, idempotent=True).json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a POST request. It is not retried, because it might have had an effect."""
        return self._send("POST", path, json=body).json()

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """Replace a resource."""
        return self._send("PUT", path, json=body, idempotent=True).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change the given fields of a resource."""
        return self._send("PATCH", path, json=body, idempotent=True).json()

    def delete(self, path: str) -> None:
        """Delete a resource."""
        self._send("DELETE", path)

    def upload(self, path: str, files: list[tuple[str, bytes]], **fields: str) -> Any:
        """Upload files as a multipart form."""
        parts = [("file", (name, data)) for name, data in files]
        return self._send("POST", path, fields=[*fields.items(), *parts]).json()

    def _send(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool = False,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> BaseHTTPResponse:
        url = f"{self._connection.url}/api/v1/{path}"
        if query:
            url += f"?{urlencode(query, doseq=True)}"
        attempts = ATTEMPTS if idempotent or method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                response = self._pool.request(
                    method,
                    url,
                    headers={**self._headers, **(headers or {})},
                    # A redirect would send the token to another address.
                    redirect=False,
                    retries=False,
                    **body,
                )
            except HTTPError as error:
                fault = self._connection_fault(error)
            else:
                if response.status < FIRST_ERROR_STATUS:
                    return response
                fault = _read_problem(response, url)
            if attempt == attempts or type(fault) is not Unavailable:
                raise fault
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError

    def _connection_fault(self, error: Exception) -> Fault:
        cause: BaseException = error
        while not isinstance(cause, ssl.SSLCertVerificationError):
            inner = cause.__cause__ or cause.__context__
            if inner is None:
                return Unavailable(
                    f"Cannot connect to {self._connection.url}: "
                    f"{str(cause) or type(cause).__name__}.",
                    action="Check the URL and make sure that the console is running.",
                )
            cause = inner
        return NotVerified(
            f"The certificate of {self._connection.url} could not be verified with "
            f"{self._connection.ca_file or 'the system trust store'}: {cause.verify_message}. "
            "Nothing was sent.",
            action="Get the zone CA certificate through a trusted channel and specify it with "
            "--ca-file. If the zone CA has changed, you need the new certificate.",
        )


def _read_problem(response: BaseHTTPResponse, url: str) -> Fault:
    """Return the fault of a problem response (RFC 9457)."""
    try:
        problem = response.json()
        detail, action = str(problem["detail"]), str(problem.get("action", ""))
        field = "".join(str(error["field"]) for error in problem.get("errors", [])[:1])
    except (ValueError, KeyError, TypeError, AttributeError):
        detail = f"{url} returned status {response.status} without a valid API response."
        return Bug(detail, action="Check that the URL points to a console.")
    if response.status in UNAVAILABLE:
        return Unavailable(detail, action=action)
    if response.status >= FIRST_BUG_STATUS:
        return Bug(detail, action=action)
    fault = NotFound if response.status == NOT_FOUND_STATUS else Fault
    found = fault(detail, action=action, field=field)
    found.kind = STATUS_KINDS.get(response.status, Kind.REFUSED)
    return found
