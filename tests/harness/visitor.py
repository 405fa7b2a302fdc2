"""A console user without a browser: cookies, forms, verified TLS."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import uuid4

REDIRECTS_AT_MOST = 5
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME


@dataclass
class Form:
    """A form of a page: its target and its values."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """A response of the console."""

    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def forms(self) -> list[Form]:
        """The forms in the order of the page."""
        reader = _Forms()
        reader.feed(self.text)
        return reader.forms

    def form(self, action: str = "") -> Form:
        """Return the form that posts to a place, or the page's only one that posts."""
        posting = [one for one in self.forms if one.method == "post"]
        found = [one for one in posting if action in ("", one.action)]
        assert found, f"no form for {action!r} in {self.path} ({self.status}): {self.text[:2000]}"
        return found[0]


class Visitor:
    """The session of one user."""

    def __init__(
        self, url: str, ca_file: Path, *, dateless: bool = False, source: str = ""
    ) -> None:
        parts = urlsplit(url)
        self._dateless = dateless
        self._source = (source, 0) if source else None
        self._host, self._port = str(parts.hostname), int(parts.port or 443)
        self._ca_file = ca_file
        self._cookies: dict[str, str] = {}
        # Browsers leave out the default port.
        self.origin = f"https://{self._host}{f':{self._port}' if self._port != 443 else ''}"

    def get(self, path: str, **headers: str) -> Page:
        """Open a page; redirects are followed."""
        return self._follow(self._ask("GET", path, b"", headers))

    def submit(self, page: Page, changes: dict[str, Any], *, action: str = "") -> Page:
        """Fill in a form of a page and send it; redirects are followed."""
        form = page.form(action)
        place = urljoin(page.path, form.action or page.path)
        return self.post(place, {**form.fields, **changes})

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> Page:
        """Send fields, with the token against forgery."""
        body = urlencode(fields, doseq=True).encode()
        said = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-CSRFToken": self._cookies.get("__Host-csrf", ""),
            **headers,
        }
        return self._follow(self._ask("POST", path, body, said))

    def upload(
        self, page: Page, changes: dict[str, str], files: dict[str, dict[str, bytes]]
    ) -> Page:
        """Fill in the page's form with files, several to a field; redirects are followed."""
        form = page.form(page.path)
        parts = [(name, file, data) for name in files for file, data in files[name].items()]
        body, kind = multipart({**form.fields, **changes}, parts)
        said = {"Content-Type": kind, "X-CSRFToken": self._cookies.get("__Host-csrf", "")}
        return self._follow(self._ask("POST", page.path, body, said))

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Page:
        """Make one call as a program does; nothing is followed."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask(method, path, body, said)

    def log_in(self, username: str, password: str) -> None:
        """Log in as a person does."""
        page = self.get("/login/")
        shown = self.submit(page, {"username": username, "password": password})
        assert shown.status == 200, (shown.status, shown.text[:500])
        assert "__Host-session" in self._cookies
        assert shown.path != "/login/", "name or password are wrong"

    def _follow(self, page: Page) -> Page:
        for _ in range(REDIRECTS_AT_MOST):
            if page.status not in (301, 302, 303):
                return page
            page = self._ask("GET", urljoin(page.path, page.headers["location"]), b"", {})
        raise AssertionError(f"too many redirects, last to {page.path}")

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Page:
        # A fresh context for each call: a resumed session would skip verification.
        context = ssl.create_default_context(cafile=str(self._ca_file))
        if self._dateless:
            context.verify_flags |= NO_CHECK_TIME
        line = http.client.HTTPSConnection(
            self._host, self._port, timeout=30, context=context, source_address=self._source
        )
        try:
            line.request(method, path, body, {**self._usual(), **headers})
            answer = line.getresponse()
            self._keep(answer.msg.get_all("Set-Cookie") or [])
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Page(path, answer.status, found, answer.read())
        finally:
            line.close()

    def _usual(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        usual = {"Origin": self.origin, "Referer": self.origin + "/", "Connection": "close"}
        return usual | ({"Cookie": cookies} if cookies else {})

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    self._cookies[name] = morsel.value
                else:
                    self._cookies.pop(name, None)


def multipart(fields: dict[str, str], files: list[tuple[str, str, bytes]]) -> tuple[bytes, str]:
    """Return body and content type of a form with files: (field, name, content) each."""
    mark = uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, file, data in files:
        head = f'form-data; name="{name}"; filename="{file}"'
        kind = "application/octet-stream"
        start = f"--{mark}\r\nContent-Disposition: {head}\r\nContent-Type: {kind}\r\n\r\n"
        parts.append(start.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = said.get("action") or said.get("hx-post", "")
            posts = said.get("method", "get").lower() == "post" or "hx-post" in said
            self.forms.append(Form(action, "post" if posts else "get"))
        elif self.forms and "disabled" not in said:
            self._field(tag, said)

    def _field(self, tag: str, said: dict[str, str]) -> None:
        fields, name = self.forms[-1].fields, said.get("name", "")
        kind = said.get("type", "text")
        if tag == "input" and name and kind not in ("submit", "button", "file", "image"):
            if kind not in ("checkbox", "radio") or "checked" in said:
                fields[name] = said.get("value", "on" if kind == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in said or self._select not in fields:
                fields[self._select] = said.get("value", "")
        elif tag == "textarea" and name:
            fields[name] = ""
            self._select, self._text = name, []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None:
            self.forms[-1].fields[self._select] = "".join(self._text).removeprefix("\n")
            self._text = None
        if tag in ("select", "textarea"):
            self._select = ""
