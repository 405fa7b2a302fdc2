"""Setup of a console without a zone: a temporary certificate and a setup token.

The web server creates both if there is no certificate, no zone, and no registration. The token is
printed to its log, only its SHA-256 hash is stored, and it is not valid after setup.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from devices.models import Zone
from pki import keys, names
from pki.certificates import ca_certificates, details, issuance
from pki.protection import sealing
from zcc.runtime import environment

log = logging.getLogger("zcc.runtime.listener")
FOLDER, TOKEN, CERTIFICATE = "setup", "token.sha256", "server.pem"
TOKEN_BYTES = 20
PATH = "/setup/"
# Paths that are served before there is a zone.
ALLOWED_PATHS = (PATH, "/static/", "/livez", "/readyz", "/healthz")


class SetupMiddleware:
    """Redirect all requests to the setup page while there is no zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_open() and not request.path.startswith(ALLOWED_PATHS):
            return HttpResponseRedirect(PATH)
        return self.get_response(request)


def is_open() -> bool:
    """Return True if this console is waiting for setup."""
    home = Path(settings.SERVER_HOME)
    return (home / FOLDER / TOKEN).exists() and not (home / "device.json").exists()


def hash_token(token: str) -> str:
    """Return the SHA-256 hash of a token, as stored in the session."""
    return hashlib.sha256(token.strip().encode()).hexdigest()


def is_token_hash(digest: str) -> bool:
    """Return True if this is the hash of the printed token."""
    try:
        expected = (Path(settings.SERVER_HOME) / FOLDER / TOKEN).read_text().strip()
    except OSError:
        return False
    return hmac.compare_digest(expected, digest)


def find_obstacle(home: Path) -> str:
    """Return why no zone can be created here now, "" if one can."""
    if (home / "device.json").exists():
        return "this server is registered"
    try:
        exists = Zone.objects.exists()
    except DatabaseError as error:
        return f"the database is unavailable or not initialized: {error}"
    return "the database contains a zone" if exists else ""


def open_setup(home: Path, port: int, now: datetime) -> Path:
    """Create a token and a temporary certificate, log how to use them, return the certificate."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    folder = home / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    key, certificate = _issue_temporary_certificate(now)
    sealing.write_private_file(folder / CERTIFICATE, key + certificate)
    sealing.write_private_file(folder / TOKEN, hash_token(token))
    log.warning(
        "No zone has been created yet. To create one, open https://SERVER:%d%s "
        "and enter the setup token %s . The page uses a temporary certificate "
        "with the SHA-256 fingerprint %s",
        port,
        PATH,
        token,
        details.get_details(certificate).sha256,
    )
    return folder / CERTIFICATE


def delete_setup_files(home: Path) -> None:
    """Delete the token and the temporary certificate."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)


def _issue_temporary_certificate(now: datetime) -> tuple[str, str]:
    name = environment.text("ZCC_SERVER_FQDN") or "setup.zcc.invalid"
    ca_key, key = keys.generate_key(256), keys.generate_key(256)
    root = ca_certificates.build_root(
        key_pem=ca_key,
        subject=names.Subject("Temporary certificate for initial setup"),
        validity=issuance.get_root_validity(now, 1),
        serial=issuance.generate_serial(),
    )
    issuer = issuance.Issuer.open(root, ca_key, now)
    prepared = issuer.prepare(
        public_key=keys.get_public_key(key),
        subject=names.Subject(name),
        names=names.Names((name,), tuple(environment.items("ZCC_SERVER_ADDRESSES"))),
        validity=issuance.get_server_validity(now, 30, root),
        serial=issuance.generate_serial(),
    )
    return key, issuer.issue(prepared)
