"""The first run of a console without a zone: a temporary certificate and a set-up token (S-83).

The listener makes both when it finds no certificate, no zone and no registration. The token is
printed to its log and kept here as a digest only; it is worth nothing once this host has a zone.
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
from pki.certificates import details, issuance
from pki.protection import sealing
from zcc.runtime import environment

log = logging.getLogger("zcc.runtime.listener")
FOLDER, TOKEN, CERTIFICATE = "setup", "token.sha256", "server.pem"
TOKEN_BYTES = 20
PATH = "/setup/"
# What must answer before there is a zone: the page itself, its style, and the probe.
ANSWERED = (PATH, "/static/", "/healthz")


class ToSetup:
    """Lead every visitor of a console without a zone to the set-up page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_open() and not request.path.startswith(ANSWERED):
            return HttpResponseRedirect(PATH)
        return self.get_response(request)


def is_open() -> bool:
    """Tell whether this console waits to be set up."""
    home = Path(settings.SERVER_HOME)
    return (home / FOLDER / TOKEN).exists() and not (home / "device.json").exists()


def proof(token: str) -> str:
    """Return the digest of the token, which is all that a session keeps of it."""
    return hashlib.sha256(token.strip().encode()).hexdigest()


def proves(digest: str) -> bool:
    """Tell whether this is the digest of the token that was printed."""
    try:
        kept = (Path(settings.SERVER_HOME) / FOLDER / TOKEN).read_text().strip()
    except OSError:
        return False
    return hmac.compare_digest(kept, digest)


def is_wanted(home: Path) -> bool:
    """Tell whether a zone could begin here; False as well while the database does not answer."""
    if (home / "device.json").exists():
        return False
    try:
        return not Zone.objects.exists()
    except DatabaseError as error:
        log.warning("the database does not answer or is not prepared yet: %s", error)
        return False


def offer(home: Path, port: int, now: datetime) -> Path:
    """Make a token and a temporary certificate, print what the administrator needs to begin."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    folder = home / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    key, certificate = _temporary(now)
    sealing.write_private_file(folder / CERTIFICATE, key + certificate)
    sealing.write_private_file(folder / TOKEN, proof(token))
    log.warning(
        "There is no zone yet. Open https://SERVER:%d%s and enter the set-up token %s . The page "
        "has a temporary certificate with the SHA256 fingerprint %s",
        port,
        PATH,
        token,
        details.describe(certificate).sha256,
    )
    return folder / CERTIFICATE


def forget(home: Path) -> None:
    """Remove what the first run left; the zone's own certificate is in force."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)


def _temporary(now: datetime) -> tuple[str, str]:
    name = environment.text("ZCC_SERVER_FQDN") or "setup.zcc.invalid"
    ca_key, key = keys.make_key(256), keys.make_key(256)
    root = issuance.make_root(
        key_pem=ca_key,
        subject=names.Subject("Temporary, for the first run"),
        validity=issuance.root_validity(now, 1),
        serial=issuance.make_serial(),
    )
    issuer = issuance.Issuer.open(root, ca_key, now)
    prepared = issuer.prepare(
        public_key=keys.public_key(key),
        subject=names.Subject(name),
        names=names.Names((name,), tuple(environment.items("ZCC_SERVER_ADDRESSES"))),
        validity=issuance.server_validity(now, 30, root),
        serial=issuance.make_serial(),
    )
    return key, issuer.issue(prepared)
