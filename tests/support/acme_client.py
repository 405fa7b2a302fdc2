"""A small ACME client in the test, which can also send wrong requests."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from pki import keys, names
from pki.formats import bundles, csr

HOST = "http://testserver"


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sign(key: Any, header: dict[str, Any], payload: Any, alg: str = "ES256") -> dict[str, str]:
    """Return a flattened JWS. The payload None is POST-as-GET."""
    content = "" if payload is None else json.dumps(payload)
    protected, body = encode(json.dumps({"alg": alg, **header}).encode()), encode(content.encode())
    signature = jws.JWSRegistry.algorithms[alg].sign(f"{protected}.{body}".encode(), key)
    return {"protected": protected, "payload": body, "signature": encode(signature)}


@dataclass
class AcmeClient:
    """An ACME client with an EC key."""

    key: Any = field(default_factory=lambda: ECKey.generate_key("P-256"))
    kid: str = ""
    client: Client = field(default_factory=Client)
    alg: str = "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        return dict(self.key.as_dict(private=False))

    def get_nonce(self) -> str:
        """Return a new nonce."""
        return self.client.head("/acme/new-nonce").headers["Replay-Nonce"]

    def post(self, path: str, payload: Any = None, **forge: Any) -> Any:
        """Send a signed request; `forge` overrides members of the header."""
        url = path if path.startswith("http") else HOST + path
        header = {"nonce": self.get_nonce(), "url": url, "kid": self.kid, "jwk": self.jwk, **forge}
        if self.kid and "jwk" not in forge:
            del header["jwk"]
        if not self.kid or ("jwk" in forge and "kid" not in forge):
            del header["kid"]
        return self.send(url, sign(self.key, header, payload, self.alg))

    def send(self, url: str, body: Any) -> Any:
        """Send a body as it is."""
        data = json.dumps(body)
        return self.client.post(url, data, content_type="application/jose+json")

    def bind(self, key_id: str, hmac_key: str, **forge: Any) -> dict[str, str]:
        """Return an external account binding."""
        header = {"kid": key_id, "url": f"{HOST}/acme/new-account", **forge}
        secret = OctKey.import_key({"kty": "oct", "k": hmac_key})
        return sign(secret, header, self.jwk, "HS256")

    def register(self, key_id: str, hmac_key: str) -> Any:
        """Register the account."""
        binding = self.bind(key_id, hmac_key)
        response = self.post("/acme/new-account", {"externalAccountBinding": binding})
        if response.status_code == 201:
            self.kid = response.headers["Location"]
        return response

    def order(self, *dns: str, **more: Any) -> Any:
        """Request a certificate for names."""
        found = [{"type": "dns", "value": name} for name in dns]
        return self.post("/acme/new-order", {"identifiers": found, **more})

    def choose(self, order: dict[str, Any], method: str = "http-01") -> list[dict[str, Any]]:
        """Select a challenge of each authorization, and return them."""
        found = []
        for url in order["authorizations"]:
            challenges = self.post(url).json()["challenges"]
            one = next(one for one in challenges if one["type"] == method)
            assert self.post(one["url"], {}).status_code == 200
            found.append(one)
        return found

    def finalize(self, order: dict[str, Any], *dns: str, key_pem: str = "") -> Any:
        """Send a CSR for names."""
        key_pem = key_pem or keys.generate_key(256)
        pem = csr.build_csr(key_pem, names.Subject(dns[0]), names.Names(dns, ()))
        der = bundles.to_der(pem.replace("CERTIFICATE REQUEST", "CERTIFICATE"))
        return self.post(order["finalize"], {"csr": encode(der)})
