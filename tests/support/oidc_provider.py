"""A small real OpenID provider on loopback: discovery, code flow with PKCE, signed ID tokens.

Every answer can be bent, so that tests see what the console does with a false one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.http_server import serving

CLIENT_ID, CLIENT_SECRET = "zcc-console", "client-secret-of-the-test"


class Provider(ThreadingHTTPServer):
    """A provider whose user always consents; `claims`, `key` and `down` change its responses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.claims: dict[str, Any] = {"sub": "0815", "preferred_username": "olga"}
        self.asked: dict[str, str] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.down = False
        self.algorithm = "RS256"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": self.algorithm, "kid": "one"}, kept, self.key)


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path, query = urlsplit(self.path)[2:4]
        issuer = self.server.issuer
        if self.server.down:
            self._answer(503, {})
        elif path == "/.well-known/openid-configuration":
            self._answer(
                200,
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/jwks",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                },
            )
        elif path == "/jwks":
            self._answer(200, {"keys": [self.server.published.as_dict(private=False)]})
        elif path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            self.server.asked = asked
            code = secrets.token_urlsafe()
            self.server.codes[code] = asked
            self.send_response(302)
            given = urlencode({"code": code, "state": asked["state"]})
            self.send_header("Location", f"{asked['redirect_uri']}?{given}")
            self.end_headers()
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        scheme, _, basic = self.headers.get("Authorization", "").partition(" ")
        known = base64.b64decode(basic).decode() if scheme == "Basic" else ""
        asked = self.server.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if known != f"{CLIENT_ID}:{CLIENT_SECRET}" or asked is None:
            self._answer(400, {"error": "invalid_grant"})
        elif asked["code_challenge"] != challenge or asked["redirect_uri"] != sent["redirect_uri"]:
            self._answer(400, {"error": "invalid_grant", "error_description": "PKCE"})
        else:
            token = {"access_token": "x", "token_type": "Bearer", "expires_in": 60}
            self._answer(200, {**token, "id_token": self.server.id_token(asked)})

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider in a thread."""
    with serving(Provider()) as server:
        yield server
