"""The REST API as zman calls it: verified TLS, problems as faults, whole lists, safe retries."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from faults import Fault, Kind, NotFound, Unavailable
from zman import VERSION
from zman.cli.exit_codes import Bug, NotVerified
from zman.cli.profiles import Place

TIMEOUT = httpx.Timeout(60, connect=10)
ATTEMPTS = 4
PAUSE_SECONDS = 0.5
PAGE = 200
NO_CONTENT_LENGTH = 300
KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    422: Kind.INVALID,
    429: Kind.TOO_MANY,
}
BUG_FROM = 500
UNAVAILABLE = (502, 503, 504)


class Console:
    """One console that is called with a token."""

    def __init__(self, place: Place, transport: httpx.BaseTransport | None = None) -> None:
        self._place = place
        try:
            trusted = ssl.create_default_context(
                cafile=str(place.ca_file) if place.ca_file else None
            )
        except (OSError, ssl.SSLError) as error:
            raise NotVerified(f"{place.ca_file} holds no certificate that can be read.") from error
        self._http = httpx.Client(
            base_url=f"{place.url}/api/v1/",
            verify=trusted,
            timeout=TIMEOUT,
            transport=transport,
            headers={"Authorization": f"Bearer {place.token}", "User-Agent": f"zman/{VERSION}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return what is at a path."""
        wanted = {name: value for name, value in query.items() if value not in ("", None)}
        return self._send("GET", path, params=wanted).json()

    def file(self, path: str, **query: Any) -> bytes:
        """Return the file at a path."""
        return self._send("GET", path, params=query).content

    def every(self, path: str, *, at_most: int = 0, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page after page."""
        offset = 0
        while True:
            limit = min(PAGE, at_most - offset) if at_most else PAGE
            part = self.get(path, limit=limit, offset=offset, **query)
            yield from part["items"]
            offset += len(part["items"])
            if not part["items"] or offset >= part["total"] or (at_most and offset >= at_most):
                return

    def start(self, path: str, order: dict[str, Any], key: str = "") -> Any:
        """Start an operation; asked again after a lost answer it is still the same one."""
        key = key or str(uuid4())
        again = {"Idempotency-Key": key}
        return self._send("POST", path, json=order, headers=again, repeatable=True).json()

    def post(self, path: str, order: dict[str, Any] | None = None) -> Any:
        """Do something once: a call without an answer is not repeated."""
        return self._send("POST", path, json=order).json()

    def put(self, path: str, order: dict[str, Any]) -> Any:
        """Set something; to set it twice is to set it once."""
        return self._send("PUT", path, json=order, repeatable=True).json()

    def patch(self, path: str, order: dict[str, Any]) -> Any:
        """Change what is named; to set it twice is to set it once."""
        return self._send("PATCH", path, json=order, repeatable=True).json()

    def delete(self, path: str) -> None:
        """Remove something."""
        self._send("DELETE", path)

    def upload(self, path: str, files: list[tuple[str, bytes]], **fields: str) -> Any:
        """Send files in a form."""
        parts = [("file", (name, data)) for name, data in files]
        return self._send("POST", path, files=parts, data=fields).json()

    def _send(
        self, method: str, path: str, *, repeatable: bool = False, **parts: Any
    ) -> httpx.Response:
        attempts = ATTEMPTS if repeatable or method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = self._http.request(method, path, **parts)
            except httpx.HTTPError as error:
                fault = self._unreachable(error)
            else:
                if answer.status_code < NO_CONTENT_LENGTH:
                    return answer
                fault = _problem(answer)
            if attempt == attempts or type(fault) is not Unavailable:
                raise fault
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError

    def _unreachable(self, error: Exception) -> Fault:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                trusted = self._place.ca_file or "the certificates of this system"
                return NotVerified(
                    f"The certificate of {self._place.url} is not trusted by {trusted}: "
                    f"{cause.verify_message}. Nothing was sent.",
                    action="Get the certificate of the zone CA by a way that you trust, and name "
                    "it with --ca-file. After a change of the CA it is another one.",
                )
            cause = cause.__cause__ or cause.__context__
        return Unavailable(
            f"{self._place.url} does not answer: {str(error) or type(error).__name__}.",
            action="Check the address and whether the console runs.",
        )


def _problem(answer: httpx.Response) -> Fault:
    """Return what an answer complains about (RFC 9457)."""
    try:
        told = answer.json()
        detail, action = str(told["detail"]), str(told.get("action", ""))
        field = "".join(str(one["field"]) for one in told.get("errors", [])[:1])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        detail = f"{answer.request.url} answered {answer.status_code} and no document of the API."
        return Bug(detail, action="Check that the address is that of a console.")
    if answer.status_code in UNAVAILABLE:
        return Unavailable(detail, action=action)
    if answer.status_code >= BUG_FROM:
        return Bug(detail, action=action)
    fault = NotFound if answer.status_code == httpx.codes.NOT_FOUND else Fault
    found = fault(detail, action=action, field=field)
    found.kind = KINDS.get(answer.status_code, Kind.REFUSED)
    return found
