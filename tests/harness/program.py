"""A REST API client of a running zone with the token of its administrator."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.visitor import Page, Visitor, multipart
from tests.harness.zone import Zone, until


class Program:
    """Calls /api/v1 of one Primary Server over verified TLS.

    `dateless` looks at no dates: how an administrator reaches a console whose CA has expired.
    """

    def __init__(self, zone: Zone, server: str = "ps-01", *, dateless: bool = False) -> None:
        access = zone.access
        host = next(one for one in zone.hosts("primary") if one.name == server)
        trusted = host.home / "security" / "current" / "ca.pem"
        self._line = Visitor(host.url, trusted, dateless=dateless)
        self._headers = {"Authorization": f"Bearer {access['api_token']}"}

    def get(self, path: str) -> Any:
        """Return what an address answers."""
        return self._ok(self.call("GET", path))

    def post(self, path: str, *, _key: str = "", **body: Any) -> Any:
        """Send values as JSON; returns the answer. `_key` makes a repeated call the same act."""
        headers = {"Idempotency_Key": _key} if _key else {}
        return self._ok(self.call("POST", path, body, **headers))

    def put(self, path: str, **body: Any) -> Any:
        """Send values as JSON with PUT; returns the answer."""
        return self._ok(self.call("PUT", path, body))

    def patch(self, path: str, **body: Any) -> Any:
        """Send values as JSON with PATCH; returns the answer."""
        return self._ok(self.call("PATCH", path, body))

    def delete(self, path: str) -> None:
        """Delete what is at an address."""
        self._ok(self.call("DELETE", path))

    def upload(self, path: str, fields: dict[str, str], name: str, data: bytes) -> Any:
        """Send a file with fields beside it."""
        body, kind = multipart(fields, [("file", name, data)])
        return self._ok(
            self._line.send("POST", f"/api/v1{path}", body, Content_Type=kind, **self._headers)
        )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Page:
        """Make a call; whatever it answers is returned."""
        data = b"" if body is None else json.dumps(body, default=_plain).encode()
        said = {
            **self._headers,
            **headers,
            **({"Content_Type": "application/json"} if data else {}),
        }
        return self._line.send(method, f"/api/v1{path}", data, **said)

    def _ok(self, page: Page) -> Any:
        assert page.status < 300, (page.path, page.status, page.text[:2000])
        is_json = page.body and "json" in page.headers.get("content-type", "")
        return page.json if is_json else page.body

    # Words of the domain

    def servers(self) -> dict[str, str]:
        """Return the id of each server with a certificate by its name."""
        return {one["name"]: one["id"] for one in self.get("/servers?limit=100")["items"]}

    def server(self, name: str) -> dict[str, Any]:
        """Return a server's row."""
        return dict(self.get(f"/servers/{self.servers()[name]}"))

    def holder(self) -> str:
        """Return which server has the CA role, "" under an external CA."""
        held = self.get("/authority")["certificate_server_id"]
        return next((name for name, guid in self.servers().items() if guid == held), "")

    def root(self) -> str:
        """Return the zone CA's certificate."""
        found: bytes = self.get(f"/authorities/{self.get('/authority')['id']}/certificate")
        return found.decode()

    def operation(self) -> dict[str, Any]:
        """Return the newest operation."""
        newest = self.get("/operations?limit=1")["items"][0]
        return dict(self.get(f"/operations/{newest['id']}"))

    def act(self, act: str, **body: Any) -> dict[str, Any]:
        """Do something with the newest operation, such as cancel or assign-now."""
        return dict(self.post(f"/operations/{self.operation()['id']}/{act}", **body))

    def assignments(self, update: str) -> dict[str, dict[str, Any]]:
        """Return how each device stands to an update, by its name."""
        items = self.get(f"/updates/{update}/assignments?limit=500")["items"]
        return {one["device"]: one for one in items}

    def imports(self, name: str, data: bytes) -> Any:
        """Import a certificate for one server."""
        place = f"/servers/{self.servers()[name]}/future-certificate"
        return self.put(place, certificate=base64.b64encode(data).decode())

    def job(self, job: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """Wait until a job on the CA key is done; fails with its reason."""
        seen: dict[str, Any] = {}

        def ended() -> bool:
            seen.update(self.get(f"/jobs/{job['id']}"))
            return bool(seen["state"] != "waiting")

        until(ended, f"the job {job['kind']} has ended", seconds)
        assert seen["state"] == "done", seen
        return seen


def later(seconds: float) -> str:
    """Return a time relative to now in the format of the API."""
    moment = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=seconds)
    return moment.isoformat()


def _plain(value: object) -> str:
    return str(value)
